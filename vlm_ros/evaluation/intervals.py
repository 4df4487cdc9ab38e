"""How sure a number is, and whether one run is better than another.

All work on one value an item, as `vlm_ros.evaluation.coverage.Score.values` holds them; NaN, an
item that was not answered, is left out, and of two runs an item that either did not answer.
"""

from collections.abc import Callable
from dataclasses import dataclass
import math

import numpy as np
import numpy.typing as npt

from vlm_ros.errors import InputError
from vlm_ros.evaluation.coverage import Values

RESAMPLES = 2000
LEVEL = 0.95
SEED = 0
CELLS = 2_000_000
"""How many values are drawn at once, so that memory stays flat."""


@dataclass(frozen=True)
class Interval:
    """A number and where it lies.

    Attributes:
        value: Of the items themselves.
        low: The lower end.
        high: The upper end; both NaN where fewer than two items were answered.
        level: How often such an interval holds the true number, in (0, 1).
        items: How many it was taken over.
    """

    value: float
    low: float
    high: float
    level: float
    items: int


@dataclass(frozen=True)
class Comparison:
    """Two runs over the same items.

    Attributes:
        difference: The mean of the second less that of the first, with its paired bootstrap.
        p_value: How likely at least such a difference is, either way, where the runs are alike,
            in [0, 1]; NaN where no item was answered by both.
        test: How it was had: `McNemar, exact` or `paired permutation`.
        better: Items on which the second is better.
        worse: Items on which it is worse.
        left_out: Items that one of the two did not answer.
    """

    difference: Interval
    p_value: float
    test: str
    better: int
    worse: int
    left_out: int


def bootstrap(
    values: npt.ArrayLike, *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = SEED
) -> Interval:
    """Percentile bootstrap of a mean (Efron 1979, https://doi.org/10.1214/aos/1176344552).

    Args:
        values: `(N,)`, one an item.
        level: In (0, 1).
        resamples: How often the items are drawn anew; 0 for no interval.
        seed: The same gives the same.

    Raises:
        InputError: The level is not in (0, 1), or the resamples are fewer than 0.
    """
    given = np.asarray(values, np.float64)
    known = given[~np.isnan(given)]
    return bootstrap_of(
        lambda picked: float(known[picked].mean()),
        len(known),
        level=level,
        resamples=resamples,
        seed=seed,
    )


def bootstrap_of(
    statistic: Callable[[npt.NDArray[np.intp]], float],
    items: int,
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Interval:
    """Percentile bootstrap of a number that is no mean, such as an average precision.

    Args:
        statistic: Takes the indices `(items,)` of those drawn, images for a detector, and gives
            the number for them; one that is NaN is left out.
        items: How many there are.
        level: In (0, 1).
        resamples: How often the items are drawn anew; 0 for no interval.
        seed: The same gives the same.

    Raises:
        InputError: The level is not in (0, 1), or the resamples are fewer than 0.
    """
    if not 0 < level < 1 or resamples < 0:
        raise InputError(f'level {level} has to be in (0, 1) and resamples {resamples} at least 0')
    if items == 0:
        return Interval(math.nan, math.nan, math.nan, level, 0)
    value = statistic(np.arange(items))
    if items == 1:
        return Interval(value, math.nan, math.nan, level, 1)
    generator = np.random.default_rng(seed)
    drawn = np.array([statistic(generator.integers(0, items, items)) for _ in range(resamples)])
    drawn = drawn[~np.isnan(drawn)]
    if not drawn.size:
        return Interval(value, math.nan, math.nan, level, items)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high), level, items)


def compare(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Comparison:
    """Compare two runs, item by item.

    Where every value is 0 or 1 the test is McNemar's in its exact form (McNemar 1947,
    https://doi.org/10.1007/BF02295996); elsewhere the signs of the differences are permuted at
    random (Fisher 1935; Dror et al. 2018, https://aclanthology.org/P18-1128).

    Args:
        first: `(N,)`, one an item.
        second: `(N,)`, of the same items in the same order.
        level: Of the interval of the difference, in (0, 1).
        resamples: How often the items are drawn anew, and the signs are.
        seed: The same gives the same.

    Raises:
        InputError: The shapes differ, or an option is out of its range.
    """
    one, other = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if one.shape != other.shape or one.ndim != 1:
        raise InputError(
            f'runs of {one.shape} and {other.shape} values cannot be compared item by item:'
            ' evaluate both on the same items'
        )
    both = ~np.isnan(one) & ~np.isnan(other)
    gains = other[both] - one[both]
    binary = bool(np.isin(one[both], (0, 1)).all() and np.isin(other[both], (0, 1)).all())
    better, worse = int((gains > 0).sum()), int((gains < 0).sum())
    return Comparison(
        difference=bootstrap(gains, level=level, resamples=resamples, seed=seed),
        p_value=_mcnemar(better, worse, len(gains))
        if binary
        else _permuted(gains, resamples, seed),
        test='McNemar, exact' if binary else 'paired permutation',
        better=better,
        worse=worse,
        left_out=int((~both).sum()),
    )


def _mcnemar(better: int, worse: int, items: int) -> float:
    from scipy.stats import binomtest

    if not items:
        return math.nan
    return float(binomtest(better, better + worse).pvalue) if better + worse else 1.0


def _permuted(gains: Values, resamples: int, seed: int) -> float:
    from scipy.stats import permutation_test

    if not gains.size:
        return math.nan
    result = permutation_test(
        (gains,),
        lambda drawn, axis: drawn.mean(axis=axis),
        permutation_type='samples',
        n_resamples=resamples,
        batch=max(1, CELLS // gains.size),
        vectorized=True,
        rng=np.random.default_rng(seed),
    )
    return float(result.pvalue)
