"""What is done with a chunk, by whoever does it."""

from collections.abc import Iterator, Sequence
import enum
from pathlib import Path
from typing import Protocol

from vlm_ros.annotation.annotator import Annotator
from vlm_ros.annotation.chunks import Chunk
from vlm_ros.annotation.entries import key_of
from vlm_ros.annotation.failures import failure_of
from vlm_ros.annotation.loading import load_annotator
from vlm_ros.annotation.parts import part_path, read_part, write_image, write_part
from vlm_ros.annotation.plan import AnnotationPlan
from vlm_ros.annotation.reading import Reader
from vlm_ros.data.frames import Frame
from vlm_ros.errors import ImageError
from vlm_ros.records import FrameRecord, ModelRecord, SkippedRecord
from vlm_ros.records.manifest import PassingRecord


class Step(enum.Enum):
    """What has become of an image, or of a chunk."""

    ANNOTATED = 'annotated'
    FAILED = 'failed'
    KEPT = 'kept'
    """Annotated by an earlier run, which failed at others of the chunk."""
    ALIKE = 'alike'
    """Left out, because it looks like the one before."""
    SKIPPED = 'skipped'
    """Could not be read."""
    LOST = 'lost'
    """A worker ended, and its chunk is begun again."""


class Crew(Protocol):
    """Who does the chunks: this process, some of its own, or a cluster."""

    def models(self, chunks: int = 1) -> tuple[ModelRecord, ...]:
        """Load, and say what was loaded.

        Args:
            chunks: How many there are to do: no more workers than that are of use.

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
        annotator: Of the same plan; None to load its models when there is something to do.
    """

    def __init__(self, plan: AnnotationPlan, annotator: Annotator | None = None) -> None:
        self._plan = plan
        self._annotator = annotator

    def models(self, chunks: int = 1) -> tuple[ModelRecord, ...]:
        """Load, and say what was loaded."""
        return self._loaded().models.records()

    def work(self, chunks: Sequence[Chunk], folder: Path) -> Iterator[tuple[Chunk, Step | None]]:
        """Write the parts of some chunks; yields each step, and None when a chunk is done."""
        annotator = self._loaded()
        with Reader(self._plan) as reader:
            for chunk in chunks:
                for step in annotate_chunk(self._plan, chunk, folder, annotator, reader):
                    yield chunk, step
                yield chunk, None

    def close(self) -> None:
        """Free the models."""
        if self._annotator is not None:
            self._annotator.close()

    def _loaded(self) -> Annotator:
        if self._annotator is None:
            self._annotator = load_annotator(self._plan)
        return self._annotator


def annotate_chunk(
    plan: AnnotationPlan, chunk: Chunk, folder: Path, annotator: Annotator, reader: Reader
) -> Iterator[Step]:
    """Annotate a chunk and write its part; yields what has become of each image.

    Where there is a part already, only images at which a model failed are looked at again.

    Raises:
        SourceError: The source cannot be opened.
        StorageError: The disk is full, or the folder cannot be written.
    """
    work = _ChunkWork(plan, chunk, folder, annotator)
    for item in reader.items(chunk):
        if item is None:
            yield Step.ALIKE
        elif isinstance(item, SkippedRecord):
            yield work.skip(item)
        else:
            yield from work.take(item)
    yield from work.finish()


class _ChunkWork:
    """What has come of a chunk so far; records are in the order of their images."""

    def __init__(
        self, plan: AnnotationPlan, chunk: Chunk, folder: Path, annotator: Annotator
    ) -> None:
        self._plan, self._chunk, self._folder = plan, chunk, folder
        self._annotator = annotator
        self._records: dict[str, FrameRecord | None] = {}
        self._skipped: list[SkippedRecord] = []
        self._waiting: list[tuple[Frame, str]] = []
        self._kept: dict[str, FrameRecord] = {}
        if part_path(folder, chunk.number).exists():
            rows = read_part(folder, chunk.number)
            self._kept = {row.key: row for row in rows if not failure_of(row, plan)}

    def take(self, frame: Frame) -> Iterator[Step]:
        """Annotate an image, or let it wait for others to be looked at with it."""
        key = key_of(frame)
        self._records[key] = self._kept.get(key)
        if key in self._kept:
            yield Step.KEPT
            return
        try:
            kind = self._plan.images
            file = write_image(self._folder, key, frame.image, kind) if kind else ''
        except ImageError as error:
            yield self.skip(SkippedRecord(name=frame.name, reason=f'{frame.name}: {error}'))
            return
        self._waiting.append((frame, file))
        if len(self._waiting) == self._annotator.max_batch:
            yield from self._annotate()

    def skip(self, row: SkippedRecord) -> Step:
        self._skipped.append(row)
        return Step.SKIPPED

    def finish(self) -> Iterator[Step]:
        """Annotate what is left, and write the part."""
        yield from self._annotate()
        records = [record for record in self._records.values() if record is not None]
        reasons = ((row.key, failure_of(row, self._plan)) for row in records)
        failed = [SkippedRecord(name=key, reason=reason) for key, reason in reasons if reason]
        failed += [row for row in self._skipped if isinstance(row, PassingRecord)]
        write_part(self._folder, self._chunk.number, records, self._skipped, failed)

    def _annotate(self) -> Iterator[Step]:
        frames = [frame for frame, _ in self._waiting]
        files = [file for _, file in self._waiting]
        for record in self._annotator.annotate_batch(frames, files):
            self._records[record.key] = record
            yield Step.FAILED if failure_of(record, self._plan) else Step.ANNOTATED
        self._waiting.clear()
