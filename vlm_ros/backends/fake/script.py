"""What the calls of a fake do, one after the other, as a line of words.

A script such as `ok*10 0.5 fail hang` has one step a call. After the last step it starts again,
unless it ends with `...`; then the last step goes on for ever. The steps are:

=============  ====================================================================
`ok`           the call answers
a number       so many seconds of latency, then the call answers
`empty`        the call sees an empty scene
`fail`         `ModelError`
`oom`          `OutOfMemory`
`crash`        `RuntimeError`, as the code of a third party raises it
`hang`         never ends by itself, only by its ticket
`stuck:S`      does not look at its ticket for S seconds, then answers all the same
`STEP*N`       the step, N times
=============  ====================================================================
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
import itertools
import math
import threading
from typing import Literal

from vlm_ros.errors import InputError

MAX_SECONDS = 86_400.0
MAX_REPEATS = 1_000_000
GOES_ON = '...'

Kind = Literal['ok', 'empty', 'fail', 'oom', 'crash', 'hang', 'stuck']
_PLAIN: tuple[Kind, ...] = ('ok', 'empty', 'fail', 'oom', 'crash', 'hang')


@dataclass(frozen=True)
class Step:
    """What one call does.

    Attributes:
        kind: What happens.
        duration_s: How long `ok` waits before it answers, or `stuck` is stuck; in seconds.
    """

    kind: Kind
    duration_s: float = 0.0


class Script:
    """Hands each call its step; safe to use from several threads.

    Args:
        script: A text of steps, a number (one step), or a sequence of both.

    Raises:
        InputError: There is no step in it, or one that cannot be understood.
    """

    def __init__(self, script: str | float | Sequence[str | float] = 'ok') -> None:
        runs, goes_on = _parse(script)
        self._steps = _endless(runs, goes_on)
        self._lock = threading.Lock()
        self._taken = 0

    @property
    def taken(self) -> int:
        """How many steps were handed out."""
        return self._taken

    def take(self) -> tuple[int, Step]:
        """Return the number of this call, from 1 on, and its step."""
        with self._lock:
            self._taken += 1
            return self._taken, next(self._steps)


def _endless(runs: Sequence[tuple[Step, int]], goes_on: bool) -> Iterator[Step]:
    while True:
        for step, count in runs:
            yield from itertools.repeat(step, count)
        if goes_on:
            yield from itertools.repeat(runs[-1][0])


def _parse(script: str | float | Sequence[str | float]) -> tuple[list[tuple[Step, int]], bool]:
    if isinstance(script, list | tuple):
        script = ' '.join(str(item) for item in script)
    text = str(script).strip()
    goes_on = text.endswith(GOES_ON)
    words = text.removesuffix(GOES_ON).split()
    if not words:
        raise InputError(f'the script has no step; {_STEPS}')
    return [_parse_word(word) for word in words], goes_on


def _parse_word(word: str) -> tuple[Step, int]:
    body, star, times = word.partition('*')
    count = 1
    if star:
        count = int(times) if times.isdecimal() and len(times) < 10 else 0
    kind, _, seconds = body.partition(':')
    step = next((Step(plain) for plain in _PLAIN if plain == body), None)
    if kind == 'stuck' and (duration_s := _seconds(seconds)) is not None:
        step = Step('stuck', duration_s)
    elif (duration_s := _seconds(body)) is not None:
        step = Step('ok', duration_s)
    if step is None or not 1 <= count <= MAX_REPEATS:
        raise InputError(f'the script has the step {word!r}; {_STEPS}')
    return step, count


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and 0 <= seconds <= MAX_SECONDS else None


_STEPS = (
    f'a step is one of {", ".join(_PLAIN)}, a number of seconds or stuck:SECONDS '
    f'(0 to {MAX_SECONDS:g}), and STEP*N repeats it (1 to {MAX_REPEATS})'
)
