"""The space in which the embedded backend places images and texts."""

import numpy as np
from photographs import PHOTOGRAPHS
import pytest

from vlm_ros.data.photographs import samples
from vlm_ros.errors import QuestionError
from vlm_ros.images import decode_compressed
from vlm_ros.tasks import ImageEncoder, TextEncoder

NAMED = [
    pytest.param(entry['photo'].removeprefix('stereo_'), name, id=f'{entry["photo"]}-{name}')
    for entry in PHOTOGRAPHS
    for item in entry['objects']
    for name in item['names']
]
LOOSER = [
    ('rocket', 'a rocket launch'),
    ('flower', 'a flower'),
    ('chelsea', 'an animal'),
    ('coffee', 'something to drink'),
    ('motorcycle', 'a vehicle'),
    ('china', 'a building'),
]


@pytest.fixture(scope='module')
def encoded(embedded):
    """The vectors of the sample photographs, by name."""
    names, images = zip(
        *((name, decode_compressed(path.read_bytes())) for name, path in samples('')), strict=True
    )
    vectors = embedded.encode_images(images)
    return {name.removeprefix('sample:'): row for name, row in zip(names, vectors, strict=True)}


def best(embedded, encoded, text):
    [vector] = embedded.encode_texts([text])
    return max(encoded, key=lambda name: float(encoded[name] @ vector))


@pytest.mark.parametrize(('photo', 'name'), NAMED)
def test_a_name_finds_its_photograph(photo, name, embedded, encoded):
    assert best(embedded, encoded, name) == photo


@pytest.mark.parametrize(('photo', 'text'), LOOSER)
def test_looser_words_find_it_too(photo, text, embedded, encoded):
    assert best(embedded, encoded, text) == photo


def test_the_same_thing_again_is_near_and_another_is_not(embedded, encoded, photos):
    darker = (photos['chelsea'] * 0.7).astype(np.uint8)
    [again] = embedded.encode_images([darker])
    assert again @ encoded['chelsea'] > 0.9
    assert again @ encoded['coffee'] < 0.7


def test_encodes_nothing_into_nothing_but_wants_a_text(embedded):
    assert isinstance(embedded, ImageEncoder) and isinstance(embedded, TextEncoder)
    assert embedded.encode_images([]).shape == (0, 384)
    for texts in ([], [''], ['cat', '?!'], ['x' * 100_000]):
        with pytest.raises(QuestionError):
            embedded.encode_texts(texts)


def test_letter_case_changes_nothing(embedded):
    np.testing.assert_array_equal(*embedded.encode_texts(['A DOG', 'a dog']))
