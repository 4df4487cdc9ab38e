"""Parts of the backend that need no server."""

from email.utils import formatdate
import subprocess
import sys
import time

import numpy as np
import pytest

from vlm_ros.backends.openai_api.closed import decide, is_yes_no, labels_of, read_words, YES_NO
from vlm_ros.backends.openai_api.pictures import Pictures
from vlm_ros.backends.openai_api.replies import Reply, Token
from vlm_ros.backends.openai_api.troubles import retry_after_s
from vlm_ros.errors import ImageError


@pytest.mark.parametrize(
    ('question', 'expected'),
    [
        ('Is there a cat?', True),
        ("Isn't the door open?", True),
        ('can the robot pass?', True),
        ('Is it red or blue?', False),
        ('What is it?', False),
        ('How many people are there?', False),
        ('', False),
    ],
)
def test_questions_of_yes_or_no(question, expected):
    assert is_yes_no(question) is expected


@pytest.mark.parametrize(
    ('headers', 'expected'),
    [
        ({}, None),
        ({'retry-after': '2'}, 2.0),
        ({'retry-after': '0.5', 'retry-after-ms': '250'}, 0.25),
        ({'retry-after': 'soon'}, None),
        ({'retry-after': '-3'}, None),
        ({'retry-after': '9' * 500}, None),
        ({'retry-after': 'Fri, 31 Dec 1999 23:59:59 GMT'}, 0.0),
    ],
)
def test_retry_after(headers, expected):
    assert retry_after_s(headers) == expected


def test_retry_after_a_date():
    headers = {'retry-after': formatdate(time.time() + 100, usegmt=True)}
    assert 90 < retry_after_s(headers) < 101


def reply_of(**probabilities):
    listed = tuple((text, float(np.log(value))) for text, value in probabilities.items())
    return Reply('', tokens=(Token(*listed[0], listed),))


@pytest.mark.parametrize(
    ('probabilities', 'expected'),
    [
        ({'yes': 0.9, 'no': 0.1}, (0, 0.9)),
        ({'▁Yes': 0.4, 'ĠYES': 0.2, 'No.': 0.2}, (0, 0.75)),
        ({'nothing': 0.6, 'no': 0.4}, None),
        ({'yes': 0.3, 'no': 0.3}, None),
        ({'yes': 1.0}, (0, 1.0)),
    ],
)
def test_decides_by_the_share_of_a_label(probabilities, expected):
    decided = decide(reply_of(**probabilities), YES_NO)
    if expected is None:
        assert decided is None
    else:
        assert decided == (expected[0], pytest.approx(expected[1]))


def test_a_refusal_decides_nothing():
    assert decide(Reply('yes', refusal='no'), YES_NO) is None
    assert decide(Reply('yes'), YES_NO) == (0, None)


def test_labels():
    assert labels_of(YES_NO) == YES_NO
    assert labels_of(('a', 'b', 'c')) == ('A', 'B', 'C')
    assert labels_of(tuple('abcdefghijk')) == ()


@pytest.mark.parametrize(
    ('text', 'options', 'expected'),
    [
        ('Red.', ('red', 'blue'), 0),
        ('  "dark  blue" ', ('red', 'Dark Blue'), 1),
        ('dark', ('red', 'Dark Blue'), None),
        ('Yes, there is.', YES_NO, 0),
        ('No.', YES_NO, 1),
        ('nothing', YES_NO, None),
        ('', YES_NO, None),
        ('猫。', ('狗', '猫'), 1),
    ],
)
def test_reads_an_option_in_words(text, options, expected):
    assert read_words(Reply(text), options) == expected


@pytest.mark.parametrize(
    ('size', 'multiple', 'sent'),
    [
        ((640, 480), 1, (640, 480)),
        ((1920, 1080), 1, (1024, 576)),
        ((1920, 1080), 28, (1036, 588)),
        ((1, 1), 1, (32, 32)),
        ((1, 1), 28, (56, 56)),
        ((4000, 8), 1, (1024, 32)),
    ],
)
def test_sizes_that_are_sent(size, multiple, sent):
    pictures = Pictures(max_side_px=1024, quality=85)
    pictures.multiple = multiple
    assert pictures.encode(np.zeros((size[1], size[0], 3), np.uint8)).sent_wh == sent


@pytest.mark.parametrize(
    'image',
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4, 3), np.float32),
    ],
)
def test_what_is_no_image_is_refused(image):
    with pytest.raises(ImageError):
        Pictures(max_side_px=64, quality=85).encode(image)


def test_a_view_is_as_good_as_its_copy():
    pictures = Pictures(max_side_px=64, quality=85)
    image = np.random.default_rng(1).integers(0, 255, (48, 64, 3), np.uint8)
    view = image[::-1, ::-1]
    assert pictures.encode(view) == pictures.encode(np.ascontiguousarray(view))


def test_needs_neither_torch_nor_transformers():
    script = (
        'import sys, vlm_ros.backends.openai_api\n'
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, '-c', script], check=True)
