"""The last few frames of a camera, for questions about the last few seconds."""

from collections import deque
import threading

from vlm_ros.errors import InputError
from vlm_ros.nodes.conversions import stamp_to_ns
from vlm_ros.nodes.image_feed import Frame

_SLACK = 0.95
"""A camera is never quite on time; a frame may come so much earlier than its turn."""


class RecentFrames:
    """Keeps some of a camera's frames, spread over the last seconds; a listener of an `ImageFeed`.

    Time is that of the images' stamps, or where they have none, that of their coming. When it
    jumps back, as where a recording begins again, all frames from before are forgotten.

    Args:
        max_frames: How many to keep at most. A frame takes the memory of its message, and of its
            picture once somebody has looked at it.
        span_s: How far back to keep them, in seconds.
    """

    def __init__(self, max_frames: int, span_s: float) -> None:
        self._max_frames = max_frames
        self._span_s = span_s
        self._frames: deque[tuple[float, Frame]] = deque(maxlen=max_frames)
        self._lock = threading.Lock()

    def add(self, frame: Frame) -> None:
        """Keep a frame, unless one was kept a moment ago."""
        taken_s = _taken_s(frame)
        with self._lock:
            if self._frames and taken_s < self._frames[-1][0]:
                self._frames.clear()
            step_s = _SLACK * self._span_s / self._max_frames
            if self._frames and taken_s - self._frames[-1][0] < step_s:
                return
            self._frames.append((taken_s, frame))
            self._drop(taken_s)

    def clear(self) -> None:
        """Forget all frames."""
        with self._lock:
            self._frames.clear()

    def before(self, newest: Frame, window_s: float) -> list[Frame]:
        """Return the frames of the seconds before one, oldest first, without it.

        Raises:
            InputError: The window is longer than frames are kept.
        """
        self.check(window_s)
        until_s = _taken_s(newest)
        with self._lock:
            return [
                frame
                for taken_s, frame in self._frames
                if until_s - window_s <= taken_s < until_s and frame is not newest
            ]

    def check(self, window_s: float) -> None:
        """Refuse a window that cannot be looked at.

        Raises:
            InputError: It is longer than frames are kept.
        """
        if window_s > self._span_s:
            raise InputError(
                f'the last {window_s:g} s are asked about, but frames are kept for '
                f'{self._span_s:g} s; raise the parameter window_s'
            )

    def _drop(self, now_s: float) -> None:
        while self._frames and self._frames[0][0] < now_s - self._span_s:
            self._frames.popleft()


def reach_s(oldest: Frame, newest: Frame) -> float:
    """Return how many seconds lie between two frames."""
    return max(0.0, _taken_s(newest) - _taken_s(oldest))


def _taken_s(frame: Frame) -> float:
    stamp_ns = stamp_to_ns(frame.header.stamp)
    return frame.received_s if stamp_ns is None else stamp_ns * 1e-9
