"""The backends there are, each imported only when it is loaded.

Built-in backends are a table here. Another package adds its own through an entry point in the
group `vlm_ros.backends`, whose name is the backend's name and whose object is its class::

    [project.entry-points."vlm_ros.backends"]
    my_model = "my_package.my_module:MyBackend"

A backend class takes `device`, `model` and options of its own as keywords, satisfies `Model` and
one or more of the Protocols in `vlm_ros.tasks`, and may carry a text `LICENCE` about its weights.
"""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points, EntryPoint
from importlib.util import find_spec
import re
from typing import Any

from vlm_ros.backends.embedded.assets import EMBEDDED_WEIGHTS
from vlm_ros.backends.options import check_options, refuse_secrets
from vlm_ros.backends.weights import is_present, Weights
from vlm_ros.errors import (
    BackendError,
    DeviceError,
    MissingDependencyError,
    UnknownBackendError,
    VlmRosError,
)
from vlm_ros.tasks import Model, TASKS, tasks_of

ENTRY_POINT_GROUP = 'vlm_ros.backends'

PIP_PACKAGES = {
    'cv2': 'opencv-python-headless',
    'PIL': 'pillow',
    'open_clip': 'open_clip_torch',
}
"""The package that holds an importable name, where the two differ."""


@dataclass(frozen=True)
class BackendInfo:
    """What is known of a backend without loading it.

    Attributes:
        name: What `load` takes.
        tasks: Names out of `vlm_ros.tasks.TASKS`.
        licence: Of the weights; empty where there are none.
        missing_libraries: Packages to `pip install` before it can be loaded.
        missing_weights: Files that `vlm-ros fetch NAME` would download.
        problem: Why a plug-in cannot be used, in one line; empty when it can.
    """

    name: str
    tasks: tuple[str, ...] = ()
    licence: str = ''
    missing_libraries: tuple[str, ...] = ()
    missing_weights: tuple[str, ...] = ()
    problem: str = ''

    @property
    def ready(self) -> bool:
        """Whether nothing stands in the way of loading it."""
        return not (self.missing_libraries or self.missing_weights or self.problem)


@dataclass(frozen=True)
class _BuiltIn:
    target: str
    tasks: tuple[str, ...]
    libraries: tuple[str, ...] = ()
    weights: tuple[Weights, ...] = ()


TORCH = ('torch', 'transformers', 'cv2')
_BUILT_IN = {
    'blip': _BuiltIn(
        'vlm_ros.backends.families.blip:load_blip',
        ('caption', 'answer', 'match', 'encode_images', 'encode_texts'),
        TORCH,
    ),
    'blip2': _BuiltIn(
        'vlm_ros.backends.families.blip2:load_blip2',
        ('caption', 'answer', 'match'),
        TORCH,
    ),
    'bridgetower': _BuiltIn(
        'vlm_ros.backends.families.bridgetower:load_bridgetower',
        ('match', 'encode_images', 'encode_texts'),
        TORCH,
    ),
    'chat': _BuiltIn(
        'vlm_ros.backends.chat:load_chat',
        (
            'caption',
            'answer',
            'caption_frames',
            'answer_frames',
            'verify',
            'match',
            'detect',
            'ground',
        ),
        TORCH,
    ),
    'clipseg': _BuiltIn(
        'vlm_ros.backends.families.clipseg:ClipSegBackend', ('segment_phrases',), TORCH
    ),
    'embedded': _BuiltIn(
        'vlm_ros.backends.embedded.backend:EmbeddedBackend',
        (
            'detect',
            'ground',
            'caption',
            'answer',
            'encode_images',
            'encode_texts',
            'match_regions',
            'detect_like',
        ),
        ('torch', 'transformers', 'openvino', 'cv2'),
        EMBEDDED_WEIGHTS,
    ),
    'fake': _BuiltIn(
        'vlm_ros.backends.fake:FakeBackend', ('detect', 'ground', 'caption', 'answer')
    ),
    'callable': _BuiltIn('vlm_ros.backends.callable:open_callable', tuple(TASKS)),
    'florence2': _BuiltIn(
        'vlm_ros.backends.families.florence2:Florence2Backend',
        ('detect', 'ground', 'caption'),
        TORCH,
    ),
    'git': _BuiltIn(
        'vlm_ros.backends.families.git_captioner:load_git',
        ('caption', 'answer', 'caption_frames', 'answer_frames'),
        TORCH,
    ),
    'grounding_dino': _BuiltIn(
        'vlm_ros.backends.families.grounding_dino:GroundingDinoBackend',
        ('detect', 'ground'),
        TORCH,
    ),
    'clip': _BuiltIn(
        'vlm_ros.backends.families.clip:ClipBackend',
        ('classify', 'encode_images', 'encode_texts', 'match_regions', 'detect_like', 'match'),
        TORCH,
    ),
    'kosmos2': _BuiltIn(
        'vlm_ros.backends.families.kosmos2:Kosmos2Backend',
        ('ground', 'caption', 'answer'),
        TORCH,
    ),
    'omdet_turbo': _BuiltIn(
        'vlm_ros.backends.families.omdet_turbo:OmDetTurboBackend',
        ('detect', 'ground'),
        ('torch', 'transformers', 'timm', 'cv2'),
    ),
    'open_clip': _BuiltIn(
        'vlm_ros.backends.families.open_clip_models:OpenClipBackend',
        (
            'classify',
            'encode_images',
            'encode_texts',
            'match_regions',
            'detect_like',
            'match',
            'caption',
        ),
        ('torch', 'transformers', 'open_clip', 'timm', 'cv2'),
    ),
    'openai_api': _BuiltIn(
        'vlm_ros.backends.openai_api:OpenAiApiBackend',
        ('detect', 'ground', 'caption', 'answer', 'caption_frames', 'answer_frames'),
        ('openai', 'pybreaker', 'cv2'),
    ),
    'owl': _BuiltIn(
        'vlm_ros.backends.families.owl:OwlBackend',
        ('detect', 'ground', 'detect_like'),
        TORCH,
    ),
    'sam': _BuiltIn(
        'vlm_ros.backends.families.sam:load_sam',
        ('segment', 'segment_phrases', 'detect'),
        TORCH,
    ),
    'vilt': _BuiltIn(
        'vlm_ros.backends.families.vilt:load_vilt',
        ('answer', 'verify', 'match'),
        TORCH,
    ),
    'visual_bert': _BuiltIn(
        'vlm_ros.backends.families.visual_bert:load_visual_bert',
        ('answer', 'verify'),
        TORCH,
    ),
}


def names() -> tuple[str, ...]:
    """Return every backend's name, in order."""
    return tuple(sorted({*_BUILT_IN, *_plug_ins()}))


def describe() -> tuple[BackendInfo, ...]:
    """Say of each backend what it can do and what it lacks.

    Built-in backends are described without importing them; a plug-in has to be imported, and one
    that cannot be has the reason in `problem`.
    """
    built_in = [_describe_built_in(name, entry) for name, entry in _BUILT_IN.items()]
    plug_ins = [_describe_plug_in(name, entry) for name, entry in _plug_ins().items()]
    return tuple(sorted(built_in + plug_ins, key=lambda info: info.name))


def weights_of(name: str) -> tuple[Weights, ...]:
    """Return the weights that a backend needs from a package registry.

    Raises:
        UnknownBackendError: Nothing registered that name.
    """
    _check_name(name)
    return _BUILT_IN[name].weights if name in _BUILT_IN else ()


def tasks_named(name: str) -> tuple[str, ...]:
    """Return what a backend can do with one model or another, without importing a built-in one.

    Of another package's backend that is all there is, until it is loaded.

    Raises:
        UnknownBackendError: Nothing registered that name.
    """
    _check_name(name)
    return _BUILT_IN[name].tasks if name in _BUILT_IN else tuple(TASKS)


def load(name: str, /, *, device: str = 'cpu', model: str = '', **options: Any) -> Model:
    """Load a backend: its weights are in memory when this returns.

    Args:
        name: One of `names()`.
        device: `cpu`, `cuda`, `cuda:N`, `mps`, or `auto` for the fastest that is there.
        model: Which model of the backend's family; empty for its default.
        options: The backend's own settings. Everybody can read them, so none may be a secret.

    Raises:
        UnknownBackendError: Nothing registered that name.
        DeviceError: There is no such device, or the backend cannot use it.
        MissingDependencyError: A library is not installed.
        WeightsError: Weights are missing or corrupt.
        BackendError: The backend has no such option, an option is of another kind or has the name
            of a secret, or the backend failed to load.
    """
    _check_name(name)
    refuse_secrets(options)
    if not isinstance(model, str):  # `fallback` and `backend_options` may bring what YAML made
        raise BackendError(f'the model must be a text, got {model!r}; put it in quotation marks')
    if not re.fullmatch(r'auto|cpu|mps|cuda(:\d{1,3})?', str(device)):
        raise DeviceError(f'the device {device!r} is unknown; use auto, cpu, cuda, cuda:N or mps')
    try:
        make = _plug_ins()[name].load() if name not in _BUILT_IN else _import(name)
        check_options(name, make, options)
        loaded = make(device=device, model=model, **options)
    except VlmRosError:
        raise
    except ImportError as error:
        raise _missing_dependency(name, error) from error
    except Exception as error:  # a third party's constructor raises what it likes
        raise BackendError(f'the backend {name!r} failed to load: {_one_line(error)}') from error
    if not isinstance(loaded, Model) or not tasks_of(loaded):
        raise BackendError(f'the backend {name!r} satisfies no task of {", ".join(TASKS)}')
    return loaded


def _plug_ins() -> dict[str, EntryPoint]:
    # A built-in name cannot be taken over: what `embedded` means must not depend on what else
    # happens to be installed.
    found = entry_points(group=ENTRY_POINT_GROUP)
    return {entry.name: entry for entry in found if entry.name not in _BUILT_IN}


def _import(name: str) -> Callable[..., Any]:
    module, _, attribute = _BUILT_IN[name].target.partition(':')
    found: Callable[..., Any] = getattr(import_module(module), attribute)
    return found


def _check_name(name: str) -> None:
    available = names()
    if name in available:
        return
    close = get_close_matches(name, available, 1)
    hint = f'did you mean {close[0]!r}? ' if close else ''
    raise UnknownBackendError(
        f'there is no backend {name!r}; {hint}available: {", ".join(available)}'
    )


def _missing_dependency(name: str, error: ImportError) -> BackendError:
    library = (error.name or '').partition('.')[0]
    if not isinstance(error, ModuleNotFoundError) or library in ('', 'vlm_ros'):
        return BackendError(f'the backend {name!r} failed to load: {_one_line(error)}')
    package = PIP_PACKAGES.get(library, library)
    return MissingDependencyError(
        f'the backend {name!r} needs the library {library!r}; run: pip install {package}'
    )


def _describe_built_in(name: str, entry: _BuiltIn) -> BackendInfo:
    licences = dict.fromkeys(item.licence for item in entry.weights)
    return BackendInfo(
        name,
        tasks=entry.tasks,
        licence=', '.join(licences),
        missing_libraries=tuple(
            PIP_PACKAGES.get(library, library)
            for library in entry.libraries
            if find_spec(library) is None
        ),
        missing_weights=tuple(item.name for item in entry.weights if not is_present(item)),
    )


def _describe_plug_in(name: str, entry: EntryPoint) -> BackendInfo:
    try:
        found = entry.load()
    except Exception as error:  # noqa: BLE001 - one broken plug-in must not hide the others
        return BackendInfo(name, problem=f'{entry.value} cannot be imported: {_one_line(error)}')
    return BackendInfo(name, tasks_of(found), str(getattr(found, 'LICENCE', '')))


def _one_line(error: BaseException) -> str:
    return ' '.join(str(error).split()) or type(error).__name__
