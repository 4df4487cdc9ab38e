"""Referring expressions on collages of real photographs, with the embedded backend."""

import cv2
import numpy as np
import pytest
import skimage.data

from vlm_ros.grounded import GroundedAnswerer
from vlm_ros.results import Status

SIDE = 360


def fitted(photo, height=SIDE):
    scale = height / photo.shape[0]
    return cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def turned(photo, degrees):
    """Turn the hues, as if the thing and its table were painted in other colours."""
    hsv = cv2.cvtColor(photo, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0].astype(int) + degrees // 2) % 180
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


def in_a_row(*photos):
    gap = np.full((SIDE, 24, 3), 235, np.uint8)
    parts = [part for photo in photos for part in (fitted(photo), gap)]
    return np.ascontiguousarray(np.hstack(parts[:-1]))


@pytest.fixture(scope='module')
def collages():
    """Three cups (orange and brown, blue, green); a cat, an astronaut and a small cat."""
    cup = skimage.data.coffee()[:, 150:450]
    cat = skimage.data.chelsea()
    small = np.full((SIDE, 300, 3), 235, np.uint8)
    small[90:270, :271] = fitted(cat, 180)
    return {
        'cups': in_a_row(cup, turned(cup, 150), turned(cup, 60)),
        'cats': in_a_row(cat, skimage.data.astronaut(), small),
    }


@pytest.mark.parametrize(
    ('collage', 'expression', 'centre'),
    [
        ('cups', 'the blue cup', (424, 150)),
        ('cups', 'the green cup', (715, 155)),
        ('cups', 'the leftmost cup', (126, 141)),
        ('cups', 'the second cup from the left', (424, 150)),
        ('cups', 'the second cup from the right', (424, 150)),
        ('cups', 'the cup right of the blue cup', (715, 155)),
        ('cups', 'the cup between the leftmost cup and the green cup', (424, 150)),
        ('cats', 'the largest cat', (257, 178)),
        ('cats', 'the small cat', (1053, 181)),
        ('cats', 'the cat left of the person', (257, 178)),
        ('cats', 'the rightmost cat', (1053, 181)),
        ('cats', 'the person', (725, 180)),
    ],
)
def test_finds_the_one_that_is_meant(collage, expression, centre, embedded, collages):
    found = GroundedAnswerer(embedded).locate(collages[collage], expression)
    assert (found.status, found.message) == (Status.OK, '')
    left, top, right, bottom = found.detection.xyxy[0]
    assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx(centre, abs=40)
    assert 0 < found.confidence <= 1


@pytest.mark.parametrize(
    ('collage', 'expression', 'status', 'candidates'),
    [
        ('cups', 'the cup', Status.UNSURE, 3),
        ('cups', 'the cups', Status.UNSURE, 3),
        ('cups', 'the purple cup', Status.NOT_IN_VIEW, 3),
        ('cups', 'the largest cup', Status.UNSURE, None),
        ('cups', 'the cup left of the dog', Status.NOT_IN_VIEW, 3),
        ('cups', 'the fourth cup from the left', Status.NOT_IN_VIEW, 3),
        ('cats', 'the elephant', Status.NOT_IN_VIEW, 0),
        ('cats', 'the sleeping cat', Status.UNSURE, 2),
    ],
)
def test_says_so_where_none_is_meant(collage, expression, status, candidates, embedded, collages):
    found = GroundedAnswerer(embedded).locate(collages[collage], expression)
    assert found.status is status
    assert found.message
    if candidates is not None:
        assert len(found.candidates) == candidates
