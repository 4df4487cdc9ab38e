"""One file of all parts, in the order of the sources, with what people said of them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from vlm_ros.annotation.chunks import Chunk
from vlm_ros.annotation.parts import part_path, read_part, read_skipped
from vlm_ros.annotation.tracks import tracked
from vlm_ros.errors import StorageError
from vlm_ros.records import FrameRecord, SkippedRecord, write_lines
from vlm_ros.records.manifest import ANNOTATIONS
from vlm_ros.records.reviewing import Reviewing
from vlm_ros.records.reviews import kept_reviews, locked_reviews


def merge(
    folder: Path, chunks: Sequence[Chunk], *, track: bool
) -> tuple[dict[str, Counter[str]], tuple[SkippedRecord, ...]]:
    """Write `annotations.jsonl`, one record at a time.

    Returns:
        How many images each source has of each topic, and what was skipped, both in the order of
        the chunks; then the reviews that do not fit any more.

    Raises:
        InputError: A line of `reviews.jsonl` is damaged.
        StorageError: The disk is full, or the folder cannot be written.
    """
    counts: dict[str, Counter[str]] = {chunk.source: Counter() for chunk in chunks}

    def records() -> Iterator[FrameRecord]:
        for chunk in chunks:
            for record in read_part(folder, chunk.number):
                _check_picture(folder, record, chunk.number)
                counts[chunk.source][record.topic] += 1
                yield record

    unfit = _write(folder, tracked(records()) if track else records())
    skipped = [row for chunk in chunks for row in read_skipped(folder, chunk.number)]
    return counts, (*skipped, *unfit)


def _check_picture(folder: Path, record: FrameRecord, number: int) -> None:
    file = record.image.file
    if file and not (folder / file).is_file():
        raise StorageError(
            f'the picture {folder / file} is missing; put it back, or remove '
            f'{part_path(folder, number)}, and the same command makes both anew'
        )


def _write(folder: Path, records: Iterator[FrameRecord]) -> Iterator[SkippedRecord]:
    """Write the records; return the reviews of what is not there any more."""
    with locked_reviews(folder):
        reviewing = Reviewing(kept_reviews(folder), ())
        write_lines(folder / ANNOTATIONS, reviewing.records(records))
    return (
        SkippedRecord(
            name=f'the review of {row.name}',
            reason=f'the review of {row.name} does not fit any more: {row.reason}',
        )
        for row in reviewing.applied().unknown
    )
