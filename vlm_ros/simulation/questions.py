"""Questions and statements whose answers follow from labelled boxes.

Those about what is there are drawn as POPE does (arXiv 2305.10355): as many about things that are
in the picture as about things that are not, the latter at random, from the most frequent of the
dataset, and from those that most often are with what is there. All others of yes or no come in
pairs as well, one of each. What people could differ about is not asked; see `facts`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
import zlib

import numpy as np
from pydantic import Field

from vlm_ros.data.formats import TruthSet
from vlm_ros.errors import InputError
from vlm_ros.inflection import count_phrase, plural, with_article
from vlm_ros.records.frames import Box
from vlm_ros.records.model import Record
from vlm_ros.simulation.facts import Clear, Facts, facts_of, spoken

GROUPS = ('random', 'popular', 'adversarial', 'count', 'left/right', 'colour', 'comparison')
"""The first three are about what is there, named after how the absent things were chosen."""
COLOURS = (
    'white', 'black', 'grey', 'red', 'orange', 'yellow', 'green', 'blue', 'purple', 'pink',
    'brown',
)  # fmt: skip
"""The basic colour terms of Berlin and Kay (1969)."""
_NEAR_COLOURS = (
    {'red', 'orange'}, {'red', 'pink'}, {'red', 'brown'}, {'orange', 'yellow'},
    {'orange', 'brown'}, {'blue', 'purple'}, {'pink', 'purple'}, {'grey', 'white'},
    {'grey', 'black'}, {'yellow', 'brown'},
)  # fmt: skip


class KnownQuestion(Record):
    """A question or statement, its answer, and why. The first four fields are those of POPE.

    Attributes:
        question_id: Its number in the file, from 1.
        image: The picture.
        text: The words.
        label: The answer: yes or no (of a statement, whether it is true), a number or a colour.
        form: Whether it asks or says.
        group: One of `GROUPS`.
        names: The things that it is about.
        evidence: Boxes of what the answer rests on, in pixels; none where it rests on absence.
    """

    question_id: int = Field(ge=1)
    image: str
    text: str
    label: str
    form: Literal['question', 'statement'] = 'question'
    group: str
    names: tuple[str, ...]
    evidence: tuple[Box, ...] = ()

    @property
    def is_closed(self) -> bool:
        """Whether the answer is yes or no."""
        return self.label in ('yes', 'no')


@dataclass(frozen=True)
class _Draft:
    text: str
    label: str
    group: str
    things: tuple[Clear, ...]
    names: tuple[str, ...]
    form: Literal['question', 'statement'] = 'question'


def ask(
    truth: TruthSet,
    *,
    seed: int = 0,
    pairs: int = 3,
    min_side_px: float = 16.0,
    colours: Mapping[int, str] | None = None,
    judged: Sequence[frozenset[str] | None] = (),
    not_exhaustive: Sequence[frozenset[str]] = (),
    closed_only: bool = False,
) -> list[KnownQuestion]:
    """Make questions and statements about labelled images.

    Args:
        truth: The images.
        seed: The same gives the same; what is asked of an image does not depend on the others,
            but for the absent things of `popular` and `adversarial`.
        pairs: So many pairs of a group about an image at most; of what is there, of each of the
            three ways.
        min_side_px: Smaller things are not asked about.
        colours: Of things by their track id.
        judged: For each image the names whose absence is known; empty for all.
        not_exhaustive: For each image the names of which not all things are labelled; empty for
            none.
        closed_only: Whether to make questions of yes or no only, so that the file has POPE's
            layout.

    Raises:
        InputError: Nothing can be asked; the message says why.
    """
    if pairs < 1:
        raise InputError(f'{pairs} pairs a group are none; ask for 1 or more')
    known = [
        facts_of(
            image,
            truth.labels,
            min_side_px=min_side_px,
            colours=colours,
            judged=judged[row] if judged else None,
            not_exhaustive=not_exhaustive[row] if not_exhaustive else frozenset(),
        )
        for row, image in enumerate(truth.images)
    ]
    company = _Company.of(truth)
    drafts = [
        (facts.image.file or facts.image.key, draft)
        for facts in known
        for draft in _Asker(facts, company, seed, pairs).drafts()
        if not closed_only or (draft.form == 'question' and draft.label in ('yes', 'no'))
    ]
    if not drafts and not any(image.boxes for image in truth.images):
        raise InputError(f'these {len(truth.images)} images have no boxes to ask about')
    if not drafts:
        raise InputError(
            f'nothing can be asked of these {len(truth.images)} images: no box is large and clear '
            f'enough; lower the least side of {min_side_px:g} pixels'
        )
    return [
        KnownQuestion(
            question_id=number,
            image=file,
            text=draft.text[0].upper() + draft.text[1:],
            label=draft.label,
            form=draft.form,
            group=draft.group,
            names=draft.names,
            evidence=tuple(thing.box.xyxy for thing in draft.things),
        )
        for number, (file, draft) in enumerate(drafts, start=1)
    ]


@dataclass(frozen=True)
class _Company:
    """How many images show each name, and each two together."""

    single: Counter[str]
    both: Counter[tuple[str, str]]

    @classmethod
    def of(cls, truth: TruthSet) -> '_Company':
        single: Counter[str] = Counter()
        both: Counter[tuple[str, str]] = Counter()
        for image in truth.images:
            names = set(image.labels)
            single.update(names)
            both.update((a, b) for a in names for b in names if a != b)
        return cls(single, both)


class _Asker:
    """Drafts what is asked about one image."""

    def __init__(self, facts: Facts, company: _Company, seed: int, pairs: int) -> None:
        self._facts, self._company, self._pairs = facts, company, pairs
        self._random = np.random.default_rng((seed, zlib.crc32(facts.image.key.encode())))

    def drafts(self) -> Iterator[_Draft]:
        yield from self._existence()
        yield from self._counts()
        yield from self._places()
        yield from self._colours()
        yield from self._comparisons()

    def _some(self, options: Sequence[Clear] | Sequence[str]) -> list[int]:
        return [int(i) for i in self._random.permutation(len(options))[: self._pairs]]

    def _existence(self) -> Iterator[_Draft]:
        present = [self._facts.present[i] for i in self._some(self._facts.present)]
        for group, absent in self._absent().items():
            for here, missing in zip(present, absent, strict=False):
                for name, label in ((here, 'yes'), (missing, 'no')):
                    things = tuple(self._facts.of(name))
                    noun = with_article(spoken(name))
                    text = f'is there {noun} in the image?'
                    yield _Draft(text, label, group, things, (name,))
                    if group == 'random':
                        text = f'there is {noun} in the image.'
                        yield _Draft(text, label, group, things, (name,), 'statement')

    def _absent(self) -> dict[str, list[str]]:
        """Return absent names in the order in which they are asked for, by POPE's three ways."""
        absent = self._facts.absent
        company = {
            name: sum(self._company.both[name, here] for here in self._facts.present)
            for name in absent
        }
        drawn = [absent[int(i)] for i in self._random.permutation(len(absent))]
        # Ties stay in the order drawn.
        return {
            'random': drawn,
            'popular': sorted(drawn, key=lambda name: -self._company.single[name]),
            'adversarial': sorted(drawn, key=lambda name: -company[name]),
        }

    def _counts(self) -> Iterator[_Draft]:
        counts = self._facts.counts
        names = list(counts)
        for name in [names[i] for i in self._some(names)]:
            things, count = tuple(self._facts.of(name)), counts[name]
            text = f'how many {plural(spoken(name))} are there in the image?'
            yield _Draft(text, str(count), 'count', things, (name,))
            wrong = count + 1 if count == 1 or self._random.random() < 0.5 else count - 1
            for said, label in ((count, 'yes'), (wrong, 'no')):
                verb = 'is' if said == 1 else 'are'
                phrase = count_phrase(said, spoken(name))
                text = f'{verb} there exactly {phrase} in the image?'
                yield _Draft(text, label, 'count', things, (name,))
                text = f'there {verb} exactly {phrase} in the image.'
                yield _Draft(text, label, 'count', things, (name,), 'statement')

    def _places(self) -> Iterator[_Draft]:
        found = self._facts.left_right()
        for row in self._random.permutation(len(found))[: self._pairs]:
            first, second = found[int(row)]
            if self._random.random() < 0.5:
                first, second, side = second, first, 'right'
            else:
                side = 'left'
            for (a, b), label in (((first, second), 'yes'), ((second, first), 'no')):
                names = (a.box.label, b.box.label)
                here, there = map(spoken, names)
                text = f'is the {here} to the {side} of the {there}?'
                yield _Draft(text, label, 'left/right', (a, b), names)
                text = f'the {here} is to the {side} of the {there}.'
                yield _Draft(text, label, 'left/right', (a, b), names, 'statement')

    def _colours(self) -> Iterator[_Draft]:
        painted = [thing for thing in self._facts.alone if thing.colour]
        for thing in [painted[i] for i in self._some(painted)]:
            name = thing.box.label
            noun = spoken(name)
            text = f'what colour is the {noun}?'
            yield _Draft(text, thing.colour, 'colour', (thing,), (name,))
            others = [
                word
                for word in COLOURS
                if word != thing.colour and {word, thing.colour} not in _NEAR_COLOURS
            ]
            wrong = others[int(self._random.integers(len(others)))]
            for colour, label in ((thing.colour, 'yes'), (wrong, 'no')):
                text = f'is the {noun} {colour}?'
                yield _Draft(text, label, 'colour', (thing,), (name,))
                text = f'the {noun} is {colour}.'
                yield _Draft(text, label, 'colour', (thing,), (name,), 'statement')

    def _comparisons(self) -> Iterator[_Draft]:
        counts = self._facts.counts
        uneven = [(a, b) for a in counts for b in counts if counts[a] > counts[b]]
        for row in self._random.permutation(len(uneven))[: self._pairs]:
            many, few = uneven[int(row)]
            things = (*self._facts.of(many), *self._facts.of(few))
            for (a, b), label in (((many, few), 'yes'), ((few, many), 'no')):
                text = f'are there more {plural(spoken(a))} than {plural(spoken(b))} in the image?'
                yield _Draft(text, label, 'comparison', things, (a, b))
        larger = self._facts.larger()
        for row in self._random.permutation(len(larger))[: self._pairs]:
            large, small = larger[int(row)]
            for (first, second), label in (((large, small), 'yes'), ((small, large), 'no')):
                names = (first.box.label, second.box.label)
                here, there = map(spoken, names)
                text = f'does the {here} look larger than the {there} in the image?'
                yield _Draft(text, label, 'comparison', (first, second), names)
