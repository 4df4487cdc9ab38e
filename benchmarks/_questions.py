"""Questions, statements and expressions about a scene, each with its true answer.

Only what nobody would dispute is asked: a thing is left of another where neither reaches the
other's columns, above another where neither reaches the other's rows and they share columns (else
the higher may only be farther away), larger where it has at least 1.8 times the area, and has a
colour where it was painted or where it is plain, as a lemon's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks._meaning import Ask, Meaning, truth
from benchmarks._scenes import gaps, PAINTS, RESOLUTION_WH, Scene, Thing
from vlm_ros.boxes import area, FloatArray
from vlm_ros.inflection import plural, with_article

EXISTENCE, ABSENT, COUNT, COLOUR = 'existence', 'absent', 'count', 'colour'
LEFT_RIGHT, ABOVE_BELOW = 'left/right', 'above/below'
COMPARISON, CHOICE, COMPOSITION = 'comparison', 'choice', 'composition'
STATEMENT, REFERENCE = 'statement', 'reference'
TYPES = (
    EXISTENCE,
    ABSENT,
    COUNT,
    COLOUR,
    LEFT_RIGHT,
    ABOVE_BELOW,
    COMPARISON,
    CHOICE,
    COMPOSITION,
    STATEMENT,
    REFERENCE,
)
LARGER = 1.8
OPPOSITE = {'left of': 'right of', 'right of': 'left of', 'above': 'below', 'below': 'above'}
NUMBERS = ('no', 'one', 'two', 'three', 'four', 'five')


@dataclass(frozen=True)
class Query:
    """Something to be asked of a scene.

    Attributes:
        type: One of `TYPES`.
        text: The words.
        meaning: What they mean.
        expected: The true answer; empty where something that is taken for granted is not there,
            and for an expression.
        box: What an expression means; None for all else.
        pair: Two queries of one pair differ in the order of their words and in their answer.
    """

    type: str
    text: str
    meaning: Meaning
    expected: str = ''
    box: FloatArray | None = None
    pair: int = 0

    @property
    def form(self) -> str:
        """How it is asked: `question`, `statement` or `expression`."""
        return {STATEMENT: 'statement', REFERENCE: 'expression'}.get(self.type, 'question')

    @property
    def about_absent(self) -> bool:
        """Whether it asks for a thing that is not there, so that there is something to make up."""
        nothing_there = not self.expected and self.box is None
        return nothing_there or (self.meaning.ask is Ask.EXISTS and self.expected == 'no')


class Asker:
    """Makes the queries of one scene."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._random = np.random.default_rng((scene.seed, 1))
        self._alone = [t for t in scene.things if scene.counts[t.name] == 1]

    def queries(self) -> Iterator[Query]:
        """Make all kinds that the scene allows."""
        yield from self._existence()
        yield from self._absent()
        yield from self._count()
        yield from self._colour()
        yield from self._place()
        yield from self._pairs()
        yield from self._comparison()
        yield from self._composition()
        yield from self._statements()
        yield from self._expressions()

    def _one(self, options: Sequence[str], **words: str) -> str:
        return options[int(self._random.integers(len(options)))].format(**words)

    def _pick(self, names: Sequence[str], count: int) -> list[str]:
        return [str(n) for n in self._random.permutation(list(names))[:count]]

    def _query(self, type_: str, text: str, meaning: Meaning, pair: int = 0) -> Query:
        answer = truth(meaning, self.scene.things, RESOLUTION_WH)
        return Query(type_, text[0].upper() + text[1:], meaning, answer or '', pair=pair)

    def _existence(self) -> Iterator[Query]:
        forms = (
            'is there {a}?',
            'do you see {a}?',
            'is there {a} in the picture?',
            'are there any {s}?',
            'can you see {a} in the image?',
        )
        for name in (*self._pick(list(self.scene.counts), 2), *self._pick(self.scene.absent, 2)):
            text = self._one(forms, a=with_article(name), s=plural(name))
            yield self._query(EXISTENCE, text, Meaning(Ask.EXISTS, (name,)))

    def _absent(self) -> Iterator[Query]:
        if not self.scene.absent:
            return
        here = self._pick(list(self.scene.counts), 1)[0]
        colour = self._one(list(PAINTS))
        relation = self._one(list(OPPOSITE))
        side = self._one(('left', 'right'))
        kinds = [
            (Ask.COLOUR, ('what colour is the {n}?', 'what is the colour of the {n}?'), ()),
            (Ask.WHERE, ('where is the {n}?', 'where in the picture is the {n}?'), ()),
            (Ask.IS_COLOUR, ('is the {n} {w}?',), (colour,)),
            (Ask.IS_AT, ('is the {n} on the {w}?', 'is the {n} on the {w} side?'), (side,)),
            (Ask.RELATED, ('is the {n} {w} the {m}?',), (relation,)),
        ]
        for index in self._random.permutation(len(kinds))[:3]:
            ask, forms, words = kinds[int(index)]
            name = self._pick(self.scene.absent, 1)[0]
            names = (name, here) if ask is Ask.RELATED else (name,)
            text = self._one(forms, n=name, m=here, w=words[0] if words else '')
            yield Query(ABSENT, text[0].upper() + text[1:], Meaning(ask, names, words))

    def _count(self) -> Iterator[Query]:
        forms = (
            'how many {s} are there?',
            'how many {s} do you see?',
            'how many {s} are in the picture?',
            'what is the number of {s}?',
        )
        names = list(self.scene.counts)
        absent = self._pick(self.scene.absent, 1) if self._random.random() < 0.4 else []
        for name in [*names, *absent]:
            text = self._one(forms, s=plural(name))
            yield self._query(COUNT, text, Meaning(Ask.COUNT, (name,)))

    def _colour(self) -> Iterator[Query]:
        for thing in self._alone:
            if not thing.colour:
                continue
            name = thing.name
            text = self._one(
                ('what colour is the {n}?', 'what color is the {n}?', 'which colour is the {n}?'),
                n=name,
            )
            yield self._query(COLOUR, text, Meaning(Ask.COLOUR, (name,)))
            other = self._pick([colour for colour in PAINTS if colour != thing.colour], 1)[0]
            for colour in (thing.colour, other):
                text = self._one(('is the {n} {w}?',), n=name, w=colour)
                yield self._query(COLOUR, text, Meaning(Ask.IS_COLOUR, (name,), (colour,)))

    def _place(self) -> Iterator[Query]:
        width = RESOLUTION_WH[0]
        for thing in self._alone:
            if abs(float(thing.xyxy[[0, 2]].mean()) / width - 0.5) < 0.25:
                continue
            side = self._one(('left', 'right'))
            form = self._one(
                ('is the {n} on the {w}?', 'is the {n} on the {w} side?'), n='{n}', w=side
            )
            meaning = Meaning(Ask.IS_AT, (thing.name,), (side,))
            yield self._query(LEFT_RIGHT, form.format(n=thing.name), meaning)
            yield self._query(
                LEFT_RIGHT, f'where is the {thing.name}?', Meaning(Ask.WHERE, (thing.name,))
            )

    def _related(self) -> Iterator[tuple[Thing, Thing, str]]:
        """Yield things that stand alone and how the first stands to the second."""
        for first in self._alone:
            for second in self._alone:
                if first.name < second.name:
                    for axis, relations in ((0, ('left of', 'right of')), (1, ('above', 'below'))):
                        # In a row there is left and right, in a column above and below.
                        if gaps((first, second), axis) and not (axis and gaps((first, second), 0)):
                            before = first.xyxy[axis] < second.xyxy[axis]
                            yield first, second, relations[0 if before else 1]

    def _pairs(self) -> Iterator[Query]:
        """The same words in two orders, one true and one false."""
        for number, (first, second, relation) in enumerate(self._related(), start=1):
            type_ = LEFT_RIGHT if relation.endswith('of') else ABOVE_BELOW
            asked = relation if self._random.random() < 0.5 else OPPOSITE[relation]
            words = self._one(('to the {w}',), w=asked) if self._random.random() < 0.3 else asked
            words = words if asked.endswith('of') else asked
            for a, b in ((first, second), (second, first)):
                meaning = Meaning(Ask.RELATED, (a.name, b.name), (asked,))
                yield self._query(type_, f'is the {a.name} {words} the {b.name}?', meaning, number)

    def _comparison(self) -> Iterator[Query]:
        names = list(self.scene.counts)
        pairs = [(a, b) for a in names for b in names if a < b]
        for a, b in pairs[:2]:
            if self.scene.counts[a] != self.scene.counts[b]:
                more = self._random.random() < 0.5
                ask, word = (Ask.MORE, 'more') if more else (Ask.FEWER, 'fewer')
                for first, second in ((a, b), (b, a)):
                    text = f'are there {word} {plural(first)} than {plural(second)}?'
                    yield self._query(COMPARISON, text, Meaning(ask, (first, second)))
        for first, second, _ in self._larger():
            order = [first.name, second.name]
            if self._random.random() < 0.5:
                order.reverse()
            word = self._one(('larger', 'bigger'))
            text = f'is the {order[0]} {word} than the {order[1]}?'
            yield self._query(COMPARISON, text, Meaning(Ask.LARGER, tuple(order)))
            text = f'which is {word}, the {order[0]} or the {order[1]}?'
            yield self._query(COMPARISON, text, Meaning(Ask.WHICH_LARGER, tuple(order)))

    def _larger(self) -> Iterator[tuple[Thing, Thing, float]]:
        for first in self._alone:
            for second in self._alone:
                ratio = float(area(first.xyxy[None])[0] / area(second.xyxy[None])[0])
                if ratio >= LARGER:
                    yield first, second, ratio

    def _composition(self) -> Iterator[Query]:
        """Who has which number or which colour: the same words bound in two ways."""
        names = list(self.scene.counts)
        if self.scene.absent and names:
            pair = (names[0], self._pick(self.scene.absent, 1)[0])
            order = pair if self._random.random() < 0.5 else pair[::-1]
            text = f'is there {with_article(order[0])} and {with_article(order[1])}?'
            yield self._query(COMPOSITION, text, Meaning(Ask.EXISTS, order))
            text = f'is it {with_article(order[0])} or {with_article(order[1])}?'
            if len(names) == 1:
                yield self._query(CHOICE, text, Meaning(Ask.WHICH, order))
        for index, a in enumerate(names):
            for b in names[index + 1 :]:
                m, n = self.scene.counts[a], self.scene.counts[b]
                yield self._amounts((a, b), ('', ''), (m, n))
                if m != n:
                    yield self._amounts((a, b), ('', ''), (n, m))
        coloured = [t for t in self._alone if t.colour in PAINTS]
        for first in coloured[:1]:
            for second in coloured[1:2]:
                if first.colour != second.colour:
                    both = (first.name, second.name)
                    yield self._amounts(both, (first.colour, second.colour), (1, 1))
                    yield self._amounts(both, (second.colour, first.colour), (1, 1))

    def _amounts(
        self, names: tuple[str, ...], words: tuple[str, ...], numbers: tuple[int, ...]
    ) -> Query:
        parts = []
        for name, word, number in zip(names, words, numbers, strict=True):
            if number == 1:
                parts.append(with_article(f'{word} {name}'.strip()))
            else:
                parts.append(f'{NUMBERS[number]} {plural(name)}')
        verb = 'are' if numbers[0] > 1 else 'is'
        text = f'{verb} there {parts[0]} and {parts[1]}?'
        return self._query(COMPOSITION, text, Meaning(Ask.AMOUNTS, names, words, numbers))

    def _statements(self) -> Iterator[Query]:
        present = self._pick(list(self.scene.counts), 1)[0]
        absent = self._pick(self.scene.absent, 1)
        for name in (present, *absent):
            text = self._one(
                ('there is {a}.', '{a} is in view.', 'there is {a} in the picture.'),
                a=with_article(name),
            )
            yield self._query(STATEMENT, text, Meaning(Ask.EXISTS, (name,)))
        count = self.scene.counts[present]
        said = count if self._random.random() < 0.5 else int(self._random.integers(1, 5))
        is_are = 'is' if said == 1 else 'are'
        noun = present if said == 1 else plural(present)
        text = f'there {is_are} exactly {NUMBERS[said]} {noun}.'
        yield self._query(STATEMENT, text, Meaning(Ask.AMOUNTS, (present,), ('',), (said,)))
        for first, second, relation in list(self._related())[:2]:
            for a, b in ((first, second), (second, first)):
                meaning = Meaning(Ask.RELATED, (a.name, b.name), (relation,))
                yield self._query(STATEMENT, f'the {a.name} is {relation} the {b.name}.', meaning)
        for thing in [t for t in self._alone if t.colour][:1]:
            colour = self._one((thing.colour, *list(PAINTS)[:2]))
            meaning = Meaning(Ask.IS_COLOUR, (thing.name,), (colour,))
            yield self._query(STATEMENT, f'the {thing.name} is {colour}.', meaning)

    def _expressions(self) -> Iterator[Query]:
        for thing in self._alone[:1]:
            yield _expression(f'the {thing.name}', thing)
        for first, second, relation in list(self._related())[:1]:
            yield _expression(f'the {first.name} {relation} the {second.name}', first)
        for name, count in self.scene.counts.items():
            same = [thing for thing in self.scene.things if thing.name == name]
            if count > 1 and gaps(same, 0):
                across = sorted(same, key=lambda thing: float(thing.xyxy[0]))
                yield _expression(f'the leftmost {name}', across[0])
                if on_the_right(across[-1]) and not any(map(on_the_right, across[:-1])):
                    yield _expression(f'the {name} on the right', across[-1])
                if count > 2:
                    yield _expression(f'the second {name} from the left', across[1])
            by_size = sorted(same, key=lambda thing: -float(area(thing.xyxy[None])[0]))
            if count > 1 and area(by_size[0].xyxy[None]) >= LARGER * area(by_size[1].xyxy[None]):
                yield _expression(f'the largest {name}', by_size[0])
            colours = [thing.colour for thing in same]
            for thing in same:
                if count > 1 and thing.colour and colours.count(thing.colour) == 1:
                    yield _expression(f'the {thing.colour} {name}', thing)
                    break
        if self.scene.absent:
            name = self._pick(self.scene.absent, 1)[0]
            yield Query(REFERENCE, f'the {name}', Meaning(Ask.LOCATE, (name,)))


def on_the_right(thing: Thing) -> bool:
    """Tell whether any of a thing reaches into the right part of the picture."""
    return bool(thing.xyxy[2] > 0.55 * RESOLUTION_WH[0])


def _expression(text: str, thing: Thing) -> Query:
    return Query(REFERENCE, text, Meaning(Ask.LOCATE, (thing.name,)), '', thing.xyxy)
