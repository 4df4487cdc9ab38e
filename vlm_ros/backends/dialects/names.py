"""Names on their way into a prompt, and labels on their way back into the vocabulary."""

from collections.abc import Sequence
import re

import numpy as np

from vlm_ros.backends.dialects.spoken import SpokenBoxes
from vlm_ros.inflection import singular
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Detections

_MARKUP = re.compile(r'[<>|"`{}\[\];\\\x00-\x1f]+')
_ARTICLE = re.compile(r'^(?:the|a|an)\s+', re.IGNORECASE)


def said(name: str) -> str:
    """Return a name without what a tokenizer or a dialect could take for markup."""
    return ' '.join(_MARKUP.sub(' ', name).split())


def said_all(names: Sequence[str], separator: str = ', ') -> str:
    """Return names for a prompt, one after the other."""
    return separator.join(said(name) for name in names)


class Names:
    """Finds the name of a vocabulary that a label of a model stands for.

    Models write `Cars`, `the car` or `CAR` for `car`. Case, articles, underscores and the number
    are looked through; nothing else is, so what is only similar stands for nothing.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._exact = {_folded(name): name for name in vocabulary.names}
        self._loose: dict[str, str] = {}
        for name in vocabulary.names:
            self._loose.setdefault(_loose(name), name)
        self._only = vocabulary.names[0] if len(vocabulary) == 1 else ''

    def find(self, label: str) -> str:
        """Return the vocabulary's name, unchanged; empty where there is none.

        A box without a label stands for the name where only one was asked for.
        """
        if not label:
            return self._only
        folded = _folded(label)
        return self._exact.get(folded) or self._loose.get(_loose(folded), '')


def detections_of(
    spoken: SpokenBoxes, vocabulary: Vocabulary, scores: float | Sequence[float]
) -> Detections:
    """Make detections of the boxes that a name of the vocabulary stands for, in their order.

    Args:
        spoken: The boxes.
        vocabulary: Its names become the labels, unchanged; boxes of other labels are left out.
        scores: In [0, 1]; one for all boxes, or one a box.
    """
    names = Names(vocabulary)
    labels = [names.find(box.label) for box in spoken.boxes]
    kept = [index for index, label in enumerate(labels) if label]
    if not kept:
        return Detections()
    every = np.broadcast_to(np.asarray(scores, np.float32), (len(labels),))
    return Detections(
        np.array([spoken.boxes[index].xyxy for index in kept], np.float32),
        every[kept],
        tuple(labels[index] for index in kept),
    )


def find_span(text: str, phrase: str, start: int = 0) -> tuple[int, int] | None:
    """Find where a text has a phrase that a model repeated, from a character on.

    Case and runs of spaces may differ. Call it with the end of the phrase before, so that of two
    equal phrases each gets its own place.

    Returns:
        `(start, end)` characters, end exclusive; None where it is not there.
    """
    words = [re.escape(word) for word in phrase.split()]
    if not words:
        return None
    found = re.compile(r'(?<!\w)' + r'\s+'.join(words) + r'(?!\w)', re.IGNORECASE).search(
        text, start
    )
    return found.span() if found else None


def _folded(name: str) -> str:
    return ' '.join(name.replace('_', ' ').strip(' .,:;\'"').casefold().split())


def _loose(name: str) -> str:
    return singular(_ARTICLE.sub('', _folded(name)))
