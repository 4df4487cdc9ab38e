"""Which of the networks' classes a name stands for.

A name is looked up in WordNet. Classes that are the thing named, or a kind of it, stand for it in
full: `cat` for tabbies and Siamese cats. Where there are none the name may be a kind of a class
(`woman` of person, `sedan` of car): the network cannot tell it from its sisters, so that counts for
less the further away it is. What WordNet does not settle is left to the similarity of the words'
embeddings. All of this depends on text alone, so a vocabulary is read once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vlm_ros.backends.embedded.classes import Class
from vlm_ros.backends.embedded.minilm import MiniLm
from vlm_ros.backends.embedded.wordnet import WordNet
from vlm_ros.boxes import FloatArray

THINGS = frozenset({3, 5, 6, 8, 13, 17, 18, 19, 20})
"""Lexicographer files of what a camera can see: tops, animal, artifact, body, food, object, person,
phenomenon, plant. Acts, feelings, groups, quantities, times and the like are left out."""
MAIN_SENSE = 0.2
"""A sense counts when it is at least this often meant as the word's most frequent one: `dog` is
the animal, not the sausage."""
KIND_STEP = 0.85
"""What one step down from a class to a kind of it takes off."""
KIND_STEPS = 4
KIND_SIMILARITY = 0.4
"""Below this a kind of a class is too remote from it to be taken for one: a policeman is a person,
but a person in view is no reason to report a policeman."""
SAME_SIMILARITY = 0.7
"""Names whose embeddings are this similar mean the same: `kitten` and `cat` have 0.79, `couch` and
`studio couch` 0.77, while `dog` and `cat` have 0.66."""
FAMILY_STEPS = 2
"""How far up a name and a class may meet to be relatives: giraffe and ox, both ruminants."""


@dataclass(frozen=True, eq=False)
class Readings:
    """What a vocabulary stands for.

    Attributes:
        affinity: `(N, C)` float32 in [0, 1]: how far each class being there means that the thing
            named is there.
        recognized: `(N,)` bool: whether there is a class that the name, or a relative of what it
            names, has to do with.
    """

    affinity: FloatArray
    recognized: np.ndarray


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
        self._vectors = minilm.encode([item.label.lower() for item in classes])
        self._covered: dict[int, list[int]] = {}
        self._own: dict[int, list[int]] = {}
        for index, item in enumerate(classes):
            for kind in item.kinds:
                self._covered.setdefault(kind, []).append(index)
            for synset in item.synsets:
                self._own.setdefault(synset, []).append(index)

    def read(self, names: Sequence[str]) -> Readings:
        """Read a vocabulary."""
        vectors = self._minilm.encode([name.lower() for name in names])
        affinity = np.zeros((len(names), len(self._classes)), np.float32)
        recognized = np.zeros(len(names), bool)
        for row, (name, vector) in enumerate(zip(names, vectors, strict=True)):
            recognized[row] = self._read(name, vector, affinity[row])
        return Readings(affinity, recognized)

    def _read(self, name: str, vector: FloatArray, affinity: FloatArray) -> bool:
        """Fill the affinities of one name; returns whether it is recognized."""
        senses = self._main_senses(name)
        covered = [index for sense in senses for index in self._covered.get(sense, ())]
        if covered:
            affinity[covered] = 1
            return True
        similarity = self._vectors @ vector
        for sense in senses:
            for kind, steps in self._wordnet.ancestors(sense).items():
                for index in self._own.get(kind, ()):
                    if steps <= KIND_STEPS and similarity[index] >= KIND_SIMILARITY:
                        affinity[index] = max(affinity[index], KIND_STEP**steps)
        if self._minilm.knows(name):
            same = np.flatnonzero(similarity >= SAME_SIMILARITY)
            affinity[same] = np.maximum(affinity[same], similarity[same])
        return bool(affinity.any()) or any(self._has_relatives(sense) for sense in senses)

    def _main_senses(self, name: str) -> tuple[int, ...]:
        """Synsets of things that a name usually means; the longest ending WordNet has decides."""
        words = _head_part(name).split()
        for start in range(len(words)):
            senses = self._wordnet.senses(' '.join(words[start:]))
            if senses:
                break
        else:
            return ()
        things = [(o, n) for o, n in senses if self._wordnet.synset(o).topic in THINGS]
        often = max((count for _, count in things), default=0)
        return tuple(offset for offset, count in things if count >= MAIN_SENSE * often)

    def _has_relatives(self, sense: int) -> bool:
        ancestors = self._wordnet.ancestors(sense).items()
        return any(steps <= FAMILY_STEPS and kind in self._covered for kind, steps in ancestors)


def _head_part(name: str) -> str:
    """Return what a name is of, without what follows a preposition: `cup` of `cup of coffee`."""
    words = name.split()
    for position, word in enumerate(words):
        if position and word.lower() in ('of', 'with', 'in', 'on', 'at', 'for', 'from', 'by'):
            return ' '.join(words[:position])
    return name
