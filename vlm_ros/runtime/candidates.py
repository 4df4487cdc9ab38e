"""Which models there are to choose from, what is known of each, and how long to bear with it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
import enum
from typing import Generic, TypeVar

from vlm_ros.errors import ModelError, OutOfMemory, VlmRosError
from vlm_ros.tasks import Model

M = TypeVar('M', bound=Model)


@dataclass(frozen=True)
class Candidate(Generic[M]):
    """A model that can be loaded.

    Attributes:
        name: What to call it in messages.
        load: Loads it; runs on a thread of its own. Raises `VlmRosError` with the reason.
    """

    name: str
    load: Callable[[], M]


@dataclass(frozen=True)
class Patience:
    """What is taken before a model is put aside.

    Attributes:
        call_s: Seconds for frames, and without a sign of life for every call.
        load_s: Seconds for loading.
        failures: Failed calls in a row.
        first_retry_s: Seconds until a model that was put aside is tried again; doubles each time.
        longest_retry_s: Where the doubling ends.
    """

    call_s: float = 30.0
    load_s: float = 300.0
    failures: int = 3
    first_retry_s: float = 5.0
    longest_retry_s: float = 300.0


class Phase(enum.Enum):
    """What a model worker is at."""

    LOADING = 'loading'
    READY = 'ready'
    FAILED = 'failed'
    CLOSED = 'closed'


@dataclass(frozen=True)
class ModelState:
    """What can be said of a model worker at one moment.

    Attributes:
        phase: What it is at.
        name: The candidate in use, or being loaded; empty where there is none.
        preferred: The first candidate.
        model_id: Of the model in use; empty where there is none.
        device: Where that one runs.
        error: Why a better candidate, or any, is not in use; empty where the first one is.
        for_s: Seconds since the phase began.
    """

    phase: Phase
    name: str
    preferred: str
    model_id: str
    device: str
    error: str
    for_s: float


@dataclass(eq=False)
class Seat(Generic[M]):
    """What is known of one candidate."""

    candidate: Candidate[M]
    retry_s: float
    failures: int = 0
    retry_at_s: float = 0.0
    ready_at_s: float = 0.0
    error: str = ''
    is_stuck: bool = False

    def put_aside(self, error: BaseException, patience: Patience, now_s: float) -> None:
        """Do not use it for a while."""
        if self.ready_at_s and now_s - self.ready_at_s > self.retry_s:
            self.retry_s = patience.first_retry_s
        self.error = f'{self.candidate.name}: {one_line(error)}'
        self.retry_at_s = now_s + self.retry_s
        self.retry_s = min(2 * self.retry_s, patience.longest_retry_s)
        self.failures, self.ready_at_s = 0, 0.0


class Bench(Generic[M]):
    """The candidates, best first, on their seats; not thread-safe.

    Args:
        candidates: The models to use, best first.
        patience: When a model is put aside, and for how long.
    """

    def __init__(self, candidates: Sequence[Candidate[M]], patience: Patience) -> None:
        self.seats = tuple(Seat(candidate, patience.first_retry_s) for candidate in candidates)

    def better_than(self, seat: Seat[M] | None) -> Sequence[Seat[M]]:
        """Return the seats before one; all where there is none."""
        return self.seats if seat is None else self.seats[: self.seats.index(seat)]

    def due(self, than: Seat[M] | None, now_s: float) -> Seat[M] | None:
        """Return the best seat that is better than one and may be tried; None where none may."""
        seats = self.better_than(than)
        return next((s for s in seats if s.retry_at_s <= now_s and not s.is_stuck), None)

    def errors(self, than: Seat[M] | None = None) -> str:
        """Say in one line why no seat better than one is in use."""
        return '; '.join(seat.error for seat in self.better_than(than) if seat.error)

    def outlook(self, now_s: float) -> str:
        """Say in one line why none can be used, and when one is tried again."""
        if all(seat.is_stuck for seat in self.seats):
            return f'{self.errors()}; it is tried again once it has come back'
        wait_s = max(0.0, min(seat.retry_at_s for seat in self.seats) - now_s)
        return f'{self.errors()}; trying again in {wait_s:.0f} s'


def warm_up(model: M, works: Iterable[Callable[[M], object]]) -> None:
    """Have a model do some work once, unless it says that its first call takes no longer."""
    if getattr(model, 'needs_warm_up', True):
        for work in works:
            work(model)


def as_out_of_memory(error: Exception) -> OutOfMemory | None:
    """What a library's own error means; every framework has its own type for this one."""
    if isinstance(error, OutOfMemory):
        return error
    if isinstance(error, MemoryError) or type(error).__name__ == 'OutOfMemoryError':
        return OutOfMemory(f'out of memory: {one_line(error)}')
    return None


def as_exception(error: BaseException) -> Exception:
    """Make an ordinary exception of one that would end a thread, such as a panic of Rust code."""
    return error if isinstance(error, Exception) else ModelError(one_line(error))


def one_line(error: BaseException) -> str:
    """Say what an error says, in one line, and its type where that is not this package's own."""
    text = ' '.join(str(error).split())
    return text if isinstance(error, VlmRosError) else f'{type(error).__name__}: {text}'
