"""The images of a chunk, read without those before it where the source allows."""

from collections.abc import Iterator
from types import TracebackType

from vlm_ros.annotation.chunks import Chunk, topics_of
from vlm_ros.annotation.plan import AnnotationPlan
from vlm_ros.annotation.sampling import Sampler, SceneChange
from vlm_ros.annotation.sources import is_utf8
from vlm_ros.data.bags import Bag
from vlm_ros.data.clips import Clip
from vlm_ros.data.frames import Frame, Media
from vlm_ros.data.media import open_clip, open_media
from vlm_ros.data.photographs import Photographs
from vlm_ros.errors import SourceError, VlmRosError
from vlm_ros.records import SkippedRecord
from vlm_ros.records.manifest import PassingRecord

Item = Frame | SkippedRecord | None
_NO_NAME = 'the name is not UTF-8, as records are; rename the file'


class Reader:
    """Reads chunks; inside a `with`.

    A bag opens at the chunk's own beginning, and photographs are taken out of their list. A video
    is read on from where it stands, or anew where the chunk is earlier.

    Args:
        plan: What is chosen.
    """

    def __init__(self, plan: AnnotationPlan) -> None:
        self._plan = plan
        self._source = ''
        self._media: Media | None = None
        self._clip: Clip | None = None
        self._clip_sampler = Sampler(plan.sampling)
        self._skipped: list[SkippedRecord] = []

    def __enter__(self) -> 'Reader':
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()

    def items(self, chunk: Chunk) -> Iterator[Item]:
        """Yield the chosen images; what cannot be read comes in its place.

        None stands for an image that is left out because it looks like the one before. Where the
        source breaks off, that is the last thing skipped.

        Raises:
            SourceError: The source cannot be opened.
        """
        if chunk.unreadable:
            yield SkippedRecord(name=chunk.source, reason=chunk.unreadable)
            return
        self._open(chunk)
        scene = SceneChange(self._plan.sampling.scene_change)
        self._skipped.clear()
        try:
            for frame in self._frames(chunk):
                yield from self._skipped
                self._skipped.clear()
                if not is_utf8(frame.name):
                    self._skip(frame.name, SourceError(f'{frame.name}: {_NO_NAME}'))
                    continue
                yield frame if scene.wants(frame.topic, frame.image) else None
        except SourceError as error:
            # Of a video, the place of the break tells which chunk it is in, whoever reads.
            if self._clip is None or self._clip.place >= chunk.first:
                self._skip(chunk.source, error)
        yield from self._skipped

    def _frames(self, chunk: Chunk) -> Iterator[Frame]:
        media, plan = self._media, self._plan.sampling
        if isinstance(media, Bag) and chunk.span is not None:
            return media.stretch(chunk.span, Sampler(plan, chunk.slots).wants)
        if isinstance(media, Photographs):
            wants = Sampler(plan).wants
            frames = media.stretch(chunk.first, chunk.stop)
            return (frame for frame in frames if wants('', frame.index, None))
        return self._video(chunk)

    def _video(self, chunk: Chunk) -> Iterator[Frame]:
        if self._clip is None or self._clip.place > chunk.first:
            if self._clip is not None:
                self._clip.close()
            self._clip = open_clip(chunk.source, on_skipped=self._skip)
            self._clip_sampler = Sampler(self._plan.sampling)
        sampler = self._clip_sampler

        def wants(index: int, time_s: float) -> bool:
            # Asked of every frame, of this chunk or not: the rate counts from the beginning.
            return sampler.wants('', index, time_s) and index >= chunk.first

        return self._clip.stretch(chunk.stop, wants)

    def _open(self, chunk: Chunk) -> None:
        if self._source == chunk.source:
            return
        self._close()
        topics = topics_of(self._plan, chunk.source)
        self._media = open_media(chunk.source, topics=topics, on_skipped=self._skip)
        self._source = chunk.source
        if not isinstance(self._media, Bag | Photographs):
            self._media.close()

    def _skip(self, name: str, error: VlmRosError) -> None:
        kind = PassingRecord if isinstance(error.__cause__, OSError) else SkippedRecord
        self._skipped.append(kind(name=_text(name), reason=_text(str(error))))

    def _close(self) -> None:
        for opened in (self._media, self._clip):
            if opened is not None:
                opened.close()
        self._media, self._clip, self._source = None, None, ''


def _text(words: str) -> str:
    return words.encode(errors='backslashreplace').decode()
