"""So many frames a second and no more."""

import math


class RateLimit:
    """Admits events up to a rate.

    An event that comes late lets the next come sooner, so that events at the very rate that is
    allowed, with some jitter, are not halved; after a pause nothing is made up for.
    """

    def __init__(self) -> None:
        self._last_s = -math.inf

    def admits(self, now_s: float, rate_hz: float) -> bool:
        """Say whether an event may pass, and count it where it may.

        Args:
            now_s: Seconds of a clock that never goes back.
            rate_hz: How many a second; 0 for all.
        """
        if not rate_hz:
            return True
        period_s = 1.0 / rate_hz
        since_s = now_s - self._last_s
        if since_s < period_s:
            return False
        # Late by less than a period: the next may come by up to half a period sooner.
        late_s = min(since_s - period_s, period_s / 2) if since_s < 2 * period_s else 0.0
        self._last_s = now_s - late_s
        return True
