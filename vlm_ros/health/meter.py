"""What becomes of a camera's images in a node, over a sliding window."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
import threading
import time

_BUCKETS = 50
_MAX_RESULTS = 1024


@dataclass(frozen=True)
class StreamSnapshot:
    """A stream at one moment. Counts are totals, the other figures are of the window.

    None where nothing in the window tells; an age is negative where stamps lie in the future.

    Attributes:
        window_s: Length of the sliding window.
        observed_s: How much of the window images have been coming for, 0 to `window_s`.
        received: Images that came.
        processed: Images looked at, failed ones included.
        dropped: Images overtaken by a newer one before they were looked at.
        failed: Images that could not be looked at.
        received_hz: Images that came a second.
        processed_hz: Images looked at a second.
        dropped_fraction: Dropped images by those that came, 0 to 1.
        failed_fraction: Failed images by those looked at, 0 to 1.
        inference_p50_s: Median of the model's time; like all that follow, of the results.
        inference_p95_s: 95th percentile of the model's time.
        age_p50_s: Median age of the image when its result came.
        age_p95_s: 95th percentile of the age.
        age_max_s: The highest age.
        since_image_s: Since the last image came; None if none ever did.
        since_processed_s: Since an image was last looked at; None if none ever was.
        failure: Why the last failed image failed, if that is known.
    """

    window_s: float
    observed_s: float
    received: int
    processed: int
    dropped: int
    failed: int
    received_hz: float
    processed_hz: float
    dropped_fraction: float | None
    failed_fraction: float | None
    inference_p50_s: float | None
    inference_p95_s: float | None
    age_p50_s: float | None
    age_p95_s: float | None
    age_max_s: float | None
    since_image_s: float | None
    since_processed_s: float | None
    failure: str


class _Count:
    """Events of one kind: all of them, and those in the window; in buckets, so it stays small."""

    def __init__(self, window_s: float, total: int = 0) -> None:
        self._window_s = window_s
        self._step_s = window_s / _BUCKETS
        self._buckets: deque[list[int]] = deque()
        self._recent = 0
        self._begun_s = 0.0
        self.total = total
        self.last_s: float | None = None

    def add(self, now_s: float, count: int) -> None:
        self._forget(now_s)
        index = int(now_s // self._step_s)
        if not self._buckets:
            self._begun_s = now_s
        if not self._buckets or self._buckets[-1][0] != index:
            self._buckets.append([index, 0])
        self._buckets[-1][1] += count
        self._recent += count
        self.total += count
        self.last_s = now_s

    def recent(self, now_s: float) -> int:
        """Events in the window."""
        self._forget(now_s)
        return self._recent

    def observed_s(self, now_s: float) -> float:
        """Seconds since the first event after none for a window, at most the window."""
        self._forget(now_s)
        return min(self._window_s, now_s - self._begun_s) if self._buckets else 0.0

    def hz(self, now_s: float) -> float:
        """Events a second, over the time since the first where that is within the window."""
        self._forget(now_s)
        if not self._buckets:
            return 0.0
        oldest_s = (now_s // self._step_s - _BUCKETS + 1) * self._step_s
        if self._begun_s < oldest_s:
            return self._recent / (now_s - oldest_s)
        # The first event opens the time that the others are counted over.
        elapsed_s = now_s - self._begun_s
        return (self._recent - 1) / elapsed_s if elapsed_s > 0.0 else 0.0

    def since_s(self, now_s: float) -> float | None:
        """Seconds since the last event; None if there was none."""
        return None if self.last_s is None else now_s - self.last_s

    def _forget(self, now_s: float) -> None:
        oldest = int(now_s // self._step_s) - _BUCKETS + 1
        while self._buckets and self._buckets[0][0] < oldest:
            self._recent -= self._buckets.popleft()[1]


class StreamMeter:
    """Counts what becomes of one camera's images in one node; thread-safe, of bounded size.

    Rates and fractions are of the last `window_s`, to a fiftieth of it; percentiles are of the
    newest 1024 results among those.

    Args:
        window_s: Length of the sliding window, above 0; it should hold several processed images.
        clock: Seconds of a clock that never goes back.
    """

    def __init__(
        self, window_s: float = 10.0, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._window_s = window_s
        self._clock = clock
        self._lock = threading.Lock()
        self._begin(0, 0, 0, 0)

    def reset(self) -> None:
        """Forget the window, as when the node is activated anew; the totals go on."""
        with self._lock:
            self._begin(
                self._received.total,
                self._processed.total,
                self._dropped.total,
                self._failed.total,
            )

    def _begin(self, received: int, processed: int, dropped: int, failed: int) -> None:
        self._received = _Count(self._window_s, received)
        self._processed = _Count(self._window_s, processed)
        self._dropped = _Count(self._window_s, dropped)
        self._failed = _Count(self._window_s, failed)
        self._failure = ''
        self._results: deque[tuple[float, float, float | None]] = deque(maxlen=_MAX_RESULTS)

    def receive(self) -> None:
        """Count an image that came."""
        with self._lock:
            self._received.add(self._clock(), 1)

    def drop(self, count: int = 1) -> None:
        """Count images that were overtaken before they were looked at; `count` is 0 or more."""
        if count:
            with self._lock:
                self._dropped.add(self._clock(), count)

    def process(
        self, *, failed: bool, inference_s: float, age_s: float | None, failure: str = ''
    ) -> None:
        """Count an image that was looked at.

        Args:
            failed: Whether it could not be; its times then count for no percentile.
            inference_s: What the model took.
            age_s: From the image's stamp to its result; None where the stamp cannot tell.
            failure: Why it failed, in one line.
        """
        with self._lock:
            now_s = self._clock()
            self._processed.add(now_s, 1)
            if failed:
                self._failed.add(now_s, 1)
                self._failure = failure
            else:
                self._results.append((now_s, inference_s, age_s))

    @property
    def received(self) -> int:
        """Images that came since the start."""
        return self._received.total

    @property
    def processed(self) -> int:
        """Images looked at since then, failed ones included."""
        return self._processed.total

    @property
    def dropped(self) -> int:
        """Images dropped since then."""
        return self._dropped.total

    @property
    def failed(self) -> int:
        """Images that could not be looked at since then."""
        return self._failed.total

    def snapshot(self) -> StreamSnapshot:
        """Return how the stream does now."""
        with self._lock:
            now_s = self._clock()
            while self._results and self._results[0][0] <= now_s - self._window_s:
                self._results.popleft()
            inferences_s = [inference_s for _, inference_s, _ in self._results]
            ages_s = [age_s for _, _, age_s in self._results if age_s is not None]
            received, processed = self._received, self._processed
            return StreamSnapshot(
                window_s=self._window_s,
                observed_s=received.observed_s(now_s),
                received=received.total,
                processed=processed.total,
                dropped=self._dropped.total,
                failed=self._failed.total,
                received_hz=received.hz(now_s),
                processed_hz=processed.hz(now_s),
                dropped_fraction=_fraction(self._dropped.recent(now_s), received.recent(now_s)),
                failed_fraction=_fraction(self._failed.recent(now_s), processed.recent(now_s)),
                inference_p50_s=_percentile(inferences_s, 50),
                inference_p95_s=_percentile(inferences_s, 95),
                age_p50_s=_percentile(ages_s, 50),
                age_p95_s=_percentile(ages_s, 95),
                age_max_s=max(ages_s, default=None),
                since_image_s=received.since_s(now_s),
                since_processed_s=processed.since_s(now_s),
                failure=self._failure,
            )


def _fraction(part: int, whole: int) -> float | None:
    # An image that came at the window's edge can be dropped within it.
    return min(1.0, part / whole) if whole else None


def _percentile(values: Sequence[float], percent: int) -> float | None:
    """The nearest rank: a value that was measured, never one between two."""
    return sorted(values)[-(-len(values) * percent // 100) - 1] if values else None
