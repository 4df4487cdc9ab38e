"""A server that failed several times is left alone for a while.

Otherwise each frame would wait for the time-out of a server that is down. After the while, one
request tries again, and decides.
"""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
import time
from typing import TypeVar

import pybreaker

from vlm_ros.errors import BackendError

T = TypeVar('T')
FAILURES = 3


class _Memory(pybreaker.CircuitMemoryStorage):
    """Remembers when the rest began by a clock that nobody sets: a robot's clock jumps."""

    _since_s: float | None = None

    @property
    def opened_at(self) -> datetime | None:
        if self._since_s is None:
            return None
        return datetime.now(timezone.utc) - timedelta(seconds=time.monotonic() - self._since_s)

    @opened_at.setter
    def opened_at(self, moment: datetime) -> None:
        self._since_s = time.monotonic()


class RestingError(Exception):
    """The server is being left alone."""


class Rest:
    """Counts failures in a row, and keeps calls off a server that had too many.

    Args:
        rest_s: How long it is left alone.
        is_failure: Whether an exception of a call says that the server is down.

    Raises:
        BackendError: `rest_s` is negative or longer than an hour.
    """

    def __init__(self, rest_s: float, is_failure: Callable[[BaseException], bool]) -> None:
        if not 0 <= rest_s <= 3600:
            raise BackendError(f'rest_s must be from 0 to 3600, got {rest_s}')
        self.rest_s = rest_s
        self._breaker = pybreaker.CircuitBreaker(
            fail_max=FAILURES,
            reset_timeout=rest_s,
            exclude=[lambda error: not is_failure(error)],
            state_storage=_Memory(pybreaker.STATE_CLOSED),
            throw_new_error_on_trip=False,
        )

    def call(self, work: Callable[[], T]) -> T:
        """Do a call.

        Raises:
            RestingError: The server is being left alone.
        """
        try:
            return self._breaker.call(work)
        except pybreaker.CircuitBreakerError as error:
            raise RestingError from error
