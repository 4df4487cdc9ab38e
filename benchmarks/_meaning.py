"""What a question means, and what is true of known things.

The same function tells the truth of a scene and, given boxes that a detector found, what would be
true if they were all there is.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
import enum

from benchmarks._scenes import Thing
from vlm_ros.boxes import area


class Ask(enum.Enum):
    """What is asked of the things named."""

    EXISTS = 'whether there is one of each'
    AMOUNTS = 'whether there are that many of each, and of that colour'
    COUNT = 'how many'
    COLOUR = 'which colour'
    IS_COLOUR = 'whether it has that colour'
    WHERE = 'on which side of the picture'
    IS_AT = 'whether it is on that side of the picture'
    RELATED = 'whether the first is there from the second'
    MORE = 'whether there are more of the first than of the second'
    FEWER = 'whether there are fewer of the first than of the second'
    LARGER = 'whether the first is larger than the second'
    WHICH_LARGER = 'which of the two is larger'
    WHICH = 'which of the two is there'
    LOCATE = 'which one is meant'


@dataclass(frozen=True)
class Meaning:
    """A question without its words.

    Attributes:
        ask: What is asked.
        names: The things, in the order in which they matter.
        words: A colour, a side or a relation; for AMOUNTS one colour each, or empty texts.
        numbers: For AMOUNTS, how many of each.
    """

    ask: Ask
    names: tuple[str, ...]
    words: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()


def truth(
    meaning: Meaning, things: Sequence[Thing], resolution_wh: tuple[int, int] = (640, 480)
) -> str | None:
    """Answer a question from what is there; None where what it takes for granted is not."""
    counts = Counter(thing.name for thing in things)
    first = next((t for t in things if t.name == meaning.names[0]), None)
    second = next((t for t in things if t.name == meaning.names[-1]), None)
    if meaning.ask is Ask.EXISTS:
        return yes_no(all(counts[name] for name in meaning.names))
    if meaning.ask is Ask.AMOUNTS:
        kinds = Counter((t.name, t.colour) for t in things)
        had = [
            kinds[name, word] if word else counts[name]
            for name, word in zip(meaning.names, meaning.words, strict=True)
        ]
        return yes_no(tuple(had) == meaning.numbers)
    if meaning.ask is Ask.COUNT:
        return str(counts[meaning.names[0]])
    if meaning.ask is Ask.MORE:
        return yes_no(counts[meaning.names[0]] > counts[meaning.names[1]])
    if meaning.ask is Ask.FEWER:
        return yes_no(counts[meaning.names[0]] < counts[meaning.names[1]])
    if meaning.ask is Ask.WHICH:
        return next((name for name in meaning.names if counts[name]), None)
    if first is None or second is None:
        return None
    return _of_those(meaning, first, second, resolution_wh)


def yes_no(holds: bool) -> str:
    """Say it in a word."""
    return 'yes' if holds else 'no'


def _of_those(
    meaning: Meaning, first: Thing, second: Thing, resolution_wh: tuple[int, int]
) -> str:
    if meaning.ask is Ask.COLOUR:
        return first.colour
    if meaning.ask is Ask.IS_COLOUR:
        return yes_no(first.colour == meaning.words[0])
    if meaning.ask is Ask.WHERE:
        return side_of(first, resolution_wh)
    if meaning.ask is Ask.IS_AT:
        return yes_no(side_of(first, resolution_wh) == meaning.words[0])
    if meaning.ask is Ask.RELATED:
        return yes_no(related(first, second, meaning.words[0]))
    larger = area(first.xyxy[None])[0] > area(second.xyxy[None])[0]
    if meaning.ask is Ask.LARGER:
        return yes_no(bool(larger))
    return first.name if larger else second.name


def side_of(thing: Thing, resolution_wh: tuple[int, int]) -> str:
    """Return the half of the picture that a thing's centre is in: `left` or `right`."""
    return 'left' if thing.xyxy[[0, 2]].mean() < resolution_wh[0] / 2 else 'right'


def related(first: Thing, second: Thing, relation: str) -> bool:
    """Tell whether the centre of one thing is left of, right of, above or below the other's."""
    axis = 0 if relation in ('left of', 'right of') else 1
    before = first.xyxy[[axis, axis + 2]].mean() < second.xyxy[[axis, axis + 2]].mean()
    return bool(before) == (relation in ('left of', 'above'))
