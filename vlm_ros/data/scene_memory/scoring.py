"""How well a text fits a moment, in [0, 1], whatever model made the vectors.

A cosine says nothing by itself: one model's are all between 0.1 and 0.3, another's between 0.3 and
0.9, and some images are near every text. So a text is compared with a list of everyday names on
the very same image. Their cosines are taken for a normal distribution, and the score is the part
of it below the text's own: 0.5 for a text that fits as well as any odd name, 0.98 for one that
fits better than 98 of 100.
"""

from dataclasses import dataclass
import math
from statistics import NormalDist

import numpy as np

from vlm_ros.boxes import FloatArray

_NORMAL = NormalDist()
_LEAST_DEVIATION = 1e-3
"""Of the everyday names' cosines; a model that tells none of them apart tells nothing."""


@dataclass(frozen=True, eq=False)
class Background:
    """The everyday names.

    Attributes:
        vectors: `(N, D)` float32 of length 1, where the model places them.
    """

    vectors: FloatArray

    def level(self, embedding: FloatArray) -> tuple[float, float]:
        """Return mean and standard deviation of the names' cosines with an image's `(D,)`."""
        cosines = self.vectors @ embedding
        return float(cosines.mean()), max(float(np.std(cosines)), _LEAST_DEVIATION)


def to_score(deviations: float) -> float:
    """Return the score of a text that lies so many standard deviations above the mean."""
    return _NORMAL.cdf(deviations)


def to_deviations(score: float) -> float:
    """Return how many standard deviations above the mean a score lies."""
    if 0.0 < score < 1.0:
        return _NORMAL.inv_cdf(score)
    return math.inf if score else -math.inf
