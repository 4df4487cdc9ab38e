"""`boxes`: arithmetic that every backend and every message rests on."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
import numpy as np
import pytest

from vlm_ros import boxes

XYXY = np.array([[10, 20, 30, 60], [0, 0, 1, 1], [5, 5, 5, 9]], np.float32)

COORDINATES = st.integers(0, 200)


@st.composite
def some_boxes(draw, max_size=12):
    """Draw `(N, 4)` boxes on whole pixels, empty ones among them."""
    count = draw(st.integers(0, max_size))
    corners = draw(arrays.arrays(np.int32, (count, 2, 2), elements=COORDINATES))
    return np.sort(corners, axis=1).reshape(-1, 4).astype(np.float32)


def covered(xyxy):
    """Return the pixels of a box: the definition that the formulas are held against."""
    pixels = np.zeros((201, 201), bool)
    left, top, right, bottom = xyxy.astype(int)
    pixels[top:bottom, left:right] = True
    return pixels


# Formats


def test_formats_of_known_boxes():
    np.testing.assert_array_equal(
        boxes.xyxy_to_xywh(XYXY), [[10, 20, 20, 40], [0, 0, 1, 1], [5, 5, 0, 4]]
    )
    np.testing.assert_array_equal(
        boxes.xyxy_to_cxcywh(XYXY), [[20, 40, 20, 40], [0.5, 0.5, 1, 1], [5, 7, 0, 4]]
    )


@given(some_boxes())
def test_formats_convert_back(xyxy):
    np.testing.assert_array_equal(boxes.xywh_to_xyxy(boxes.xyxy_to_xywh(xyxy)), xyxy)
    np.testing.assert_array_equal(boxes.cxcywh_to_xyxy(boxes.xyxy_to_cxcywh(xyxy)), xyxy)


@pytest.mark.parametrize(
    'convert',
    [
        boxes.xyxy_to_xywh,
        boxes.xywh_to_xyxy,
        boxes.xyxy_to_cxcywh,
        boxes.cxcywh_to_xyxy,
        lambda xyxy: boxes.clip_xyxy(xyxy, (100, 100)),
    ],
)
@pytest.mark.parametrize(
    'nothing', [[], np.zeros((0, 4)), np.zeros(0), np.zeros((0, 4), np.int64)]
)
def test_conversions_are_new_float32_arrays_and_take_no_boxes(convert, nothing):
    converted = convert(XYXY)
    assert converted.dtype == np.float32
    assert not np.shares_memory(converted, XYXY)
    assert convert([[1, 2, 3, 4]]).shape == (1, 4)
    assert convert(nothing).shape == (0, 4)
    assert convert(nothing).dtype == np.float32


@pytest.mark.parametrize('wrong', [[1, 2, 3, 4], [[1, 2, 3]], np.zeros((2, 2, 4))])
def test_what_are_no_boxes(wrong):
    with pytest.raises(ValueError, match=r'boxes must have shape \(N, 4\), got \('):
        boxes.area(wrong)


def test_clipping():
    clipped = boxes.clip_xyxy([[-5, -5, 700, 500], [650, 10, 700, 20], [3, 4, 5, 6]], (640, 480))
    np.testing.assert_array_equal(clipped, [[0, 0, 640, 480], [640, 10, 640, 20], [3, 4, 5, 6]])


# Areas and overlaps


@settings(max_examples=50, deadline=None)
@given(some_boxes(max_size=5), some_boxes(max_size=5))
def test_areas_and_overlaps_count_pixels(some, others):
    shape = (len(some), len(others))
    some_pixels = [covered(box) for box in some]
    other_pixels = [covered(box) for box in others]
    np.testing.assert_array_equal(boxes.area(some), [pixels.sum() for pixels in some_pixels])
    shared = [[(a & b).sum() for b in other_pixels] for a in some_pixels]
    np.testing.assert_array_equal(
        boxes.intersection(some, others), np.array(shared, np.float32).reshape(shape)
    )
    union = [[(a | b).sum() for b in other_pixels] for a in some_pixels]
    expected = np.array(shared, float) / np.maximum(np.array(union, float), 1)
    np.testing.assert_allclose(boxes.iou(some, others), expected.reshape(shape), rtol=1e-6)


@given(some_boxes(), some_boxes())
def test_iou_is_a_symmetric_share(some, others):
    overlap = boxes.iou(some, others)
    assert overlap.dtype == np.float32
    assert ((overlap >= 0) & (overlap <= 1)).all()
    np.testing.assert_array_equal(overlap, boxes.iou(others, some).T)
    np.testing.assert_array_equal(np.diag(boxes.iou(some, some)), boxes.area(some) > 0)


def test_boxes_that_touch_do_not_overlap():
    assert boxes.iou([[0, 0, 10, 10]], [[10, 0, 20, 10], [0, 10, 10, 20]]).tolist() == [[0, 0]]


def test_an_inside_out_box_has_no_area():
    assert boxes.area([[10, 10, 5, 20]]).tolist() == [0]


# Suppression


def test_suppression_keeps_the_best_of_what_overlaps():
    xyxy = [[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60], [0, 1, 10, 11]]
    kept = boxes.non_max_suppression(xyxy, [0.5, 0.9, 0.2, 0.7], 0.5)
    assert kept.tolist() == [1, 2]


def test_suppression_is_greedy():
    # The first covers the second, the second the third; once the second is gone the third stays.
    xyxy = [[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]]
    assert boxes.non_max_suppression(xyxy, [0.9, 0.8, 0.7], 0.4).tolist() == [0, 2]


def test_what_only_reaches_the_threshold_stays():
    xyxy = [[0, 0, 10, 10], [0, 0, 10, 5]]
    assert boxes.non_max_suppression(xyxy, [0.9, 0.8], 0.5).tolist() == [0, 1]
    assert boxes.non_max_suppression(xyxy, [0.9, 0.8], 0.49).tolist() == [0]


def test_equal_scores_keep_the_earlier():
    xyxy = [[0, 0, 10, 10]] * 4
    assert boxes.non_max_suppression(xyxy, [0.5] * 4, 0.5).tolist() == [0]
    apart = [[20 * i, 0, 20 * i + 10, 10] for i in range(50)]
    assert boxes.non_max_suppression(apart, [0.5] * 50, 0.5).tolist() == list(range(50))


def test_suppression_by_class_keeps_what_overlaps_another_class():
    xyxy = [[0, 0, 10, 10], [1, 0, 10, 10], [0, 0, 10, 9], [50, 50, 60, 60]]
    scores, classes = [0.5, 0.9, 0.7, 0.1], [4, 4, 2, 4]
    kept = boxes.class_wise_non_max_suppression(xyxy, scores, classes, 0.5)
    assert kept.tolist() == [1, 2, 3]
    every = boxes.class_wise_non_max_suppression(xyxy, scores, classes, 1)
    assert every.tolist() == [1, 2, 0, 3]
    few = boxes.class_wise_non_max_suppression(xyxy, scores, classes, 0.5, max_per_class=2)
    assert few.tolist() == [1, 2]
    assert boxes.class_wise_non_max_suppression([], [], [], 0.5).tolist() == []


def test_suppression_of_nothing():
    kept = boxes.non_max_suppression([], [], 0.5)
    assert kept.shape == (0,)
    assert kept.dtype == np.intp


@settings(deadline=None)
@given(some_boxes(), st.data())
def test_what_is_kept_does_not_overlap_and_covers_the_rest(xyxy, data):
    scores = data.draw(arrays.arrays(np.float32, len(xyxy), elements=st.floats(0, 1, width=32)))
    kept = boxes.non_max_suppression(xyxy, scores, 0.5)
    assert (np.diff(scores[kept]) <= 0).all()
    overlap = boxes.iou(xyxy, xyxy[kept])
    for place, index in enumerate(kept):
        assert (np.delete(overlap[index], place) <= 0.5).all()
    for index in set(range(len(xyxy))) - set(kept.tolist()):
        rivals = overlap[index] > 0.5
        assert (scores[kept][rivals] >= scores[index]).any()
