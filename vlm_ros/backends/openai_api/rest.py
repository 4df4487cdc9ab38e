"""A server that failed several times is left alone for a while.

Otherwise each frame would wait for the time-out of a server that is down. After the while, one
request tries again, and decides.
"""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
import enum
import time
from typing import NoReturn, TypeVar

import pybreaker

T = TypeVar('T')
FAILURES = 3


class Sign(enum.Enum):
    """What an exception of a call says about the server."""

    DOWN = 'down'
    UP = 'up'
    NONE = 'none'
    """Nothing: somebody here ended the call."""


class Rest:
    """Counts failures in a row, and says when a server had too many.

    Args:
        rest_s: How long it is left alone.
        sign_of: What an exception says about the server.
    """

    def __init__(self, rest_s: float, sign_of: Callable[[Exception], Sign]) -> None:
        self.rest_s = rest_s
        self._sign_of = sign_of
        self._memory = _Memory(pybreaker.STATE_CLOSED)
        self._breaker = pybreaker.CircuitBreaker(
            fail_max=FAILURES,
            reset_timeout=rest_s,
            state_storage=self._memory,
            throw_new_error_on_trip=False,
        )

    @property
    def is_on(self) -> bool:
        """Whether the server is being left alone now."""
        is_open = self._breaker.current_state == pybreaker.STATE_OPEN
        return is_open and self._memory.open_for_s < self.rest_s

    def call(self, work: Callable[[], T]) -> T:
        """Do a call, and remember how it went; not while the rest is on."""
        try:
            result = work()
        except Exception as error:
            # Told afterwards, because the breaker takes each exception for a failure or a success.
            sign = self._sign_of(error)
            if sign is Sign.DOWN:
                self._breaker.call(_raise, error)
            elif sign is Sign.UP:
                self._breaker.call(_nothing)
            raise
        self._breaker.call(_nothing)
        return result


class _Memory(pybreaker.CircuitMemoryStorage):
    """Remembers when the rest began by a clock that nobody sets: a robot's clock jumps."""

    _since_s: float | None = None

    @property
    def open_for_s(self) -> float:
        """Seconds since the rest began."""
        return float('inf') if self._since_s is None else time.monotonic() - self._since_s

    @property
    def opened_at(self) -> datetime | None:
        if self._since_s is None:
            return None
        return datetime.now(timezone.utc) - timedelta(seconds=self.open_for_s)

    @opened_at.setter
    def opened_at(self, moment: datetime) -> None:
        self._since_s = time.monotonic()


def _raise(error: Exception) -> NoReturn:
    raise error


def _nothing() -> None:
    pass
