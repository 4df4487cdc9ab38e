"""The files of ROS bags: which there are, and what opens them."""

from pathlib import Path
from typing import Any

from vlm_ros.data.broken_bags import BrokenBag, Damage, has_index, is_mcap
from vlm_ros.data.photographs import has_photographs
from vlm_ros.errors import ImageError, SourceError

SUFFIXES = ('.mcap', '.db3', '.bag')
"""The files that are taken for bags."""
_METADATA = 'metadata.yaml'
_STORAGES = ('.mcap', '.db3')


def is_bag(path: Path) -> bool:
    """Whether a path looks like a bag: a rosbag2's folder, or a bag's file.

    The folder of a recorder that was killed has no metadata; it is known by its files.
    """
    if path.is_dir():
        return (path / _METADATA).is_file() or (
            bool(_storage_files(path)) and not has_photographs(path)
        )
    return path.suffix.lower() in SUFFIXES


def open_bag(path: Path) -> Any:
    """Return rosbags' `AnyReader` of a bag, or what reads the rest of one that is not whole.

    Raises:
        SourceError: It is no bag, or nothing in it can be read.
    """
    from rosbags.highlevel import AnyReader
    from rosbags.typesys import get_typestore, Stores

    if unclosed := next((f for f in _storage_files(path) if _has_log(f)), None):
        raise SourceError(
            f'{unclosed}-wal holds messages of a recorder that was killed or still runs; put them '
            f"into the bag: sqlite3 {unclosed} 'pragma wal_checkpoint(truncate)'"
        )
    try:
        # Bags of before 2023 do not bring the definitions of their messages.
        reader = AnyReader([path], default_typestore=get_typestore(Stores.ROS2_JAZZY))
        reader.open()
    except Exception as error:
        reason = reason_of(error)
        if (broken := what_is_whole(path)) is not None:
            if not broken.damage and (path / _METADATA).is_file():
                broken.damage = (Damage(broken.start_time, f'{path}: {reason}; the rest is read'),)
            return broken
        raise SourceError(_why_not(path, reason)) from error
    unindexed = [file for file in _storage_files(path) if is_mcap(file) and not has_index(file)]
    if unindexed and (broken := what_is_whole(path)) is not None:
        reader.close()
        return broken
    for part in reader.readers if reader.is2 else ():
        # Whoever reads messages that are compressed one by one unpacks them, and skips a damaged
        # one alone.
        if part.storage.metadata.compression_mode == 'message':
            part.storage.metadata = part.storage.metadata._replace(compression_mode=None)
    return reader


def _why_not(path: Path, reason: str) -> str:
    if path.is_dir() and 'metadata' in reason.lower():
        return (
            f'{path} cannot be opened as a bag: {reason}; `ros2 bag reindex` writes a missing or '
            'damaged metadata.yaml anew'
        )
    for file in _storage_files(path):
        if file.is_file() and not file.stat().st_size:
            return f'{file} is empty: nothing was recorded in it'
        if file.suffix.lower() == '.mcap' and file.is_file() and not is_mcap(file):
            return f'{file} is no mcap file; give what `ros2 bag record` wrote'
    return f'{path} cannot be opened as a bag: {reason}; nothing in it can be read'


def what_is_whole(path: Path) -> BrokenBag | None:
    """Return what can be read of mcap files that rosbags refuses; None where that is nothing."""
    paths = [file for file in _storage_files(path) if is_mcap(file)]
    if not paths:
        return None
    broken = BrokenBag(paths)
    if broken.message_count:
        return broken
    broken.close()
    return None


def _storage_files(path: Path) -> list[Path]:
    """Return the files of a rosbag2 in their order; none where it is none."""
    files = list(path.iterdir()) if path.is_dir() else [path]
    return sorted((f for f in files if f.suffix.lower() in _STORAGES), key=_by_number)


def _by_number(file: Path) -> tuple[int, str]:
    number = file.stem.rpartition('_')[2]
    return int(number) if number.isdecimal() else -1, file.name


def _has_log(file: Path) -> bool:
    log = file.with_name(f'{file.name}-wal')
    return log.is_file() and log.stat().st_size > 0


def reason_of(error: BaseException) -> str:
    """Return what went wrong in a bag, in one line."""
    if isinstance(error, ImageError):
        return str(error)
    text = ' '.join(str(error).split()).removesuffix('.')
    # What rosbags raises on purpose is a sentence.
    is_sentence = type(error).__module__.startswith('rosbags.') and text
    return text if is_sentence else f'{type(error).__name__}: {text}'.removesuffix(': ')
