"""What follows the name in a referring expression, part by part."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
import re
from typing import NamedTuple

from vlm_ros import lexicon
from vlm_ros.chunker import chunk, Phrase
from vlm_ros.language.clauses import Condition, read_condition
from vlm_ros.language.expression_heads import attributes_of, first_thing, read_head, unmarked
from vlm_ros.language.expressions import Clause, Expression, Link, Rank
from vlm_ros.ranking import Order, SIDES
from vlm_ros.spatial import Place, Relation

MAX_WORDS = 16
"""The longest condition that is read as one."""
# Neither `left of` nor `top left`, `left corner`.
_SIDE_ENDS = (
    r'(?= |$)(?! (?:of|from|left|right|side|hand|corner|half|part|third|edge|end|area|region)\b)'
)
"""Neither `left of` nor `left corner`."""
_COUNT_SIDE = re.compile(
    r'^(?:,|counting|counted|starting|when counted|as seen|seen)* ?'
    r'(?P<where>from|on|at) (?:the |my |your )?(?P<side>left|right|top|bottom)'
    rf'(?:-hand| hand)?(?: side)?(?: to (?:the )?(?:right|left|top|bottom))?{_SIDE_ENDS}'
)
_FAR_SIDE = re.compile(
    r'^(?:(?:farthest|furthest|closest|nearest|most) (?:to )?(?:the )?|(?:on|at|to|in) (?:the )'
    r'(?:far|very|extreme) )(?P<side>left|right|top|bottom)(?:-hand| hand)?'
    rf'(?: (?:side|edge|end|border))?{_SIDE_ENDS}'
)
_DISTANCE = re.compile(
    r'^(?:the )?(?:(?P<near>nearest|closest)|(?P<far>farthest|furthest|most distant))'
    r'(?: away)?(?: (?:to|from|of))?(?: (?P<rest>.+))?$'
)
_CAMERA = re.compile(
    r'^(?:the |this |our |my )?(?:me|us|you|here|camera(?:-gadget)?|robot|viewer|observer|front'
    r'|photographer)(?: |$)'
)
_NEUTRAL = re.compile(
    r'^(?:,|and|but|that|which|who|is|are|was|were|located|situated|placed|positioned|found|visible'
    r'|seen|shown|somewhere|currently|now|still|also|present)(?= |$) ?'
)
# `sitting on the bench`: where it is tells which it is, whatever it does there.
_POSTURE = re.compile(
    r'^(?:sitting|standing|lying|resting|leaning|parked|stopped|waiting|seated|hanging|walking) '
)
# `on the left side of the street`
_SCENES = '|'.join(sorted(lexicon.SCENES | lexicon.IMAGE_WORDS))
_OF_SCENE = re.compile(rf'^of (?:the |this |that )?(?:{_SCENES})(?= |$) ?')
_BELONGS = re.compile(r'^\w+ (?:his|her|its|their|his or her) ')


_ALL = frozenset('all every each both'.split())


class Counted(NamedTuple):
    """The side that is counted from, or that the thing is on."""

    side: str
    is_start: bool


Segment = Link | Rank | Place | Clause | Counted | tuple[str, ...]
"""A part of what follows the name; texts are attributes, `not red` one that does not hold."""


def read_segments(text: str) -> Iterator[Segment]:
    """Split what follows a name into what it says, one after the other."""
    rest = text.strip(' ,')
    while rest:
        rest = _OF_SCENE.sub('', rest)
        while match := _NEUTRAL.match(rest):
            rest = rest[match.end() :].lstrip(' ,')
        if not rest:
            return
        if match := _FAR_SIDE.match(rest):
            yield Rank(SIDES[match['side']])
            rest = rest[match.end() :].strip(' ,')
            continue
        if match := _COUNT_SIDE.match(rest):
            yield Counted(match['side'], match['where'] == 'from')
            rest = rest[match.end() :].strip(' ,')
            continue
        segment, rest = _distance(rest) or _condition(rest)
        yield segment


def _distance(text: str) -> tuple[Segment, str] | None:
    match = _DISTANCE.match(text)
    if match is None:
        return None
    order = Order.NEAREST if match['near'] else Order.FARTHEST
    rest = match['rest'] or ''
    if not rest or _CAMERA.match(rest):
        return Rank(order), _CAMERA.sub('', rest)
    found = first_thing(rest)
    if found is None:
        return Clause(text), ''
    end = len(rest) - len(found[1])
    reference = read_head(rest[:end])
    if reference is None:
        return Clause(text), ''
    return Rank(order, 1, (reference.expression,)), found[1].strip(' ,')


def _condition(text: str) -> tuple[Segment, str]:
    """Read the condition that a text begins with, as long as one can be."""
    phrases = chunk(text)
    for end in [match.end() for match in re.finditer(r'\S+', text)][MAX_WORDS - 1 :: -1]:
        segment = _understood(text[:end], phrases)
        rest = text[end:].strip(' ,')
        # `lying on the floor` says more than `lying`.
        begun = isinstance(segment, tuple) and rest.split(' ', 1)[0] in lexicon.PREPOSITIONS
        if segment is not None and not begun:
            return segment, rest
    # A clause lasts up to its first noun, and further where that is somebody's own.
    ends = [phrase.end for phrase in phrases] or [len(text)]
    end = ends[0]
    for following in ends[1:]:
        if not _BELONGS.match(text[end:].strip()):
            break
        end = following
    condition = read_condition(text[:end])
    needed = tuple(
        replace(thing, name=unmarked(thing.name))
        for thing in condition.references
        if condition.unchecked and not thing.bare
    )
    return Clause(unmarked(text[:end].strip()), needed), text[end:].strip(' ,')


def _understood(text: str, phrases: Sequence[Phrase]) -> Segment | None:
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
    if not _ALL.isdisjoint(text.split()):
        return None  # `next to all the cups`: one of them is not enough
    references: list[Expression] = []
    for phrase, thing in zip(phrases, condition.references, strict=False):
        # With the words before it, which say `the largest` or `the second`.
        before = text[: phrase.start].split()
        count = len(phrase.determiner.split())
        head = read_head(' '.join([*before[len(before) - count :], phrase.text]))
        references.append(head.expression if head else Expression(thing, attributes_of(thing)))
    pair = len(references) == 2 or (len(references) == 1 and references[0].thing.plural)
    if condition.relation is Relation.BETWEEN and not pair:
        return None
    if len(references) != len(condition.references):
        return None
    return Link(condition.relation, tuple(references), condition.negated)
