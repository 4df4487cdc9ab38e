"""The pieces in which a source is annotated: fixed by the plan and the source alone.

A piece is a time range of a bag, all cameras together, or a run of photographs or of a video's
frames, with about as many images to look at as the plan says. So neither the number of workers nor
an interruption moves its bounds, and each can be read without those before it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
import contextlib
from dataclasses import dataclass, replace
from pathlib import Path

from vlm_ros.annotation.plan import AnnotationPlan
from vlm_ros.annotation.sampling import Sampler, Slots
from vlm_ros.data.bags import Bag, is_bag, Span
from vlm_ros.data.media import Media, open_media
from vlm_ros.errors import InputError, SourceError


@dataclass(frozen=True)
class Chunk:
    """A piece of a source.

    Attributes:
        number: Its place among all of the plan, from 0.
        source: Where the images are.
        images: How many are to be looked at, as far as that is known before they are read.
        first: Of photographs and videos, the first image's place.
        stop: The place behind the last one; None for the end of the source.
        span: Of a bag, the time range; None elsewhere.
        slots: Of a bag, what the sampler knows at its beginning.
        unreadable: Why nothing of the source can be read; empty where something can.
    """

    number: int
    source: str
    images: int = 0
    first: int = 0
    stop: int | None = None
    span: Span | None = None
    slots: Slots = ()
    unreadable: str = ''


def chunks_of(plan: AnnotationPlan) -> tuple[Chunk, ...]:
    """Cut the sources of a plan.

    Of a bag, all messages are read, and none is decoded. A source that cannot be opened is one
    chunk, which says so.

    Raises:
        InputError: Not one source can be opened, or one is live and would never end.
    """
    if plan.topics and not any(map(_is_bag, plan.sources)):
        raise SourceError('topics are those of bags, and no source is a bag; leave them out')
    chunks: list[Chunk] = []
    failures: list[SourceError] = []
    for source in plan.sources:
        try:
            cuts = _cut(plan, source)
        except SourceError as error:
            failures.append(error)
            cuts = [Chunk(0, '', unreadable=str(error))]
        for cut in cuts:
            chunks.append(replace(cut, number=len(chunks), source=source))
    if len(failures) == len(plan.sources):
        raise failures[0]
    return tuple(chunks)


def _cut(plan: AnnotationPlan, source: str) -> list[Chunk]:
    with open_media(source, topics=topics_of(plan, source)) as media:
        if media.is_live:
            raise InputError(f'{source} is live and has no end; record it first')
        return list(_cut_bag(plan, media) if isinstance(media, Bag) else _cut_places(plan, media))


def topics_of(plan: AnnotationPlan, source: str) -> tuple[str, ...]:
    """Return the topics to read of a source."""
    # Only bags have topics; a plan may hold photographs beside them.
    return plan.topics if _is_bag(source) else ()


def _is_bag(source: str) -> bool:
    return is_bag(Path(source).expanduser())


def _cut_places(plan: AnnotationPlan, media: Media) -> Iterator[Chunk]:
    sampler = Sampler(plan.sampling)
    first = images = 0
    for place, time_s in _places(media):
        if not sampler.wants('', place, time_s):
            continue
        if images == plan.chunk_frames:
            yield Chunk(0, '', images, first, place)
            first, images = place, 0
        images += 1
    # What a video's header says of its length may be wrong, so the last one is open.
    yield Chunk(0, '', images, first, None)


def _places(media: Media) -> Iterable[tuple[int, float | None]]:
    rate_hz = media.rate_hz
    for place in range(media.length or 0):
        yield place, None if rate_hz is None else place / rate_hz


@dataclass
class _Cut:
    """Where a time range begins, and what came before."""

    start_ns: int | None
    before: tuple[tuple[str, int], ...] = ()
    slots: Slots = ()
    images: int = 0


def _cut_bag(plan: AnnotationPlan, bag: Bag) -> Iterator[Chunk]:
    stop_s = plan.sampling.stop_s
    cuts = [_Cut(None)]
    # Whoever reads the last range comes to the damage again, and lists it.
    with contextlib.suppress(SourceError):
        _find_cuts(plan, bag, cuts)
    if len(cuts) > 1 and not cuts[0].images:
        del cuts[0]
    stops = [cut.start_ns for cut in cuts[1:]]
    end_ns = None if stop_s is None else bag.moment(stop_s)
    for cut, stop_ns in zip(cuts, [*stops, end_ns], strict=True):
        span = Span(cut.start_ns, stop_ns, cut.before)
        yield Chunk(0, '', cut.images, span=span, slots=cut.slots)


def _find_cuts(plan: AnnotationPlan, bag: Bag, cuts: list[_Cut]) -> None:
    sampler = Sampler(plan.sampling)
    counts: Counter[str] = Counter()
    latest_ns: int | None = None
    for topic, time_ns in bag.times(stop_s=plan.sampling.stop_s):
        # A bag of several files may go back in time, and a range cannot be read in two pieces.
        while (start_ns := cuts[-1].start_ns) is not None and time_ns < start_ns:
            late = cuts.pop()
            cuts[-1].images += late.images
        before, slots = tuple(sorted(counts.items())), sampler.slots
        is_wanted = sampler.wants(topic, counts[topic], bag.seconds(time_ns))
        counts[topic] += 1
        room = plan.chunk_frames if len(cuts) > 1 else 0
        is_later = latest_ns is None or time_ns > latest_ns
        if is_wanted and is_later and cuts[-1].images >= room:
            cuts.append(_Cut(time_ns, before, slots))
        cuts[-1].images += is_wanted
        latest_ns = time_ns if latest_ns is None else max(latest_ns, time_ns)
