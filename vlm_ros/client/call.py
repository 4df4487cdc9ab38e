"""A request that is on its way."""

from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
import contextlib
import time
from typing import Any, Generic, TypeVar

from vlm_ros.client.outcomes import Outcome
from vlm_ros.results import Status

T = TypeVar('T')
_GRACE_S = 1.0
_NOT_RUN = (
    "the executor of the client's node does not run: spin the node on another thread, or give the "
    'client none'
)


class Call(Generic[T]):
    """A request that is on its way; for any thread.

    It always ends, with an outcome: after its time at the latest where an executor runs the
    client's node, and a second later where none does, once it is asked whether it is done.

    Attributes:
        future: Gets the outcome; cancelling it cancels the request.
        deadline_s: When it ends at the latest, in seconds of `time.monotonic`.
        partial: What the answer is so far; stays empty for most requests.
    """

    def __init__(self, timeout_s: float) -> None:
        self.future: Future[Outcome[T]] = Future()
        self.deadline_s = time.monotonic() + timeout_s
        self.partial = ''

    @property
    def remaining_s(self) -> float:
        """Seconds to the deadline, 0 at least."""
        return max(0.0, self.deadline_s - time.monotonic())

    @property
    def overdue_s(self) -> float:
        """Seconds until it must have ended, were there an executor to end it; 0 at least."""
        return max(0.0, self.deadline_s + _GRACE_S - time.monotonic())

    def done(self) -> bool:
        """Whether it has ended; ends it where it is overdue."""
        if not self.future.done() and not self.overdue_s:
            self.end(Outcome(None, Status.FAILED, _NOT_RUN))
        return self.future.done()

    def outcome(self) -> Outcome[T]:
        """Return what it came to.

        Raises:
            InvalidStateError: It is not done.
        """
        if self.future.cancelled():
            return _cancelled()
        if not self.done():
            raise InvalidStateError('the request has not ended; ask `done` first')
        return self.future.result()

    def cancel(self) -> None:
        """Take it back; the server stops working on it where it is a question (`ask`)."""
        self.end(_cancelled())

    def add_done_callback(self, callback: Callable[['Call[T]'], Any]) -> None:
        """Have `callback` called when it has ended, on the thread that ends it."""
        self.future.add_done_callback(lambda _: callback(self))

    def end(self, outcome: Outcome[T]) -> None:
        """End it, unless it has ended already."""
        with contextlib.suppress(InvalidStateError):
            self.future.set_result(outcome)


def _cancelled() -> Outcome[Any]:
    return Outcome(None, Status.CANCELLED, 'the caller took the request back')
