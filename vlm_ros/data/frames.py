"""What every source of images yields."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import TypeVar

from vlm_ros.images import Image

_Media = TypeVar('_Media', bound='Media')


@dataclass(frozen=True, eq=False)
class Frame:
    """One image and its place in its source.

    Attributes:
        image: `(H, W, 3)` uint8 RGB, C-contiguous.
        name: What it shows: the photograph's path, or the video's or stream's source.
        index: Its number in the source, from 0. Numbers are left out where frames are: those of a
            live source that came while nobody asked, broken photographs, `every`.
        time_s: Seconds since the source's first frame; None for photographs.
        topic: Of a bag, where the image was recorded; empty elsewhere.
        stamp_ns: When the image was taken, in nanoseconds since 1970 or the simulation's start; of
            a bag, when it was recorded where nobody set that. None where the source does not tell.
    """

    image: Image
    name: str
    index: int
    time_s: float | None = None
    topic: str = ''
    stamp_ns: int | None = None


class Media(ABC):
    """Frames, one after the other: iterate inside a `with`.

    Attributes:
        source: What was opened, without a password.
        length: How many frames one round has, as far as the source says; None where it does not.
        rate_hz: The source's own; None for photographs and where it is not known.
        is_live: Whether the frames go by whether or not somebody reads them.
    """

    source: str
    length: int | None = None
    rate_hz: float | None = None
    is_live: bool = False

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames; raises `SourceError` where the source breaks off."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the source; an iteration under way on another thread ends. May be repeated."""

    def __enter__(self: _Media) -> _Media:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
