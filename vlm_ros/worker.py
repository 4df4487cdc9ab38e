"""The thread that owns a loaded model: the newest frame wins, requests wait their turn.

Callbacks hand work over and return at once; nothing here knows ROS. Each stream of frames has one
slot, so work that is overtaken before it starts is dropped and counted, never queued. Requests
(services, actions) wait in a bounded queue. The two take turns, so neither can starve the other.
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
import logging
import threading
from typing import Generic, TypeVar

from vlm_ros.errors import ModelError, VlmRosError
from vlm_ros.tasks import Ticket

T = TypeVar('T')
_LOGGER = logging.getLogger(__name__)


class QueueFull(VlmRosError):  # noqa: N818 - named as `queue.Full` is
    """Too many requests are waiting for the model; ask again later."""


class Worker:
    """One thread that runs frame jobs and request jobs in turn.

    Args:
        name: The thread's name.
        max_requests: How many requests may wait before further ones are refused.
    """

    def __init__(self, name: str, *, max_requests: int = 16) -> None:
        self._max_requests = max_requests
        self._wake = threading.Condition()
        self._slots: dict[str, Callable[[], None]] = {}
        self._requests: deque[tuple[Callable[[], object], Ticket, Future[object]]] = deque()
        self._closed = False
        self._request_ran_last = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def offer(self, stream: str, job: Callable[[], None]) -> bool:
        """Put the newest work of a stream into its slot; it handles its own errors.

        Returns:
            Whether older work of the stream was still waiting, and is now dropped.
        """
        with self._wake:
            dropped = stream in self._slots
            if not self._closed:
                self._slots[stream] = job  # in place: being overtaken costs no stream its turn
                self._wake.notify()
            return dropped

    def submit(self, job: Callable[[], T], ticket: Ticket) -> 'Future[T]':
        """Queue a request; it never starts once its ticket has ended.

        Raises:
            QueueFull: `max_requests` are waiting already.
        """
        future: Future[T] = Future()
        with self._wake:
            if self._closed:
                raise ModelError('the model is shutting down')
            if len(self._requests) >= self._max_requests:
                raise QueueFull(
                    f'{self._max_requests} requests are waiting for the model already; '
                    'ask again later'
                )
            self._requests.append((job, ticket, future))  # type: ignore[arg-type]
            self._wake.notify()
        return future

    def close(self, timeout_s: float = 1.0) -> bool:
        """End the thread after the job it is at; waiting requests fail, waiting frames go.

        Returns:
            Whether the thread ended within `timeout_s` seconds.
        """
        with self._wake:
            self._closed = True
            self._slots.clear()
            waiting, self._requests = list(self._requests), deque()
            self._wake.notify()
        for _, _, future in waiting:
            future.set_exception(ModelError('the model is shutting down'))
        if self._thread is threading.current_thread():
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _open(self) -> None:
        """Run first on the thread."""

    def _shut(self) -> None:
        """Run last on the thread."""

    def _run(self) -> None:
        self._open()
        while (job := self._next()) is not None:
            try:
                job()
            except Exception:
                _LOGGER.exception('a job of the worker %r failed', self._thread.name)
            del job  # or the frame it holds would live until the next one comes
        self._shut()

    def _next(self) -> Callable[[], None] | None:
        with self._wake:
            self._wake.wait_for(lambda: self._closed or self._slots or self._requests)
            if self._closed:
                return None
            self._request_ran_last = bool(self._requests) and not (
                self._request_ran_last and self._slots
            )
            if not self._request_ran_last:
                return self._slots.pop(next(iter(self._slots)))  # the stream that waited longest
            job, ticket, future = self._requests.popleft()
        return lambda: _complete(job, ticket, future)


class ModelWorker(Worker, Generic[T]):
    """A worker whose thread loads a model, lends it to its jobs and frees it.

    Args:
        load: Makes the model; run on the thread, so that nobody waits for it.
        free: Frees it again.
        name: The thread's name.
        max_requests: How many requests may wait before further ones are refused.
    """

    def __init__(
        self,
        load: Callable[[], T],
        free: Callable[[T], None],
        *,
        name: str = 'model',
        max_requests: int = 16,
    ) -> None:
        self._load = load
        self._free = free
        self._model: T | None = None
        self._error: VlmRosError | None = None
        self.loaded: Future[T] = Future()
        """Done when loading has ended, with the model or with the error."""
        super().__init__(name, max_requests=max_requests)

    @property
    def model(self) -> T:
        """The model; for jobs, which start only after loading has ended.

        Raises:
            VlmRosError: It could not be loaded; the message says why.
        """
        if self._error is not None:
            raise self._error
        if self._model is None:
            raise ModelError('the model is not loaded')
        return self._model

    def _open(self) -> None:
        try:
            self._model = self._load()
        except VlmRosError as error:
            self._error = error
        except Exception as error:  # noqa: BLE001 - whatever a third party's loading raises
            self._error = ModelError(f'loading failed: {type(error).__name__}: {error}')
            self._error.__cause__ = error
        if self._error is None:
            self.loaded.set_result(self.model)
        else:
            self.loaded.set_exception(self._error)

    def _shut(self) -> None:
        if self._model is not None:
            self._free(self._model)
            self._model = None


def _complete(job: Callable[[], object], ticket: Ticket, future: 'Future[object]') -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        ticket.check()
        result = job()
    except BaseException as error:  # noqa: BLE001 - the caller gets it, the thread lives on
        future.set_exception(error)
    else:
        future.set_result(result)
