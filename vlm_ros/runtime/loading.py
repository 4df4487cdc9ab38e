"""The worker that has a model: which one is in use, its loading, replacing and freeing."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
import contextlib
from dataclasses import dataclass, field
import logging
import threading
import time
from typing import Generic, TypeVar

from vlm_ros.errors import ModelError
from vlm_ros.runtime.candidates import (
    as_exception,
    Bench,
    Candidate,
    ModelState,
    one_line,
    Patience,
    Phase,
    Seat,
    warm_up,
)
from vlm_ros.runtime.memory import free_models, spare_the_living
from vlm_ros.runtime.worker import Worker
from vlm_ros.tasks import BatchDetector, Model

M = TypeVar('M', bound=Model)
PROGRESS_S = 5.0
"""How often the log says that loading goes on."""


@dataclass(eq=False)
class _Loading(Generic[M]):
    seat: Seat[M]
    started_s: float = field(default_factory=time.monotonic)
    told_s: float = field(default_factory=time.monotonic)


class LoadingWorker(Worker, Generic[M]):
    """A worker whose models are loaded on threads of their own and freed on its own.

    A subclass decides when a model is put aside, and looks at the clock.

    Args:
        candidates: The models to use, best first.
        name: The thread's name.
        max_requests: How many requests may wait before further ones are refused.
        patience: When a model is put aside.
        report: Told, in one line and with a level of `logging`, what happens to the models; called
            on any thread, and never with a lock held.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate[M]],
        *,
        name: str,
        max_requests: int,
        patience: Patience,
        report: Callable[[int, str], None],
    ) -> None:
        self._patience = patience
        self._report = report
        self._bench = Bench(candidates, patience)
        self._seat: Seat[M] | None = None
        self._model: M | None = None
        self._batch = 1
        self._loading: _Loading[M] | None = None
        self._retired: list[M] = []
        self._warm_ups: list[Callable[[M], object]] = []
        self._since_s = time.monotonic()
        self.loaded: Future[None] = Future()
        """Done when a model was loaded for the first time, or, with the reason, none could be."""
        super().__init__(name, max_requests=max_requests)

    @property
    def model(self) -> M:
        """The model in use.

        Raises:
            ModelError: There is none; the message says why.
        """
        with self._wake:
            if self._model is None:
                raise ModelError(self._why_none())
            return self._model

    @property
    def state(self) -> ModelState:
        """What can be said now; safe on any thread."""
        with self._wake:
            seat = self._seat or (self._loading.seat if self._loading else None)
            return ModelState(
                self._phase(),
                seat.candidate.name if seat else '',
                self._bench.seats[0].candidate.name,
                self._model.model_id if self._model is not None else '',
                self._model.device if self._model is not None else '',
                self._bench.errors(self._seat),
                time.monotonic() - self._since_s,
            )

    @property
    def frames_at_once(self) -> int:
        """How many images the model takes in one call; smaller after memory ran out."""
        return self._batch

    def close(self, timeout_s: float = 1.0) -> bool:
        """End the threads after the turn they are at, and free the model."""
        with self._wake:
            self._closed = True  # before the supervisor could see that there is no model
            self._enter(None)
            self._loading = None
        ended = super().close(timeout_s)
        _complete(self.loaded, ModelError('the model is shutting down'))
        return ended

    def _may_work(self) -> bool:
        # Where there is no model and none is coming, turns fail at once and say why.
        return self._model is not None or self._loading is None

    def _frames_at_once(self) -> int:
        return self._batch

    def _between_turns(self) -> None:
        with self._wake:
            retired, self._retired = self._retired, []
        free_models(retired)

    def _phase(self) -> Phase:
        if self._closed:
            return Phase.CLOSED
        if self._model is not None:
            return Phase.READY
        return Phase.LOADING if self._loading else Phase.FAILED

    def _why_none(self) -> str:
        if self._closed:
            return 'the model is shutting down'
        if self._loading is not None:
            return f'{self._loading.seat.candidate.name} is still loading'
        return self._bench.outlook(time.monotonic())

    def _failure(self) -> ModelError:
        """Why there is no model."""
        with self._wake:
            return ModelError(self._bench.errors())

    def _enter(self, seat: Seat[M] | None, model: M | None = None) -> None:
        """Use this model from now on, or none; called with the lock held."""
        if self._model is not None:
            self._retired.append(self._model)
        self._seat, self._model = seat, model
        self._batch = max(1, model.max_batch) if isinstance(model, BatchDetector) else 1
        self._since_s = time.monotonic()
        self._wake.notify_all()

    def _put_aside(self, seat: Seat[M], error: BaseException) -> None:
        """Have another model, if there is one; called with the lock held."""
        seat.put_aside(error, self._patience, time.monotonic())
        if self._seat is seat:
            self._enter(None)
        self._choose()

    def _choose(self) -> None:
        """Load the best model that is due and better than the one in use; with the lock held."""
        if self._closed or self._loading is not None:
            return
        now_s = time.monotonic()
        if (seat := self._bench.due(self._seat, now_s)) is None:
            return
        if self._model is None:
            self._since_s = now_s
        self._loading = _Loading(seat)
        threading.Thread(
            target=self._load,
            args=(self._loading,),
            name=f'{self._name} loading {seat.candidate.name}',
            daemon=True,
        ).start()

    def _load(self, loading: _Loading[M]) -> None:
        """Load a model and warm it up; on a thread of its own."""
        candidate = loading.seat.candidate
        self._report(logging.INFO, f'loading {candidate.name}')
        models: list[M] = []
        error: Exception | None = None
        try:
            models.append(candidate.load())
            with self._wake:
                warm_ups = list(self._warm_ups)
            warm_up(models[0], warm_ups)
            spare_the_living()
        except BaseException as caught:  # noqa: BLE001 - whatever a third party's loading raises
            error = as_exception(caught)
        with self._wake:
            is_wanted = self._loading is loading
            if is_wanted:
                self._loading = None
                self._settle(loading.seat, models, error)
            loading.seat.is_stuck = False
            self._wake.notify_all()
        free_models(models)
        if not is_wanted:
            return
        state = self.state
        if error is not None:
            self._report(logging.ERROR, f'{candidate.name} does not load: {one_line(error)}')
        else:
            self._report(logging.INFO, f'{state.model_id} is ready on {state.device}')
        if state.phase is Phase.READY:
            _complete(self.loaded)
        elif state.phase is Phase.FAILED:
            _complete(self.loaded, self._failure())

    def _settle(self, seat: Seat[M], models: list[M], error: Exception | None) -> None:
        """Act on the end of loading; called with the lock held."""
        if error is not None:
            self._put_aside(seat, error)
            return
        seat.error, seat.failures, seat.ready_at_s = '', 0, time.monotonic()
        self._enter(seat, models.pop())

    def _overdue_loading(self) -> Callable[[], None] | None:
        """Give up loading that takes too long; called with the lock held."""
        loading = self._loading
        if loading is None or time.monotonic() < loading.started_s + self._patience.load_s:
            return None
        error = ModelError(f'loading took longer than {self._patience.load_s:g} s')
        self._loading = None
        loading.seat.is_stuck = True
        self._put_aside(loading.seat, error)
        failed = self._phase() is Phase.FAILED

        def tell() -> None:
            self._report(logging.ERROR, f'{loading.seat.candidate.name}: {error}')
            if failed:
                _complete(self.loaded, self._failure())

        return tell

    def _progress(self) -> Callable[[], None] | None:
        """Say now and then that loading goes on; called with the lock held."""
        loading, now_s = self._loading, time.monotonic()
        if loading is None or now_s < loading.told_s + PROGRESS_S:
            return None
        loading.told_s = now_s
        text = f'loading {loading.seat.candidate.name}: {now_s - loading.started_s:.0f} s so far'
        return lambda: self._report(logging.INFO, text)


def _complete(future: 'Future[None]', error: Exception | None = None) -> None:
    """Complete a future that may be complete already."""
    with contextlib.suppress(InvalidStateError):
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
