"""How people ask which of two things is more: `are there more dogs than cats?`.

Each reader takes the parts of a pattern and gives None where they are not what they seem.
"""

import re

from vlm_ros.language.meaning import Comparison, Kind, Question
from vlm_ros.language.things import is_seen, read_things, Thing
from vlm_ros.language.wording import EYES, SEE

_MEASURES = {
    'bigger': ('size', '>'),
    'larger': ('size', '>'),
    'smaller': ('size', '<'),
    'taller': ('height', '>'),
    'shorter': ('height', '<'),
    'wider': ('width', '>'),
    'broader': ('width', '>'),
    'narrower': ('width', '<'),
}
_DIMENSIONS = {
    'big': 'size', 'large': 'size', 'small': 'size', 'size': 'size', 'tall': 'height',
    'height': 'height', 'wide': 'width', 'width': 'width',
}  # fmt: skip
_AMOUNTS = {
    'more': '>', 'greater than': '>', 'larger than': '>', 'higher than': '>', 'more than': '>',
    'bigger than': '>', 'fewer': '<', 'less': '<', 'less than': '<', 'smaller than': '<',
    'lower than': '<', 'fewer than': '<', 'as many': '==', 'equal to': '==', 'the same as': '==',
}  # fmt: skip

_THERE = (
    r'(?:(?:is|are|was|were) there|there (?:is|are|was|were)|(?:has|have) there been'
    rf'|(?:do|does|did|can) {EYES} {SEE}|{EYES} (?:can )?{SEE})'
)
_MORE = r'(?P<amount>more|fewer|less)'
_OTHER = r'(?P<second>.+)'
_NUMBER_OF = r'the (?:number|amount|count) of'
_OF_NUMBERS = (
    r'(?P<amount>equal to|the same as'
    r'|(?:greater|larger|bigger|higher|more|less|fewer|smaller|lower) than)'
)
COUNTS = (
    rf'{_THERE} (?P<amount>more|fewer|less|as many) (?P<first>.+) (?:than|as) {_OTHER}',
    rf'(?:is )?{_NUMBER_OF} (?P<first>.+?)(?: is)? {_OF_NUMBERS} {_NUMBER_OF} {_OTHER}',
    rf'(?P<which>){_THERE} {_MORE} (?P<first>.+) or {_OTHER}',
    rf'(?P<which>)(?:what|which) (?:is|are) there {_MORE} of ,? ?(?P<first>.+) or {_OTHER}',
)
"""Patterns of questions for the `counts` of things."""
_GRADE = rf'(?P<grade>{"|".join(_MEASURES)})'
_EQUAL = rf'(?P<equal>{"|".join(_DIMENSIONS)})'
_WHICH = r'(?:which|what|who)(?: one| object| thing)?(?: of them)?'
_THAN = (
    rf'{_GRADE} than {_OTHER}',
    rf'as {_EQUAL} as (?P<second>.+)',
    rf'(?:of )?the same {_EQUAL} as (?P<second>.+)',
)
SIZES = (
    *(rf'is (?P<first>.+?) {than}' for than in _THAN),
    *(rf'(?P<first>.+?) (?:is|has) {than}' for than in _THAN),
    rf'(?P<which>){_WHICH} is (?:the )?{_GRADE}(?: one)? ,? ?(?P<first>.+) or {_OTHER}',
    rf'(?P<which>)is (?P<first>.+) or {_OTHER} {_GRADE}',
)
"""Patterns of questions for the `sizes` of things."""


def counts(match: re.Match[str], in_view: bool) -> Question | None:
    """Read `are there more dogs than cats`."""
    sides = _side(match['first']), _side(match['second'])
    if any(side is None or side.presupposed or not side.plural for side in sides):
        return None  # `more water than milk`, `more dogs than yesterday`
    return _compared(match, sides, Comparison('count', _AMOUNTS[match['amount']]))


def sizes(match: re.Match[str], in_view: bool) -> Question | None:
    """Read `is the dog bigger than the cat`; of several on a side nobody knows which is meant."""
    sides = _side(match['first']), _side(match['second'])
    if any(side is None or not side.presupposed or side.plural for side in sides):
        return None
    parts = match.groupdict()
    if parts.get('grade'):
        return _compared(match, sides, Comparison(*_MEASURES[parts['grade']]))
    return _compared(match, sides, Comparison(_DIMENSIONS[parts['equal']], '=='))


def _compared(
    match: re.Match[str], sides: tuple[Thing | None, ...], comparison: Comparison
) -> Question:
    things = tuple(side for side in sides if side is not None)
    which = 'which' in match.groupdict()
    return Question(Kind.COMPARISON, things, comparison=comparison, yes_no=not which)


def _side(text: str) -> Thing | None:
    """Read one side: a single thing without a number; None where it is anything else."""
    things = read_things(text)
    if things is None or len(things.things) > 1:
        return None
    thing = things.things[0]
    numbered = (thing.low, thing.high) != (1, None)
    contents = not thing.described.endswith(thing.name)  # `the lid of the box`
    return None if numbered or contents or not is_seen(thing) else thing
