"""Reading referring expressions, by patterns around noun phrases, as questions are.

What is not understood is kept as a clause, so that nobody takes it for fulfilled.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
import re
from typing import NamedTuple

from vlm_ros import lexicon
from vlm_ros.chunker import chunk, Phrase
from vlm_ros.grounding.clauses import Condition, read_condition
from vlm_ros.grounding.expressions import Clause, Expression, Link, Rank
from vlm_ros.grounding.ranking import LAST, OPPOSITE, Order, ordinal, SIDES, SUPERLATIVES
from vlm_ros.grounding.refusals import disregards_image
from vlm_ros.grounding.spatial import Place, place_named, Relation
from vlm_ros.grounding.things import read_things, Thing
from vlm_ros.grounding.wording import core_of, is_english, plain_text

MAX_READINGS = 4
"""`a on b on c on d` can be read in many ways; only the plainest are tried."""
MAX_SEGMENTS = 6
MAX_WORDS = 16
"""The longest condition that is read as one."""
ANYTHING = Thing('object', 'object')


class Reading(NamedTuple):
    """How a text can be read; no expressions with the reason why it cannot."""

    expressions: tuple[Expression, ...]
    reason: str = ''


_REQUEST = re.compile(
    r'^(?:find|locate|show(?: me)?|point (?:to|at|out)|search for|look (?:for|at)|go to'
    r'|pick(?: up)?|grab|get|give me|hand me|bring me|take|fetch|select|choose|where (?:is|are)'
    r'|i mean|which (?:one )?is|it is|this is|that is)(?: |$)'
)
_ASKS = re.compile(
    r'^(?:what|who|why|how|when|which|whose|is|are|was|were|do|does|did|can|could|has|have|will)'
    r'(?: |$)'
)
_WHO = re.compile(r'\bones?(?= (?:who|whose|wearing)\b)')
_OF = re.compile(r'^of (?:all )?(?:the|these|those|my|our|your) (?P<rest>.+)$')
_CENTRE = frozenset('middle centre center central'.split())
_SIDE_WORDS = frozenset('left right upper lower top bottom left-hand right-hand'.split()) | _CENTRE
_DETERMINERS = lexicon.DETERMINERS - lexicon.NUMBERS.keys() | {'only'}
# Neither `left of` nor `top left`, `left corner`.
_SIDE_ENDS = (
    r'(?= |$)(?! (?:of|from|left|right|side|hand|corner|half|part|third|edge|end|area|region)\b)'
)
_COUNT_SIDE = re.compile(
    r'^(?:,|counting|counted|starting|when counted|as seen|seen)* ?'
    r'(?P<where>from|on|at) (?:the |my |your )?(?:far )?(?P<side>left|right|top|bottom)'
    rf'(?:-hand| hand)?(?: side)?(?: to (?:the )?(?:right|left|top|bottom))?{_SIDE_ENDS}'
)
_FAR_SIDE = re.compile(
    r'^(?:(?:farthest|furthest|closest|nearest|most) (?:to )?(?:the )?|(?:on|at|to|in) (?:the )'
    rf'(?:far|very|extreme) )(?P<side>left|right|top|bottom)(?:-hand| hand)?(?: side)?{_SIDE_ENDS}'
)
_DISTANCE = re.compile(
    r'^(?:the )?(?:(?P<near>nearest|closest)|(?P<far>farthest|furthest|most distant))'
    r'(?: away)?(?: (?:to|from|of))?(?: (?P<rest>.+))?$'
)
_CAMERA = re.compile(
    r'^(?:the |this |our |my )?(?:me|us|you|here|camera|robot|viewer|observer|front|photographer)'
    r'(?: |$)'
)
_NEUTRAL = re.compile(
    r'^(?:,|and|but|that|which|who|is|are|was|were|located|situated|placed|positioned|found|visible'
    r'|seen|shown|somewhere|currently|now|still|also|present)(?= |$) ?'
)
# `sitting on the bench`: where it is tells which it is, whatever it does there.
_POSTURE = re.compile(
    r'^(?:sitting|standing|lying|resting|leaning|parked|stopped|waiting|seated|hanging|walking) '
)
_BELONGS = re.compile(r'^\w+ (?:his|her|its|their|his or her) ')


def read_expression(text: str) -> Reading:
    """Read what an expression says, in the most likely ways."""
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
    readings = list(dict.fromkeys(_read(_ones(core))))
    # `next to the second person from the left` counts people, not what is next to them.
    counted = [reading for reading in readings if not reading.uncounted]
    readings = (counted or readings)[:MAX_READINGS]
    if not readings:
        return Reading((), 'this names no object, as `the cup on the table` does')
    return Reading(tuple(readings))


def _ones(text: str) -> str:
    """Write `the one on the left` as `the object on the left`, but `one dog` as it is."""
    words = text.split()
    for index, word in enumerate(words):
        following = words[index + 1] if index + 1 < len(words) else ''
        ends = (
            not following
            or following == ','
            or following in lexicon.BREAKS | SUPERLATIVES.keys()
            or following in ('left', 'right')
            or lexicon.is_participle(following)
        )
        if word == 'ones' or (word == 'one' and ends and index):
            words[index] = 'object' if word == 'one' else 'objects'
    return ' '.join(words)


def _read(text: str) -> Iterator[Expression]:
    head = _head(text)
    if head is None:
        return
    expression, rest = head
    segments = tuple(islice(_segments(rest), MAX_SEGMENTS + 1))
    if len(segments) > MAX_SEGMENTS:
        expression = replace(expression, clauses=(Clause(rest),))
        segments = ()
    yield from _attached(expression, segments)


class _Head(NamedTuple):
    expression: Expression
    rest: str


def _head(text: str) -> _Head | None:
    """Read the name with what stands before it."""
    words = text.split()
    start = 0
    while start < len(words) and words[start] in _DETERMINERS:
        start += 1
    number: int | None = None
    order: Order | None = None
    sides: list[str] = []
    index = start
    while index < len(words):
        word = words[index]
        following = words[index + 1] if index + 1 < len(words) else ''
        if (value := ordinal(word)) is not None and number is None:
            number = value
        elif word in SUPERLATIVES and order is None and following not in ('to', 'from'):
            order = SUPERLATIVES[word]
        elif word in _SIDE_WORDS and following and following not in ('of', 'from', 'to', 'hand'):
            sides.append(word)
        elif word == 'most' and following in ('left', 'right'):
            order, index = SIDES[following], index + 1
        elif word not in ('far', 'extreme', 'very'):
            break
        index += 1
    of = _OF.match(' '.join(words[index:])) if number or order else None  # the largest of the cups
    described = of['rest'] if of else ' '.join(words[index:])
    before = [word for word in words[:start] if word != 'only']
    found = _first_thing(' '.join([*before, described]))
    if found is None and number is None and order is None and not sides:
        return None
    thing, rest = found or (ANYTHING, described)
    thing = replace(thing, plural=False) if of else thing
    place = place_named(sides)
    if sides and place is None:
        return None
    if place is not None and 'far' in words[start:index]:
        order, place = SIDES.get(place.column or place.row, order), None
    rank = None
    if place is not None and place in (Place('centre'), Place('centre', 'middle')):
        rank, place = Rank(Order.LEFT, 0), None
    if number is not None or order is not None:
        rank = Rank(order or Order.ANY, number or 1)
        if rank.number == LAST and order is not None:
            rank = Rank(OPPOSITE.get(order, order), 1 if order in OPPOSITE else LAST)
    attributes = _attributes(thing)
    superlatives = [word for word in attributes if word in SUPERLATIVES]
    if superlatives and rank is None:
        rank = Rank(SUPERLATIVES[superlatives[0]])
    attributes = tuple(word for word in attributes if word not in superlatives)
    clauses: tuple[Clause, ...] = ()
    if ' of ' in thing.described:
        clauses = (Clause(f'of {thing.described.split(" of ", 1)[1]}'),)
    return _Head(Expression(thing, attributes, rank, place, (), clauses), rest)


def _first_thing(text: str) -> tuple[Thing, str] | None:
    """Return the thing that a text begins with, and what follows."""
    phrases = chunk(text)
    if not phrases:
        return None
    end = phrases[0].end
    if len(phrases) > 1 and text[end : phrases[1].start].split() == ['of']:
        end = phrases[1].end
    things = read_things(text[:end])
    if things is None or len(things.things) != 1:
        return None
    thing = things.things[0]
    return (thing, text[end:].strip()) if thing.name not in lexicon.ABSTRACT else None


def _attributes(thing: Thing) -> tuple[str, ...]:
    """Return the describing words, a shade with its colour."""
    words = thing.described.split(' of ')[0].removesuffix(thing.name).split()
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] in lexicon.SHADES and word in lexicon.COLOURS:
            joined[-1] += f' {word}'
        else:
            joined.append(word)
    return tuple(word for word in joined if word not in ('only', 'single', 'own'))


class _Counted(NamedTuple):
    """The side that is counted from, or that the thing is on."""

    side: str
    is_start: bool


_Segment = Link | Rank | Place | Clause | _Counted | tuple[str, ...]
"""A part of what follows the name; texts are attributes, `not red` one that does not hold."""


def _segments(text: str) -> Iterator[_Segment]:
    """Split what follows a name into what it says, one after the other."""
    rest = text.strip(' ,')
    while rest:
        while match := _NEUTRAL.match(rest):
            rest = rest[match.end() :].lstrip(' ,')
        if not rest:
            return
        if match := _FAR_SIDE.match(rest):
            yield Rank(SIDES[match['side']])
            rest = rest[match.end() :].strip(' ,')
            continue
        if match := _COUNT_SIDE.match(rest):
            yield _Counted(match['side'], match['where'] == 'from')
            rest = rest[match.end() :].strip(' ,')
            continue
        segment, rest = _distance(rest) or _condition(rest)
        yield segment


def _distance(text: str) -> tuple[_Segment, str] | None:
    match = _DISTANCE.match(text)
    if match is None:
        return None
    order = Order.NEAREST if match['near'] else Order.FARTHEST
    rest = match['rest'] or ''
    if not rest or _CAMERA.match(rest):
        return Rank(order), _CAMERA.sub('', rest)
    found = _first_thing(rest)
    if found is None:
        return Clause(text), ''
    end = len(rest) - len(found[1])
    reference = _head(rest[:end])
    if reference is None:
        return Clause(text), ''
    return Rank(order, 1, (reference.expression,)), found[1].strip(' ,')


def _condition(text: str) -> tuple[_Segment, str]:
    """Read the condition that a text begins with, as long as one can be."""
    phrases = chunk(text)
    for end in [match.end() for match in re.finditer(r'\S+', text)][MAX_WORDS - 1 :: -1]:
        segment = _understood(text[:end], phrases)
        if segment is not None:
            return segment, text[end:].strip(' ,')
    # A clause lasts up to its first noun, and further where that is somebody's own.
    ends = [phrase.end for phrase in phrases] or [len(text)]
    end = ends[0]
    for following in ends[1:]:
        if not _BELONGS.match(text[end:].strip()):
            break
        end = following
    condition = read_condition(text[:end])
    needed = tuple(
        thing for thing in condition.references if condition.unchecked and not thing.bare
    )
    return Clause(text[:end].strip(), needed), text[end:].strip(' ,')


def _understood(text: str, phrases: Sequence[Phrase]) -> _Segment | None:
    condition = read_condition(text)
    if condition.relation is None and (posture := _POSTURE.match(text)):
        text = text[posture.end() :]
        condition = read_condition(text)
        phrases = chunk(text)
        if condition.relation is None:
            return None
    if condition.place is not None and condition.relation is None and not condition.negated:
        return condition.place
    if condition.relation is not None:
        return _link(condition, text, phrases)
    if condition.negated and len(condition.attributes) == 1:
        return (f'not {condition.attributes[0]}',)
    return condition.attributes if condition.attributes and not condition.negated else None


def _link(condition: Condition, text: str, phrases: Sequence[Phrase]) -> Link | None:
    assert condition.relation is not None
    if any(thing.name in lexicon.COLLECTIVES for thing in condition.references):
        return None
    references: list[Expression] = []
    for phrase, thing in zip(phrases, condition.references, strict=False):
        # With the words before it, which say `the largest` or `the second`.
        before = text[: phrase.start].split()
        count = len(phrase.determiner.split())
        head = _head(' '.join([*before[len(before) - count :], phrase.text]))
        references.append(head.expression if head else Expression(thing, _attributes(thing)))
    pair = len(references) == 2 or (len(references) == 1 and references[0].thing.plural)
    if condition.relation is Relation.BETWEEN and not pair:
        return None
    if len(references) != len(condition.references):
        return None
    return Link(condition.relation, tuple(references), condition.negated)


def _attached(expression: Expression, segments: tuple[_Segment, ...]) -> Iterator[Expression]:
    """Say the segments of a thing, or the later ones of what the first refers to."""
    if not segments:
        yield expression
        return
    first, rest = segments[0], segments[1:]
    yield from _attached(_with(expression, first), rest)
    if isinstance(first, Link | Rank) and len(first.references) == 1 and rest:
        for reference in _attached(first.references[0], rest):
            yield _with(expression, replace(first, references=(reference,)))


def _with(expression: Expression, segment: _Segment) -> Expression:
    if isinstance(segment, Link):
        return replace(expression, links=(*expression.links, segment))
    if isinstance(segment, Clause):
        return replace(expression, clauses=(*expression.clauses, segment))
    if isinstance(segment, Place):
        if expression.place is None:
            return replace(expression, place=segment)
        return replace(expression, clauses=(*expression.clauses, Clause(segment.text)))
    if isinstance(segment, _Counted):
        return _counted(expression, segment)
    if isinstance(segment, Rank):
        return _ranked(expression, segment)
    return replace(expression, attributes=(*expression.attributes, *segment))


def _counted(expression: Expression, counted: _Counted) -> Expression:
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
