"""From the name of a model to its weights in memory; never through the network."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
import hashlib
import json
from pathlib import Path
from typing import Any

import torch

from vlm_ros.backends.catalogue import find, of_backend
from vlm_ros.backends.catalogue.card import HEADROOM
from vlm_ros.backends.engine.devices import free_memory_bytes
from vlm_ros.errors import BackendError, MissingDependencyError, WeightsError

LOCAL_PREFIX = 'local-dir:'


@dataclass(frozen=True)
class Checkpoint:
    """A model on this machine.

    Attributes:
        name: The hub's id, or the name of the folder.
        revision: The commit, or for a folder of one's own a digest of what its files look like.
        folder: Where its files are.
        config: What `config.json` says.
    """

    name: str
    revision: str
    folder: Path
    config: Mapping[str, Any]

    @property
    def model_type(self) -> str:
        """The architecture, as transformers calls it."""
        return str(self.config.get('model_type', ''))

    def head(self, known: Collection[str]) -> str:
        """Return the class that the weights were saved from, which decides what they can do.

        Args:
            known: Names of classes that can be run.

        Raises:
            BackendError: It is none of them.
        """
        saved = [str(name) for name in self.config.get('architectures') or ()]
        for name in saved:
            if name in known:
                return name
        raise BackendError(
            f'{self.name} is a {saved[0] if saved else "model without a head"}, and only '
            f'{", ".join(known)} can be run; choose a model that was fine-tuned for a task'
        )

    def has_weights(self, prefix: str) -> bool:
        """Say whether there are weights whose names begin so.

        Raises:
            WeightsError: A file is damaged.
        """
        names = (name for path in self.folder.glob('*.safetensors') for name in _names(path))
        return any(name.startswith(prefix) for name in names)

    def parameters(self) -> int:
        """Return how many numbers the weights are, from the headers of the files."""
        return sum(_numbers(path) for path in self.folder.glob('*.safetensors'))


def open_checkpoint(
    model: str,
    *,
    backend: str,
    model_types: Collection[str] = (),
    config_name: str = 'config.json',
) -> Checkpoint:
    """Find a model's files and check that they are of the right kind.

    Args:
        model: A hub id such as `google/owlvit-base-patch32`; a folder, as a path or after
            `local-dir:`; or nothing for the backend's default.
        backend: The name of the backend that asks.
        model_types: What `model_type` may be; nothing for anything.
        config_name: The file that describes the model.

    Raises:
        WeightsError: The model is not on this machine, or its files are incomplete.
        BackendError: It is one for another backend.
    """
    folder = _folder(model)
    if folder is None:
        model = model or of_backend(backend)[0].model_id
        _check_backend(model, backend)
        from vlm_ros.backends.hub.store import locate

        found = locate(model)
        name, revision, folder = found.model_id, found.revision, found.folder
    else:
        name, revision = folder.name, _digest(folder)
    config = _read_json(folder / config_name)
    if not any(folder.glob('*.safetensors')):
        raise WeightsError(
            f'{name} has no weights in the safetensors format, the only one that is loaded; save '
            'it with save_pretrained(..., safe_serialization=True)'
        )
    checkpoint = Checkpoint(name, revision, folder, config)
    if model_types and checkpoint.model_type not in model_types:
        raise BackendError(
            f'{name} is a {checkpoint.model_type or "nameless"} model, and {backend} runs '
            f'{", ".join(model_types)}{_better_backend(checkpoint)}'
        )
    return checkpoint


def load_model(
    model_class: Any,
    checkpoint: Checkpoint,
    *,
    device: torch.device,
    dtype: torch.dtype,
    **options: Any,
) -> Any:
    """Load a model of transformers, ready to infer.

    Args:
        model_class: Has `from_pretrained`.
        checkpoint: Where from.
        device: Where to.
        dtype: The arithmetic, whatever the weights were stored in.
        options: More for `from_pretrained`.

    Raises:
        WeightsError: A weight is missing, has another shape, or a file is damaged.
        BackendError: There is not enough memory.
    """
    check_memory(checkpoint, device=device, dtype=dtype)
    try:
        model, about = model_class.from_pretrained(
            checkpoint.folder,
            dtype=dtype,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # which says nothing but "see above"; named below
            **options,
        )
    except Exception as error:  # the library and its file format raise many kinds
        raise WeightsError(f'{checkpoint.name} cannot be loaded: {_one_line(error)}') from error
    # The library fills in random numbers for these, and goes on.
    if misshapen := sorted(about['mismatched_keys']):
        name, here, wanted = misshapen[0]
        raise WeightsError(
            f'{checkpoint.name} has {len(misshapen)} weights of another shape than config.json '
            f'says, {name} the first ({tuple(here)}, not {tuple(wanted)}); copy both anew'
        )
    if lacking := sorted(about['missing_keys']):
        raise WeightsError(
            f'{checkpoint.name} lacks {len(lacking)} of the weights of a '
            f'{model_class.__name__}, {lacking[0]} the first; choose a model made for this task'
        )
    return model.to(device).eval()


def load_processor(processor_class: Any, checkpoint: Checkpoint, **options: Any) -> Any:
    """Load a processor, tokenizer or image processor of transformers.

    Raises:
        WeightsError: Its files are missing or damaged.
        MissingDependencyError: It needs a library that is not installed.
    """
    try:
        made = processor_class.from_pretrained(
            checkpoint.folder, local_files_only=True, trust_remote_code=False, **options
        )
    except ImportError as error:
        raise MissingDependencyError(
            f'the {processor_class.__name__} of {checkpoint.name} needs a library: '
            f'{_one_line(error)}'
        ) from error
    except Exception as error:  # the library raises many kinds
        raise WeightsError(
            f'the {processor_class.__name__} of {checkpoint.name} cannot be loaded: '
            f'{_one_line(error)}'
        ) from error
    tokenizer = getattr(made, 'tokenizer', made)
    words, special = (getattr(tokenizer, name, ()) for name in ('vocab', 'all_special_tokens'))
    # The library makes one without its file, in which every text is unknown.
    if special and len(words) <= len(special):
        raise WeightsError(
            f'the {type(tokenizer).__name__} of {checkpoint.name} cannot be loaded: it has no '
            'words; is tokenizer.json missing?'
        )
    return made


def check_memory(checkpoint: Checkpoint, *, device: torch.device, dtype: torch.dtype) -> None:
    """Refuse a model that the device has no room for, before the machine begins to swap.

    Raises:
        BackendError: The weights and the activations, which are a fifth of them where the
            catalogue does not know better, do not fit into the free memory.
    """
    weights_gb = checkpoint.parameters() * dtype.itemsize / 1e9
    needed_gb = weights_gb * HEADROOM
    card = find(checkpoint.name)
    if card is not None and card.activations_mb is not None:
        needed_gb = weights_gb + card.activations_mb / 1e3 * dtype.itemsize / 4
    free_gb = free_memory_bytes(device) / 1e9
    if needed_gb > free_gb:
        raise BackendError(
            f'{checkpoint.name} needs about {needed_gb:.1f} GB in {str(dtype)[6:]}, and {device} '
            f'has {free_gb:.1f} GB free; choose a smaller model, dtype=bfloat16 or another device'
        )


def _folder(model: str) -> Path | None:
    is_local = model.startswith((LOCAL_PREFIX, '/', './', '../', '~'))
    path = model[len(LOCAL_PREFIX) :] if model.startswith(LOCAL_PREFIX) else model
    try:
        folder = Path(path).expanduser()
        if path and folder.is_dir():
            return folder.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # too long; nobody's home; a NUL
        raise WeightsError(f'{model[:80]!r} names no folder: {_one_line(error)[:80]}') from error
    if is_local:
        raise WeightsError(f'there is no folder {path!r} with a model in it')
    return None


def _check_backend(model: str, backend: str) -> None:
    card = find(model)
    if card is not None and card.backend != backend:
        raise BackendError(f'{model} runs in the backend {card.backend!r}, not in {backend!r}')


def _better_backend(checkpoint: Checkpoint) -> str:
    card = find(checkpoint.name)
    return f'; use the backend {card.backend!r}' if card else ''


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError as error:
        raise WeightsError(f'{path.parent} holds no model: it has no {path.name}') from error
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsError(f'{path} cannot be read: {_one_line(error)}') from error
    if not isinstance(content, dict):
        raise WeightsError(f'{path} does not describe a model')
    return content


def _digest(folder: Path) -> str:
    """Tell one state of a folder from another without reading gigabytes."""
    looks = [
        (path.name, path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.iterdir())
        if path.is_file()
    ]
    return f'local-{hashlib.sha256(repr(looks).encode()).hexdigest()[:12]}'


def _names(path: Path) -> list[str]:
    from safetensors import safe_open

    try:
        with safe_open(path, framework='np') as file:
            return list(file.keys())
    except Exception as error:  # its own kind for a damaged header, and OSError
        raise WeightsError(f'{path} is damaged: {_one_line(error)}') from error


def _numbers(path: Path) -> int:
    from safetensors import safe_open

    try:
        with safe_open(path, framework='np') as file:
            shapes = [file.get_slice(key).get_shape() for key in file.keys()]  # noqa: SIM118
    except Exception as error:  # its own kind for a damaged header, and OSError
        raise WeightsError(f'{path} is damaged: {_one_line(error)}') from error
    return sum(int(torch.Size(shape).numel()) for shape in shapes)


def _one_line(error: BaseException) -> str:
    # The library advises at length about names on its hub, which were not asked for.
    text = str(error).partition(' If you were trying to load it')[0]
    return ' '.join(text.split())[:300] or type(error).__name__
