"""Things found by pictures with two-tower models: windows, and how they are compared."""

import numpy as np
import pytest
from tiny import clip
import torch

from vlm_ros import backends
from vlm_ros.alignment import similarity
from vlm_ros.backends.families.likeness import MAX_ASPECT, MAX_WINDOWS, pick, shape_of, windows_of
from vlm_ros.boxes import iou
from vlm_ros.errors import InputError


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp('clip') / 'clip'
    torch.manual_seed(7)
    options = clip.save(folder, 'clip')
    return backends.load('clip', **{'model': str(folder), 'dtype': 'float32', **options})


@pytest.mark.parametrize('aspect', [0.25, 0.6, 1.0, 4.0])
@pytest.mark.parametrize('resolution', [(640, 480), (480, 640), (9000, 50), (7, 5)])
def test_windows_have_the_shape_and_cover_the_image(resolution, aspect):
    width, height = resolution
    windows = windows_of(resolution, aspect)
    sizes = windows[:, 2:] - windows[:, :2]
    np.testing.assert_allclose(sizes[:, 0] / sizes[:, 1], aspect, rtol=1e-3)
    assert windows.min() >= 0 and np.all(windows[:, 2:] <= np.array(resolution) + 1e-2)
    for edge, limit in ((windows[:, 2].max(), width), (windows[:, 3].max(), height)):
        assert edge == pytest.approx(limit, rel=1e-3)
    assert len(windows) <= MAX_WINDOWS


def test_some_window_overlaps_a_thing_of_its_shape_by_half():
    windows = windows_of((640, 480), 1.0)
    generator = np.random.default_rng(0)
    for _ in range(50):
        side = generator.uniform(0.4, 1.0) * 480
        left, top = generator.uniform(0, 640 - side), generator.uniform(0, 480 - side)
        box = np.array([(left, top, left + side, top + side)])
        assert iou(windows, box).max() >= 0.4


def test_shapes_are_rounded_and_limited():
    assert shape_of(100, 100) == 1.0
    assert shape_of(100, 105) == 1.0
    assert shape_of(100, 200) == pytest.approx(1 / shape_of(200, 100))
    assert shape_of(10, 1000) <= MAX_ASPECT * 1.3


def test_the_best_window_of_each_thing_is_picked():
    windows = np.array([(0, 0, 10, 10), (1, 0, 11, 10), (50, 0, 60, 10)], np.float32)
    likenesses = np.array([(0.9, 0.2), (0.95, -1), (0.8, 0.7)], np.float32)
    boxes, scores, labels = pick(windows, likenesses, ('zorp', 'blick'), 0.5)
    assert labels == ('zorp', 'zorp', 'blick')
    np.testing.assert_allclose(scores, (0.95, 0.8, 0.7))
    np.testing.assert_allclose(boxes, windows[[1, 2, 2]])


def test_scores_are_cosines_of_the_models_own_places(model, photos):
    image, picture = photos['coffee'], np.ascontiguousarray(photos['coffee'][17:308, 173:408])
    found = model.detect_like(image, [picture], ['zorp'], score_threshold=0.0)
    crops = [
        np.ascontiguousarray(image[int(y1) : int(np.ceil(y2)), int(x1) : int(np.ceil(x2))])
        for x1, y1, x2, y2 in found.xyxy
    ]
    expected = similarity(model.encode_images(crops), model.encode_images([picture]))[:, 0]
    np.testing.assert_allclose(found.scores, np.clip(expected, 0, 1), atol=1e-4)


def test_a_picture_is_found_where_it_was_taken_from(model, photos):
    # Random weights know no things, but a picture is most like itself.
    image = photos['stereo_motorcycle']
    windows = windows_of((image.shape[1], image.shape[0]), 1.0)
    left, top, right, bottom = box = windows[-6].round().astype(int)
    picture = np.ascontiguousarray(image[top:bottom, left:right])
    other = np.ascontiguousarray(photos['chelsea'][:300, :300])
    found = model.detect_like(image, [other, picture], ['blick', 'zorp'], score_threshold=0.0)
    best = found.named('zorp')
    assert best.scores[0] > 0.99
    assert iou(best.xyxy[:1], np.array([box]))[0, 0] > 0.9
    assert len(model.detect_like(image, [picture], ['zorp'], score_threshold=1.0)) == 0


def test_several_pictures_of_a_name_take_the_best(model, photos):
    image = photos['coffee']
    pictures = [np.ascontiguousarray(photos[name][:300, :300]) for name in ('chelsea', 'coffee')]
    both = model.detect_like(image, pictures, ['zorp', 'zorp'], score_threshold=0.0)
    best = [
        model.detect_like(image, [picture], ['zorp'], score_threshold=0.0).scores.max()
        for picture in pictures
    ]
    assert both.scores.max() == pytest.approx(max(best), abs=1e-5)


def test_a_name_for_each_picture_is_asked_for(model, photos):
    with pytest.raises(InputError, match='1 exemplars and 2 names'):
        model.detect_like(photos['coffee'], [photos['coffee']], ['a', 'b'])
