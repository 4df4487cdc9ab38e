"""A network in another runtime: exported once, checked against torch, kept by revision.

ONNX Runtime and OpenVINO run a vision tower on a CPU 2 to 3 times as fast as torch, in the same
float32 arithmetic.
"""

from collections.abc import Callable, Sequence
import contextlib
import hashlib
import logging
from pathlib import Path
import shutil
import tempfile
import warnings

import numpy as np
import torch

from vlm_ros.backends.weights import cache_folder
from vlm_ros.boxes import FloatArray
from vlm_ros.errors import BackendError, MissingDependencyError

RUNTIMES = ('torch', 'onnx', 'openvino')
TOLERANCE = 2e-3
"""How far an exported network may be from torch's, in units of the largest value of an output.
Rounding alone makes 1e-4 to 5e-4 of a 12-layer tower in float32."""
ONNX_FILE = 'network.onnx'
OPENVINO_FILE = 'network.xml'
Runner = Callable[[torch.Tensor], tuple[torch.Tensor, ...]]


def run_in(
    runtime: str,
    module: torch.nn.Module,
    example: torch.Tensor,
    outputs: Sequence[str],
    *,
    name: str,
    revision: str,
    dtype: torch.dtype = torch.float32,
) -> Runner:
    """Return a network in a runtime; exported networks take batches of one size only.

    Args:
        runtime: One of `RUNTIMES`.
        module: Takes a tensor like `example` and returns as many tensors as `outputs` names.
        example: What it takes, float32 on the CPU where the runtime is not `torch`.
        outputs: Names of what it returns.
        name: Of the model; with the revision it names the files that are kept.
        revision: Of its weights.
        dtype: The arithmetic of an exported network, float32 or, in `openvino`, bfloat16. What is
            held against torch is the network in float32.

    Raises:
        BackendError: There is no such runtime, the export fails, or what is exported computes
            something else.
        MissingDependencyError: The runtime's library is not installed.
    """
    if runtime not in RUNTIMES:
        raise BackendError(f'the runtime {runtime!r} is unknown; use {", ".join(RUNTIMES)}')
    if runtime == 'torch':
        return lambda pixels: tuple(module(pixels))
    folder = _folder(runtime, name, revision, example)
    load = _load_onnx if runtime == 'onnx' else _load_openvino
    precision = 'bf16' if dtype is torch.bfloat16 else 'f32'
    try:
        if not folder.is_dir():
            _require_room(folder.parent, module)
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix='.') as temporary:
                made = Path(temporary) / 'made'
                made.mkdir()
                with torch.inference_mode():
                    _export(runtime, module, example, outputs, made)
                    _check(module, load(made, 'f32'), example, f'{name} in {runtime}')
                with contextlib.suppress(FileExistsError):  # another process was as quick
                    made.rename(folder)
        return load(folder, precision)
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f'the runtime {runtime!r} needs {error.name!r}; run: pip install {error.name}'
        ) from error
    except BackendError:
        raise
    except Exception as error:  # exporters raise what they like
        reason = ' '.join(str(error).split())[:200]
        raise BackendError(
            f'{name} cannot be run in {runtime}: {reason}; use runtime=torch'
        ) from error


def _require_room(folder: Path, module: torch.nn.Module) -> None:
    """Check that weights can be kept: what exporters say of a full disk helps nobody."""
    most_bytes = sum(each.numel() * each.element_size() for each in module.parameters())
    mend = 'set VLM_ROS_CACHE to a folder on another disk, or use runtime=torch'
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free_bytes = shutil.disk_usage(folder).free
    except OSError as error:
        raise BackendError(f'{folder} cannot be written ({error.strerror}); {mend}') from error
    if free_bytes < most_bytes:
        raise BackendError(
            f'an exported network of up to {most_bytes / 1e6:.1f} MB has no room in {folder}, '
            f'where {free_bytes / 1e6:.1f} MB are free; {mend}'
        )


def _folder(runtime: str, name: str, revision: str, example: torch.Tensor) -> Path:
    made_of = (revision, tuple(example.shape), torch.__version__)
    digest = hashlib.sha256(repr(made_of).encode()).hexdigest()[:12]
    return cache_folder() / 'exported' / f'{name.replace("/", "--")}-{runtime}-{digest}'


def _export(
    runtime: str,
    module: torch.nn.Module,
    example: torch.Tensor,
    outputs: Sequence[str],
    folder: Path,
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of tracing; the check that follows is the judge
        if runtime == 'onnx':
            _export_onnx(module, example, outputs, folder)
        else:
            _export_openvino(module, example, folder)


def _export_onnx(
    module: torch.nn.Module, example: torch.Tensor, outputs: Sequence[str], folder: Path
) -> None:
    # The exporter reports its steps, and what it might have done, on these.
    loggers = [logging.getLogger(name) for name in ('torch.onnx', 'onnxscript', 'onnx_ir')]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        torch.onnx.export(
            module,
            (example,),
            str(folder / ONNX_FILE),
            input_names=['pixels'],
            output_names=list(outputs),
            dynamo=True,
            external_data=True,
            verbose=False,
        )
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _load_onnx(folder: Path, precision: str) -> Runner:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(
        str(folder / ONNX_FILE), options, providers=['CPUExecutionProvider']
    )

    def run(pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        found = session.run(None, {'pixels': pixels.numpy()})
        return tuple(torch.from_numpy(np.asarray(array)) for array in found)

    return run


def _export_openvino(module: torch.nn.Module, example: torch.Tensor, folder: Path) -> None:
    import openvino

    converted = openvino.convert_model(module, example_input=example, input=[example.shape])
    openvino.save_model(converted, folder / OPENVINO_FILE, compress_to_fp16=False)


def _load_openvino(folder: Path, precision: str) -> Runner:
    import openvino

    from vlm_ros.backends.engine.openvino_cpu import compile_for_cpu

    request = compile_for_cpu(
        openvino.Core().read_model(folder / OPENVINO_FILE), torch.get_num_threads(), precision
    )

    def run(pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        found = request.infer([pixels.numpy()], share_inputs=True)
        return tuple(torch.from_numpy(array.copy()) for array in found.values())

    return run


def _check(module: torch.nn.Module, runner: Runner, example: torch.Tensor, what: str) -> None:
    noise = torch.randn(example.shape, generator=torch.Generator().manual_seed(7))
    expected: list[FloatArray] = [value.numpy() for value in module(noise)]
    for wanted, got in zip(expected, runner(noise), strict=True):
        error = np.abs(wanted - got.numpy()).max() / max(float(np.abs(wanted).max()), 1e-6)
        if not error <= TOLERANCE:
            raise BackendError(
                f'{what} computes something else than in torch, by {error:.1g} of the largest '
                'value; use runtime=torch'
            )
