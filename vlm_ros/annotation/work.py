"""What is done with a chunk, by whoever does it."""

from collections.abc import Iterator, Sequence
import enum
from pathlib import Path
from typing import Protocol

from vlm_ros.annotation.annotator import Annotator
from vlm_ros.annotation.chunks import Chunk
from vlm_ros.annotation.entries import key_of
from vlm_ros.annotation.parts import write_image, write_part
from vlm_ros.annotation.plan import AnnotationPlan
from vlm_ros.annotation.reading import Reader
from vlm_ros.data.frames import Frame
from vlm_ros.records import FrameRecord, ModelRecord, SkippedRecord
from vlm_ros.results import Status


class Step(enum.Enum):
    """What has become of an image, or of a chunk."""

    ANNOTATED = 'annotated'
    FAILED = 'failed'
    ALIKE = 'alike'
    """Left out, because it looks like the one before."""
    SKIPPED = 'skipped'
    """Could not be read."""
    LOST = 'lost'
    """A worker ended, and its chunk is begun again."""


class Crew(Protocol):
    """Who does the chunks: this process, some of its own, or a cluster."""

    def models(self) -> tuple[ModelRecord, ...]:
        """Load, and say what was loaded.

        Raises:
            BackendError: A model cannot be had.
        """

    def work(self, chunks: Sequence[Chunk], folder: Path) -> Iterator[tuple[Chunk, Step | None]]:
        """Write the parts of some chunks; yields each step, and None when a chunk is done."""

    def close(self) -> None:
        """Free the models and end whatever was started; may be repeated."""


class Alone:
    """Does all in this process.

    Args:
        plan: What is wanted.
        annotator: Of the same plan.
    """

    def __init__(self, plan: AnnotationPlan, annotator: Annotator) -> None:
        self._plan = plan
        self._annotator = annotator

    def models(self) -> tuple[ModelRecord, ...]:
        """Say what is loaded."""
        return self._annotator.models.records()

    def work(self, chunks: Sequence[Chunk], folder: Path) -> Iterator[tuple[Chunk, Step | None]]:
        """Write the parts of some chunks; yields each step, and None when a chunk is done."""
        with Reader(self._plan) as reader:
            for chunk in chunks:
                for step in annotate_chunk(self._plan, chunk, folder, self._annotator, reader):
                    yield chunk, step
                yield chunk, None

    def close(self) -> None:
        """Free the models."""
        self._annotator.close()


def annotate_chunk(
    plan: AnnotationPlan, chunk: Chunk, folder: Path, annotator: Annotator, reader: Reader
) -> Iterator[Step]:
    """Annotate a chunk and write its part; yields what has become of each image.

    Raises:
        SourceError: The source cannot be opened.
        StorageError: The disk is full, or the folder cannot be written.
    """
    records: list[FrameRecord] = []
    skipped: list[SkippedRecord] = []
    waiting: list[Frame] = []

    def annotate() -> Iterator[Step]:
        files = [
            write_image(folder, key_of(frame), frame.image, plan.images) if plan.images else ''
            for frame in waiting
        ]
        for record in annotator.annotate_batch(waiting, files):
            records.append(record)
            yield Step.FAILED if record.status is Status.FAILED else Step.ANNOTATED
        waiting.clear()

    for item in reader.items(chunk):
        if item is None:
            yield Step.ALIKE
        elif isinstance(item, SkippedRecord):
            skipped.append(item)
            yield Step.SKIPPED
        else:
            waiting.append(item)
            if len(waiting) == annotator.max_batch:
                yield from annotate()
    yield from annotate()
    write_part(folder, chunk.number, records, skipped)
