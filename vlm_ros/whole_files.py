"""Files that appear whole or not at all, whatever ends the process."""

from collections.abc import Iterator, Sequence
import contextlib
import fcntl
import os
from pathlib import Path
import secrets
from typing import BinaryIO

from vlm_ros.errors import InputError, StorageError


@contextlib.contextmanager
def locked(path: Path, *, waits: bool = True) -> Iterator[None]:
    """Keep other processes that ask for the same lock out of a block; works on NFS, too.

    A process that ends lets go of it, however it ends. Where the file system has no locks, nobody
    is kept out.

    Args:
        path: A file for it, which is made and stays.
        waits: Whether to wait for whoever has it.

    Raises:
        InputError: Somebody has it, and it is not waited for.
        StorageError: The folder is missing or cannot be written.
    """
    try:
        stream = path.open('ab')  # to be written, or NFS would not lock it
    except OSError as error:
        raise StorageError(
            f'{path.parent} cannot be written: {error.strerror or error}; choose another folder'
        ) from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise InputError(
                f'another process is writing {path.parent}; wait for it, or choose another folder'
            ) from error
        except OSError:
            pass
        yield


@contextlib.contextmanager
def writing(path: Path, *, is_lasting: bool = True) -> Iterator[BinaryIO]:
    """Write a file beside its place; it takes its place when the block ends without an error.

    The folder is made where it is missing. What stood there before stays until then.

    Args:
        path: The file.
        is_lasting: Whether it outlasts a loss of power from then on; if not, from `synchronize`
            on, which costs less for many together.

    Raises:
        InputError: There is something other than a file, such as a folder or a device.
        StorageError: The disk is full, or the folder cannot be written; nothing has changed.
    """
    path = _followed(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f'.{path.name}.{secrets.token_hex(4)}.part')
        # Not of `tempfile`, which lets nobody else read its files.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        with os.fdopen(descriptor, 'wb') as stream:
            yield stream
            stream.flush()
            if is_lasting:
                os.fsync(stream.fileno())
        temporary.replace(path)
        temporary = None
        if is_lasting:
            _sync(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()


def _followed(path: Path) -> Path:
    """Return the file that a link leads to, as that is what it is kept for."""
    if not path.name or path.is_dir():
        raise InputError(f"{str(path)!r} is no file's name; give one")
    if path.exists() and not path.is_file():
        raise InputError(f'{path} is no file; choose another place')
    return path.resolve() if path.is_symlink() else path


def synchronize(paths: Sequence[Path]) -> None:
    """Make files that were written before outlast a loss of power.

    Raises:
        StorageError: The disk is full, or a file is gone.
    """
    for path in paths:
        try:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise _unwritable(path, error) from error
    for folder in {path.parent for path in paths}:
        _sync(folder)


def _unwritable(path: Path, error: OSError) -> StorageError:
    reason = error.strerror or error
    return StorageError(f'{path} cannot be written: {reason}; make room or choose another folder')


def _sync(folder: Path) -> None:
    """Make the names in a folder outlast a loss of power, where the file system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file, if it is there.

    Raises:
        StorageError: It cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f'{path} cannot be removed: {error.strerror or error}') from error


def is_unfinished(path: Path) -> bool:
    """Whether a file is what an interrupted `writing` left, or one that is being written."""
    return path.name.startswith('.') and path.suffix == '.part'


def sweep(folder: Path) -> None:
    """Remove what an interrupted `writing` left; nobody else may be writing there."""
    for left in filter(is_unfinished, folder.rglob('.*.part')):
        with contextlib.suppress(OSError):
            left.unlink()
