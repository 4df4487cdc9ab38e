"""The beginning of a referring expression: the name with what stands before it."""

from dataclasses import replace
import re
from typing import NamedTuple

from vlm_ros import lexicon
from vlm_ros.chunker import chunk
from vlm_ros.language.expressions import Clause, Expression, Rank
from vlm_ros.language.things import read_things, Thing
from vlm_ros.ranking import LAST, OPPOSITE, Order, ordinal, SIDES, SUPERLATIVES
from vlm_ros.spatial import Place, place_named

_MARK = '-gadget'
_PICTURE = re.compile(r'\b(camera|picture|photo|photograph|frame|image|video)(s?)\b(?!-)')
MAX_OWNERS = 3
"""Of `the boy's father's friend's dog` as many are read."""
ANYTHING = Thing('object', 'object')
_PAIR = re.compile(r'^(?P<one>[a-z]+)(?: and |-and-)(?P<other>[a-z]+) (?P<rest>\w.*)$')
_OF = re.compile(r'^of (?:all )?(?:the|these|those|my|our|your) (?P<rest>.+)$')
_CENTRE = frozenset('middle centre center central'.split())
_SIDE_WORDS = frozenset('left right upper lower top bottom left-hand right-hand'.split()) | _CENTRE
DETERMINERS = lexicon.DETERMINERS - lexicon.NUMBERS.keys() | {'only'}


class Head(NamedTuple):
    """What an expression says up to its name, and what follows that."""

    expression: Expression
    rest: str


def marked(text: str) -> str:
    """Mark `camera`, `picture` and the like as things, as which questions do not take them."""
    return _PICTURE.sub(rf'\1{_MARK}\2', text)


def unmarked(text: str) -> str:
    """Undo `marked`."""
    return text.replace(_MARK, '')


class _Before(NamedTuple):
    """The words between the determiners and the name.

    Attributes:
        number: Of `second`.
        order: Of `largest`, `leftmost`.
        sides: The words for a place.
        is_far: Whether the place is the outermost of its kind.
        end: Where the name begins, in words.
    """

    number: int | None
    order: Order | None
    sides: list[str]
    is_far: bool
    end: int


def _read_before(words: list[str], start: int) -> _Before:
    """Read what says which one is meant; `start` words are determiners."""
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
    return _Before(number, order, sides, 'far' in words[start:index], index)


def read_head(text: str, owners: int = 0) -> Head | None:
    """Read the name with what stands before it; None for one of more than `MAX_OWNERS`."""
    words = text.split()
    if 'least' in words:
        return None  # the least large
    start = 0
    while start < len(words) and words[start] in DETERMINERS:
        start += 1
    before = _read_before(words, start)
    number, order, sides = before.number, before.order, before.sides
    described = ' '.join(words[before.end :])
    of = _OF.match(described) if number or order else None  # the largest of the cups
    described = of['rest'] if of else described
    pair = _PAIR.match(described)  # the red and white car
    paired = pair is not None and {pair['one'], pair['other']} <= lexicon.ATTRIBUTES
    described = pair['rest'] if pair and paired else described
    found = first_thing(' '.join([*(w for w in words[:start] if w != 'only'), described]))
    if found is None and number is None and order is None and not sides:
        return None
    thing, rest = found or (ANYTHING, described)
    if rest.startswith("'s "):  # the man's hat
        owned = read_head(rest[3:], owners + 1) if owners < MAX_OWNERS else None
        if owned is None:
            return None
        clause = Clause(f'of the {thing.described}', (thing,))
        return Head(replace(owned.expression, clauses=(clause,)), owned.rest)
    thing = replace(thing, plural=False) if of else thing
    place = place_named(sides)
    if sides and place is None:
        return None
    rank, place = _ranked(before, place)
    attributes = attributes_of(thing)
    superlatives = [word for word in attributes if word in SUPERLATIVES]
    if superlatives and rank is None:
        rank = Rank(SUPERLATIVES[superlatives[0]])
    attributes = tuple(word for word in attributes if word not in superlatives)
    if pair and paired:
        attributes = (f'{pair["one"]} and {pair["other"]}', *attributes)
    clauses: tuple[Clause, ...] = ()
    if ' of ' in thing.described:
        clauses = (Clause(f'of {thing.described.split(" of ", 1)[1]}'),)
    return Head(Expression(thing, attributes, rank, place, (), clauses), rest)


def _ranked(before: _Before, place: Place | None) -> tuple[Rank | None, Place | None]:
    """Return the rank that is meant, and what is left of the place."""
    number, order = before.number, before.order
    rank: Rank | None = None
    if place is not None and before.is_far:
        order, place = SIDES.get(place.column or place.row, order), None
    if place is not None and place in (Place('centre'), Place('centre', 'middle')):
        rank, place = Rank(Order.LEFT, 0), None
    if number is not None or order is not None:
        rank = Rank(order or Order.ANY, number or 1)
        if rank.number == LAST and order is not None:
            rank = Rank(OPPOSITE.get(order, order), 1 if order in OPPOSITE else LAST)
    return rank, place


def first_thing(text: str) -> tuple[Thing, str] | None:
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
    if thing.name in lexicon.ABSTRACT or thing.high == 0:
        return None
    described = unmarked(thing.described)
    thing = replace(thing, name=unmarked(thing.name), described=described)
    return thing, text[end:].strip()


def attributes_of(thing: Thing) -> tuple[str, ...]:
    """Return the describing words, a shade with its colour."""
    words = thing.described.split(' of ')[0].removesuffix(thing.name).split()
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] in lexicon.SHADES and word in lexicon.COLOURS:
            joined[-1] += f' {word}'
        else:
            joined.append(word)
    return tuple(word for word in joined if word not in ('only', 'single', 'own'))
