"""The lock file: which commit of which model, and which bytes, a robot or a team has settled on.

It is JSON with sorted keys and one line a value, so that a team can keep it under version control
and read a change of it.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
import json
import os
from pathlib import Path, PurePosixPath
import re
from typing import Any

from vlm_ros.backends.weights import cache_folder
from vlm_ros.errors import WeightsError

FORMAT = 1
MAX_BYTES = 8 << 20
"""Of a lock file; one with a thousand models has less."""

_MODEL_ID = re.compile(r'[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?', re.ASCII)
_COMMIT = re.compile(r'[0-9a-f]{40}')
_SHA256 = re.compile(r'[0-9a-f]{64}')


@dataclass(frozen=True)
class LockedFile:
    """The bytes of one file.

    Attributes:
        size_bytes: From 0 on.
        sha256: In hexadecimal.
    """

    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class LockedModel:
    """What is settled of one model.

    Attributes:
        revision: The commit, 40 hexadecimal digits.
        files: By their path in the repository, with slashes.
        accepted_terms: The catalogue's words about what somebody has accepted; empty for none.
        prefetched: When the files came, in UTC, as `2026-01-31T12:00:00Z`.
    """

    revision: str
    files: Mapping[str, LockedFile]
    accepted_terms: str = ''
    prefetched: str = ''

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return sum(file.size_bytes for file in self.files.values())


def lock_path() -> Path:
    """Return `VLM_ROS_MODELS_LOCK`, else `models.lock.json` in the cache folder."""
    own = os.environ.get('VLM_ROS_MODELS_LOCK')
    return Path(own) if own else cache_folder() / 'models.lock.json'


def read_lock() -> dict[str, LockedModel]:
    """Return the locked models by their ids; none where there is no lock file.

    Raises:
        WeightsError: The file cannot be read or is damaged. It is left as it is.
    """
    path = lock_path()
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise WeightsError(f'the lock file {path} cannot be read: {error.strerror}') from error
    try:
        return parse_lock(content)
    except ValueError as error:
        raise WeightsError(
            f'the lock file {path} is damaged ({error}); restore it from version control, or move '
            'it away and run: vlm-ros models prefetch'
        ) from error


def update_lock(models: Mapping[str, LockedModel]) -> None:
    """Put models into the lock file, in place of what it has of them, and leave the others.

    The file is replaced as a whole, and not at all where nothing but the time would change.

    Raises:
        WeightsError: The file is damaged or cannot be written.
    """
    path = lock_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not beside the lock file: that may lie in a team's repository.
        with exclusive(cache_folder() / '.models.guard'):
            present = read_lock()
            news = {
                model_id: model
                for model_id, model in models.items()
                if model_id not in present
                or replace(model, prefetched='') != replace(present[model_id], prefetched='')
            }
            if news:
                replace_file(path, format_lock({**present, **news}))
    except OSError as error:
        raise WeightsError(f'the lock file {path} cannot be written: {error.strerror}') from error


def exclusive(path: Path) -> AbstractContextManager[object]:
    """Return a context that one process at a time can be in, by a file that stands for it."""
    from filelock import FileLock  # what huggingface_hub uses, so that both wait for each other

    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, even where the power fails.

    Raises:
        OSError: It cannot be written; what was there is still there.
    """
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        with temporary.open('wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def format_lock(models: Mapping[str, LockedModel]) -> bytes:
    """Return the content of a lock file."""
    content = {
        'format': FORMAT,
        'models': {
            model_id: {
                'accepted_terms': model.accepted_terms,
                'files': {
                    name: {'sha256': file.sha256, 'size': file.size_bytes}
                    for name, file in model.files.items()
                },
                'prefetched': model.prefetched,
                'revision': model.revision,
            }
            for model_id, model in models.items()
        },
    }
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)
    return f'{text}\n'.encode()


def parse_lock(content: bytes) -> dict[str, LockedModel]:
    """Return the models of a lock file's content, every value of which is checked.

    Raises:
        ValueError: It is not a lock file's; the message says where, in a few words.
    """
    if len(content) > MAX_BYTES:
        raise ValueError(f'it has {len(content)} bytes')
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError('it is not JSON') from error
    if not isinstance(found, dict) or not isinstance(found.get('models'), dict):
        raise ValueError('it has no models')
    if found.get('format') != FORMAT:
        raise ValueError(f'its format is {found.get("format")!r} and not {FORMAT}')
    return {_model_id(name): _model(name, entry) for name, entry in found['models'].items()}


def is_model_id(text: str) -> bool:
    """Tell whether a text can be a model's id on the hub, and therefore part of a path."""
    return bool(_MODEL_ID.fullmatch(text)) and '--' not in text and '..' not in text


def is_commit(text: str) -> bool:
    """Tell whether a text is a whole commit id."""
    return bool(_COMMIT.fullmatch(text))


def is_inside(name: str) -> bool:
    """Tell whether a file's name stays inside the folder it is appended to."""
    path = PurePosixPath(name)
    plain = str(path) == name and name.isprintable() and '\\' not in name and ':' not in name
    return plain and name != '.' and not path.is_absolute() and '..' not in path.parts


def _model_id(text: str) -> str:
    if not is_model_id(text):
        raise ValueError(f'{text[:80]!r} is not a model')
    return text


def _model(model_id: str, entry: Any) -> LockedModel:
    if not isinstance(entry, dict) or not isinstance(entry.get('files'), dict):
        raise ValueError(f'{model_id} has no files')
    texts = [entry.get(key, '') for key in ('revision', 'accepted_terms', 'prefetched')]
    if not all(isinstance(text, str) for text in texts) or not is_commit(texts[0]):
        raise ValueError(f'{model_id} has no commit')
    files = {name: _file(model_id, name, file) for name, file in entry['files'].items()}
    return LockedModel(texts[0], files, texts[1], texts[2])


def _file(model_id: str, name: str, entry: Any) -> LockedFile:
    if not is_inside(name):
        raise ValueError(f'{model_id} has a file {name[:80]!r}')
    entry = entry if isinstance(entry, dict) else {}
    size, sha256 = entry.get('size'), entry.get('sha256')
    if type(size) is not int or size < 0:
        raise ValueError(f'{name} of {model_id} has no size')
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise ValueError(f'{name} of {model_id} has no checksum')
    return LockedFile(size, sha256)
