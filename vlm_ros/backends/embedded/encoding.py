"""Images and texts in one space: the space of MiniLM's texts.

An image lies where the names of what was seen in it lie, weighted by how sure that is, as ConSE
places images (https://arxiv.org/abs/1312.5650). A class is known not by its name alone but also by
what it is a kind of, which counts for less with every step up WordNet: who looks for an animal
finds the squirrel.
"""

from collections.abc import Callable, Sequence

import numpy as np

from vlm_ros.backends.embedded.classes import Class
from vlm_ros.backends.embedded.look import Look
from vlm_ros.backends.embedded.memory import remembered
from vlm_ros.backends.embedded.minilm import MiniLm
from vlm_ros.backends.embedded.wordnet import WordNet
from vlm_ros.boxes import FloatArray
from vlm_ros.errors import QuestionError
from vlm_ros.phrases import check_text

CLASSES = 10
"""ConSE's own number: the rest of the probability is spread over what is not there."""
KIND_STEP = 0.5
"""What one step up takes off. Of 0.3 to 0.9 those up to 0.6 found all photographs of the tests by
their names; the higher the value, the better were looser words and the worse exact ones."""


class Encoder:
    """Places images and texts.

    Args:
        classes: The networks' classes, the 1000 first.
        wordnet: The noun database.
        minilm: The text encoder.
    """

    def __init__(self, classes: Sequence[Class], wordnet: WordNet, minilm: MiniLm) -> None:
        self._classes = classes
        self._wordnet = wordnet
        self._minilm = minilm
        self._vectors: FloatArray | None = None

    def image(self, seen: Look, box_scores: FloatArray) -> FloatArray:
        """Place what was seen in an image: `(384,)` float32 of length 1.

        Args:
            seen: What the networks say.
            box_scores: `(B, 23)` in [0, 1], how sure each box's classes are.
        """
        fine = np.max([level.probabilities.max(0) for level in seen.levels], axis=0)
        weights = np.concatenate([fine, box_scores.max(0, initial=0)])
        chosen = np.argsort(-weights, kind='stable')[:CLASSES]
        return _unit(weights[chosen] @ self._class_vectors()[chosen])

    def texts(self, texts: Sequence[str], check: Callable[[], None]) -> FloatArray:
        """Place texts: `(N, 384)` float32 of length 1; `check` may end the work.

        Raises:
            QuestionError: There is no text, or one is empty or too long.
        """
        if not texts:
            raise QuestionError('there is no text; give at least one')
        for text in texts:
            check_text(text, 'text')
        return self._minilm.encode([text.lower() for text in texts], check)

    def _class_vectors(self) -> FloatArray:
        # At first use only: most users never encode, and without its file it takes seconds.
        if self._vectors is None:
            self._vectors = self._place_classes()
        return self._vectors

    def _place_classes(self) -> FloatArray:
        labels = [item.label.lower() for item in self._classes]
        above = [self._above(item) for item in self._classes]
        kinds = sorted({kind for found in above for kind, _ in found})
        own = remembered(self._minilm, labels)
        names = [self._wordnet.synset(kind).lemmas[0] for kind in kinds]
        kind_vectors = dict(zip(kinds, remembered(self._minilm, names), strict=True))
        for row, found in enumerate(above):
            for kind, steps in found:
                own[row] += KIND_STEP**steps * kind_vectors[kind]
        return _unit(own)

    def _above(self, item: Class) -> list[tuple[int, int]]:
        """What a class is a kind of, with the steps up to it."""
        return [
            (kind, steps)
            for synset in item.synsets
            for kind, steps in self._wordnet.ancestors(synset).items()
            if steps
        ]


def _unit(vectors: FloatArray) -> FloatArray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)
