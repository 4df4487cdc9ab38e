"""The meter: what the window holds, what it forgets."""

from dataclasses import replace
import threading

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from vlm_ros.health import StreamMeter


class Clock:
    def __init__(self):
        self.now_s = 1000.0

    def __call__(self):
        return self.now_s


def test_a_meter_that_saw_nothing_knows_nothing(camera):
    seen = camera.meter.snapshot()
    assert (seen.received, seen.processed, seen.dropped, seen.failed) == (0, 0, 0, 0)
    assert (seen.received_hz, seen.processed_hz, seen.observed_s) == (0, 0, 0)
    unknown = (
        seen.dropped_fraction, seen.failed_fraction, seen.inference_p50_s, seen.inference_p95_s,
        seen.age_p50_s, seen.age_p95_s, seen.age_max_s, seen.since_image_s, seen.since_processed_s,
    )  # fmt: skip
    assert unknown == (None,) * 9


@pytest.mark.parametrize('rate_hz', [1, 30, 1000])
@pytest.mark.parametrize('duration_s', [5.0, 9.9, 10.0, 10.1, 37.3])
def test_rates_are_those_of_the_camera_from_the_start_on(camera, duration_s, rate_hz):
    camera.play(duration_s, rate_hz)
    seen = camera.meter.snapshot()
    # An image more or less at the edges of the window.
    assert seen.received_hz == pytest.approx(rate_hz, abs=0.11)
    assert seen.processed_hz == pytest.approx(rate_hz / 4, abs=0.2)
    assert seen.failed_fraction == 0
    assert seen.observed_s == pytest.approx(min(duration_s, 10.0), abs=1.0)


def test_rates_are_right_at_once_after_a_long_silence(camera):
    camera.play(20.0)
    camera.now_s += 100.0
    camera.play(2.0)
    assert camera.meter.snapshot().received_hz == pytest.approx(30.0, rel=0.02)
    assert camera.meter.snapshot().observed_s == pytest.approx(2.0, abs=0.05)


def test_a_rate_falls_once_nothing_comes(camera):
    camera.play(20.0)
    camera.now_s += 5.0
    assert camera.meter.snapshot().received_hz == pytest.approx(15.0, rel=0.04)
    camera.now_s += 5.2
    assert camera.meter.snapshot().received_hz == 0


def test_percentiles_are_of_results_alone(camera):
    for milliseconds in range(1, 101):
        camera.meter.process(
            failed=False, inference_s=milliseconds * 1e-3, age_s=milliseconds * 2e-3
        )
    camera.meter.process(failed=True, inference_s=99.0, age_s=99.0)
    camera.meter.process(failed=False, inference_s=0.05, age_s=None)
    seen = camera.meter.snapshot()
    assert (seen.inference_p50_s, seen.inference_p95_s) == pytest.approx((0.05, 0.095))
    assert (seen.age_p50_s, seen.age_p95_s, seen.age_max_s) == pytest.approx((0.1, 0.19, 0.2))
    assert seen.failed_fraction == pytest.approx(1 / 102)


def test_seconds_since_are_counted_to_now(camera):
    camera.meter.receive()
    camera.now_s += 1.0
    camera.meter.process(failed=True, inference_s=0.0, age_s=None)
    camera.now_s += 20.0
    seen = camera.meter.snapshot()
    assert (seen.since_image_s, seen.since_processed_s) == (21.0, 20.0)


def totals(counted):
    return counted.received, counted.processed, counted.dropped, counted.failed


def test_a_reset_forgets_all_but_the_totals(camera):
    untouched = camera.meter.snapshot()
    camera.play(3.0, failed=True, failure='broken')
    played = totals(camera.meter)
    assert all(played[:2]) and played[3]
    camera.meter.reset()
    assert totals(camera.meter) == totals(camera.meter.snapshot()) == played
    assert untouched == replace(
        camera.meter.snapshot(), received=0, processed=0, dropped=0, failed=0
    )


def test_threads_lose_no_count(camera):
    def work():
        for _ in range(500):
            camera.meter.receive()
            camera.meter.drop(2)
            camera.meter.process(failed=True, inference_s=0.0, age_s=None)
            camera.meter.snapshot()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = camera.meter.snapshot()
    assert (seen.received, seen.dropped) == (2000, 4000)
    assert (seen.processed, seen.failed) == (2000, 2000)


steps = st.tuples(
    st.floats(0.0, 4.0),
    st.one_of(
        st.just('receive'),
        st.integers(0, 5),
        st.tuples(st.booleans(), st.floats(0.0, 60.0), st.none() | st.floats(-60.0, 60.0)),
    ),
)


def take(meter, step):
    if step == 'receive':
        meter.receive()
    elif isinstance(step, int):
        meter.drop(step)
    else:
        failed, inference_s, age_s = step
        meter.process(failed=failed, inference_s=inference_s, age_s=age_s)


@given(st.lists(steps, max_size=60), st.sampled_from([0.5, 10.0, 60.0]))
def test_figures_agree_with_a_list_of_all_events(history, window_s):
    clock = Clock()
    meter = StreamMeter(window_s, clock=clock)
    events = []
    for wait_s, step in history:
        clock.now_s += wait_s
        take(meter, step)
        events.append((clock.now_s, step))
    seen = meter.snapshot()
    received = [at_s for at_s, step in events if step == 'receive']
    looks = [(at_s, step) for at_s, step in events if isinstance(step, tuple)]
    assert seen.received == meter.received == len(received)
    assert seen.processed == meter.processed == len(looks)
    assert seen.dropped == meter.dropped == sum(s for _, s in events if isinstance(s, int))
    assert seen.failed == meter.failed == sum(step[0] for _, step in looks)
    results = [s for at_s, s in looks if not s[0] and at_s > clock.now_s - window_s]
    for values, figures in (
        ([s[1] for s in results], (seen.inference_p50_s, seen.inference_p95_s)),
        ([s[2] for s in results if s[2] is not None], (seen.age_p50_s, seen.age_p95_s)),
    ):
        if values:
            expected = np.percentile(values, [50, 95], method='inverted_cdf').tolist()
            assert list(figures) == expected
        else:
            assert figures == (None, None)
    if seen.age_max_s is not None:
        assert seen.age_p50_s <= seen.age_p95_s <= seen.age_max_s
    assert seen.received_hz >= 0 and seen.processed_hz >= 0
    assert 0 <= seen.observed_s <= window_s
    for fraction in (seen.dropped_fraction, seen.failed_fraction):
        assert fraction is None or 0 <= fraction <= 1


@given(st.lists(steps, min_size=1, max_size=30))
def test_the_window_forgets_all_but_the_totals(history):
    clock = Clock()
    meter = StreamMeter(clock=clock)
    for wait_s, step in history:
        clock.now_s += wait_s
        take(meter, step)
    before = meter.snapshot()
    clock.now_s += 10.3
    after = meter.snapshot()
    fresh = StreamMeter(clock=clock).snapshot()
    assert after == replace(
        fresh,
        received=before.received,
        processed=before.processed,
        dropped=before.dropped,
        failed=before.failed,
        since_image_s=after.since_image_s,
        since_processed_s=after.since_processed_s,
    )


@given(st.floats(1.0, 1e6), st.sampled_from([0.5, 10.0, 3600.0]))
def test_a_high_rate_takes_no_more_memory(rate_hz, window_s):
    clock = Clock()
    meter = StreamMeter(window_s, clock=clock)
    for _ in range(1500):
        clock.now_s += 1 / rate_hz
        meter.receive()
        meter.drop()
        meter.process(failed=False, inference_s=0.1, age_s=0.1)
    assert len(meter._results) <= 1024
    for count in (meter._received, meter._dropped, meter._processed, meter._failed):
        assert len(count._buckets) <= 50
