"""What answers claim, held against boxes that are known."""

import numpy as np
import pytest

from vlm_ros.grounding.claims import check_claims
from vlm_ros.grounding.sightings import Observer
from vlm_ros.language.questions import parse
from vlm_ros.results import Detections

SCENE = [
    ('dog', (0, 300, 100, 400)),
    ('cup', (200, 100, 240, 140)),
    ('cup', (300, 100, 340, 140)),
    ('car', (400, 200, 600, 400)),
]
OPEN = 'What is going on?'


class Boxes:
    """Finds the scene; knows no gizmo."""

    score_threshold = 0.3

    def __init__(self):
        self.calls = 0

    def detect(self, image, vocabulary, *, score_threshold=None, ticket=None):
        self.calls += 1
        rows = [row for row in SCENE if row[0] in vocabulary.names]
        return Detections(
            np.array([xyxy for _, xyxy in rows], np.float32).reshape(-1, 4),
            np.full(len(rows), 0.8, np.float32),
            tuple(name for name, _ in rows),
            tuple(name for name in vocabulary.names if name == 'gizmo'),
        )


def check(text, asked=OPEN):
    boxes = Boxes()
    observer = Observer(boxes, np.zeros((480, 640, 3), np.uint8))
    checked = check_claims(text, parse(asked), asked, observer)
    assert boxes.calls <= 1, 'one look for all that an answer names'
    return checked


@pytest.mark.parametrize(
    ('text', 'asked', 'objection'),
    [
        ('a dog', OPEN, ''),
        ('a zebra', OPEN, 'there is no zebra in view'),
        ('a zebra and a lion', OPEN, 'there is no zebra and no lion in view'),
        ('There are two cups.', OPEN, ''),
        ('There are three cups.', OPEN, 'boxes show two cups'),
        ('There is one cup and a dog.', OPEN, 'boxes show two cups'),
        ('A dog is left of the car.', OPEN, ''),
        ('The dog is left of the car.', OPEN, ''),
        ('The dog is right of the car.', OPEN, 'boxes show a dog not right of the car'),
        ('The dog is not left of the car.', OPEN, 'boxes show a dog left of the car'),
        ('A dog sits there. The dog is on the right.', OPEN, 'boxes show a dog not on the right'),
        ('on the left', 'Where is the dog?', ''),
        ('It is on the right.', 'Where is the dog?', 'boxes show a dog not on the right'),
        ('right of the car', 'Where is the dog?', 'boxes show a dog not right of the car'),
        ('a dog', 'What is left of the car?', ''),
        ('a dog', 'What is right of the car?', 'boxes show a dog not right of the car'),
        # What boxes cannot deny is not denied.
        ('blue', OPEN, ''),
        ('a gizmo', OPEN, ''),
        ('The dog is behind the car.', OPEN, ''),
        ('The dog is happy.', OPEN, ''),
        ('It is a nice day in the park.', OPEN, ''),
        ('a zebra', 'Is that a zebra over there?', ''),
        ('', OPEN, ''),
        ('...', OPEN, ''),
        ('\x00\x07', OPEN, ''),
    ],
)
def test_objections(text, asked, objection):
    assert check(text, asked).objection == objection


def test_the_boxes_of_claims_are_evidence():
    assert check('A dog is left of the car.').evidence.labels == ('dog',)
    assert check('a dog and two cups').evidence.labels == ('dog', 'cup', 'cup')
    assert check('blue').evidence.labels == ()


def test_a_long_answer_is_read_no_further_than_a_question_would_be():
    assert check('a dog. ' * 20_000).objection == ''
