"""How much of what was asked got an answer: reported beside every accuracy.

A model that says it cannot tell is neither right nor wrong, and one that broke down is neither
too. Both are left out of an accuracy, and counted here, so that no model looks good by answering
only what is easy, or bad for being honest; selective prediction reports the pair the same way
(El-Yaniv and Wiener 2010, https://jmlr.org/papers/v11/el-yaniv10a.html).
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
import math

import numpy as np
import numpy.typing as npt

from vlm_ros.errors import InputError
from vlm_ros.results import Status

Values = npt.NDArray[np.float64]

ANSWERED = frozenset({Status.OK, Status.NOTHING_FOUND})
"""Looked, and said what is there; that nothing is there is an answer."""
LOOKED = ANSWERED | {Status.UNSURE}
"""Looked for boxes; UNSURE found none, and could not look for some of the names."""
ABSTAINED = frozenset({Status.UNSURE, Status.NOT_IN_VIEW})
"""Looked, and said that it cannot be told; everything else is a failure."""


@dataclass(frozen=True)
class Coverage:
    """What became of the items of a test set.

    Attributes:
        answered: How many an accuracy is taken over.
        abstained: How many the model would not answer: UNSURE and NOT_IN_VIEW.
        failed: How many it could not: everything else, and what is missing.
    """

    answered: int
    abstained: int = 0
    failed: int = 0

    @classmethod
    def of(cls, statuses: Iterable[Status], answers: Collection[Status] = ANSWERED) -> 'Coverage':
        """Count statuses; `answers` are those of an answer, `LOOKED` for boxes."""
        seen = list(statuses)
        answered = sum(status in answers for status in seen)
        abstained = sum(status in ABSTAINED and status not in answers for status in seen)
        return cls(answered, abstained, len(seen) - answered - abstained)

    @property
    def total(self) -> int:
        """How many there were to answer."""
        return self.answered + self.abstained + self.failed

    @property
    def rate(self) -> float:
        """The part that was answered, in [0, 1]; NaN where there was nothing to answer."""
        return ratio(self.answered, self.total)


@dataclass(frozen=True, eq=False)
class Score:
    """A mean over the items that were answered, with its coverage.

    Attributes:
        value: The mean, in [0, 1]; NaN where nothing was answered.
        coverage: What it was taken over.
        values: `(N,)` float64, one for each item in the order given, NaN where it was not
            answered: what `vlm_ros.evaluation.intervals` works on.
    """

    value: float
    coverage: Coverage
    values: Values

    @classmethod
    def of(cls, values: Values, statuses: Sequence[Status]) -> 'Score':
        """Take the mean of the values whose status says that they were answered."""
        kept = np.where([status in ANSWERED for status in statuses], values, np.nan)
        return cls(mean(kept), Coverage.of(statuses), kept)


def mean(values: Values) -> float:
    """Return the mean of those that are not NaN; NaN where there are none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else math.nan


def ratio(part: float, whole: float) -> float:
    """Divide; NaN where there is nothing to divide by."""
    return part / whole if whole else math.nan


def check_lengths(**lists: Sequence[object]) -> None:
    """Raise InputError, naming them, where lists that belong together differ in length."""
    lengths = {name: len(items) for name, items in lists.items()}
    if len(set(lengths.values())) > 1:
        told = ', '.join(f'{length} {name}' for name, length in lengths.items())
        raise InputError(f'{told}: give one of each for every item')
