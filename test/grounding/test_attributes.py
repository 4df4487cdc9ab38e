"""Who judges an attribute, in which order, and what becomes of what nobody can tell."""

import numpy as np
import pytest

from vlm_ros.errors import WorkCancelled
from vlm_ros.grounding.attributes import Judge, MAX_ASKED, Opinion
from vlm_ros.grounding.colours import TERMS
from vlm_ros.grounding.sightings import Observer
from vlm_ros.results import Answer, Detections, Status
from vlm_ros.tasks import Ticket

RED, BLUE = (200, 20, 30), (30, 70, 190)


class Answerer:
    """Answers one question, and keeps what it was asked and shown."""

    def __init__(self, answers, confidence=0.8):
        self.answers = answers
        self.confidence = confidence
        self.asked = []

    def answer(self, image, question, *, choices=(), ticket=None):
        ticket.report_partial('heard by nobody')
        self.asked.append((question, tuple(choices), image.shape))
        if question not in self.answers:
            return Answer(Status.UNSURE, message='no idea')
        return Answer(Status.OK, self.answers[question], self.confidence)


class Matcher:
    """Compares by a table of words, shifted and scaled as another model's would be."""

    def __init__(self, table, scale=1.0, shift=0.0):
        self.table = table
        self.scale = scale
        self.shift = shift
        self.words = []

    def match_regions(self, image, xyxy, words, *, ticket=None):
        self.words.append(tuple(words))
        row = [self.table.get(word, 0.1) * self.scale + self.shift for word in words]
        return np.array([row] * len(xyxy), np.float32)


@pytest.fixture
def scene():
    image = np.full((120, 240, 3), 235, np.uint8)
    image[20:100, 20:100] = RED
    image[20:100, 140:220] = BLUE
    xyxy = np.array([[20, 20, 100, 100], [140, 20, 220, 100]], np.float32)
    return Observer(None, image), Detections(xyxy, np.array([0.9, 0.8]), ('car', 'car'))


def test_pixels_judge_colours_where_nobody_else_is_there(scene):
    opinions = Judge().holds(*scene, 'red')
    assert [opinion.truth for opinion in opinions] == [True, False]
    assert all(opinion.confidence > 0.8 for opinion in opinions)
    assert Judge().holds(*scene, 'wooden') == (Opinion(), Opinion())
    assert not Opinion().decided


def test_the_answerer_is_asked_about_each_box_alone(scene):
    answerer = Answerer({'Is the car wet?': 'No, it is dry.'})
    heard = []
    observer = Observer(None, scene[0].image, ticket=Ticket(on_partial=heard.append))
    opinions = Judge(answerer).holds(observer, scene[1], 'wet')
    assert opinions == (Opinion(False, 0.8), Opinion(False, 0.8))
    assert answerer.asked == [('Is the car wet?', ('yes', 'no'), (96, 96, 3))] * 2
    assert heard == []


def test_a_colour_that_pixels_clearly_deny_is_nobodys_opinion(scene):
    for said in ('yes', 'no'):
        opinions = Judge(Answerer({'Is the car red?': said}, 0.9)).holds(*scene, 'red')
        agreed = [said == 'yes', said == 'no']  # the first is red, the second is blue
        truths = [opinion.truth for opinion in opinions]
        assert truths == [said == 'yes' if own else None for own in agreed]


def test_who_cannot_tell_leaves_it_to_the_next(scene):
    answerer = Answerer({})
    matcher = Matcher({'a blue car': 0.3})
    opinions = Judge(answerer, matcher).holds(*scene, 'blue')
    assert [opinion.truth for opinion in opinions] == [True, True]
    flat = Judge(answerer, Matcher({})).holds(*scene, 'blue')
    assert [opinion.truth for opinion in flat] == [False, True]  # by pixels
    assert len(answerer.asked) == 4


@pytest.mark.parametrize(('scale', 'shift'), [(1.0, 0.0), (0.01, 0.2), (3.0, -1.0)])
def test_only_the_order_of_similarities_counts(scene, scale, shift):
    matcher = Matcher({'a red car': 0.3, 'a pink car': 0.15}, scale, shift)
    truths = {
        word: Judge(None, matcher).holds(*scene, word)[0].truth for word in ('red', 'pink', 'blue')
    }
    assert truths == {'red': True, 'pink': False, 'blue': False}
    assert Judge(None, matcher).value(scene[0], scene[1][:1]).text == 'red'


def test_an_attribute_is_held_against_what_it_would_be_instead(scene):
    matcher = Matcher({'a wooden car': 0.4})
    assert Judge(None, matcher).holds(*scene, 'wooden')[0].truth is True
    assert set(matcher.words[0]) == {
        'a wooden car', 'a metal car', 'a plastic car', 'a glass car', 'a leather car',
        'a stone car', 'a paper car',
    }  # fmt: skip
    Judge(None, matcher).holds(*scene, 'rusty')
    assert matcher.words[-1] == ('a rusty car', 'a car')
    Judge(None, matcher).holds(*scene, 'red')
    assert len(matcher.words[-1]) == len(TERMS)
    Judge(None, matcher).holds(*scene, 'turquoise')
    assert not {'a green car', 'a blue car'} & set(matcher.words[-1])


def test_a_near_tie_is_undecided(scene):
    table = {f'a {term} car': 0.1 * (index % 3) for index, term in enumerate(TERMS)}
    table |= {'a red car': 0.3, 'a blue car': 0.295}
    assert Judge(None, Matcher(table)).value(scene[0], scene[1][:1]) == Opinion()


def test_the_value_comes_from_the_answerer_the_matcher_or_the_pixels(scene):
    observer, cars = scene
    question = 'What colour is the car?'
    answerer = Answerer({question: 'It looks blue to me'})
    assert Judge(answerer).value(observer, cars[:1]) == Opinion(None, 0.8, 'blue')
    assert answerer.asked[0][1] == TERMS
    assert Judge(None, Matcher({'a pink car': 1})).value(observer, cars[:1]).text == 'pink'
    assert [Judge().value(observer, cars[i : i + 1]).text for i in (0, 1)] == ['red', 'blue']
    grey = Answerer({question: 'chequered'})
    assert Judge(grey).value(observer, cars[:1]).text == 'red'
    made = Answerer({'What material is the car?': 'steel'})
    assert Judge(made).value(observer, cars[:1], 'material').text == 'steel'
    assert Judge().value(observer, cars[:1], 'material') == Opinion()


def test_a_clause_needs_an_answerer(scene):
    answerer = Answerer({'Is this a car with a red bag?': 'yes'})
    opinions = Judge(answerer, Matcher({})).does(*scene, 'with a red bag')
    assert [opinion.truth for opinion in opinions] == [True, True]
    assert Judge(None, Matcher({})).does(*scene, 'with a red bag') == (Opinion(),) * 2


def test_a_model_that_knows_names_only_is_not_asked(scene):
    answerer, matcher = Answerer({'Is the car red?': 'no'}), Matcher({'a blue car': 1})
    answerer.tells_attributes = matcher.tells_attributes = False
    opinions = Judge(answerer, matcher).holds(*scene, 'red')
    assert [opinion.truth for opinion in opinions] == [True, False]
    assert not answerer.asked and not matcher.words


def test_a_crowd_is_not_asked_about_one_by_one():
    image = np.zeros((40, 40, 3), np.uint8)
    crowd = Detections(np.tile([[5, 5, 30, 30]], (40, 1)), np.full(40, 0.5), ('person',) * 40)
    answerer = Answerer({'Is the person happy?': 'yes'})
    opinions = Judge(answerer).holds(Observer(None, image), crowd, 'happy')
    assert [opinion.truth for opinion in opinions] == [True] * MAX_ASKED + [None] * 28


def test_a_cancel_ends_the_asking(scene):
    ticket = Ticket()
    ticket.cancel('enough')
    observer = Observer(None, scene[0].image, ticket=ticket)
    with pytest.raises(WorkCancelled, match='enough'):
        Judge(Answerer({})).holds(observer, scene[1], 'red')


@pytest.mark.parametrize('box', [(-20, -20, 5, 5), (230, 110, 300, 200), (0, 0, 240, 120)])
def test_boxes_at_the_border_are_shown(scene, box):
    answerer = Answerer({'Is the car wet?': 'yes'})
    cars = Detections(np.array([box], np.float32), np.array([0.9]), ('car',))
    assert Judge(answerer).holds(scene[0], cars, 'wet')[0].truth is True
    assert min(answerer.asked[0][2]) >= 1
