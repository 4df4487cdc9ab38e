"""The thread that works for callbacks: the newest frame wins, requests wait their turn.

Callbacks hand work over and return at once; nothing here knows ROS. Each stream of frames has one
slot, so a frame that is overtaken before its turn is dropped, never queued. Requests (services,
actions) wait in a bounded queue, the earliest deadline first. The two take turns, so neither can
starve the other, and among the streams the one that waited longest comes first: with N streams
none waits for more than N turns of frames.
"""

from collections.abc import Callable
from concurrent.futures import Future
import heapq
from itertools import count
import logging
import math
import threading
from typing import Any, TypeVar

from vlm_ros.errors import ModelError, VlmRosError
from vlm_ros.runtime.turns import Consumer, frames_turn, Request, Turn
from vlm_ros.tasks import Ticket

F = TypeVar('F')
R = TypeVar('R')
T = TypeVar('T')
_LOGGER = logging.getLogger(__name__)


class QueueFull(VlmRosError):  # noqa: N818 - named as `queue.Full` is
    """Too many requests are waiting for the model; ask again later."""


class Worker:
    """One thread that gives frames and requests their turns.

    Args:
        name: The thread's name.
        max_requests: How many requests may wait before further ones are refused.
    """

    def __init__(self, name: str, *, max_requests: int = 16) -> None:
        self._name = name
        self._max_requests = max_requests
        self._wake = threading.Condition()
        self._slots: dict[str, tuple[Any, Consumer[Any, Any]]] = {}
        self._requests: list[Request] = []
        self._numbers = count()
        self._closed = False
        self._request_ran_last = False
        self._turn: Turn | None = None
        self._thread = self._start_thread()

    @property
    def waiting(self) -> int:
        """How many requests wait for their turn."""
        return len(self._requests)

    def offer(self, stream: str, frame: F, consumer: Consumer[F, R]) -> bool:
        """Put the newest frame of a stream into its slot.

        Returns:
            Whether an older frame of the stream was still waiting, and is now dropped.
        """
        with self._wake:
            dropped = stream in self._slots
            if not self._closed:
                # In place: being overtaken costs no stream its turn.
                self._slots[stream] = (frame, consumer)
                self._wake.notify_all()
            return dropped

    def withdraw(self, stream: str) -> bool:
        """Empty a stream's slot; returns whether a frame was waiting in it."""
        with self._wake:
            return self._slots.pop(stream, None) is not None

    def submit(self, job: Callable[[], T], ticket: Ticket) -> 'Future[T]':
        """Queue a request; it never starts once its ticket has ended.

        Raises:
            QueueFull: `max_requests` are waiting already.
            ModelError: The worker is closed.
        """
        future: Future[T] = Future()
        deadline_s = math.inf if ticket.deadline_s is None else ticket.deadline_s
        request = Request(deadline_s, next(self._numbers), job, ticket, future)
        with self._wake:
            if self._closed:
                raise ModelError('the model is shutting down')
            ended = [waiting for waiting in self._requests if waiting.ticket.has_ended]
            self._requests = [waiting for waiting in self._requests if waiting not in ended]
            heapq.heapify(self._requests)
            is_full = len(self._requests) >= self._max_requests
            if not is_full:
                heapq.heappush(self._requests, request)
                self._wake.notify_all()
        for waiting in ended:
            waiting.end()
        if is_full:
            raise QueueFull(
                f'{self._max_requests} requests are waiting for the model already; ask again later'
            )
        return future

    def close(self, timeout_s: float = 1.0) -> bool:
        """End the thread after the turn it is at; waiting requests fail, waiting frames go.

        Returns:
            Whether the thread ended within `timeout_s` seconds.
        """
        with self._wake:
            self._closed = True
            self._slots.clear()
            waiting, self._requests = self._requests, []
            self._wake.notify_all()
        for request in waiting:
            request.fail(ModelError('the model is shutting down'))
        if self._thread is threading.current_thread():
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _may_work(self) -> bool:
        """Whether turns may begin; called with the lock held."""
        return True

    def _frames_at_once(self) -> int:
        """How many frames a turn may take; called with the lock held."""
        return 1

    def _frame_ticket(self) -> Ticket:
        return Ticket()

    def _between_turns(self) -> None:
        """Run on the thread whenever it is woken and at its end, without the lock."""

    def _came_back(self) -> None:
        """Run at the end of a thread that was left behind, without the lock."""

    def _start_thread(self) -> threading.Thread:
        thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread = thread  # before it starts: it looks whether it is still the one
        thread.start()
        return thread

    def _run(self) -> None:
        while (turn := self._next()) is not None:
            try:
                turn.run(turn)
            except Exception:
                _LOGGER.exception('a turn of the worker %r failed', self._name)
            with self._wake:
                if self._thread is threading.current_thread():
                    self._turn = None
            del turn  # or the frame it holds would live until the next one comes
        if self._thread is threading.current_thread():
            self._between_turns()
        else:
            self._came_back()

    def _next(self) -> Turn | None:
        """Wait for the next turn; None where this thread is to end."""
        while self._thread is threading.current_thread():
            self._between_turns()
            with self._wake:
                if self._closed:
                    return None
                if (self._slots or self._requests) and self._may_work():
                    return self._take_turn()
                self._wake.wait()
        return None

    def _take_turn(self) -> Turn:
        self._request_ran_last = bool(self._requests) and not (
            self._request_ran_last and self._slots
        )
        if self._request_ran_last:
            self._turn = heapq.heappop(self._requests).turn()
        else:
            self._turn = self._frames_turn()
        return self._turn

    def _frames_turn(self) -> Turn:
        first, (_, consumer) = next(iter(self._slots.items()))  # the stream that waited longest
        streams = [first]
        if consumer.batches:
            alike = [name for name, (_, other) in self._slots.items() if other is consumer]
            streams = alike[: self._frames_at_once()]
        frames = [self._slots.pop(stream)[0] for stream in streams]
        return frames_turn(frames, consumer, self._frame_ticket())
