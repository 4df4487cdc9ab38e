"""Boxes end to end, from what a model writes to pixels of the source image."""

import numpy as np
import pytest

from vlm_ros.backends.engine.generation import Generated
from vlm_ros.phrases import Vocabulary

NAMES = ('cat', 'coffee cup')

# What the models write about a thing in the middle of the image, from a quarter to three.
MIDDLE = {
    'qwen2_vl': '<|object_ref_start|>cat<|object_ref_end|>'
    '<|box_start|>(250,250),(750,750)<|box_end|>',
    'qwen3_vl': '```json\n[{"bbox_2d": [250, 250, 750, 750], "label": "Cats"}]\n```',
    'qwen3_5': '[{"bbox_2d": [250, 250, 750, 750], "label": "the cat"}]',
    'internvl': '<ref>cat</ref><box>[[250, 250, 750, 750]]</box>',
    'paligemma': '<loc0256><loc0256><loc0768><loc0768> cat',
    'gemma4': '[{"box_2d": [250, 250, 750, 750], "label": "cat"}]',
}

# PaliGemma's processor makes an array of a tensor in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings('ignore:__array__ implementation:DeprecationWarning')


def saying(model, monkeypatch, *texts, complete=True):
    """Make a model write texts, one a prompt."""
    left, asked = list(texts), []

    def write(prefix, words, *args, **options):
        asked.append(words)
        return Generated(left.pop(0), 0.25, complete, (1, 2))

    monkeypatch.setattr(model, '_write', write)
    return asked


def an_image(width, height):
    return np.random.default_rng(3).integers(0, 255, (height, width, 3), np.uint8)


@pytest.mark.parametrize('kind', MIDDLE)
def test_boxes_are_pixels_of_the_source(kind, chat, monkeypatch):
    model = chat(kind)
    (asked,) = (saying(model, monkeypatch, MIDDLE[kind]),)
    found = model.detect(an_image(320, 200), Vocabulary(NAMES))
    assert found.labels == ('cat',)
    np.testing.assert_allclose(found.xyxy, [[80, 50, 240, 150]], atol=0.01)
    assert found.scores.tolist() == [0.25]
    assert all(name in asked[0] for name in NAMES)


def test_pixels_of_the_resized_input(chat, monkeypatch):
    model = chat('qwen2_5_vl')
    image = an_image(410, 290)
    with model.at_work(None) as ticket:
        width, height = model._reader.read([image], [''], ticket).input_wh
    assert (width, height) != (410, 290)
    assert width % 28 == height % 28 == 0
    text = f'[{{"bbox_2d": [{width // 2}, 0, {width}, {height // 4}], "label": "cat"}}]'
    saying(model, monkeypatch, text)
    found = model.detect(image, Vocabulary(NAMES))
    np.testing.assert_allclose(found.xyxy, [[205, 0, 410, 72.5]], atol=0.01)


def test_grey_beside_a_long_image_is_not_in_it(chat, monkeypatch):
    model = chat('qwen3_vl')
    saying(model, monkeypatch, '[{"bbox_2d": [0, 0, 500, 1000], "label": "cat"}]')
    found = model.detect(an_image(1000, 10), Vocabulary(NAMES))
    np.testing.assert_allclose(found.xyxy, [[0, 0, 500, 10]], atol=0.01)


def test_many_names_are_asked_for_in_parts(chat, monkeypatch):
    model = chat('qwen3_vl')
    names = tuple(f'thing {index}' for index in range(41))
    texts = [f'[{{"bbox_2d": [0, 0, 9, 9], "label": "thing {i}"}}]' for i in (3, 25, 40)]
    asked = saying(model, monkeypatch, *texts)
    found = model.detect(an_image(100, 100), Vocabulary(names))
    assert found.labels == ('thing 3', 'thing 25', 'thing 40')
    assert len(asked) == 3
    assert 'thing 40' not in asked[0]


def test_other_labels_and_low_scores_are_left_out(chat, monkeypatch):
    model = chat('qwen3_vl')
    text = '[{"bbox_2d": [0, 0, 9, 9], "label": "dog"}, {"bbox_2d": [0, 0, 8, 8], "label": "cat"}]'
    saying(model, monkeypatch, text, text)
    assert model.detect(an_image(90, 90), Vocabulary(NAMES)).labels == ('cat',)
    assert not len(model.detect(an_image(90, 90), Vocabulary(NAMES), score_threshold=0.3))


def test_phrases_get_their_boxes(chat, monkeypatch):
    model = chat('qwen3_vl')
    saying(model, monkeypatch, '[{"bbox_2d": [0, 0, 100, 100], "label": "red cup"}]')
    grounded = model.ground(an_image(100, 100), 'a red cup and a dog')
    assert [grounding.detections for grounding in grounded.groundings] == [(0,), ()]


def test_what_random_weights_write_is_read(chat, photos):
    found = chat('qwen2_5_vl').detect(photos['chelsea'], Vocabulary(NAMES))
    assert set(found.labels) <= set(NAMES)
