"""How far a run is."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from vlm_ros.annotation.chunks import Chunk
from vlm_ros.annotation.work import Step


@dataclass(frozen=True)
class Progress:
    """How far it is.

    Attributes:
        images_done: Those that were looked at, left out or skipped, those of earlier runs
            included, where one counts what was expected.
        images: How many are expected.
        images_before: Of those done, how many earlier runs did.
        chunks_done: Those of earlier runs included.
        chunks: All there are.
        frames: How many images this run has annotated.
        failed: Of them, where a model failed.
        skipped: What could not be read, in this run.
        lost: How often a worker ended before its chunk was done.
    """

    images_done: int
    images: int
    images_before: int
    chunks_done: int
    chunks: int
    frames: int
    failed: int
    skipped: int
    lost: int


class Tally:
    """Counts what becomes of images.

    Args:
        chunks: All of a plan.
        missing: Those that are to be done.
    """

    def __init__(self, chunks: Sequence[Chunk], missing: Sequence[Chunk]) -> None:
        self._chunks = len(chunks)
        self._chunks_done = self._chunks - len(missing)
        self._images = sum(chunk.images for chunk in chunks)
        self._before = self._images - sum(chunk.images for chunk in missing)
        self._under_way: dict[int, Counter[Step]] = {}
        self._done_images = self._before
        self._done: Counter[Step] = Counter()

    def count(self, chunk: Chunk, step: Step | None) -> None:
        """Take note of a step, or with None of a whole chunk."""
        steps = self._under_way.setdefault(chunk.number, Counter())
        if step is Step.LOST:
            steps.clear()
            self._done[step] += 1
        elif step is not None:
            steps[step] += 1
        else:
            self._done += self._under_way.pop(chunk.number)
            self._done_images += chunk.images
            self._chunks_done += 1

    def progress(self) -> Progress:
        """Say how far it is."""
        under_way = sum(self._under_way.values(), Counter[Step]())
        steps = self._done + under_way
        return Progress(
            images_done=min(self._images, self._done_images + under_way.total()),
            images=self._images,
            images_before=self._before,
            chunks_done=self._chunks_done,
            chunks=self._chunks,
            frames=steps[Step.ANNOTATED] + steps[Step.FAILED],
            failed=steps[Step.FAILED],
            skipped=steps[Step.SKIPPED],
            lost=steps[Step.LOST],
        )
