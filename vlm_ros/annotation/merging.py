"""One file of all parts, in the order of the sources."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from vlm_ros.annotation.chunks import Chunk
from vlm_ros.annotation.parts import read_part, read_skipped
from vlm_ros.annotation.tracks import tracked
from vlm_ros.records import FrameRecord, SkippedRecord, write_lines

ANNOTATIONS = 'annotations.jsonl'


def merge(
    folder: Path, chunks: Sequence[Chunk], *, track: bool
) -> tuple[Counter[str], tuple[SkippedRecord, ...]]:
    """Write `annotations.jsonl`, one record at a time.

    Returns:
        How many images each source has, and what was skipped, both in the order of the chunks.
    """
    counts: Counter[str] = Counter()

    def records() -> Iterator[FrameRecord]:
        for chunk in chunks:
            for record in read_part(folder, chunk.number):
                counts[chunk.source] += 1
                yield record

    rows = records()
    write_lines(folder / ANNOTATIONS, tracked(rows) if track else rows)
    skipped = [row for chunk in chunks for row in read_skipped(folder, chunk.number)]
    return counts, tuple(skipped)
