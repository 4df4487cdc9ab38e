"""How sure an answer is, as a part of such answers that are right.

A score of a box or a probability of a word orders answers, but is no share of right ones: of
answers at 0.6, more or fewer than 60 % may be right. A logistic curve for each kind of question
and each family of models, fitted to answers whose truth was known (Platt scaling, 1999), makes it
one. It never changes the order of two answers of one kind, and where nothing was fitted the
confidence stays what it was.
"""

from collections.abc import Mapping
import math
from typing import NamedTuple

_EDGE = 1e-4


class Curve(NamedTuple):
    """A monotone map of confidences: `sigmoid(slope * logit(confidence) + shift)`.

    Attributes:
        slope: Above 0; below 1 for a model that is too sure of itself.
        shift: Above 0 for one that is right more often than it thinks.
    """

    slope: float
    shift: float

    def __call__(self, confidence: float) -> float:
        """Map a confidence in [0, 1] to one in (0, 1)."""
        clipped = min(max(confidence, _EDGE), 1 - _EDGE)
        logit = self.slope * math.log(clipped / (1 - clipped)) + self.shift
        return 1 / (1 + math.exp(-min(max(logit, -50.0), 50.0)))


Curves = Mapping[tuple[str, str], Curve]
"""Curves by the family of models and the kind of question, such as `('embedded', 'count')`."""

FITTED: Curves = {
    ('embedded', 'existence'): Curve(0.36, 1.09),
    ('embedded', 'statement'): Curve(0.50, 1.08),
}
"""What `benchmarks/grounded_qa.py --calibrate` fitted, where other scenes gained by it;
`docs/grounded-qa.md` says on what."""


def calibrated(confidence: float, kind: str, backend: str, curves: Curves = FITTED) -> float:
    """Return a confidence as a share of right answers, where that was measured.

    Args:
        confidence: In [0, 1]; 0 says that there is no answer, and stays.
        kind: `Kind.value`, or `statement`.
        backend: The id of the model that the confidence comes from, or its part before the colon.
        curves: Where to look.
    """
    curve = curves.get((backend.partition(':')[0], kind))
    return confidence if curve is None or confidence <= 0 else curve(confidence)
