"""Which of the networks' classes a name stands for.

A name is looked up in WordNet. Classes that are the thing named, or a kind of it, stand for it in
full: `cat` for tabbies and Siamese cats. Where there are none the name may be a kind of a class
(`woman` of person, `sedan` of car): the network cannot tell it from its sisters, so that counts
for less the further away it is, and only where the name's definition names the class: a soldier
is "an enlisted man or woman who serves in an army", and that somebody is in view is no reason to
report one. What WordNet does not settle is left to the similarity of the words' embeddings. All
of this depends on text alone, so a vocabulary is read once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
import re
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vlm_ros.alignment import similarity
from vlm_ros.backends.embedded.classes import Class
from vlm_ros.backends.embedded.memory import remembered
from vlm_ros.backends.embedded.minilm import MiniLm
from vlm_ros.backends.embedded.wordnet import WordNet
from vlm_ros.boxes import FloatArray


class Sense(NamedTuple):
    """Something a word can mean.

    Attributes:
        synset: Its offset.
        uses: How often it was counted as what the word meant.
        share: That, as a share of the word's most frequent meaning, whatever that is.
    """

    synset: int
    uses: int
    share: float


THINGS = frozenset({3, 5, 6, 8, 13, 17, 18, 19, 20})
"""Lexicographer files of what a camera can see: tops, animal, artifact, body, food, object,
person, phenomenon, plant. Acts, feelings, groups, quantities, times and the like are left out."""
MAIN_SENSE = 0.2
"""A sense counts when it is at least this often meant as the word's most frequent one: `dog` is
the animal, not the sausage."""
RARE_SIMILARITY = 0.45
"""How alike a name and a class must be for one of the name's rarer senses to be meant."""
KIND_STEP = 0.85
"""What one step down from a class to a kind of it takes off."""
KIND_STEPS = 4
SAME_SIMILARITY = 0.7
"""Names whose embeddings are this similar mean the same: `kitten` and `cat` have 0.79, `couch` and
`studio couch` 0.77, while `dog` and `cat` have 0.66."""

ANIMAL, PERSON = 5, 18
"""Lexicographer files. Only of these the networks know so many kinds that another kind is taken
for one of them rather than for anything else."""
FAMILY_CLASSES = 3
FAMILY_STEPS = {ANIMAL: 3, PERSON: 8}
"""Kinds of person go deep: a soldier is six steps below."""


@dataclass(frozen=True, eq=False)
class Readings:
    """What a vocabulary stands for.

    Attributes:
        affinity: `(N, C)` float32 in [0, 1]: how far each class being there means that the thing
            named is there.
        relatives: `(N, C)` float32, 0 or 1, for names without any affinity: classes one of which
            would be seen if the thing were there, though seeing one does not mean that it is.
    """

    affinity: FloatArray
    relatives: FloatArray

    @property
    def recognized(self) -> npt.NDArray[np.bool_]:
        """`(N,)`, whether there is any way to look for a name."""
        return np.asarray((self.affinity + self.relatives).any(axis=1), np.bool_)


class Words:
    """The reader of names.

    Args:
        classes: The networks' classes, in the order of the affinities.
        wordnet: The noun database.
        minilm: The text encoder.
    """

    def __init__(self, classes: Sequence[Class], wordnet: WordNet, minilm: MiniLm) -> None:
        self._classes = classes
        self._wordnet = wordnet
        self._minilm = minilm
        self._vectors = remembered(minilm, [item.label.lower() for item in classes])
        self._covered: dict[int, list[int]] = {}
        self._own: dict[int, list[int]] = {}
        self._labels: dict[str, list[int]] = {}
        for index, item in enumerate(classes):
            self._labels.setdefault(item.label.casefold(), []).append(index)
            for kind in item.kinds:
                self._covered.setdefault(kind, []).append(index)
            for synset in item.synsets:
                self._own.setdefault(synset, []).append(index)

    def read(self, names: Sequence[str], check: Callable[[], None] = lambda: None) -> Readings:
        """Read a vocabulary; `check` is called between its parts and may end the work."""
        affinity = np.zeros((len(names), len(self._classes)), np.float32)
        relatives = np.zeros_like(affinity)
        senses = [self._senses(name) for name in names]
        check()
        rest = []
        for row, name in enumerate(names):
            covered = self._covered_by(name, senses[row])
            affinity[row, covered] = 1
            if not covered:
                rest.append(row)
        vectors = self._minilm.encode([names[row].lower() for row in rest], check)
        alike = similarity(vectors, self._vectors)
        for position, row in enumerate(rest):
            self._relate(names[row], senses[row], alike[position], affinity[row])
            if not affinity[row].any():
                for sense in _usual(senses[row]):
                    relatives[row, self._relatives(sense)] = 1
        return Readings(affinity, relatives)

    def _covered_by(self, name: str, senses: Sequence[Sense]) -> list[int]:
        """Classes that are the thing named, or a kind of it."""
        covered = [i for sense in _main(senses) for i in self._covered.get(sense, ())]
        # ImageNet took some classes from the wrong sense (its cup is a punch), so the very name
        # of a class always means the class.
        for index in self._labels.get(name.casefold(), ()):
            covered += [index]
            covered += [i for own in self._classes[index].synsets for i in self._covered[own]]
        return covered

    def _relate(
        self, name: str, senses: Sequence[Sense], alike: FloatArray, affinity: FloatArray
    ) -> None:
        """Fill the affinities of a name that covers no class."""
        covered = self._rarely_meant(senses, alike)
        if covered:
            affinity[covered] = 1
            return
        for sense in _usual(senses):
            for index, steps in self._kind_of(sense).items():
                affinity[index] = max(affinity[index], KIND_STEP**steps)
        if self._minilm.knows(name):
            same = np.flatnonzero(alike >= SAME_SIMILARITY)
            affinity[same] = np.maximum(affinity[same], np.minimum(alike[same], 1))

    def _kind_of(self, sense: int) -> dict[int, int]:
        """Classes that a synset's definition says it is, with the number of steps to them.

        It may say so by way of another name: a girl is "a young woman".
        """
        gloss = self._wordnet.synset(sense).gloss
        found: dict[int, int] = {}
        for parent in self._wordnet.synset(sense).parents:
            if _mentions(gloss, self._wordnet.synset(parent).lemmas):
                above = self._kind_of(parent)
                found |= {index: steps + 1 for index, steps in above.items()}
        for kind, steps in self._wordnet.ancestors(sense).items():
            for index in self._own.get(kind, ()):
                names = (*self._wordnet.synset(kind).lemmas, self._classes[index].label)
                if _mentions(gloss, names):
                    found[index] = steps
        return {index: steps for index, steps in found.items() if steps <= KIND_STEPS}

    def _relatives(self, sense: int) -> list[int]:
        """Classes of the nearest family of an animal or a person.

        A giraffe is taken for the gazelles and antelopes it is a ruminant with, and a policeman is
        seen as a person, so where none of those is seen neither is there.
        """
        topic = self._wordnet.synset(sense).topic
        enough = {ANIMAL: FAMILY_CLASSES, PERSON: 1}.get(topic)
        for kind, steps in self._wordnet.ancestors(sense).items():
            covered = self._covered.get(kind, [])
            if enough and steps <= FAMILY_STEPS[topic] and len(covered) >= enough:
                return covered
        return []

    def _rarely_meant(self, senses: Sequence[Sense], alike: FloatArray) -> list[int]:
        """Classes of the first sense that has any and whose name the text encoder finds alike.

        The chicken that WordNet's texts speak of is mostly meat; a head is no promontory.
        """
        for sense in senses:
            covered = self._covered.get(sense.synset, [])
            if covered and alike[covered].max() >= RARE_SIMILARITY:
                return covered
        return []

    def _senses(self, name: str) -> list[Sense]:
        """Synsets of things a name can mean; the longest ending that WordNet has decides."""
        words = _head_part(name).split()
        for start in range(len(words)):
            senses = self._wordnet.senses(' '.join(words[start:]))
            if senses:
                break
        else:
            return []
        often = max(count for _, count in senses)
        return [
            Sense(synset, count, count / often if often else 1.0)
            for synset, count in senses
            if self._wordnet.synset(synset).topic in THINGS
        ]


def _main(senses: Sequence[Sense]) -> list[int]:
    """Synsets of the things a word usually means when it means a thing."""
    often = max((sense.uses for sense in senses), default=0)
    return [sense.synset for sense in senses if sense.uses >= MAIN_SENSE * often]


def _usual(senses: Sequence[Sense]) -> list[int]:
    """Of those, what it usually means at all: `love` is seldom a beloved person."""
    frequent = {sense.synset for sense in senses if sense.share >= MAIN_SENSE}
    return [synset for synset in _main(senses) if synset in frequent]


def _head_part(name: str) -> str:
    """Return what a name is of, without what follows a preposition: `cup` of `cup of coffee`."""
    words = name.split()
    for position, word in enumerate(words):
        if position and word.lower() in ('of', 'with', 'in', 'on', 'at', 'for', 'from', 'by'):
            return ' '.join(words[:position])
    return name


def _mentions(gloss: str, names: Sequence[str]) -> bool:
    """Tell whether a definition itself, not its examples, has one of the names as whole words."""
    words = ' '.join(re.findall(r'\w+', gloss.partition(';')[0].lower()))
    return any(f' {name.lower()} ' in f' {words} ' for name in names)
