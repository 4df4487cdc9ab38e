"""The reports: which figures wake an operator, and what they say."""

from dataclasses import replace

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
    StreamSnapshot,
)

LIMITS = StreamLimits(max_image_age_s=2.0)


def judge(camera, limits=LIMITS, silence='nobody publishes /front/image'):
    return stream_report('front', camera.meter.snapshot(), limits, silence)


def test_a_good_stream_gives_its_figures(camera):
    camera.play(20.0)
    report = stream_report(
        'front', camera.meter.snapshot(), LIMITS, '', hardware_id='front camera'
    )
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


def test_a_report_has_the_same_keys_whatever_is_known(camera):
    unknown = judge(camera).values
    assert unknown['Age p50 (ms)'] == unknown['Since last image (s)'] == 'unknown'
    camera.play(1.0)
    assert list(judge(camera).values) == list(unknown)


def test_no_image_at_all_is_an_error_that_says_why(camera):
    report = judge(camera)
    assert (report.level, report.message) == (Level.ERROR, 'nobody publishes /front/image')
    assert judge(camera, silence='').message == 'no image comes'


def test_a_camera_that_stops_is_a_warning_and_in_the_end_an_error(camera):
    camera.play(5.0)
    camera.now_s += 1.9
    assert judge(camera).level == Level.OK
    camera.now_s += 0.2
    report = judge(camera)
    assert report.level == Level.WARN
    assert report.message == 'no image for 2.1 s: nobody publishes /front/image'
    camera.now_s += 10.0
    assert judge(camera).level == Level.ERROR
    assert judge(camera, StreamLimits(max_image_age_s=30.0)).level == Level.OK
    camera.play(0.1)
    assert judge(camera).level == Level.OK


def test_failing_frames_are_told_with_the_reason(camera):
    camera.play(5.0, every=1)
    camera.play(1.0, every=10, failed=True, failure='unknown\n encoding "x"')
    report = judge(camera)
    assert report.level == Level.WARN
    assert report.message.startswith('2.0 % of frames fail: unknown encoding "x"; ')
    assert report.values['Last failure'] == 'unknown encoding "x"'
    camera.play(10.0, failed=True, failure='CUDA')
    report = judge(camera)
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
def test_results_of_old_or_future_images_are_a_warning(camera, age_s, level, message):
    camera.play(20.0, age_s=age_s)
    report = judge(camera)
    assert report.level == level
    assert report.message.startswith(message)


def test_dropping_is_a_warning_only_where_a_limit_says_so(camera):
    strict = StreamLimits(max_image_age_s=2.0, max_dropped_fraction=0.5)
    camera.play(5.0)
    assert judge(camera, strict).level == Level.OK, 'not judged by half a window'
    camera.play(6.0)
    report = judge(camera, strict)
    assert report.level == Level.WARN
    assert report.message.startswith('75.0 % of frames dropped, more than 50 %; 7.5 of 30.0')
    assert judge(camera).level == Level.OK


def test_a_slow_stream_is_a_warning_where_a_limit_says_so(camera):
    camera.play(5.0)
    fast = StreamLimits(max_image_age_s=2.0, min_rate_hz=10.0)
    assert judge(camera, fast).level == Level.OK, 'not judged by half a window'
    camera.play(6.0)
    report = judge(camera, fast)
    assert report.level == Level.WARN
    assert report.message.startswith('slower than 10 frames/s; 7.5 of 30.0')
    assert judge(camera, replace(fast, min_rate_hz=5.0)).level == Level.OK


def test_images_that_nobody_looks_at_are_a_warning(camera):
    camera.play(11.0, every=0)
    report = judge(camera)
    assert report.level == Level.WARN
    assert report.message == 'images come but none was processed yet; 0.0 of 30.0 frames/s'
    camera.play(1.0)
    camera.play(14.9, every=0)
    assert judge(camera).message.startswith('images come but none was processed for 15 s; ')


def test_the_worst_comes_first(camera):
    strict = StreamLimits(max_image_age_s=2.0, max_dropped_fraction=0.5, min_rate_hz=10.0)
    camera.play(11.0, failed=True, failure='CUDA')
    report = judge(camera, strict)
    assert report.level == Level.ERROR
    assert [part.split()[0] for part in report.message.split('; ')] == [
        'every', '75.0', 'slower', '7.5',
    ]  # fmt: skip


durations_s = st.floats(0.0, 1e5)
unknown_or_s = st.none() | durations_s
fractions = st.none() | st.floats(0.0, 1.0)
counts = st.integers(0, 10**9)
ages_s = st.none() | st.floats(-1e9, 1e9)
snapshots = st.builds(
    StreamSnapshot,
    window_s=st.just(10.0),
    observed_s=st.floats(0.0, 10.0),
    received=counts,
    processed=counts,
    dropped=counts,
    failed=counts,
    received_hz=durations_s,
    processed_hz=durations_s,
    dropped_fraction=fractions,
    failed_fraction=fractions,
    inference_p50_s=unknown_or_s,
    inference_p95_s=unknown_or_s,
    age_p50_s=ages_s,
    age_p95_s=ages_s,
    age_max_s=ages_s,
    since_image_s=unknown_or_s,
    since_processed_s=unknown_or_s,
    failure=st.text(max_size=20),
)
limits = st.builds(
    StreamLimits,
    max_image_age_s=st.floats(0.1, 3600.0),
    max_dropped_fraction=st.floats(0.0, 1.0),
    min_rate_hz=st.floats(0.0, 100.0),
)


@given(snapshots, limits, st.text(max_size=20))
def test_a_report_is_one_line_of_text_and_figures(snapshot, limits, silence):
    report = stream_report('front', snapshot, limits, silence)
    assert len(report.message.splitlines()) == 1
    assert report.level in (Level.OK, Level.WARN, Level.ERROR), 'STALE is for the aggregator'
    for key, value in report.values.items():
        assert value in ('unknown', 'none') or key == 'Last failure' or float(value) < 1e13
    if report.level == Level.OK:
        assert report.message.split(',')[0].endswith('frames/s'), 'nothing but figures'


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
