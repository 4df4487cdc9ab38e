"""Colour terms of colours whose names people agreed on, of painted things and of photographs."""

import cv2
import numpy as np
import pytest
import skimage.data

from vlm_ros.grounding.colours import (
    dominant,
    is_coloured,
    OTHER_WORDS,
    shares,
    TERMS,
    terms_meant,
    terms_of,
)

# From the survey at https://xkcd.com/color/rgb.txt (CC0).
SURVEY = (
    'white:ffffff black:000000 grey:929591 red:e50000 orange:f97306 yellow:ffff14 green:15b01a'
    ' blue:0343df purple:7e1e9c pink:ff81c0 brown:653700 dull_brown:876e4b medium_brown:7f5112'
    ' light_brown:ad8150 pale_brown:b1916e dark_brown:341c02 deep_orange:dc4d01'
    ' bright_orange:ff5b00 dark_orange:c65102 light_orange:fdaa48 pale_orange:ffa756'
    ' dull_red:bb3f3f pale_red:d9544d deep_red:9a0200 bright_red:ff000d dark_red:840000'
    ' dull_yellow:eedc5b bright_yellow:fffd01 dark_yellow:d5b60a pale_yellow:ffff84'
    ' deep_green:02590f medium_green:39ad48 dull_green:74a662 dark_green:033500'
    ' light_green:96f97b pale_green:c7fdb5 dull_blue:49759c medium_blue:2c6fbb deep_blue:040273'
    ' bright_blue:0165fc strong_blue:0c06f7 dark_blue:00035b light_blue:95d0fc'
    ' vivid_purple:9900fa medium_purple:9e43a2 dull_purple:84597e pale_purple:b790d4'
    ' deep_purple:36013f dark_purple:35063e light_purple:bf77f6 strong_pink:ff0789'
    ' medium_pink:f36196 dull_pink:d5869d pale_pink:ffcfdc light_pink:ffd1df dark_pink:cb416b'
    ' medium_grey:7d7f7c dark_grey:363737'
)
PAINTS = {
    'white': (240, 240, 240),
    'black': (20, 20, 20),
    'grey': (128, 128, 128),
    'red': (200, 20, 30),
    'orange': (245, 130, 20),
    'yellow': (245, 220, 30),
    'green': (40, 140, 50),
    'blue': (30, 70, 190),
    'purple': (120, 40, 150),
    'pink': (250, 150, 190),
    'brown': (110, 65, 30),
}
BOX = np.array([55, 40, 195, 160], np.float32)


@pytest.fixture(scope='module')
def backgrounds():
    return {
        'workshop': skimage.data.stereo_motorcycle()[0][150:350, 200:450],
        'fur': skimage.data.chelsea()[:200, :250],
        'wood': skimage.data.coffee()[150:350, :250],
        'grey': np.full((200, 250, 3), 128, np.uint8),
        'noise': np.random.default_rng(1).integers(0, 255, (200, 250, 3), dtype=np.uint8),
    }


def painted(background, rgb, lowest=0.55):
    """Draw a round thing with a black wheel, lit from above, in noise."""
    y, x = np.mgrid[:200, :250]
    inside = ((y - 100) / 60) ** 2 + ((x - 125) / 70) ** 2 <= 1
    light = np.clip(1.1 - 0.55 * (y - 40) / 120, lowest, 1.1)[..., None]
    noise = np.random.default_rng(0).normal(0, 6, (200, 250, 3))
    image = background.astype(np.float32)
    image[inside] = (np.array(rgb) * light + noise)[inside]
    image[120:150, 80:100] = 20
    return image.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize('entry', SURVEY.split())
def test_a_colour_is_called_what_people_call_it(entry):
    name, code = entry.split(':')
    rgb = np.array([[int(code[i : i + 2], 16) for i in (0, 2, 4)]], np.float32) / 255
    lab = cv2.cvtColor(rgb[None], cv2.COLOR_RGB2Lab)[0]
    assert TERMS[terms_of(lab)[0]] == name.split('_')[-1]


@pytest.mark.parametrize('name', TERMS)
@pytest.mark.parametrize('background', ['workshop', 'fur', 'wood', 'grey', 'noise'])
def test_a_painted_thing_has_its_paint(name, background, backgrounds):
    lowest = 0.75 if name in ('white', 'black') else 0.55
    image = painted(backgrounds[background], PAINTS[name], lowest)
    parts = shares(image, BOX)
    assert parts.sum() == pytest.approx(1, abs=1e-5)
    assert dominant(parts) == name
    assert is_coloured(parts, name) == (True, pytest.approx(float(parts.max())))
    opposite = 'green' if name in ('red', 'pink', 'purple') else 'purple'
    truth, confidence = is_coloured(parts, opposite)
    assert truth is False and confidence > 0.8


@pytest.mark.parametrize(
    ('photo', 'box', 'expected'),
    [
        ('chelsea', (60, 20, 380, 290), 'brown'),
        ('rocket', (0, 0, 640, 300), 'blue'),
    ],
)
def test_photographs(photo, box, expected):
    image = getattr(skimage.data, photo)()
    assert dominant(shares(image, np.array(box, np.float32))) == expected


def test_the_suit_of_the_astronaut_is_orange_or_red_and_surely_not_green():
    parts = dict(
        zip(TERMS, shares(skimage.data.astronaut(), np.array([60, 300, 290, 500])), strict=True)
    )
    assert parts['orange'] + parts['red'] > 0.5
    assert parts['green'] < 0.02


def test_a_thing_of_many_colours_has_none(backgrounds):
    image = backgrounds['grey'].copy()
    for row, name in enumerate(('red', 'green', 'blue', 'yellow', 'purple', 'white')):
        image[40 + 20 * row : 60 + 20 * row, 55:195] = PAINTS[name]
    parts = shares(image, BOX)
    assert dominant(parts) is None
    for name in ('red', 'green', 'blue', 'yellow', 'purple'):
        assert is_coloured(parts, name) == (None, 0.0)
    assert is_coloured(parts, 'orange')[0] is False


@pytest.mark.parametrize(
    'box',
    [(0, 0, 1, 1), (0, 0, 250, 200), (-50, -50, 20, 20), (240, 190, 400, 400), (10, 10, 12, 190)],
)
def test_any_box_in_the_image_has_shares(box, backgrounds):
    parts = shares(backgrounds['fur'], np.array(box, np.float32))
    assert parts.shape == (11,)
    assert parts.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize('box', [(300, 10, 320, 40), (10, 10, 10, 40), (-9, -9, -1, -1)])
def test_a_box_without_pixels_has_no_colour(box, backgrounds):
    parts = shares(backgrounds['fur'], np.array(box, np.float32))
    assert not parts.any()
    assert dominant(parts) is None
    assert is_coloured(parts, 'red') == (None, 0.0)


def test_the_same_box_always_has_the_same_shares(backgrounds):
    first = shares(backgrounds['workshop'], BOX)
    cv2.setRNGSeed(123)
    np.testing.assert_array_equal(shares(backgrounds['workshop'], BOX), first)


def test_other_colour_words_are_ruled_out_but_never_ruled_in(backgrounds):
    parts = shares(painted(backgrounds['grey'], PAINTS['blue']), BOX)
    assert is_coloured(parts, 'turquoise') == (None, 0.0)
    assert is_coloured(parts, 'dark blue') == (None, 0.0)
    assert is_coloured(parts, 'crimson')[0] is False
    assert is_coloured(parts, 'wooden') == (None, 0.0)
    assert terms_meant('light grey') == ('grey',)
    assert all(set(terms) <= set(TERMS) for terms in OTHER_WORDS.values())


def test_gray_is_grey(backgrounds):
    parts = shares(painted(backgrounds['fur'], PAINTS['grey']), BOX)
    assert is_coloured(parts, 'gray')[0] is True
