"""One look at one image: what came of it, where it came from, and never an exception."""

from collections.abc import Callable
from dataclasses import dataclass, replace
import time
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from vlm_ros.errors import BackendError
from vlm_ros.nodes.conversions import error_to_status, header_to_provenance
from vlm_ros.nodes.image_feed import Frame, View
from vlm_ros.results import Provenance, Status
from vlm_ros.runtime.model_worker import ModelWorker
from vlm_ros.tasks import Image, Model, tasks_of


class Result(Protocol):
    """What every task's result says of itself."""

    @property
    def status(self) -> Status:
        """What became of the task."""

    @property
    def message(self) -> str:
        """One line about it, or nothing."""

    def scaled(self, x: float, y: float) -> Any:
        """Return it with its boxes multiplied."""


WARM_UP_IMAGE: Image = np.zeros((480, 640, 3), np.uint8)
"""What a model looks at before the first frame, whose turn would take longest otherwise."""
R = TypeVar('R', bound=Result)
R_co = TypeVar('R_co', bound=Result, covariant=True)


@dataclass(frozen=True)
class Look(Generic[R_co]):
    """What came of a look; `result` is None exactly where the look failed."""

    result: R_co | None
    status: Status
    message: str
    provenance: Provenance

    @classmethod
    def failed(cls, error: Exception, provenance: Provenance) -> 'Look[R_co]':
        """Make a look that an error ended."""
        return cls(None, *error_to_status(error), provenance)


def source_of(frame: Frame, provenance: Provenance) -> Provenance:
    """Return a provenance that names the frame's image."""
    source = header_to_provenance(frame.header)
    return replace(provenance, stamp_ns=source.stamp_ns, frame_id=source.frame_id)


def view_for(model: Model, frame: Frame, tasks: tuple[str, ...]) -> View:
    """Decode a frame, no larger than the model has use for.

    Args:
        model: What looks.
        frame: What to look at.
        tasks: Of which it must have one; none where it does not look alone: in full size then.

    Raises:
        BackendError: The model can do none of the tasks.
        ImageError: The message cannot be read as an image.
    """
    if not tasks:
        return frame.view(None)
    if not set(tasks) & set(tasks_of(model)):
        raise BackendError(
            f'{model.model_id} cannot {" or ".join(tasks)}, only '
            f'{", ".join(tasks_of(model))}; choose another backend'
        )
    return frame.view(getattr(model, 'enough_px', None))


def look(
    worker: ModelWorker[Model],
    frame: Frame,
    tasks: tuple[str, ...],
    work: Callable[[Any, View], R],
    provenance: Provenance,
) -> Look[R]:
    """Do a task on a frame; for the worker's thread.

    Args:
        worker: Has the model.
        frame: What to look at.
        tasks: As for `view_for`.
        work: Calls the model, which has one of the tasks, on the view of the frame.
        provenance: What is known before: camera, vocabulary.

    Returns:
        The result, in pixels of the source image.
    """
    provenance = source_of(frame, provenance)
    used: list[Model] = []
    try:
        view = view_for(worker.model, frame, tasks)

        def use(model: Model) -> R:
            used.append(model)
            return work(model, view)

        started_s = time.perf_counter()
        result = worker.call(use)
        provenance = replace(
            provenance,
            inference_time_s=time.perf_counter() - started_s,
            model_id=used[0].model_id,
            model_revision=used[0].model_revision,
        )
        scaled = result.scaled(*view.scale)
    except Exception as error:  # noqa: BLE001 - a bad frame or model never ends the loop
        if used:
            provenance = replace(
                provenance, model_id=used[0].model_id, model_revision=used[0].model_revision
            )
        return Look.failed(error, provenance)
    return Look(scaled, result.status, result.message, provenance)
