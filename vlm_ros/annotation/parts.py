"""What is kept of each chunk: a part that is there whole, or not at all."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
import re

import cv2

from vlm_ros.errors import ImageError, InputError, StorageError
from vlm_ros.images import Image
from vlm_ros.records import FrameRecord, read_lines, SkippedRecord, write_lines
from vlm_ros.whole_files import remove, synchronize, writing

JPEG_QUALITY = 95
IMAGES = 'images'
_PICTURE = re.compile(r'.+-[0-9a-f]{8}-\d{6,}\.(jpg|png)')


def part_path(folder: Path, number: int) -> Path:
    """Return where the records of a chunk are."""
    return folder / 'parts' / f'{number:05d}.jsonl'


def write_part(
    folder: Path,
    number: int,
    records: Iterable[FrameRecord],
    skipped: Iterable[SkippedRecord],
    failed: Sequence[SkippedRecord] = (),
) -> None:
    """Write what came of a chunk; from then on it is done, but for images at which a model failed.

    Raises:
        StorageError: The disk is full, or the folder cannot be written.
    """
    records = tuple(records)
    # First, because the part is what says that the chunk is done.
    synchronize([folder / row.image.file for row in records if row.image.file])
    if failed:
        write_lines(_failed_path(folder, number), failed)
    write_lines(_skipped_path(folder, number), skipped)
    write_lines(part_path(folder, number), records)
    if not failed:
        remove(_failed_path(folder, number))


def is_done(folder: Path, number: int) -> bool:
    """Whether nothing of a chunk is left to do."""
    return part_path(folder, number).exists() and not _failed_path(folder, number).exists()


def read_part(folder: Path, number: int) -> Iterator[FrameRecord]:
    """Yield the records of a chunk that is done.

    Raises:
        StorageError: The part is damaged, or cannot be read.
    """
    path = part_path(folder, number)
    try:
        yield from read_lines(path, FrameRecord)
    except InputError as error:
        raise StorageError(
            f'{error}; remove {path}, and the same command makes it anew'
        ) from error


def read_skipped(folder: Path, number: int) -> Iterator[SkippedRecord]:
    """Yield what could not be read in a chunk that is done."""
    return read_lines(_skipped_path(folder, number), SkippedRecord)


def write_image(folder: Path, key: str, image: Image, kind: str) -> str:
    """Keep a picture, whole or not at all; on the disk when the part is.

    Args:
        folder: The dataset's.
        key: The record's.
        image: `(H, W, 3)` uint8 RGB.
        kind: `jpeg` or `png`.

    Returns:
        Where it is, relative to the folder.

    Raises:
        ImageError: It is too large for that kind.
        StorageError: The disk is full, or the folder cannot be written.
    """
    suffix = {'jpeg': '.jpg', 'png': '.png'}[kind]
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if kind == 'jpeg' else []
    try:
        done, content = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    except cv2.error:
        done = False
    if not done:
        height, width = image.shape[:2]
        other = '; use --images png' if kind == 'jpeg' else ''
        raise ImageError(f'{width}x{height} pixels cannot be kept as {kind}{other}')
    file = f'{IMAGES}/{key}{suffix}'
    with writing(folder / file, is_lasting=False) as stream:
        stream.write(content.tobytes())
    return file


def is_picture_of_ours(name: str) -> bool:
    """Whether a file is called as `write_image` calls them."""
    return _PICTURE.fullmatch(name) is not None


def _failed_path(folder: Path, number: int) -> Path:
    return folder / 'parts' / f'{number:05d}.failed.jsonl'


def _skipped_path(folder: Path, number: int) -> Path:
    return folder / 'parts' / f'{number:05d}.skipped.jsonl'
