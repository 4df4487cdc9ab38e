"""The pieces in which a source is annotated: fixed by the plan and the source alone.

A piece is a run of images by their place in the source, all cameras of a bag together, before
anything is left out. So neither the number of workers nor an interruption moves its bounds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from vlm_ros.annotation.plan import AnnotationPlan
from vlm_ros.annotation.sampling import Sampler, SceneChange
from vlm_ros.data.bags import is_bag
from vlm_ros.data.media import Frame, open_media
from vlm_ros.errors import SourceError, VlmRosError
from vlm_ros.records import SkippedRecord


@dataclass(frozen=True)
class Chunk:
    """A run of images.

    Attributes:
        number: Its place among all of the plan, from 0.
        source: Where the images are.
        first: The first image's place.
        stop: The place after the last one; None for the end of the source.
    """

    number: int
    source: str
    first: int
    stop: int | None


def chunks_of(plan: AnnotationPlan) -> tuple[Chunk, ...]:
    """Cut the sources of a plan.

    Raises:
        SourceError: One cannot be opened, or is live and would never end.
    """
    chunks: list[Chunk] = []
    for source in plan.sources:
        with open_media(source, topics=_topics(plan, source)) as media:
            if media.is_live:
                raise SourceError(f'{source} is live and has no end; record it first')
            length = media.length or 0
        size = plan.chunk_frames * plan.sampling.every
        bounds: list[int | None] = [*range(0, length, size)] or [0]
        # What a video's header says of its length may be wrong, so the last one is open.
        bounds.append(None)
        for first, stop in pairwise(bounds):
            chunks.append(Chunk(len(chunks), source, first or 0, stop))
    return tuple(chunks)


def frames_of(
    plan: AnnotationPlan, chunks: tuple[Chunk, ...]
) -> Iterator[tuple[Chunk, Frame | SkippedRecord | None]]:
    """Yield the chosen images of some chunks of one source, which is read once.

    What cannot be read comes in its place, and after a chunk's last image `(chunk, None)`, for an
    empty chunk as well. Where the source breaks off, that is the last thing skipped.

    Args:
        plan: What is chosen.
        chunks: Of one source, in their order.

    Raises:
        SourceError: The source cannot be opened, or none of it can be read.
    """
    sampler = Sampler(plan.sampling)
    scene = SceneChange(plan.sampling.scene_change)
    waiting = list(chunks)
    for place, item in enumerate(_items(plan, chunks[0].source)):
        while waiting and (stop := waiting[0].stop) is not None and place >= stop:
            yield waiting.pop(0), None
            scene = SceneChange(plan.sampling.scene_change)
        if not waiting:
            return
        is_inside = place >= waiting[0].first
        if isinstance(item, SkippedRecord):
            if is_inside:
                yield waiting[0], item
        # Asked of every image, of this chunk or not: the rate counts from the beginning.
        elif (
            sampler.wants(item.topic, item.index, item.time_s)
            and is_inside
            and scene.wants(item.topic, item.image)
        ):
            yield waiting[0], item
    for chunk in waiting:
        yield chunk, None


def _items(plan: AnnotationPlan, source: str) -> Iterator[Frame | SkippedRecord]:
    skipped: list[SkippedRecord] = []

    def skip(name: str, error: VlmRosError) -> None:
        skipped.append(SkippedRecord(name=name, reason=str(error)))

    count = 0
    with open_media(source, topics=_topics(plan, source), on_skipped=skip) as media:
        try:
            for frame in media:
                yield from skipped
                skipped.clear()
                count += 1
                yield frame
        except SourceError as error:
            if not count:
                raise
            skip(source, error)
    yield from skipped


def _topics(plan: AnnotationPlan, source: str) -> tuple[str, ...]:
    # Only bags have topics; a plan may hold photographs beside them.
    return plan.topics if is_bag(Path(source).expanduser()) else ()
