"""Grounded answers about real photographs, by the embedded backend."""

import cv2
import numpy as np
import pytest

from vlm_ros import backends
from vlm_ros.data.photographs import samples
from vlm_ros.grounded import GroundedAnswerer
from vlm_ros.grounding.asking import WAY_OUT
from vlm_ros.results import Answer, Status, Truth


def photograph(name):
    """Read a sample."""
    ((_, path),) = samples(name)
    return np.ascontiguousarray(cv2.imread(str(path))[:, :, ::-1])


@pytest.fixture(scope='module')
def model():
    """Load the backend once."""
    model = backends.load('embedded', device='cpu')
    yield model
    model.close()


@pytest.fixture(scope='module')
def photos():
    """Read three of them."""
    return {name: photograph(name) for name in ('chelsea', 'coffee', 'astronaut')}


class Talker:
    """Says the same to every question, as a model that is asked too much does."""

    def __init__(self, text):
        self.text = text

    def answer(self, image, question, *, choices=(), ticket=None):
        return Answer(Status.OK, self.text, 0.9)


def test_frames(model, photos):
    grounded = GroundedAnswerer(model)
    frames = [photos['chelsea'], photos['coffee']]
    answer = grounded.answer_frames(frames, 'Was there a cat?')
    assert (answer.text, answer.message) == ('yes', 'last seen in frame 1 of 2')
    assert answer.evidence.labels == ('cat',)
    answer = grounded.answer_frames(frames, 'How many cats are there?')
    assert (answer.text, answer.message) == ('1', 'the most at once, in frame 1 of 2')


@pytest.mark.parametrize(
    ('statement', 'truth'),
    [
        ('The left image shows a cat.', Truth.TRUE),
        ('The right image shows a cat.', Truth.FALSE),
        ('Both images show a cat.', Truth.FALSE),
        ('Exactly one image shows a cat.', Truth.TRUE),
        ('There is a cup in the right image.', Truth.TRUE),
        ('There are more cats in the left image than in the right image.', Truth.TRUE),
    ],
)
def test_pairs(model, photos, statement, truth):
    pair = [photos['chelsea'], photos['coffee']]
    verdict = GroundedAnswerer(model).verify(pair, statement)
    assert verdict.truth is truth, verdict


@pytest.mark.parametrize(
    ('photo', 'question', 'says', 'status', 'message'),
    [
        ('chelsea', 'What is the cat doing?', 'sleeping', Status.OK, ''),
        ('chelsea', 'What is the dog doing?', 'sleeping', Status.NOT_IN_VIEW,
         'there is no dog in view'),
        ('chelsea', 'What is the cat looking at?', 'a person on a bicycle', Status.UNSURE,
         "the answer was 'a person on a bicycle', but there is no person and no bicycle in view"),
        ('chelsea', 'Why is it so quiet?', 'it is night', Status.UNSURE,
         f"the answer was 'it is night', but no box supports it; {WAY_OUT}"),
        ('astronaut', 'Why does the person smile?', 'she is happy', Status.OK, ''),
    ],
)  # fmt: skip
def test_a_chat_model_is_held_to_what_is_there(model, photos, photo, question, says, status,
                                               message):  # fmt: skip
    grounded = GroundedAnswerer(model, Talker(says))
    answer = grounded.answer(photos[photo], question)
    assert (answer.status, answer.message) == (status, message)
    unguarded = grounded.answer(photos[photo], question, require_evidence=False)
    assert unguarded.text == says
