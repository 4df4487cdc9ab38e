import math
import warnings

import numpy as np
import pytest

from vlm_ros.errors import InputError
from vlm_ros.evaluation.overlaps import overlaps
from vlm_ros.evaluation.tracking import track, TrackedFrame
from vlm_ros.results import Status


def box(x):
    return [x, 0, x + 10, 10]


def drive(seed, frames=40):
    """Things tracked with gaps, false boxes and changed numbers.

    They keep apart: where a box fits two things, TrackEval and py-motmetrics choose otherwise,
    as the one prefers the pairs of the frame before and the other those of all frames before.
    """
    rng = np.random.default_rng(seed)
    lanes = np.stack([np.zeros(8), 100 * np.arange(8)], axis=1)
    start, speed = lanes + rng.uniform(0, 9, (8, 2)), rng.uniform(0, 5, (8, 1)) * [1, 0]
    sequence = []
    for index in range(frames):
        here = rng.random(8) < 0.9
        corner = (start + index * speed)[here]
        truth = np.concatenate([corner, corner + 40], axis=1)
        ids = np.flatnonzero(here) + 100
        seen = rng.random(len(ids)) < 0.85
        xyxy = truth[seen] + rng.normal(0, 3, (int(seen.sum()), 1))
        given = ids[seen] + (7 if index > 20 else 0) * 1000 * (ids[seen] % 2)
        false = rng.uniform(0, 300, (1, 2)) + np.array([1000, 0])
        xyxy = np.concatenate([xyxy, np.concatenate([false, false + 40], axis=1)])
        sequence.append(TrackedFrame(ids, truth, [*given, 5000 + index % 3], xyxy))
    return sequence


@pytest.mark.parametrize('seed', [0, 1, 2, 3])
def test_idf1_and_mota_are_those_of_py_motmetrics(seed):
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        import motmetrics

        accumulator = motmetrics.MOTAccumulator(auto_id=True)
        sequence = drive(seed)
        for frame in sequence:
            distance = 1 - overlaps(frame.truth_xyxy, frame.xyxy)
            distance[distance > 0.5] = np.nan
            accumulator.update(frame.truth_ids, frame.ids, distance)
        names = ['idf1', 'mota', 'num_switches', 'num_false_positives', 'num_misses']
        expected = motmetrics.metrics.create().compute(accumulator, metrics=names, name='a')
    score = track([sequence])
    got = [
        score.idf1,
        score.mota,
        score.identity_switches,
        score.false_positives,
        score.missed,
    ]
    np.testing.assert_allclose(got, expected.loc['a', names].astype(float), rtol=0, atol=1e-6)
    assert score.identity_switches > 0
    assert 0 < score.ass_a < 1


def test_perfect_tracks_are_one():
    frames = [TrackedFrame([1, 2], [box(0), box(50)], [7, 9], [box(0), box(50)])] * 5
    score = track([frames])
    assert (score.hota, score.idf1, score.mota) == (1, 1, 1)


def test_hota_of_a_number_that_changes_in_the_middle():
    frames = [TrackedFrame([1], [box(0)], [7 if i < 5 else 8], [box(0)]) for i in range(10)]
    score = track([frames])
    # From its definition: every box is found, half of each is of the same track.
    assert score.det_a == 1
    assert score.ass_a == pytest.approx(0.5)
    assert score.hota == pytest.approx(math.sqrt(0.5))
    assert score.idf1 == pytest.approx(0.5)
    assert score.mota == pytest.approx(0.9)
    assert score.identity_switches == 1


def test_identities_of_two_sequences_are_apart():
    first = [TrackedFrame([1], [box(0)], [7], [box(0)])] * 4
    second = [TrackedFrame([1], [box(0)], [8], [box(0)])] * 4
    score = track([first, second])
    assert (score.identity_switches, score.hota) == (0, 1)


def test_frames_that_were_not_looked_at_are_left_out():
    frames = [TrackedFrame([1], [box(0)], [7], [box(0)])] * 3
    lost = TrackedFrame([1], [box(0)], [], [], status=Status.FAILED)
    score = track([[*frames, lost]])
    assert (score.missed, score.mota) == (0, 1)
    assert (score.coverage.answered, score.coverage.failed) == (3, 1)


def test_nothing_to_track_is_no_number():
    score = track([[TrackedFrame([], [], [1], [box(0)])]])
    assert math.isnan(score.hota)
    assert score.false_positives == 1


def test_a_missing_track_is_missed():
    score = track([[TrackedFrame([1], [box(0)], [], [])]])
    assert (score.hota, score.idf1, score.mota, score.missed) == (0, 0, 0, 1)


@pytest.mark.parametrize(('ids', 'boxes'), [([1, 1], [box(0), box(9)]), ([1], [])])
def test_boxes_need_identities_of_their_own(ids, boxes):
    with pytest.raises(InputError, match='frame 0 of sequence 0'):
        track([[TrackedFrame(ids, boxes, [], [])]])
