"""How far back a question reaches: `in the last 5 seconds`.

Works on text as `wording.plain_text` makes it.
"""

import re
from typing import NamedTuple

from vlm_ros import lexicon

_UNITS_S = {
    'ms': 0.001, 'millisecond': 0.001, 's': 1.0, 'sec': 1.0, 'second': 1.0, 'min': 60.0,
    'minute': 60.0, 'h': 3600.0, 'hour': 3600.0, 'day': 86400.0,
}  # fmt: skip
_PARTS = {'half': 0.5, 'quarter': 0.25, 'a couple': 2.0, 'couple': 2.0}
_WINDOW = re.compile(
    r'(?:^| )(?:in|within|during|over|from|(?P<lasting>for|throughout)(?: all)?)(?: the)?'
    r' (?:last|past|previous)'
    r'(?: (?P<part>half|quarter|(?:a )?couple)(?: of)?(?: an?)?'
    r'| (?P<number>\d+)(?: , (?P<decimals>\d+))?(?= ?[a-z])'
    r'| (?P<word>[a-z]+(?:[ -][a-z]+)??)(?= ))??'
    rf' ?(?P<unit>{"|".join(sorted(_UNITS_S, key=len, reverse=True))})s?(?= |$)'
)


class Windowed(NamedTuple):
    """A text without its window.

    Attributes:
        text: What is left.
        window_s: How long the window is in seconds; 0 where there is none.
        lasting: Whether something is said of all of it (`for the last 5 seconds`) rather than of
            a moment in it.
    """

    text: str
    window_s: float = 0.0
    lasting: bool = False


def take_window(plain: str) -> Windowed:
    """Take `in the last 5 seconds` off a text; what is no number (`few`) stays in it."""
    matches = list(_WINDOW.finditer(plain))
    if len(matches) != 1:
        return Windowed(plain)
    match = matches[0]
    count = _count(match)
    if not count:
        return Windowed(plain)
    rest = f'{plain[: match.start()]} {plain[match.end() :]}'
    window_s = count * _UNITS_S[match['unit']]
    return Windowed(' '.join(rest.split()).strip(' ,'), window_s, match['lasting'] is not None)


def _count(match: re.Match[str]) -> float:
    """Return how many units the window is long; 0 where its words do not tell."""
    if match['part']:
        return _PARTS[match['part']]
    if match['number']:
        return float(f'{match["number"][:6]}.{(match["decimals"] or "0")[:6]}')
    if match['word']:
        return float(lexicon.number_of(match['word'].split()) or 0)
    return 1.0
