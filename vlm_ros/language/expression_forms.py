"""Reading referring expressions, by patterns around noun phrases, as questions are.

What is not understood is kept as a clause, so that nobody takes it for fulfilled.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
import re
from typing import NamedTuple

from vlm_ros import lexicon
from vlm_ros.language.expression_heads import marked, read_head
from vlm_ros.language.expression_tails import Counted, read_segments, Segment
from vlm_ros.language.expressions import Clause, Expression, Link, Rank
from vlm_ros.language.refusals import disregards_image
from vlm_ros.language.wording import core_of, is_english, plain_text
from vlm_ros.phrases import MAX_TEXT_CHARACTERS
from vlm_ros.ranking import LAST, OPPOSITE, Order, SIDES, SUPERLATIVES
from vlm_ros.spatial import Place, place_named

MAX_READINGS = 4
"""`a on b on c on d` can be read in many ways; only the plainest are tried."""
MAX_SEGMENTS = 6


class Reading(NamedTuple):
    """How a text can be read; no expressions with the reason why it cannot."""

    expressions: tuple[Expression, ...]
    reason: str = ''


_REQUEST = re.compile(
    r'^(?:(?:can|could|would|will) you )?(?:find|locate|show(?: me)?|point (?:to|at|out)'
    r'|search for|look (?:for|at)|go to|pick(?: up)?|grab|get|give me|hand me|bring me|take|fetch'
    r'|select|choose|where (?:is|are)|i mean|which (?:one )?is|it is|this is|that is)(?: |$)'
)
_ASKS = re.compile(
    r'^(?:what|who|why|how|when|which|whose|is|are|was|were|do|does|did|can|could|has|have|will)'
    r'(?: |$)'
)
_WHO = re.compile(r'\bones?(?= (?:who|whose|wearing)\b)')


_FROM = re.compile(r'^(?:to|from) (?P<rest>.+)$')
_DISTANCES = (Order.NEAREST, Order.FARTHEST)
_NO_OBJECT = 'this names no object, as `the cup on the table` does'


def read_expression(text: str) -> Reading:
    """Read what an expression says, in the most likely ways."""
    if len(text) > MAX_TEXT_CHARACTERS:
        return Reading((), f'more than {MAX_TEXT_CHARACTERS} characters describe no one object')
    plain = plain_text(text)
    if not is_english(plain):
        return Reading((), 'only English is understood')
    if disregards_image(text, plain):
        return Reading((), 'this names no object in the image')
    core = _WHO.sub('person', core_of(plain).text)
    while match := _REQUEST.match(core):
        core = core[match.end() :]
    if not core or _ASKS.match(core):
        return Reading((), 'this is no expression for one object, such as `the cup on the table`')
    readings = list(dict.fromkeys(_read(marked(_ones(core)))))
    # `next to the second person from the left` counts people, not what is next to them.
    counted = [reading for reading in readings if not reading.uncounted]
    readings = (counted or readings)[:MAX_READINGS]
    if not readings:
        return Reading((), _NO_OBJECT)
    if any(_begins_another(clause.text) for one in readings for clause in one.clauses):
        return Reading((), 'this names several things; ask for one of them')
    return Reading(tuple(readings))


def _ones(text: str) -> str:
    """Write `the one on the left` as `the object on the left`, but `one dog` as it is."""
    words = text.split()
    for index, word in enumerate(words):
        following = words[index + 1] if index + 1 < len(words) else ''
        ends = (
            not following
            or following == ','
            or following in lexicon.BREAKS | SUPERLATIVES.keys() | {'that'}
            or following in ('left', 'right')
            or lexicon.is_participle(following)
        )
        if word == 'ones' or (word == 'one' and ends and index):
            words[index] = 'object' if word == 'one' else 'objects'
    return ' '.join(words)


def _begins_another(text: str) -> bool:
    """Tell whether what should describe a thing names another: `the dog or the cat`."""
    first = text.split(' ', 1)[0]
    return first == 'or' or first in lexicon.DETERMINERS


def _read(text: str) -> Iterator[Expression]:
    head = read_head(text)
    if head is None:
        return
    expression, rest = head
    rank = expression.rank
    if rank is not None and rank.order in _DISTANCES and (reference := _FROM.match(rest)):
        # `the closest person to the door`
        expression, rest = replace(expression, rank=None), f'nearest {reference["rest"]}'
        rest = rest if rank.order is Order.NEAREST else rest.replace('nearest', 'farthest', 1)
    segments = tuple(islice(read_segments(rest), MAX_SEGMENTS + 1))
    if len(segments) > MAX_SEGMENTS:
        expression = replace(expression, clauses=(Clause(rest),))
        segments = ()
    yield from _attached(expression, segments)


def _attached(expression: Expression, segments: tuple[Segment, ...]) -> Iterator[Expression]:
    """Say the segments of a thing, or the later ones of what the first refers to."""
    if not segments:
        yield expression
        return
    first, rest = segments[0], segments[1:]
    yield from _attached(_with(expression, first), rest)
    if isinstance(first, Link | Rank) and len(first.references) == 1 and rest:
        for reference in _attached(first.references[0], rest):
            yield _with(expression, replace(first, references=(reference,)))


def _with(expression: Expression, segment: Segment) -> Expression:
    if isinstance(segment, Link):
        return replace(expression, links=(*expression.links, segment))
    if isinstance(segment, Clause):
        return replace(expression, clauses=(*expression.clauses, segment))
    if isinstance(segment, Place):
        if expression.place is None:
            return replace(expression, place=segment)
        return replace(expression, clauses=(*expression.clauses, Clause(segment.text)))
    if isinstance(segment, Counted):
        return _counted(expression, segment)
    if isinstance(segment, Rank):
        return _ranked(expression, segment)
    return replace(expression, attributes=(*expression.attributes, *segment))


def _counted(expression: Expression, counted: Counted) -> Expression:
    rank, order = expression.rank, SIDES[counted.side]
    if rank is None or rank.order is not Order.ANY:
        place = place_named([counted.side])
        return _with(expression, place or Clause(f'on the {counted.side}'))
    if rank.number == LAST:
        # The last from the left is on the right.
        return replace(expression, rank=Rank(OPPOSITE[order] if counted.is_start else order))
    return replace(expression, rank=replace(rank, order=order))


def _ranked(expression: Expression, rank: Rank) -> Expression:
    own = expression.rank
    if own is None:
        return replace(expression, rank=rank)
    # `the nearest dog to the door`, `the second one closest to the door`
    if own.order in (Order.ANY, rank.order) and not own.references:
        return replace(expression, rank=replace(rank, number=own.number))
    return replace(expression, clauses=(*expression.clauses, Clause(f'the {rank.order.value}')))
