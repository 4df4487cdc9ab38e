"""How right answers are, how sure, and how often none is given."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BINS = 10
Z = 1.959964
"""Two-sided 95 % of the normal distribution."""


@dataclass(frozen=True)
class Outcome:
    """What came of one query.

    Attributes:
        type: The query's type.
        right: Whether the answer was the true one; an abstention never is.
        answered: Whether there was an answer; `not in view` is one.
        confidence: In [0, 1]; of answers only.
        about_absent: Whether something could be made up.
        made_up: Whether it was: something not there was taken to be there.
        not_in_view: Whether it was said that something is not in view.
        confident: Whether the confidence is told; `not in view` has none.
        pair: Scene and number of the pair of word orders that it belongs to; zeros for none.
    """

    type: str
    right: bool
    answered: bool
    confidence: float = 0.0
    about_absent: bool = False
    made_up: bool = False
    not_in_view: bool = False
    confident: bool = True
    pair: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Score:
    """What outcomes come to.

    Attributes:
        count: How many queries there were.
        accuracy: Right ones by all, abstentions counting as wrong.
        interval: Wilson's 95 % interval of the accuracy.
        coverage: Answers by all.
        selective: Right ones by answers; nan without answers.
        false_alarms: Made up by what could be made up; nan where nothing could.
        not_in_view: `Not in view` by all.
        ece: Expected calibration error of the answers; nan without any.
    """

    count: int
    accuracy: float
    interval: tuple[float, float]
    coverage: float
    selective: float
    false_alarms: float
    not_in_view: float
    ece: float


def score(outcomes: Sequence[Outcome]) -> Score:
    """Add outcomes up."""
    right = sum(outcome.right for outcome in outcomes)
    answered = [outcome for outcome in outcomes if outcome.answered]
    sure = [outcome for outcome in answered if outcome.confident]
    absent = [outcome for outcome in outcomes if outcome.about_absent]
    return Score(
        len(outcomes),
        _share(right, len(outcomes)),
        wilson(right, len(outcomes)),
        _share(len(answered), len(outcomes)),
        _share(sum(outcome.right for outcome in answered), len(answered)),
        _share(sum(outcome.made_up for outcome in absent), len(absent)),
        _share(sum(outcome.not_in_view for outcome in outcomes), len(outcomes)),
        calibration_error([o.confidence for o in sure], [o.right for o in sure]),
    )


def wilson(right: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (E. B. Wilson, JASA 22, 1927)."""
    if not count:
        return 0.0, 1.0
    share = right / count
    middle = share + Z**2 / (2 * count)
    half = Z * float(np.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2)))
    scale = 1 + Z**2 / count
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def calibration_error(confidences: Sequence[float], right: Sequence[bool]) -> float:
    """Return the expected calibration error in ten bins (https://arxiv.org/abs/1706.04599)."""
    if not len(confidences):
        return float('nan')
    sure, hits = np.asarray(confidences, float), np.asarray(right, float)
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    gaps = [abs(float((sure - hits)[bins == index].sum())) for index in range(BINS)]
    return sum(gaps) / len(sure)


def both_right(outcomes: Sequence[Outcome]) -> tuple[int, int]:
    """Return of how many pairs of word orders both are right, and how many pairs there are."""
    pairs: dict[tuple[int, int], list[bool]] = {}
    for outcome in outcomes:
        if outcome.pair[1]:
            pairs.setdefault(outcome.pair, []).append(outcome.right)
    whole = [pair for pair in pairs.values() if len(pair) == 2]
    return sum(all(pair) for pair in whole), len(whole)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float('nan')
