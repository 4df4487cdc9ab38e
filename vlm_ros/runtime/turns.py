"""The turns that a worker gives: to frames, of which the newest counts, and to requests."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
import logging
import threading
import time
from typing import Any, Generic, TypeVar

from vlm_ros.errors import InterruptedWork, VlmRosError
from vlm_ros.runtime.candidates import as_exception
from vlm_ros.tasks import Ticket

F = TypeVar('F')
R = TypeVar('R')
_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Consumer(Generic[F, R]):
    """What becomes of frames.

    Everything is called on the worker's thread, or, for work that is given up, on its watchdog's.

    Attributes:
        work: Looks at frames, of a stream each; returns a result for each, in their order.
        failed: Makes the result of a frame whose work raised, or was given up.
        deliver: Takes each result; never that of work which was given up meanwhile.
        batches: Whether `work` takes several frames at once.
    """

    work: Callable[[Sequence[F], Ticket], Sequence[R]]
    failed: Callable[[F, Exception], R]
    deliver: Callable[[R], None]
    batches: bool = False


@dataclass(eq=False)
class Turn:
    """One thing the thread does.

    Attributes:
        run: Does it; hands its outcome over only where `claim` allows.
        give_up: Hands over the error instead of an outcome that does not come.
        ticket: The caller's hold on it.
        started_s: When it began, in seconds of the monotonic clock.
    """

    run: Callable[['Turn'], None]
    give_up: Callable[[VlmRosError], None]
    ticket: Ticket
    started_s: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _is_over: bool = False

    @property
    def sign_of_life_s(self) -> float:
        """When it began, or last looked at its ticket; in seconds of the monotonic clock."""
        return max(self.started_s, self.ticket.seen_s)

    def claim(self) -> bool:
        """Whether the caller is the first, and only, to hand over what became of this turn."""
        with self._lock:
            first, self._is_over = not self._is_over, True
            return first


@dataclass(order=True)
class Request:
    """A job that waits; sorted by its deadline, then by when it came."""

    deadline_s: float
    number: int
    job: Callable[[], Any] = field(compare=False)
    ticket: Ticket = field(compare=False)
    future: 'Future[Any]' = field(compare=False)

    def turn(self) -> Turn:
        """Make its turn, in which it runs unless its ticket has ended."""
        return Turn(self._run, self.fail, self.ticket)

    def end(self) -> None:
        """Complete a request whose ticket has ended."""
        try:
            self.ticket.check()
        except InterruptedWork as error:
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """Complete it with an error, unless its caller is gone."""
        if self.future.set_running_or_notify_cancel():
            self.future.set_exception(error)

    def _run(self, turn: Turn) -> None:
        try:
            self.ticket.check()
            result = self.job()
        except BaseException as error:  # noqa: BLE001 - the caller gets it, the thread lives on
            if turn.claim():
                self.fail(as_exception(error))
        else:
            if turn.claim() and self.future.set_running_or_notify_cancel():
                self.future.set_result(result)


def frames_turn(frames: Sequence[F], consumer: Consumer[F, R], ticket: Ticket) -> Turn:
    """Make the turn in which a consumer looks at frames."""

    def run(turn: Turn) -> None:
        try:
            results = consumer.work(frames, ticket)
        except BaseException as error:  # noqa: BLE001 - a bad frame or model never ends the thread
            failure = as_exception(error)
            results = [consumer.failed(frame, failure) for frame in frames]
        if turn.claim():
            _deliver(results)

    def give_up(error: VlmRosError) -> None:
        _deliver([consumer.failed(frame, error) for frame in frames])

    def _deliver(results: Sequence[R]) -> None:
        for result in results:
            try:
                consumer.deliver(result)
            except Exception:
                _LOGGER.exception('a result could not be delivered')

    return Turn(run, give_up, ticket)
