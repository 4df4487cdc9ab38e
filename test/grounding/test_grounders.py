"""A model that grounds phrases, in the seat of a detector."""

import numpy as np
import pytest

from vlm_ros.backends.fake import FakeBackend
from vlm_ros.grounded import GroundedAnswerer
from vlm_ros.grounding.grounders import GroundingDetector
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Detections, PhraseGrounding, PhraseGroundings
from vlm_ros.tasks import Detector

IMAGE = np.zeros((480, 640, 3), np.uint8)


class Grounder:
    """Has `ground` and nothing else of the fake."""

    def __init__(self, **options):
        self.fake = FakeBackend(**options)
        self.score_threshold = self.fake.score_threshold
        self.model_id = 'grounder'

    def ground(self, image, text, *, score_threshold=None, ticket=None):
        return self.fake.ground(image, text, score_threshold=score_threshold, ticket=ticket)


def test_names_are_found_where_the_grounder_finds_its_phrases():
    names = Vocabulary(('cup', 'traffic light', 'absentee', 'unknownium'))
    detector = GroundingDetector(Grounder())
    assert isinstance(detector, Detector)
    found, expected = detector.detect(IMAGE, names), FakeBackend().detect(IMAGE, names)
    assert sorted(found.labels) == sorted(expected.labels) == ['cup', 'traffic light']
    for name in found.labels:
        assert np.array_equal(found.named(name).xyxy, expected.named(name).xyxy)
    assert found.unrecognized == ('unknownium',)
    assert (detector.score_threshold, detector.model_id) == (0.9, 'grounder')


def test_a_name_without_a_phrase_was_not_looked_for():
    class Deaf:
        def ground(self, image, text, *, score_threshold=None, ticket=None):
            return PhraseGroundings(text, Detections(), (PhraseGrounding('cup', (0, 3)),))

    found = GroundingDetector(Deaf()).detect(IMAGE, Vocabulary(('cup', 'dog')))
    assert (found.labels, found.unrecognized) == ((), ('dog',))


@pytest.mark.parametrize(
    ('question', 'text'),
    [
        ('Is there a cup?', 'yes'),
        ('How many cups and absentees are there?', 'a cup and no absentees'),
        ('What colour is the absentee?', ''),
    ],
)
def test_it_answers_as_a_detector_does(question, text):
    assert GroundedAnswerer(Grounder()).answer(IMAGE, question).text == text
