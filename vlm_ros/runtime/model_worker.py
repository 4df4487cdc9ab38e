"""The worker that owns a model: it lends it to turns, watches them and replaces it.

The models to use are given as a list, best first. One that cannot be loaded, fails several times
in a row or does not come back from a call is put aside, and the next takes over; after a back-off,
which doubles each time, the better one is tried again while the other goes on working.

A Python thread cannot be killed. One that does not come back from a call is left behind, its
result is never delivered, and its model is tried again only once it did come back, so that no more
than one thread of each model can be lost.
"""

from collections.abc import Callable, Sequence
import contextlib
import logging
import threading
import time
import traceback
from typing import Generic, TypeVar

from vlm_ros.errors import (
    DeadlineExceeded,
    InputError,
    ModelError,
    OtherModelError,
    OutOfMemory,
    WorkCancelled,
)
from vlm_ros.runtime.candidates import (
    as_exception,
    as_out_of_memory,
    Candidate,
    one_line,
    Patience,
    Seat,
    warm_up,
)
from vlm_ros.runtime.loading import LoadingWorker, PROGRESS_S
from vlm_ros.runtime.memory import free_models, return_freed_memory
from vlm_ros.runtime.turns import Turn
from vlm_ros.runtime.worker import QueueFull
from vlm_ros.tasks import Model, ReleasesMemory, Ticket

R = TypeVar('R')
M = TypeVar('M', bound=Model)
DEFAULT_PATIENCE = Patience()
GRACE_S = 1.0
"""How long a call may take to notice that its ticket has ended, before it is left behind."""
_LOGGER = logging.getLogger(__name__)


class ModelWorker(LoadingWorker[M], Generic[M]):
    """A worker with a model for its turns.

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
        name: str = 'model',
        max_requests: int = 16,
        patience: Patience = DEFAULT_PATIENCE,
        report: Callable[[int, str], None] = _LOGGER.log,
    ) -> None:
        self._own_ticket = Ticket()
        self._in_use: tuple[Seat[M], M] | None = None
        self._stuck: dict[threading.Thread, tuple[Seat[M], M]] = {}
        super().__init__(
            candidates, name=name, max_requests=max_requests, patience=patience, report=report
        )
        self._supervisor = threading.Thread(
            target=self._supervise, name=f'{name} supervisor', daemon=True
        )
        self._supervisor.start()

    def warm_up(self, work: Callable[[M], object]) -> None:
        """Have every model do something once when it is loaded, before anybody waits for it.

        The first call of a model takes longest. One that fails at it fails to load.
        """
        with self._wake:
            if work in self._warm_ups:
                return
            self._warm_ups.append(work)
            model = self._model
        if model is not None:
            with contextlib.suppress(QueueFull):  # then it is warm already
                self.submit(lambda: self.call(lambda model: warm_up(model, [work])), Ticket())

    def call(self, use: Callable[[M], R]) -> R:
        """Use the model, and keep the record of its failures; for turns.

        Raises:
            ModelError: The model failed, or there is none.
            OutOfMemory: Its memory did not suffice; `frames_at_once` is smaller now, if it could.
        """
        with self._wake:
            if self._thread is not threading.current_thread():
                raise ModelError('this work was left behind')  # another thread has the model now
            if self._model is None or self._seat is None:
                raise ModelError(self._why_none())
            seat, model = in_use = self._in_use = self._seat, self._model
        try:
            return self._call(use, seat, model)
        finally:
            with self._wake:
                if self._in_use is in_use:
                    self._in_use = None

    def _call(self, use: Callable[[M], R], seat: Seat[M], model: M) -> R:
        try:
            result = use(model)
        except (InputError, OtherModelError, WorkCancelled):
            raise  # the caller's doing, or another model's
        except DeadlineExceeded as error:
            if self._turn is None or self._turn.ticket is not self._own_ticket:
                raise  # the caller's own limit
            slow = ModelError(f'a call took longer than {self._patience.call_s:g} s')
            self._note_failure(seat, slow)
            raise slow from error
        except Exception as error:
            if (short := as_out_of_memory(error)) is None:
                self._note_failure(seat, error)
                raise
            traceback.clear_frames(error.__traceback__)  # they hold what has to be released
            self._note_out_of_memory(seat, model, short)
            raise short from error
        except BaseException as error:  # a panic in Rust code, an exit in somebody's script
            broken = as_exception(error)
            self._note_failure(seat, broken)
            raise broken from error
        seat.failures = 0
        return result

    def _take_turn(self) -> Turn:
        turn = super()._take_turn()
        self._wake.notify_all()  # the supervisor has to know how long it may take
        return turn

    def _frame_ticket(self) -> Ticket:
        self._own_ticket = Ticket(self._patience.call_s)
        return self._own_ticket

    def _came_back(self) -> None:
        with self._wake:
            stuck = self._stuck.pop(threading.current_thread(), None)
            if stuck is None:
                return
            seat, *models = stuck
            del stuck
            seat.is_stuck = False
            self._wake.notify_all()
        free_models(models)

    def _note_failure(self, seat: Seat[M], error: BaseException) -> None:
        with self._wake:
            seat.failures += 1
            if seat.failures < self._patience.failures or self._seat is not seat:
                return
            count = seat.failures
            self._put_aside(seat, error)
        self._report(
            logging.ERROR,
            f'{seat.candidate.name} failed {count} times in a row and is put aside: '
            f'{one_line(error)}',
        )

    def _note_out_of_memory(self, seat: Seat[M], model: M, error: OutOfMemory) -> None:
        holder: object = model
        if isinstance(holder, ReleasesMemory):
            holder.release_memory()
        return_freed_memory()
        with self._wake:
            smaller = self._batch // 2
            if smaller:
                self._batch = smaller
        if smaller:
            self._report(logging.WARNING, f'{one_line(error)}; now {smaller} image(s) at once')
        else:
            self._note_failure(seat, error)

    def _supervise(self) -> None:
        while True:
            with self._wake:
                if self._closed:
                    return
                then = self._overdue_turn() or self._overdue_loading() or self._progress()
                if then is None:
                    self._choose()
                    self._wake.wait(self._until_next_s())
            if then is not None:
                try:
                    then()
                except Exception:
                    _LOGGER.exception('the watchdog of %r could not tell', self._name)

    def _until_next_s(self) -> float | None:
        """Seconds until there is something to look at; None for not before something happens."""
        better = self._bench.better_than(self._seat)
        moments = [seat.retry_at_s for seat in better if not seat.is_stuck]
        if self._loading is not None:
            moments = [
                self._loading.started_s + self._patience.load_s,
                self._loading.told_s + PROGRESS_S,
            ]
        if self._turn is not None:
            moments.append(self._turn.sign_of_life_s + self._patience.call_s + GRACE_S)
        now_s = time.monotonic()
        return min((max(0.0, m - now_s) for m in moments), default=None)

    def _overdue_turn(self) -> Callable[[], None] | None:
        """Leave a thread behind that does not come back; called with the lock held."""
        turn = self._turn
        if (
            turn is None
            or time.monotonic() < turn.sign_of_life_s + self._patience.call_s + GRACE_S
        ):
            return None
        after_s = time.monotonic() - turn.started_s
        if (in_use := self._in_use) is None:
            error = ModelError(f'the work did not end within {after_s:.1f} s and is left behind')
        else:
            seat, model = in_use
            error = ModelError(f'a call did not come back within {after_s:.1f} s')
            self._stuck[self._thread] = in_use
            seat.is_stuck = True
            self._put_aside(seat, error)
            if model in self._retired:
                self._retired.remove(model)
        self._turn = self._in_use = None
        self._start_thread()

        def tell() -> None:
            name = in_use[0].candidate.name if in_use else self._name
            self._report(logging.ERROR, f'{name}: {error}')
            if turn.claim():
                turn.give_up(error)

        return tell
