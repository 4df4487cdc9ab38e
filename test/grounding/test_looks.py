"""Looks that several share."""

import numpy as np
import pytest

from vlm_ros.backends.fake import FakeBackend
from vlm_ros.errors import ModelError
from vlm_ros.grounded import GroundedAnswerer
from vlm_ros.grounding.looks import SharedLooks
from vlm_ros.phrases import Vocabulary
from vlm_ros.tasks import Detector

IMAGE, OTHER = np.zeros((48, 64, 3), np.uint8), np.ones((48, 64, 3), np.uint8)
CUP, BOTH = Vocabulary(('cup',)), Vocabulary(('cup', 'dog'))


class Counting:
    """A detector that notes for what it looked."""

    model_id, score_threshold = 'counting', 0.4

    def __init__(self, failures=0):
        self.calls = []
        self.failures = failures

    def detect(self, image, vocabulary, *, score_threshold=None, ticket=None):
        self.calls.append((int(image[0, 0, 0]), vocabulary.names, score_threshold))
        if len(self.calls) <= self.failures:
            raise ModelError('broken')
        return FakeBackend().detect(image, vocabulary)


def test_the_same_look_is_made_once_and_another_is_made():
    counting = Counting()
    shared = SharedLooks(counting)
    assert isinstance(shared, Detector)
    assert (shared.model_id, shared.score_threshold) == ('counting', 0.4)
    assert not hasattr(shared, 'enough_px')
    first = shared.detect(IMAGE, CUP, score_threshold=0.2)
    assert shared.detect(IMAGE, Vocabulary(('cup',)), score_threshold=0.2) is first
    shared.detect(IMAGE, CUP)
    shared.detect(IMAGE, BOTH, score_threshold=0.2)
    assert counting.calls == [(0, ('cup',), 0.2), (0, ('cup',), None), (0, ('cup', 'dog'), 0.2)]
    shared.detect(OTHER, CUP)
    shared.detect(IMAGE, CUP)
    assert counting.calls[3:] == [(1, ('cup',), None), (0, ('cup',), None)]


def test_a_look_that_failed_is_made_again():
    shared = SharedLooks(Counting(failures=1))
    with pytest.raises(ModelError):
        shared.detect(IMAGE, CUP)
    assert shared.detect(IMAGE, CUP).labels == ('cup',)


def test_statements_about_the_same_things_cost_one_look():
    counting = Counting()
    answerer = GroundedAnswerer(SharedLooks(counting))
    verdicts = [
        answerer.verify((IMAGE,), statement).truth.name
        for statement in ('there is a cup', 'there is no cup', 'there are two cups')
    ]
    assert verdicts[:2] == ['TRUE', 'FALSE']
    assert len(counting.calls) == 1
