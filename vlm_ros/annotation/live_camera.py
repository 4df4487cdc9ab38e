"""A camera as a source: which of its images are looked at, and how they are numbered.

A source of a dataset has one clock that goes forwards, which tracks and rates rely on. A camera is
therefore a new source, a *run*, each time that it is begun, and each time that its clock is set
back, as that of a simulator is when it starts again.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from vlm_ros.annotation.plan import SamplingPlan
from vlm_ros.annotation.sampling import Sampler
from vlm_ros.data.frames import Frame
from vlm_ros.images import Image

LATE_S = 1.0
"""So much older than the one before is an image that came late; more, and the clock went back."""


@dataclass(frozen=True)
class Place:
    """Where an image belongs.

    Attributes:
        source: The run, `TOPIC#NUMBER`, numbers being from 1.
        topic: The camera's.
        index: Its number among the run's images, from 0; those not looked at are counted, too.
        stamp_ns: Of its header; None where nobody set it.
        time_s: Seconds since the run's first image.
    """

    source: str
    topic: str
    index: int
    stamp_ns: int | None
    time_s: float

    def frame(self, image: Image) -> Frame:
        """Return the image `(H, W, 3)` uint8 RGB in its place."""
        return Frame(image, self.source, self.index, self.time_s, self.topic, self.stamp_ns)


class LiveCamera:
    """Chooses images by their number and time; not thread-safe.

    Args:
        topic: Its full name.
        sampling: What is chosen.
        runs: How many the dataset has of it.
        last_ns: The stamp of its image that was annotated last; None for none.
    """

    def __init__(
        self, topic: str, sampling: SamplingPlan, runs: int = 0, last_ns: int | None = None
    ) -> None:
        self.topic = topic
        self._sampling = sampling
        self._sampler = Sampler(sampling)
        self._run = runs
        self._last_ns = last_ns
        self._first_ns: int | None = None
        self._first_s: float | None = None
        self._count = 0

    @property
    def source(self) -> str:
        """The run; before its first image the one that is to begin."""
        return f'{self.topic}#{self._run + (self._first_s is None)}'

    def take(self, stamp_ns: int | None, received_s: float) -> Place | None:
        """Return the place of an image that is to be looked at; None for any other.

        One that was seen before, such as a latched image that comes again, is none; nor is one
        that came late, after a newer one.

        Args:
            stamp_ns: Of its header; None where nobody set it.
            received_s: When it came, in seconds of any clock that goes forwards.
        """
        if stamp_ns is not None and self._last_ns is not None:
            if stamp_ns == self._last_ns:
                return None
            if stamp_ns < self._last_ns:
                if self._first_s is not None and stamp_ns > self._last_ns - LATE_S * 1e9:
                    return None
                self._first_s = None
        if self._first_s is None:
            self._begin(stamp_ns, received_s)
        self._last_ns = stamp_ns
        place = Place(
            self.source, self.topic, self._count, stamp_ns, self._time_s(stamp_ns, received_s)
        )
        self._count += 1
        return place if self._sampler.wants(self.topic, place.index, place.time_s) else None

    def _begin(self, stamp_ns: int | None, received_s: float) -> None:
        self._run += 1
        self._count = 0
        self._first_ns, self._first_s = stamp_ns, received_s
        self._sampler = Sampler(self._sampling)

    def _time_s(self, stamp_ns: int | None, received_s: float) -> float:
        if stamp_ns is not None and self._first_ns is not None:
            return (stamp_ns - self._first_ns) / 1e9
        assert self._first_s is not None
        return round(received_s - self._first_s, 6)


def run_number(topic: str, sources: Iterable[str]) -> int:
    """Return the number of a camera's last run among sources; 0 for none."""
    numbers = (source.removeprefix(f'{topic}#') for source in sources)
    return max((int(number) for number in numbers if number.isdigit()), default=0)
