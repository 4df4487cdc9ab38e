import math

import numpy as np
import pytest

from vlm_ros.errors import InputError
from vlm_ros.evaluation.grounding import accuracy, best_overlaps, merge, Pointing, recall_at
from vlm_ros.evaluation.retrieval import retrieve
from vlm_ros.results import Status

TRUE, HALF, FAR = [0, 0, 10, 10], [0, 0, 10, 5], [50, 50, 60, 60]


def test_any_true_box_within_k_is_a_hit():
    pointings = [
        Pointing([FAR, HALF]),
        Pointing([[40, 0, 50, 10]]),
        Pointing([], Status.NOTHING_FOUND),
        Pointing([TRUE], Status.UNSURE),
        Pointing([TRUE], Status.FAILED),
    ]
    boxes = [[TRUE], [TRUE, [40, 0, 50, 10]], [TRUE], [TRUE], [TRUE]]
    scores = recall_at(pointings, boxes, k=(1, 2))
    assert scores[1].value == pytest.approx(1 / 3)
    assert scores[2].value == pytest.approx(2 / 3)  # an overlap of exactly 0.5 is one
    coverage = scores[2].coverage
    assert (coverage.answered, coverage.abstained, coverage.failed) == (3, 1, 1)
    assert recall_at(pointings, boxes, k=(2,), iou=0.51)[2].value == pytest.approx(1 / 3)


def test_the_first_box_decides_an_expression():
    pointings = [Pointing([HALF, TRUE]), Pointing([FAR, TRUE]), Pointing([], Status.NOT_IN_VIEW)]
    score = accuracy(pointings, [TRUE] * 3)
    assert score.value == 0.5
    assert score.coverage.rate == pytest.approx(2 / 3)
    np.testing.assert_array_equal(best_overlaps(pointings, [TRUE] * 3), [0.5, 0, math.nan])


def test_merged_boxes_hold_all():
    np.testing.assert_array_equal(merge([TRUE, FAR]), [[0, 0, 60, 60]])


def test_what_cannot_be_scored_is_named():
    with pytest.raises(InputError, match='phrase 0 has no true box'):
        recall_at([Pointing([TRUE])], [[]])
    with pytest.raises(InputError, match='prediction 0: box 0'):
        recall_at([Pointing([[9, 9, 1, 1]])], [[TRUE]])


def test_images_and_captions_find_each_other():
    # Two captions each; image 1 is nearest to a caption of image 0.
    table = [[0.9, 0.1, 0.2, 0.3], [0.8, 0.1, 0.7, 0.2]]
    both = retrieve(table, [0, 0, 1, 1], k=(1, 2))
    assert both.text_of_image.ranks.tolist() == [1, 2]
    assert both.text_of_image.recall[1].value == 0.5
    assert both.text_of_image.median_rank == 1.5
    # The second caption is as near to both images, and ties count against it.
    assert both.image_of_text.ranks.tolist() == [1, 2, 1, 2]
    assert both.image_of_text.recall[2].value == 1


def test_ranks_are_those_of_sorting():
    rng = np.random.default_rng(0)
    table, owner = rng.normal(size=(20, 100)), np.repeat(np.arange(20), 5)
    both = retrieve(table, owner)
    order = np.argsort(-table, axis=1)
    by_sorting = [int(np.flatnonzero(owner[row] == i)[0]) + 1 for i, row in enumerate(order)]
    assert both.text_of_image.ranks.tolist() == by_sorting
    found = [by_sorting[i] <= 10 for i in range(20)]
    assert both.text_of_image.recall[10].value == pytest.approx(np.mean(found))


def test_a_failed_image_is_counted_and_not_found():
    table = np.array([[0.9, 0.1], [math.nan, math.nan]])
    both = retrieve(table, [0, 1])
    assert both.text_of_image.coverage.failed == both.image_of_text.coverage.failed == 1
    assert both.text_of_image.recall[1].value == 1
    table[0, 1] = math.nan
    with pytest.raises(InputError, match='every image needs a text'):
        retrieve(table, [0, 0])
    with pytest.raises(InputError, match='not finite'):
        retrieve([[0.1, math.inf], [0.2, 0.3]], [0, 1])
    with pytest.raises(InputError, match='do not fit'):
        retrieve(table, [0])
