"""Where a confident answer would say more than the boxes do: bounds, denials, crowds, doubts."""

import numpy as np
import pytest

from vlm_ros.grounded import GroundedAnswerer
from vlm_ros.results import Answer, Detections, Status, Truth

GREY = (128, 128, 128)
DOG, DOG_RIGHT = ('dog', (50, 200, 150, 300), 0.9), ('dog', (500, 200, 600, 300), 0.9)
WEAK_RIGHT = ('dog', (500, 200, 600, 300), 0.4)
CAT, CAT_RIGHT = ('cat', (60, 20, 160, 100), 0.9), ('cat', (450, 20, 550, 100), 0.9)
NEAR_CAT = ('cat', (160, 200, 250, 300), 0.9)
CAR = ('car', (100, 100, 300, 250), 0.9)
PERSON = ('person', (100, 50, 250, 450), 0.9)
WORN = [
    ('helmet', (150, 50, 200, 90), 0.9),
    ('shirt', (110, 110, 240, 230), 0.9),
    ('phone', (200, 90, 220, 120), 0.9),
]
CROWD = [
    ('person', (10 + 15 * (i % 40), 50 + 100 * (i // 40), 22 + 15 * (i % 40), 100), 0.9)
    for i in range(40)
] + [('person', (10 + 15 * i, 200, 22 + 15 * i, 260), 0.9) for i in range(5)]


class Boxes:
    """Finds what it was given, as a detector that tells its threshold does."""

    score_threshold = 0.5

    def __init__(self, rows):
        self.rows = rows

    def detect(self, image, vocabulary, *, score_threshold=None, ticket=None):
        bar = self.score_threshold if score_threshold is None else score_threshold
        rows = [row for row in self.rows if row[0] in vocabulary.names and row[2] >= bar]
        return Detections(
            np.array([xyxy for _, xyxy, _ in rows], np.float32).reshape(-1, 4),
            np.array([score for *_, score in rows], np.float32),
            tuple(name for name, *_ in rows),
        )


class Says:
    """Gives one answer to everything."""

    def __init__(self, text):
        self.text = text
        self.asked = []

    def answer(self, image, question, *, choices=(), ticket=None):
        self.asked.append((question, tuple(choices)))
        return Answer(Status.OK, self.text, 0.9)


def painted(rows=(), colour=GREY):
    image = np.full((480, 640, 3), GREY, np.uint8)
    for _, (left, top, right, bottom), _ in rows:
        image[top:bottom, left:right] = colour
    return image


def ask(rows, question, answerer=None, colour=GREY, **options):
    grounded = GroundedAnswerer(Boxes(rows), answerer)
    return grounded.answer(painted(rows, colour), question, **options)


def told(answer):
    return answer.text if answer.status is Status.OK else f'{answer.status.name}: {answer.message}'


def verified(rows, statement):
    return GroundedAnswerer(Boxes(rows)).verify([painted()], statement).truth


@pytest.mark.parametrize(
    ('rows', 'statement', 'expected'),
    [
        ([DOG, CAT], 'neither the dog nor the cat is on the left', Truth.FALSE),
        ([DOG_RIGHT, CAT_RIGHT], 'neither the dog nor the cat is on the left', Truth.TRUE),
        ([DOG, CAT_RIGHT], 'neither the dog nor the cat is on the left', Truth.FALSE),
        ([DOG], 'both dogs are on the left', Truth.UNKNOWN),
        ([DOG, DOG], 'the three dogs are on the left', Truth.UNKNOWN),
        ([DOG, ('dog', (60, 20, 160, 90), 0.9)], 'both dogs are on the left', Truth.TRUE),
        ([DOG, DOG_RIGHT], 'both dogs are on the left', Truth.FALSE),
        ([DOG, DOG, DOG_RIGHT], 'both dogs are on the left', Truth.UNKNOWN),
        ([DOG, WEAK_RIGHT], 'all dogs are on the left', Truth.UNKNOWN),
        ([DOG, WEAK_RIGHT], 'every dog is on the left', Truth.UNKNOWN),
        ([DOG, ('dog', (60, 20, 160, 90), 0.4)], 'all dogs are on the left', Truth.TRUE),
        ([DOG_RIGHT, WEAK_RIGHT], 'all dogs are on the left', Truth.FALSE),
        ([DOG, WEAK_RIGHT], 'the dog is on the left', Truth.TRUE),
        ([DOG, NEAR_CAT], 'a dog is next to two cats', Truth.UNKNOWN),
        ([DOG, NEAR_CAT], 'a dog is left of a cat', Truth.TRUE),
        (CROWD, 'there are exactly 30 people', Truth.FALSE),
        (CROWD, 'there are at least 40 people', Truth.TRUE),
        (CROWD, 'there are at most 40 people', Truth.FALSE),
        ([DOG, DOG_RIGHT], 'all objects are on the left', Truth.UNKNOWN),
        ([], 'there are as many dogs as cats', Truth.UNKNOWN),
        ([DOG, CAT], 'there are as many dogs as cats', Truth.TRUE),
        ([], 'there are more dogs than cats', Truth.FALSE),
    ],
)
def test_statements(rows, statement, expected):
    assert verified(rows, statement) is expected


@pytest.mark.parametrize(
    ('rows', 'question', 'expected'),
    [
        ([], 'is anybody not wearing a helmet?', 'there is no person in view'),
        ([], 'are any people not wearing helmets?', 'there is no person in view'),
        ([DOG], 'is there a car that is not red?', 'there is no car in view'),
        ([DOG], 'is a car not left of the dog?', 'there is no car in view'),
        ([DOG], 'is a dog not on the left?', 'the dog is on the left'),
        ([DOG, DOG], 'is a dog not on the left?', 'the two dogs are on the left'),
        ([DOG, CAR], 'is the dog not on the left?', 'the dog is on the left'),
        ([DOG_RIGHT], 'is the dog not on the left?', 'the dog is not on the left'),
        (
            [DOG_RIGHT, ('dog', (510, 20, 600, 90), 0.9)],
            'are the dogs not on the left?',
            'the two dogs are not on the left',
        ),
        (
            [DOG, DOG_RIGHT],
            'is there a dog that is not on the left?',
            'one dog is on the left and one is not',
        ),
        (
            [DOG, CAT_RIGHT],
            'is neither the dog nor the cat on the left?',
            'the dog is on the left and the cat is not on the left',
        ),
        (CROWD, 'how many people are there?', '45'),
        ([], 'are there as many dogs as cats?', 'NOT_IN_VIEW: there is no dog and no cat in view'),
    ],
)
def test_answers(rows, question, expected):
    assert told(ask(rows, question)) == expected


@pytest.mark.parametrize(
    'question',
    [
        'is there a person in a helmet?', 'is the person in a shirt?',
        'is the person on the phone?', 'how many people are in helmets?',
    ],
)  # fmt: skip
def test_what_is_worn_or_held_is_not_denied_by_where_its_box_is(question):
    answer = ask([PERSON, *WORN], question)
    assert answer.status is Status.UNSURE
    assert answer.confidence == 0


@pytest.mark.parametrize(
    'question',
    [
        'is it an object or a dog?', 'is the object on the left or on the right?',
        'is the object red or blue?', 'how many objects are there?', 'where is the object?',
        'what colour is the thing?', 'are all the objects on the left?',
        'is each object on the left?', 'is everything on the left?',
        'are there as many things as dogs?',
    ],
)  # fmt: skip
def test_what_has_no_name_is_no_reason_to_fail_or_to_guess(question):
    assert ask([DOG, ('cup', (500, 200, 600, 300), 0.9)], question).status is Status.UNSURE


def test_a_relation_in_a_crowd_is_not_decided_by_some_of_it():
    rows = [*CROWD, ('car', (0, 300, 640, 480), 0.9)]
    answer = ask(rows, 'how many people are above the car?')
    assert answer.status is Status.UNSURE
    assert verified(rows, 'at most 30 people are above the car') is Truth.UNKNOWN


def test_of_a_crowd_the_leftmost_is_that_of_all():
    grounded = GroundedAnswerer(Boxes([*CROWD, ('person', (0, 400, 8, 440), 0.6)]))
    found = grounded.locate(painted(), 'the leftmost person')
    assert found.detection.xyxy.tolist() == [[0, 400, 8, 440]]
    grounded = GroundedAnswerer(Boxes(CROWD * 2))
    found = grounded.locate(painted(), 'the leftmost person')
    assert found.status is Status.UNSURE and 'too many' in found.message


@pytest.mark.parametrize(
    ('question', 'says', 'colour', 'expected'),
    [
        ('what colour is the car?', 'blue', (30, 70, 190), 'blue'),
        ('what colour is the car?', 'It is navy blue.', (30, 70, 190), 'It is navy blue.'),
        ('what colour is the car?', 'red', (30, 70, 190), ''),
        ('what colour is the car?', 'it is not red', (200, 20, 30), 'it is not red'),
        ('is the car red or blue?', 'red', (30, 70, 190), ''),
        ('is the car red or blue?', 'blue', (30, 70, 190), 'blue'),
        ('is the car red?', 'yes', (30, 70, 190), ''),
        ('is the car red?', 'yes', (200, 20, 30), 'yes'),
        ('is the car red?', 'no', (200, 20, 30), ''),
        ('is there a red car?', 'yes', (30, 70, 190), ''),
        ('is there a red car?', 'no', (200, 20, 30), ''),
        ('is the car dirty?', 'yes', (30, 70, 190), 'yes'),
        ('why does the car stop?', 'it is a red car', (30, 70, 190), ''),
        ('why does the car stop?', 'it is a blue car', (30, 70, 190), 'it is a blue car'),
        ('why does the car stop?', 'there is no red car', (30, 70, 190), 'there is no red car'),
    ],
)
def test_a_colour_that_is_told_must_be_one_of_the_pixels(question, says, colour, expected):
    answer = ask([CAR], question, Says(says), colour)
    assert answer.text == expected, answer
    if not expected:
        assert f'the answer was {says!r}, but by its pixels the car looks' in answer.message
        assert len(answer.evidence) and answer.confidence == 0


def test_sentences_to_choose_from_read_well():
    answerer = Says('yes')
    ask([PERSON], 'is a person not wearing a helmet?', answerer)
    ask([PERSON, WORN[0]], 'is the person not wearing a helmet?', answerer)
    ask([PERSON, WORN[0]], 'are the people not wearing helmets?', answerer)
    assert [choices for _, choices in answerer.asked[-2:]] == [
        (
            'the person is not wearing a helmet',
            'the person is wearing a helmet',
        ),
        (
            'the people are not wearing helmets',
            'the people are wearing helmets',
        ),
    ]
    ask([PERSON, WORN[0]], 'is somebody not wearing a helmet?', answerer)
    assert answerer.asked[-1][1] == (
        'a person is not wearing a helmet',
        'every person is wearing a helmet',
    )


@pytest.mark.parametrize('question', ['is no dog asleep?', 'is a dog not asleep?'])
def test_a_bare_yes_to_a_question_for_the_opposite_is_no_answer(question):
    for says in ('yes', 'no'):
        answer = ask([DOG, DOG, WEAK_RIGHT] * 3, question, Says(says))
        assert answer.status is Status.UNSURE
        assert answer.message.endswith('but to a question for the opposite that may mean either')
        assert ask([DOG] * 6, question, Says(says), choices=('yes', 'no')).text == says


def test_a_count_is_told_in_digits():
    for says, expected in (('two', '2'), ('6', '6'), ('none', '0')):
        answer = ask([DOG] * 6, 'how many dogs are asleep?', Says(says))
        assert answer.text == expected, answer


def test_nothing_but_an_answer_has_a_confidence():
    curves = {('', 'open'): lambda confidence: 0.7, ('', 'existence'): lambda confidence: 0.7}
    sure_of_nothing = Says('a zebra')
    grounded = GroundedAnswerer(Boxes([DOG]), sure_of_nothing, curves=curves)
    for question in ('why does the dog bark?', 'is the dog happy?'):
        answer = grounded.answer(painted(), question)
        assert (answer.status, answer.confidence) == (Status.UNSURE, 0)
    answer = grounded.answer(painted(), 'why does the dog bark?', require_evidence=False)
    assert (answer.status, answer.confidence) == (Status.OK, 0.7)
    verdict = grounded.verify([painted()], 'the dog is happy')
    assert (verdict.truth, verdict.confidence) == (Truth.UNKNOWN, 0)
