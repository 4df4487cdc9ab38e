"""So many frames a second and no more."""

import random

import pytest

from vlm_ros.runtime.rate_limit import RateLimit


def admitted(times_s, rate_hz):
    limit = RateLimit()
    return [time_s for time_s in times_s if limit.admits(time_s, rate_hz)]


@pytest.mark.parametrize('rate_hz', [0.5, 3.0, 10.0])
def test_no_more_than_the_rate_pass(rate_hz):
    times_s = [n / 30 for n in range(1800)]
    assert len(admitted(times_s, rate_hz)) == pytest.approx(60 * rate_hz, abs=2)


def test_a_camera_at_the_very_rate_is_not_halved():
    jitter = random.Random(7)
    times_s = [n / 10 + jitter.uniform(-0.02, 0.02) for n in range(1, 601)]
    assert len(admitted(times_s, 10.0)) >= 590


def test_a_pause_is_not_made_up_for_by_a_burst():
    assert admitted([0.0, *(60.0 + n / 30 for n in range(29))], 1.0) == [0.0, 60.0]


def test_zero_is_no_limit_and_a_higher_rate_holds_at_once():
    limit = RateLimit()
    assert all(limit.admits(0.0, 0.0) for _ in range(5))
    assert limit.admits(0.0, 0.01)
    assert not limit.admits(1.0, 0.01)
    assert limit.admits(1.0, 10.0)
