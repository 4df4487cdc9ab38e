"""What is known of a published model without loading it."""

from dataclasses import dataclass

LIBRARIES_MB = 600
"""A process with Python, numpy, torch and transformers in it, before any weights."""
HEADROOM = 1.2
"""Weights and activations against the weights alone; what the engine checks before it loads."""


def memory_to_run_mb(parameters_m: float, activations_mb: float | None = None) -> float:
    """Estimate the memory to run a model in float32 on a CPU, in 10^6 bytes.

    Four bytes a parameter, the activations, and the libraries. It is meant for choosing a model:
    many image tiles, many frames or long answers need more.

    Args:
        parameters_m: Number of parameters, in 10^6.
        activations_mb: What one image adds, in 10^6 bytes; None for a fifth of the weights.
    """
    weights_mb = 4 * parameters_m
    if activations_mb is None:
        activations_mb = weights_mb * (HEADROOM - 1)
    return round(LIBRARIES_MB + weights_mb + activations_mb, -1)


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """A published model that a backend can load.

    Attributes:
        model_id: Its name on the model hub, such as `google/owlvit-base-patch32`.
        backend: The backend that loads it.
        architecture: As its paper calls it, such as `OWL-ViT B/32`.
        tasks: Names out of `vlm_ros.tasks.TASKS`.
        code_licence: Of the authors' code; an SPDX identifier where there is one.
        weights_licence: Of the weights, likewise.
        paper: Its arXiv number, or an address where there is no paper.
        revision: The commit of the hub's repository to load, 40 hexadecimal digits; empty where
            no public source names one.
        safetensors: Whether the weights there are in that format, the only one that is loaded;
            None where no public source says.
        parameters_m: Number of parameters, in 10^6; None where no source says.
        memory_mb: Memory to run it in float32 on a CPU, in 10^6 bytes; left out, it is
            `memory_to_run_mb` of the parameters.
        terms: One line about what has to be accepted first; empty where nothing has.
        notes: One line about what matters in use; may be empty.
    """

    model_id: str
    backend: str
    architecture: str
    tasks: tuple[str, ...]
    code_licence: str
    weights_licence: str
    paper: str
    revision: str = ''
    safetensors: bool | None = None
    parameters_m: float | None = None
    memory_mb: float | None = None
    terms: str = ''
    notes: str = ''

    def __post_init__(self) -> None:
        if self.memory_mb is None and self.parameters_m is not None:
            object.__setattr__(self, 'memory_mb', memory_to_run_mb(self.parameters_m))

    @property
    def activations_mb(self) -> float | None:
        """What one image adds to the weights in float32, in 10^6 bytes; None where unknown."""
        if self.memory_mb is None or self.parameters_m is None:
            return None
        return self.memory_mb - LIBRARIES_MB - 4 * self.parameters_m
