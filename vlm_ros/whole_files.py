"""Files that appear whole or not at all, whatever ends the process."""

from collections.abc import Iterator
import contextlib
import os
from pathlib import Path
import secrets
from typing import BinaryIO

from vlm_ros.errors import StorageError


@contextlib.contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """Write a file beside its place; it takes its place when the block ends without an error.

    The folder is made where it is missing. What stood there before stays until then.

    Raises:
        StorageError: The disk is full, or the folder cannot be written; nothing has changed.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f'.{path.name}.{secrets.token_hex(4)}.part')
        # Not of `tempfile`, which lets nobody else read its files.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        with os.fdopen(descriptor, 'wb') as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        temporary = None
    except OSError as error:
        raise StorageError(
            f'{path} cannot be written: {error.strerror or error}; make room or choose another '
            'folder'
        ) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()


def remove(path: Path) -> None:
    """Remove a file, if it is there.

    Raises:
        StorageError: It cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f'{path} cannot be removed: {error.strerror or error}') from error


def sweep(folder: Path) -> None:
    """Remove what an interrupted `writing` left; nobody else may be writing there."""
    for left in folder.rglob('.*.part'):
        with contextlib.suppress(OSError):
            left.unlink()
