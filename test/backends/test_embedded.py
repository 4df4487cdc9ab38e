"""What the embedded backend finds on real photographs, at its default threshold."""

import cv2
import numpy as np
from photographs import PHOTOGRAPHS
import pytest

from vlm_ros import backends
from vlm_ros.boxes import iou
from vlm_ros.errors import BackendError, ImageError
from vlm_ros.grounding.inventory import EVERYDAY
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Status

ABSENT = (
    'elephant', 'airplane', 'car', 'dog', 'pizza', 'sofa', 'horse', 'bus', 'banana', 'piano',
    'zebra', 'train', 'refrigerator', 'umbrella', 'sheep', 'boat', 'traffic light', 'bear',
)  # fmt: skip
OBJECTS = [
    pytest.param(entry['photo'], name, item['xyxy'], id=f'{entry["photo"]}-{name}')
    for entry in PHOTOGRAPHS
    for item in entry['objects']
    for name in item['names']
]
NAMES = [entry['photo'] for entry in PHOTOGRAPHS]


def best_iou(found, name, xyxy):
    boxes = found.named(name).xyxy
    return float(iou(boxes, np.array([xyxy])).max(initial=0))


@pytest.mark.parametrize(('photo', 'name', 'xyxy'), OBJECTS)
def test_finds_what_is_there(photo, name, xyxy, embedded, photos):
    found = embedded.detect(photos[photo], Vocabulary((name,)))
    assert best_iou(found, name, xyxy) >= 0.5
    assert len(found) == 1


@pytest.mark.parametrize(('photo', 'name', 'xyxy'), OBJECTS)
def test_finds_the_same_among_many_names(photo, name, xyxy, embedded, photos):
    others = [other for other in (*EVERYDAY.names, *ABSENT) if other != name]
    many = Vocabulary(tuple(dict.fromkeys((*others[:40], name, *others[40:]))))
    alone = embedded.detect(photos[photo], Vocabulary((name,)))
    found = embedded.detect(photos[photo], many).named(name)
    # Sums round differently in a batch of another size.
    np.testing.assert_allclose(found.xyxy, alone.xyxy, atol=0.01)
    np.testing.assert_allclose(found.scores, alone.scores, atol=1e-5)


@pytest.mark.parametrize('change', ['mirrored', 'darker', 'brighter', 'half the size', 'cropped'])
@pytest.mark.parametrize('entry', PHOTOGRAPHS, ids=NAMES)
def test_finds_it_in_other_versions_of_the_photograph(entry, change, embedded, photos):
    photo = photos[entry['photo']]
    width = photo.shape[1]
    item = entry['objects'][0]
    left, top, right, bottom = item['xyxy']
    image, box = {
        'mirrored': (photo[:, ::-1], (width - right, top, width - left, bottom)),
        'darker': ((photo * 0.5).astype(np.uint8), item['xyxy']),
        'brighter': (np.clip(photo * 1.4, 0, 255).astype(np.uint8), item['xyxy']),
        'half the size': (photo[::2, ::2], [edge / 2 for edge in item['xyxy']]),
        'cropped': (
            photo[10:, 20:],
            (max(0, left - 20), max(0, top - 10), right - 20, bottom - 10),
        ),
    }[change]
    name = item['names'][0]
    found = embedded.detect(np.ascontiguousarray(image), Vocabulary((name,)))
    assert best_iou(found, name, box) >= 0.5


@pytest.mark.parametrize('name', ABSENT)
@pytest.mark.parametrize('photo', NAMES)
def test_reports_nothing_that_is_absent(photo, name, embedded, photos):
    found = embedded.detect(photos[photo], Vocabulary((name,)))
    assert found.status is Status.NOTHING_FOUND


@pytest.mark.parametrize('photo', NAMES)
def test_reports_nothing_absent_among_many_names(photo, embedded, photos):
    assert embedded.detect(photos[photo], Vocabulary(ABSENT)).labels == ()


@pytest.mark.parametrize('name', ['happiness', '猫', 'asdfgh', 'Tuesday', 'love', 'pallet', 'sky'])
def test_says_which_names_it_cannot_look_for(name, embedded, photos):
    found = embedded.detect(photos['chelsea'], Vocabulary(('cat', name)))
    assert found.unrecognized == (name,)
    assert found.labels == ('cat',)
    alone = embedded.detect(photos['chelsea'], Vocabulary((name,)))
    assert alone.status is Status.UNSURE


def test_animal_it_never_learned_is_absent_where_none_of_its_relatives_is(embedded, photos):
    assert (
        embedded.detect(photos['coffee'], Vocabulary(('giraffe',))).status is Status.NOTHING_FOUND
    )


def test_kind_it_cannot_tell_is_unsure_where_it_might_be(embedded, photos):
    police = Vocabulary(('policeman',))
    assert embedded.detect(photos['astronaut'], police).status is Status.UNSURE
    assert embedded.detect(photos['coffee'], police).status is Status.NOTHING_FOUND


@pytest.mark.parametrize('value', [0, 127, 255])
def test_finds_nothing_in_a_blank_image(value, embedded):
    blank = np.full((480, 640, 3), value, np.uint8)
    assert embedded.detect(blank, EVERYDAY).labels == ()
    assert embedded.caption(blank).status is Status.UNSURE


def test_a_thousand_names_do_not_change_what_one_finds(embedded, photos):
    many = Vocabulary((*(f'cat number {i}' for i in range(999)), 'cat'))
    found = embedded.detect(photos['chelsea'], many)
    assert 'cat' in found.labels
    assert best_iou(found, 'cat', (0, 0, 390, 300)) >= 0.5


def test_tells_things_apart_in_one_image(embedded, photos):
    height = 480
    left, right = photos['chelsea'], photos['coffee']
    image = np.zeros((height, left.shape[1] + right.shape[1], 3), np.uint8)
    image[: left.shape[0], : left.shape[1]] = left
    image[: right.shape[0], left.shape[1] :] = right
    found = embedded.detect(image, Vocabulary(('coffee cup', 'cat', 'dog', 'motorcycle')))
    assert set(found.labels) == {'cat', 'coffee cup'}
    assert best_iou(found, 'cat', (0, 0, 390, 300)) >= 0.5
    shift = left.shape[1]
    assert best_iou(found, 'coffee cup', (173 + shift, 17, 408 + shift, 308)) >= 0.5


def test_captions_name_what_is_there(embedded, photos):
    assert 'cat' in embedded.caption(photos['chelsea']).text
    assert 'person' in embedded.caption(photos['astronaut']).text
    assert 'motorcycle' in embedded.caption(photos['stereo_motorcycle']).text
    assert 'cup' in embedded.caption(photos['coffee']).text


def test_grounds_phrases(embedded, photos):
    grounded = embedded.ground(photos['coffee'], 'a red cup on a table, and no elephant')
    by_phrase = {item.phrase: item for item in grounded.groundings}
    assert by_phrase['red cup'].detections
    assert not by_phrase['elephant'].detections


@pytest.mark.parametrize(
    ('photo', 'question', 'status', 'text'),
    [
        ('chelsea', 'Is there a cat?', Status.OK, 'yes'),
        ('chelsea', 'Is there an elephant?', Status.OK, 'no'),
        ('chelsea', 'How many cats are there?', Status.OK, '1'),
        ('chelsea', 'What colour is the elephant?', Status.NOT_IN_VIEW, ''),
        ('chelsea', 'What colour is the cat?', Status.OK, 'brown'),
        ('chelsea', 'What breed is the cat?', Status.UNSURE, ''),
        ('chelsea', 'Is there happiness?', Status.UNSURE, ''),
        ('astronaut', 'Is there a person?', Status.OK, 'yes'),
        ('astronaut', 'Is the car red?', Status.NOT_IN_VIEW, ''),
    ],
)
def test_answers(photo, question, status, text, embedded, photos):
    answer = embedded.answer(photos[photo], question)
    assert answer.status is status
    assert answer.text.lower() == text


def test_looks_once_at_an_image_that_is_asked_about_again(embedded, photos, monkeypatch):
    looks = []
    run = embedded._ssd.run
    monkeypatch.setattr(embedded._ssd, 'run', lambda *args: looks.append(1) or run(*args))
    image = np.ascontiguousarray(photos['chelsea'][::-1])
    for question in ('is there a cat?', 'is there a dog?', 'how many cups are there?'):
        embedded.answer(image, question)
    embedded.caption(image)
    assert len(looks) == 1


@pytest.fixture
def looks(embedded, monkeypatch):
    """Count how often the networks look at an image."""
    looks = []
    run = embedded._ssd.run
    monkeypatch.setattr(embedded._ssd, 'run', lambda *args: looks.append(1) or run(*args))
    embedded.release_memory()
    return looks


def test_remembers_an_image_of_each_of_a_few_cameras(embedded, photos, looks):
    cameras = [np.ascontiguousarray(photos['chelsea'][:, ::step]) for step in (1, -1, 2, -2)]
    for _ in range(3):
        for image in cameras:
            embedded.detect(image, Vocabulary(('cat',)))
    assert len(looks) == len(cameras)
    embedded.release_memory()
    assert embedded.detect(cameras[0], Vocabulary(('cat',))).labels == ('cat',)
    assert len(looks) == len(cameras) + 1


def test_an_image_that_differs_in_one_pixel_is_another(embedded, photos, looks):
    image = photos['chelsea'].copy()
    embedded.detect(image, Vocabulary(('cat',)))
    image[1, 1, 0] ^= 1  # a pixel that is not among those sampled
    embedded.detect(image, Vocabulary(('cat',)))
    assert len(looks) == 2


def test_sees_the_same_in_an_image_no_larger_than_needed(embedded, photos):
    large = cv2.resize(photos['chelsea'], (1920, 1280))
    whole = embedded.detect(large, Vocabulary(('cat',)))
    scale = large.shape[0] / embedded.enough_px
    size = (round(1920 / scale), embedded.enough_px)
    reduced = embedded.detect(
        cv2.resize(large, size, interpolation=cv2.INTER_AREA), Vocabulary(('cat',))
    ).scaled(scale, scale)
    assert reduced.labels == whole.labels == ('cat',)
    assert reduced.scores == pytest.approx(whole.scores, abs=0.05)
    assert iou(reduced.xyxy, whole.xyxy)[0, 0] > 0.9


def test_small_people_on_a_street_get_their_own_boxes(embedded, photos):
    # Two of the astronaut, small and apart, in a wide frame: as a 16:9 camera sees people.
    person = photos['astronaut'][::2, 0:380:2]
    frame = np.full((540, 960, 3), 160, np.uint8)
    for left in (150, 600):
        frame[200 : 200 + person.shape[0], left : left + person.shape[1]] = person
    found = embedded.detect(frame, Vocabulary(('person',)))
    for left in (150, 600):
        assert best_iou(found, 'person', (left + 11, 208, left + 181, 456)) >= 0.5


@pytest.mark.parametrize(
    'image',
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
    ],
    ids=['grey', 'alpha', 'float', 'empty'],
)
def test_refuses_what_is_no_image(image, embedded):
    with pytest.raises(ImageError, match='uint8'):
        embedded.detect(image, Vocabulary(('cat',)))


@pytest.mark.parametrize('options', [{'model': 'large'}, {'threads': -1}, {'speed': 9}])
def test_refuses_settings_it_does_not_have(options):
    with pytest.raises(BackendError):
        backends.load('embedded', **options)
