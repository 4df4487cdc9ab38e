"""A caller's hold on a piece of work."""

from collections.abc import Callable
import math
import threading
import time

from vlm_ros.errors import DeadlineExceeded, WorkCancelled

_SLICE_S = 0.1


class Ticket:
    """A caller's hold on one piece of work: its deadline, its cancel, its partial output.

    Work calls `check()` between its steps (one generated token, one region batch), so that it
    ends within a step of the deadline or of `cancel()`. Safe to use from several threads.

    Args:
        timeout_s: Seconds from now until the work is no longer wanted; None for no limit.
        on_partial: Called, on the working thread, with the text so far whenever there is more.
    """

    def __init__(
        self, timeout_s: float | None = None, on_partial: Callable[[str], None] | None = None
    ) -> None:
        self._deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self._cancelled = threading.Event()
        self._reason = ''
        self.seen_s = time.monotonic()
        """When the work last looked at this ticket, a sign of life; seconds, monotonic clock."""
        self._on_partial = on_partial

    def cancel(self, reason: str = 'the caller cancelled the request') -> None:
        """Take the work back; it ends at its next `check()`, with the reason as its message."""
        if not self._cancelled.is_set():
            self._reason = reason
        self._cancelled.set()

    @property
    def deadline_s(self) -> float | None:
        """When the work is no longer wanted, in seconds of the monotonic clock; None for never."""
        return self._deadline

    @property
    def is_cancelled(self) -> bool:
        """Whether the caller took the work back."""
        return self._cancelled.is_set()

    @property
    def has_ended(self) -> bool:
        """Whether `check()` would raise."""
        return self.is_cancelled or self.remaining_s == 0

    @property
    def remaining_s(self) -> float | None:
        """Seconds until the deadline, never below 0; None where there is none."""
        if self._deadline is None:
            return None
        return max(0.0, self._deadline - time.monotonic())

    def check(self) -> None:
        """Go on, or end the work.

        Raises:
            WorkCancelled: The caller took the work back.
            DeadlineExceeded: The deadline has passed.
        """
        self.seen_s = time.monotonic()
        self.raise_if_ended()

    def raise_if_ended(self) -> None:
        """Raise what `check()` would; for the caller, whose look is no sign of life."""
        if self._cancelled.is_set():
            raise WorkCancelled(self._reason)
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise DeadlineExceeded('the deadline passed before the work was done')

    def sleep(self, duration_s: float) -> None:
        """Wait, ending early as `check()` does."""
        until_s = time.monotonic() + duration_s
        while (left_s := until_s - time.monotonic()) > 0:
            remaining_s = self.remaining_s
            # In slices, because each `check` is a sign of life.
            left_s = min(left_s, _SLICE_S, math.inf if remaining_s is None else remaining_s)
            self._cancelled.wait(left_s)
            self.check()
        self.check()

    def report_partial(self, text: str) -> None:
        """Hand the caller the text so far."""
        if self._on_partial is not None:
            self._on_partial(text)
