"""Things found by pictures of them, on real photographs: what they are called means nothing."""

import cv2
import numpy as np
import pytest

from vlm_ros.backends.embedded import exemplars as module
from vlm_ros.boxes import iou
from vlm_ros.data.photographs import samples
from vlm_ros.errors import ImageError, InputError, WorkCancelled
from vlm_ros.images import decode_compressed
from vlm_ros.results import Status
from vlm_ros.tasks import ExemplarDetector, Ticket

THINGS = {
    'helmet': ('astronaut', (280, 340, 512, 512)),
    'shuttle': ('astronaut', (355, 12, 450, 320)),
    'cat': ('chelsea', (0, 0, 390, 300)),
    'cup': ('coffee', (173, 17, 408, 308)),
    'motorcycle': ('motorcycle', (97, 38, 683, 452)),
    'rocket': ('rocket', (290, 100, 365, 420)),
    'pagoda': ('china', (20, 15, 415, 385)),
    'dahlia': ('flower', (150, 80, 460, 370)),
}
EVERY_THING = pytest.mark.parametrize('thing', THINGS)


@pytest.fixture(scope='module')
def scenes():
    return {
        name.removeprefix('sample:'): decode_compressed(path.read_bytes())
        for name, path in samples('')
    }


def cut(image, box):
    left, top, right, bottom = box
    return np.ascontiguousarray(image[top:bottom, left:right])


def shifted(image, box):
    x, y = min(box[0], 60), min(box[1], 40)
    return image[y:, x:], (box[0] - x, box[1] - y, box[2] - x, box[3] - y)


def nearer(image, box):
    height, width = image.shape[:2]
    left, top = int(box[0] * 0.6), int(box[1] * 0.6)
    right, bottom = int(width - (width - box[2]) * 0.6), int(height - (height - box[3]) * 0.6)
    return image[top:bottom, left:right], tuple(
        edge - low for edge, low in zip(box, (left, top) * 2, strict=True)
    )


def mirrored(image, box):
    width = image.shape[1]
    return image[:, ::-1], (width - box[2], box[1], width - box[0], box[3])


def smaller(image, box):
    return image[::2, ::2], tuple(edge / 2 for edge in box)


def darker(image, box):
    return (image * 0.6).astype(np.uint8), box


VIEWS = (shifted, nearer, mirrored, smaller, darker)


@pytest.mark.parametrize('view', VIEWS)
@EVERY_THING
def test_a_thing_is_found_again_in_another_view(thing, view, embedded, scenes):
    photo, box = THINGS[thing]
    image, now = view(scenes[photo], box)
    found = embedded.detect_like(np.ascontiguousarray(image), [cut(scenes[photo], box)], ['zorp'])
    assert found.status is Status.OK
    assert set(found.labels) == {'zorp'}
    assert iou(found.xyxy[:1], np.array([now]))[0, 0] >= 0.5
    assert np.all(np.diff(found.scores) <= 0)


@pytest.mark.parametrize('scene', sorted({photo for photo, _ in THINGS.values()}))
def test_nothing_is_found_where_it_is_not(scene, embedded, scenes):
    absent = {thing: cut(scenes[photo], box) for thing, (photo, box) in THINGS.items()
              if photo != scene}  # fmt: skip
    found = embedded.detect_like(scenes[scene], list(absent.values()), list(absent))
    assert found.status is Status.NOTHING_FOUND
    assert not found.unrecognized


def test_a_thing_is_found_beside_another_camera(embedded, photos):
    import skimage.data

    left, right, _disparity = skimage.data.stereo_motorcycle()
    found = embedded.detect_like(right, [cut(left, (97, 38, 683, 452))], ['zorp'])
    assert iou(found.xyxy[:1], np.array([(60, 38, 646, 452)]))[0, 0] >= 0.5


def test_a_thing_is_found_in_another_scene(embedded, scenes):
    image = scenes['china'].copy()
    cup = cut(scenes['coffee'], THINGS['cup'][1])
    image[200:400, 420:582] = cv2.resize(cup, (162, 200), interpolation=cv2.INTER_AREA)
    found = embedded.detect_like(image, [cup], ['zorp'])
    assert iou(found.xyxy, np.array([(420, 200, 582, 400)])).max() >= 0.4


def test_names_do_not_depend_on_each_other(embedded, scenes):
    pictures = {thing: cut(scenes[photo], box) for thing, (photo, box) in THINGS.items()}
    image = scenes['astronaut']
    together = embedded.detect_like(image, list(pictures.values()), list(pictures))
    assert {'helmet', 'shuttle'} <= set(together.labels)
    for thing, picture in pictures.items():
        alone = embedded.detect_like(image, [picture], [thing])
        np.testing.assert_allclose(together.named(thing).xyxy, alone.xyxy, atol=0.1)
        np.testing.assert_allclose(together.named(thing).scores, alone.scores, atol=1e-4)


def test_more_pictures_of_a_thing_find_as_much_at_least(embedded, scenes):
    image = scenes['coffee']
    cup, dahlia = (cut(scenes[photo], box) for photo, box in (THINGS['cup'], THINGS['dahlia']))
    alone = embedded.detect_like(image, [cup], ['zorp'])
    both = embedded.detect_like(image, [dahlia, cup], ['zorp', 'zorp'])
    assert both.scores[0] == pytest.approx(alone.scores[0], abs=1e-4)
    assert embedded.detect_like(image, [dahlia], ['zorp']).status is Status.NOTHING_FOUND


def test_a_threshold_leaves_out_what_scores_less(embedded, scenes):
    image, cup = scenes['coffee'], cut(scenes['coffee'], THINGS['cup'][1])
    everything = embedded.detect_like(image, [cup], ['zorp'], score_threshold=0.0)
    assert len(everything) >= len(embedded.detect_like(image, [cup], ['zorp']))
    assert not len(embedded.detect_like(image, [cup], ['zorp'], score_threshold=1.0))
    assert everything.scores[0] > 0.7


@pytest.mark.parametrize('shape', [(16, 16), (1, 1), (16, 300), (300, 16), (900, 1200)])
def test_pictures_of_any_shape_do(embedded, scenes, shape):
    picture = cv2.resize(scenes['coffee'], shape[::-1])
    for scene in ('chelsea', 'coffee'):
        found = embedded.detect_like(scenes[scene], [picture], ['zorp'], score_threshold=0.01)
        height, width = scenes[scene].shape[:2]
        assert np.all(found.xyxy >= 0) and np.all(found.xyxy <= (width, height) * 2)


@pytest.mark.parametrize('shape', [(20, 700), (700, 20), (40, 40), (1080, 1920)])
def test_images_of_any_shape_do(embedded, scenes, shape):
    image = cv2.resize(scenes['coffee'], shape[::-1])
    cup = cut(scenes['coffee'], THINGS['cup'][1])
    found = embedded.detect_like(image, [cup], ['zorp'], score_threshold=0.01)
    assert np.all(found.xyxy >= 0) and np.all(found.xyxy <= shape[::-1] * 2)


def test_an_exemplar_is_placed_once(embedded, scenes, monkeypatch):
    assert isinstance(embedded, ExemplarDetector)
    cup = cut(scenes['coffee'], THINGS['cup'][1])
    cup.flags.writeable = False
    first = embedded.detect_like(scenes['coffee'], [cup], ['zorp'])
    monkeypatch.setattr(
        'vlm_ros.backends.embedded.backend.pattern_of', lambda *_: pytest.fail('placed again')
    )
    again = embedded.detect_like(scenes['coffee'], [cup], ['zorp'])
    np.testing.assert_array_equal(again.scores, first.scores)
    # The same pixels in an array that could have been changed meanwhile are recognized too.
    monkeypatch.undo()
    copy = cup.copy()
    assert embedded.detect_like(scenes['coffee'], [copy], ['zorp']).scores[0] == first.scores[0]
    copy[:] = 0
    assert not len(embedded.detect_like(scenes['coffee'], [copy], ['zorp']))


def test_what_cannot_be_looked_for_is_refused(embedded, scenes):
    image = scenes['coffee']
    with pytest.raises(InputError, match='1 exemplars and 2 names'):
        embedded.detect_like(image, [image], ['a', 'b'])
    with pytest.raises(InputError, match='0 exemplars'):
        embedded.detect_like(image, [], [])
    with pytest.raises(ImageError):
        embedded.detect_like(image, [image[:, :, 0]], ['a'])
    ticket = Ticket()
    ticket.cancel()
    with pytest.raises(WorkCancelled):
        embedded.detect_like(image, [image], ['a'], ticket=ticket)


def test_windows_average_and_stay_inside():
    for rows, columns in ((1, 1), (1, 28), (28, 7), (14, 14)):
        windows, means = module._windows(rows, columns)
        assert len(windows) == len(means)
        np.testing.assert_allclose(means.sum(1), 1, atol=1e-5)
        assert np.all(windows >= 0) and np.all(windows <= 1)
        assert np.all(windows[:, 2:] > windows[:, :2])
