"""What is kept of each chunk: a part that is there whole, or not at all."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2

from vlm_ros.errors import ImageError
from vlm_ros.images import Image
from vlm_ros.records import FrameRecord, read_lines, SkippedRecord, write_lines
from vlm_ros.whole_files import writing

JPEG_QUALITY = 95


def part_path(folder: Path, number: int) -> Path:
    """Return where the records of a chunk are."""
    return folder / 'parts' / f'{number:05d}.jsonl'


def write_part(
    folder: Path, number: int, records: Iterable[FrameRecord], skipped: Iterable[SkippedRecord]
) -> None:
    """Write what came of a chunk; from then on it is done.

    Raises:
        StorageError: The disk is full, or the folder cannot be written.
    """
    # First, because the part is what says that the chunk is done.
    write_lines(_skipped_path(folder, number), skipped)
    write_lines(part_path(folder, number), records)


def read_part(folder: Path, number: int) -> Iterator[FrameRecord]:
    """Yield the records of a chunk that is done."""
    return read_lines(part_path(folder, number), FrameRecord)


def read_skipped(folder: Path, number: int) -> Iterator[SkippedRecord]:
    """Yield what could not be read in a chunk that is done."""
    return read_lines(_skipped_path(folder, number), SkippedRecord)


def write_image(folder: Path, key: str, image: Image, kind: str) -> str:
    """Keep a picture, whole or not at all.

    Args:
        folder: The dataset's.
        key: The record's.
        image: `(H, W, 3)` uint8 RGB.
        kind: `jpeg` or `png`.

    Returns:
        Where it is, relative to the folder.
    """
    suffix = {'jpeg': '.jpg', 'png': '.png'}[kind]
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if kind == 'jpeg' else []
    done, content = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise ImageError(f'the image {key} cannot be written as {kind}')
    file = f'images/{key}{suffix}'
    with writing(folder / file) as stream:
        stream.write(content.tobytes())
    return file


def _skipped_path(folder: Path, number: int) -> Path:
    return folder / 'parts' / f'{number:05d}.skipped.jsonl'
