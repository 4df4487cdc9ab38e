import math

import numpy as np
import pytest
from scipy import stats

from vlm_ros.errors import InputError
from vlm_ros.evaluation.intervals import bootstrap, bootstrap_of, compare


def test_a_bootstrap_is_near_that_of_scipy_and_of_theory():
    values = np.random.default_rng(1).normal(3, 1, 400)
    mine = bootstrap(values)
    other = stats.bootstrap(
        (values,), np.mean, method='percentile', n_resamples=2000, rng=np.random.default_rng(7)
    ).confidence_interval
    assert mine.value == pytest.approx(values.mean())
    assert mine.low == pytest.approx(other.low, abs=0.015)
    assert mine.high == pytest.approx(other.high, abs=0.015)
    assert mine.high - mine.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)
    assert mine == bootstrap(values)
    assert mine != bootstrap(values, seed=1)
    narrow = bootstrap(values, level=0.5)
    assert mine.low < narrow.low < narrow.high < mine.high


def test_items_that_were_not_answered_are_left_out():
    assert bootstrap([1, 0, math.nan, 1]) == bootstrap([1, 0, 1])
    empty, single = bootstrap([math.nan]), bootstrap([1.0])
    assert (empty.items, single.items, single.value) == (0, 1, 1.0)
    assert math.isnan(empty.value) and math.isnan(single.low)


def test_a_number_that_is_no_mean_has_an_interval():
    values = np.arange(50.0)
    interval = bootstrap_of(lambda picked: float(np.median(values[picked])), 50)
    assert interval.low < interval.value == 24.5 < interval.high


def test_right_and_wrong_is_tested_as_mcnemar_does():
    first = np.array([1] * 40 + [0] * 15 + [1] * 5 + [0] * 40, float)
    second = np.array([1] * 40 + [1] * 15 + [0] * 5 + [0] * 40, float)
    result = compare(first, second)
    # The two-sided binomial test of 5 in 20, from its tables.
    assert result.p_value == pytest.approx(0.041389, abs=1e-6)
    assert (result.better, result.worse, result.left_out) == (15, 5, 0)
    assert result.difference.value == pytest.approx(0.1)
    assert result.difference.low > 0
    assert result.test == 'McNemar, exact'
    assert compare(first, first).p_value == 1


def test_other_values_are_permuted():
    rng = np.random.default_rng(3)
    first = rng.uniform(size=80)
    alike = compare(first, first + rng.normal(0, 0.1, 80))
    apart = compare(first, first + rng.normal(0.05, 0.1, 80))
    assert alike.test == 'paired permutation'
    assert apart.p_value < 0.01 < alike.p_value
    # Eight gains of one sign: 2 of the 256 arrangements are as far off.
    assert compare(np.zeros(8), np.full(8, 0.5)).p_value == pytest.approx(2 / 256)


def test_only_items_of_both_are_compared():
    result = compare([1, 0, math.nan, 1], [0, math.nan, 1, 1])
    assert (result.left_out, result.worse, result.difference.items) == (2, 1, 2)
    nothing = compare([math.nan], [1])
    assert math.isnan(nothing.p_value)


def test_bad_options_are_told():
    with pytest.raises(InputError, match='same items'):
        compare([1, 0], [1])
    with pytest.raises(InputError, match='level 2'):
        bootstrap([1, 0], level=2)
