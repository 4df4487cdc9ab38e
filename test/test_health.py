"""Health: the sliding window's figures, and which of them wake an operator."""

from dataclasses import replace
import threading

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from vlm_ros.health import (
    Level,
    model_report,
    process_memory_bytes,
    stream_report,
    StreamLimits,
    StreamMeter,
)

LIMITS = StreamLimits(max_image_age_s=2.0)


class FakeClock:
    def __init__(self):
        self.now_s = 1000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def meter(clock):
    return StreamMeter(clock=clock)


def play(meter, clock, duration_s, rate_hz=30, every=4, **result):
    """A camera whose every so manieth image is looked at while the others are overtaken."""
    result = {'failed': False, 'inference_s': 0.1, 'age_s': 0.15} | result
    for number in range(round(duration_s * rate_hz)):
        clock.now_s += 1 / rate_hz
        meter.receive()
        if every and number % every == 0:
            meter.process(**result)
        else:
            meter.drop()


# The meter


def test_a_meter_that_saw_nothing_knows_nothing(meter):
    seen = meter.snapshot()
    assert (seen.received, seen.processed, seen.dropped, seen.failed) == (0, 0, 0, 0)
    assert (seen.received_hz, seen.processed_hz, seen.observed_s) == (0, 0, 0)
    unknown = (
        seen.dropped_fraction, seen.failed_fraction, seen.inference_p50_s, seen.inference_p95_s,
        seen.age_p50_s, seen.age_p95_s, seen.age_max_s, seen.since_image_s, seen.since_processed_s,
    )  # fmt: skip
    assert unknown == (None,) * 9


@pytest.mark.parametrize('duration_s', [2.0, 9.9, 10.0, 10.1, 37.3])
def test_rates_are_those_of_the_camera_from_the_start_on(meter, clock, duration_s):
    play(meter, clock, duration_s)
    seen = meter.snapshot()
    assert seen.received_hz == pytest.approx(30.0, rel=0.02)
    assert seen.processed_hz == pytest.approx(7.5, abs=0.5)
    assert seen.dropped_fraction == pytest.approx(0.75, abs=0.02)
    assert seen.failed_fraction == 0
    assert seen.observed_s == pytest.approx(min(duration_s, 10.0), abs=0.05)


def test_rates_are_right_at_once_after_a_long_silence(meter, clock):
    play(meter, clock, 20.0)
    clock.now_s += 100.0
    play(meter, clock, 2.0)
    assert meter.snapshot().received_hz == pytest.approx(30.0, rel=0.02)
    assert meter.snapshot().observed_s == pytest.approx(2.0, abs=0.05)


def test_a_rate_falls_once_nothing_comes(meter, clock):
    play(meter, clock, 20.0)
    clock.now_s += 5.0
    assert meter.snapshot().received_hz == pytest.approx(15.0, rel=0.04)
    clock.now_s += 5.2
    assert meter.snapshot().received_hz == 0


def test_percentiles_are_of_results_alone(meter, clock):
    for milliseconds in range(1, 101):
        meter.process(failed=False, inference_s=milliseconds * 1e-3, age_s=milliseconds * 2e-3)
    meter.process(failed=True, inference_s=99.0, age_s=99.0)
    meter.process(failed=False, inference_s=0.05, age_s=None)
    seen = meter.snapshot()
    assert (seen.inference_p50_s, seen.inference_p95_s) == pytest.approx((0.05, 0.095))
    assert (seen.age_p50_s, seen.age_p95_s, seen.age_max_s) == pytest.approx((0.1, 0.19, 0.2))
    assert seen.failed_fraction == pytest.approx(1 / 102)


def test_seconds_since_are_counted_to_now(meter, clock):
    meter.receive()
    clock.now_s += 1.0
    meter.process(failed=True, inference_s=0.0, age_s=None)
    clock.now_s += 20.0
    seen = meter.snapshot()
    assert (seen.since_image_s, seen.since_processed_s) == (21.0, 20.0)


def test_a_reset_forgets_everything(meter, clock):
    untouched = meter.snapshot()
    play(meter, clock, 3.0, failed=True, failure='broken')
    assert meter.snapshot() != untouched
    meter.reset()
    assert meter.snapshot() == untouched
    assert (meter.received, meter.processed, meter.dropped, meter.failed) == (0, 0, 0, 0)


def test_threads_lose_no_count(meter):
    def work():
        for _ in range(500):
            meter.receive()
            meter.drop(2)
            meter.process(failed=True, inference_s=0.0, age_s=None)
            meter.snapshot()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (meter.received, meter.processed, meter.dropped, meter.failed) == (
        2000, 2000, 4000, 2000,
    )  # fmt: skip


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
    clock = FakeClock()
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
    clock = FakeClock()
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
    clock = FakeClock()
    meter = StreamMeter(window_s, clock=clock)
    for _ in range(1500):
        clock.now_s += 1 / rate_hz
        meter.receive()
        meter.drop()
        meter.process(failed=False, inference_s=0.1, age_s=0.1)
    assert len(meter._results) <= 1024
    for count in (meter._received, meter._dropped, meter._processed, meter._failed):
        assert len(count._buckets) <= 50


# The report of a stream


def judge(meter, limits=LIMITS, silence='nobody publishes /front/image'):
    return stream_report('front', meter.snapshot(), limits, silence)


def test_a_good_stream_gives_its_figures(meter, clock):
    play(meter, clock, 20.0)
    report = stream_report('front', meter.snapshot(), LIMITS, '', hardware_id='front camera')
    assert (report.name, report.level, report.hardware_id) == ('front', Level.OK, 'front camera')
    assert report.message == '7.5 of 30.0 frames/s, age 150 ms p50, 150 ms p95'
    assert report.values == {
        'Received (Hz)': '30.0',
        'Processed (Hz)': '7.5',
        'Dropped (%)': '75.0',
        'Failed (%)': '0.0',
        'Inference p50 (ms)': '100',
        'Inference p95 (ms)': '100',
        'Age p50 (ms)': '150',
        'Age p95 (ms)': '150',
        'Age max (ms)': '150',
        'Since last image (s)': '0.0',
        'Since last processed (s)': '0.1',
        'Window (s)': '10.0',
        'Frames received': '600',
        'Frames processed': '150',
        'Frames dropped': '450',
        'Frames failed': '0',
        'Last failure': 'none',
    }


def test_a_report_has_the_same_keys_whatever_is_known(meter, clock):
    unknown = judge(meter).values
    assert unknown['Age p50 (ms)'] == unknown['Since last image (s)'] == 'unknown'
    play(meter, clock, 1.0)
    assert list(judge(meter).values) == list(unknown)


def test_no_image_at_all_is_an_error_that_says_why(meter):
    report = judge(meter)
    assert (report.level, report.message) == (Level.ERROR, 'nobody publishes /front/image')
    assert judge(meter, silence='').message == 'no image comes'


def test_a_camera_that_stops_is_a_warning_and_in_the_end_an_error(meter, clock):
    play(meter, clock, 5.0)
    clock.now_s += 1.9
    assert judge(meter).level == Level.OK
    clock.now_s += 0.2
    report = judge(meter)
    assert report.level == Level.WARN
    assert report.message == 'no image for 2.1 s: nobody publishes /front/image'
    clock.now_s += 10.0
    assert judge(meter).level == Level.ERROR
    assert judge(meter, StreamLimits(max_image_age_s=30.0)).level == Level.OK
    play(meter, clock, 0.1)
    assert judge(meter).level == Level.OK


def test_failing_frames_are_told_with_the_reason(meter, clock):
    play(meter, clock, 5.0, every=1)
    play(meter, clock, 1.0, every=10, failed=True, failure='unknown\n encoding "x"')
    report = judge(meter)
    assert report.level == Level.WARN
    assert report.message.startswith('2.0 % of frames fail: unknown encoding "x"; ')
    assert report.values['Last failure'] == 'unknown encoding "x"'
    play(meter, clock, 10.0, failed=True, failure='CUDA')
    report = judge(meter)
    assert report.level == Level.ERROR
    assert report.message == 'every frame fails: CUDA; 7.5 of 30.0 frames/s'


@pytest.mark.parametrize(
    ('age_s', 'level', 'message'),
    [
        (1.9, Level.OK, '7.5 of'),
        (3.21, Level.WARN, 'results are 3.2 s old, more than 2.0 s; 7.5 of'),
        (-0.4, Level.WARN, 'image stamps are 0.4 s in the future; synchronize the clocks; 7.5 of'),
    ],
)
def test_results_of_old_or_future_images_are_a_warning(meter, clock, age_s, level, message):
    play(meter, clock, 20.0, age_s=age_s)
    report = judge(meter)
    assert report.level == level
    assert report.message.startswith(message)


def test_dropping_is_a_warning_only_where_a_limit_says_so(meter, clock):
    strict = StreamLimits(max_image_age_s=2.0, max_dropped_fraction=0.5)
    play(meter, clock, 5.0)
    assert judge(meter, strict).level == Level.OK, 'not judged by half a window'
    play(meter, clock, 6.0)
    report = judge(meter, strict)
    assert report.level == Level.WARN
    assert report.message.startswith('75.0 % of frames dropped, more than 50 %; 7.5 of 30.0')
    assert judge(meter).level == Level.OK


def test_a_slow_stream_is_a_warning_where_a_limit_says_so(meter, clock):
    play(meter, clock, 5.0)
    fast = StreamLimits(max_image_age_s=2.0, min_rate_hz=10.0)
    assert judge(meter, fast).level == Level.OK, 'not judged by half a window'
    play(meter, clock, 6.0)
    report = judge(meter, fast)
    assert report.level == Level.WARN
    assert report.message.startswith('slower than 10 frames/s; 7.5 of 30.0')
    assert judge(meter, replace(fast, min_rate_hz=5.0)).level == Level.OK


def test_images_that_nobody_looks_at_are_a_warning(meter, clock):
    play(meter, clock, 11.0, every=0)
    report = judge(meter)
    assert report.level == Level.WARN
    assert report.message == 'images come but none was processed yet; 0.0 of 30.0 frames/s'
    play(meter, clock, 1.0)
    play(meter, clock, 14.9, every=0)
    assert judge(meter).message.startswith('images come but none was processed for 15 s; ')


def test_the_worst_comes_first(meter, clock):
    strict = StreamLimits(max_image_age_s=2.0, max_dropped_fraction=0.5, min_rate_hz=10.0)
    play(meter, clock, 11.0, failed=True, failure='CUDA')
    report = judge(meter, strict)
    assert report.level == Level.ERROR
    assert [part.split()[0] for part in report.message.split('; ')] == [
        'every', '75.0', 'slower', '7.5',
    ]  # fmt: skip


@given(
    st.lists(steps, max_size=30),
    st.floats(0.1, 100.0),
    st.floats(0.0, 1.0),
    st.floats(0.0, 100.0),
    st.text(max_size=20),
)
def test_a_report_is_one_line_of_text_and_figures(history, age_s, dropped, rate_hz, silence):
    clock = FakeClock()
    meter = StreamMeter(clock=clock)
    for wait_s, step in history:
        clock.now_s += wait_s
        take(meter, step)
    limits = StreamLimits(age_s, dropped, rate_hz)
    report = stream_report('front', meter.snapshot(), limits, silence)
    assert report.message
    assert len(report.message.splitlines()) == 1
    assert report.level in (Level.OK, Level.WARN, Level.ERROR), "STALE is the aggregator's"
    assert all(isinstance(value, str) and value for value in report.values.values())
    if report.level == Level.OK:
        assert report.message.split(',')[0].endswith('frames/s')


# The report of a model


def model(**given):
    values = {
        'phase': 'ready',
        'model_id': 'embedded',
        'device': 'cpu',
        'preferred': '',
        'error': '',
        'for_s': 3.0,
        'waiting': 0,
        'memory_bytes': 785 * 2**20,
    }
    return model_report('model', **values | given)


@pytest.mark.parametrize(
    ('given', 'level', 'message'),
    [
        ({}, Level.OK, 'embedded runs on cpu'),
        ({'error': 'once it failed'}, Level.OK, 'embedded runs on cpu'),
        (
            {'model_id': 'fake', 'preferred': 'embedded', 'error': 'weights are missing'},
            Level.WARN,
            'fake runs on cpu instead of embedded: weights are missing',
        ),
        ({'phase': 'loading'}, Level.OK, 'loading embedded for 3.0 s'),
        (
            {'phase': 'loading', 'error': 'out of memory', 'for_s': 130.0},
            Level.WARN,
            'loading embedded again for 2 min: out of memory',
        ),
        (
            {'phase': 'loading', 'model_id': 'fake', 'preferred': 'embedded', 'error': 'hung'},
            Level.WARN,
            'loading fake instead of embedded for 3.0 s: hung',
        ),
        (
            {'phase': 'failed', 'error': 'CUDA error\nat line 1', 'for_s': 7300.0},
            Level.ERROR,
            'embedded failed 2 h ago: CUDA error at line 1',
        ),
        ({'phase': 'failed'}, Level.ERROR, 'embedded failed 3.0 s ago'),
        ({'phase': 'unloaded'}, Level.OK, 'not loaded'),
        ({'phase': 'unloaded', 'preferred': 'embedded', 'error': 'x'}, Level.OK, 'not loaded'),
    ],
)
def test_a_model_says_what_it_is_at(given, level, message):
    report = model(**given)
    assert (report.level, report.message) == (level, message)


def test_a_model_gives_its_figures():
    report = model(waiting=2, device='cuda:0', error='a\nb')
    assert report.hardware_id == 'cuda:0'
    assert report.values == {
        'Model': 'embedded',
        'Device': 'cuda:0',
        'Phase': 'ready',
        'Phase since (s)': '3.0',
        'Preferred': 'embedded',
        'Last error': 'a b',
        'Waiting requests': '2',
        'Process memory (MiB)': '785',
    }


def test_memory_is_what_the_kernel_says():
    before = process_memory_bytes()
    held = np.ones(64 * 2**20, np.uint8)
    assert process_memory_bytes() - before > 0.9 * held.nbytes
