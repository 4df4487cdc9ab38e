"""Region-word alignment: how well each region of an image goes with each word.

Two ways, both plain matrix arithmetic. In a space that regions and words share, their similarity
is a cosine, as in ViLD (https://arxiv.org/abs/2104.13921). Where a region is only known by the
probabilities of some classes, words are reached through those classes, as in ConSE
(https://arxiv.org/abs/1312.5650), by how much of the probability stands for the word.
"""

import numpy as np
import numpy.typing as npt

from vlm_ros.boxes import FloatArray


def softmax(logits: npt.ArrayLike) -> FloatArray:
    """Probabilities over the last axis; every row of the result sums to 1."""
    values = np.asarray(logits, np.float32)
    exponentials = np.exp(values - values.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True), np.float32)


def similarity(regions: npt.ArrayLike, words: npt.ArrayLike) -> FloatArray:
    """Cosine `(R, N)` in [-1, 1] between `(R, D)` regions and `(N, D)` words.

    A vector of zeros has similarity 0 with everything.
    """
    return np.asarray(_unit(regions) @ _unit(words).T, np.float32)


def evidence(probabilities: npt.ArrayLike, affinity: npt.ArrayLike) -> FloatArray:
    """Probability `(R, N)` in [0, 1] that stands for each word.

    Absolute: what does not stand for a word goes to the classes that stand against it, so a word
    gains nothing from being the only one asked for.

    Args:
        probabilities: `(R, C)`, what each region is, out of C classes that exclude each other.
        affinity: `(N, C)` in [0, 1], how far each class stands for each word.
    """
    found = np.asarray(probabilities, np.float32) @ np.asarray(affinity, np.float32).T
    return np.asarray(np.clip(found, 0, 1), np.float32)


def _unit(vectors: npt.ArrayLike) -> FloatArray:
    array = np.asarray(vectors, np.float32)
    lengths = np.linalg.norm(array, axis=-1, keepdims=True)
    return np.asarray(array / np.where(lengths > 0, lengths, 1), np.float32)
