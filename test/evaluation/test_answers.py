import math

import numpy as np
import pytest

from vlm_ros.errors import InputError
from vlm_ros.evaluation.answers import exact_match, read_yes_no, Reply, vqa_accuracy, yes_no
from vlm_ros.evaluation.statements import verify
from vlm_ros.evaluation.vqa_words import normalize, RESTORED
from vlm_ros.results import Status, Truth


# What the reference implementation of the challenge makes of them.
@pytest.mark.parametrize(
    ('answer', 'normal'),
    [
        ('The dog.', 'dog'),
        ('two dogs', '2 dogs'),
        ('None', '0'),
        ('2,000', '2000'),
        ('3.5', '3.5'),
        ('red,white', 'red white'),
        ('red, white', 'red white'),
        ('t-shirt', 't shirt'),
        ('dont know', "don't know"),
        ("couldn'tve", "couldn't've"),
        ("somebody'd", 'somebodyd'),
        ('10:30', '10:30'),
        ("man's", "man's"),
        ('U.S.', 'us'),
    ],
)
def test_answers_are_normalized_as_the_challenge_does(answer, normal):
    assert normalize(answer) == normal


def test_every_lost_apostrophe_comes_back():
    assert len(RESTORED) > 100
    assert RESTORED["yall'd've"] == RESTORED["y'alld've"] == "y'all'd've"


@pytest.mark.parametrize(
    ('same', 'expected'), [(0, 0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1), (10, 1)]
)
def test_ten_answers_give_the_published_scores(same, expected):
    people = ['yes'] * same + ['no'] * (10 - same)
    score = vqa_accuracy([Reply('Yes!')] if 0 < same < 10 else [Reply('yes')], [people])
    assert score.value == pytest.approx(expected)


# What the evaluation of github.com/GT-Vision-Lab/VQA gives.
@pytest.mark.parametrize(
    ('said', 'people', 'expected'),
    [
        ('YES.', ['yes!'] * 3 + ['Yes'] * 4 + ['no'] * 3, 1),
        ('red white', ['red, white'] * 4 + ['red,white'] * 3 + ['white'] * 3, 1),
        ('t-shirt', ['the t-shirt'] * 2 + ['t shirt'] + ['shirt'] * 7, 0.9),
        ('u.s', ['U.S.'] * 3 + ['us'] + ['usa'] * 6, 1),
        ("Don't know", ['dont know'] * 3 + ["don't know"] * 2 + ['cat'] * 5, 1),
    ],
)
def test_answers_score_as_the_challenge_does(said, people, expected):
    assert vqa_accuracy([Reply(said)], [people]).value == pytest.approx(expected, abs=1e-6)


def test_people_of_one_mind_are_compared_letter_for_letter():
    assert vqa_accuracy([Reply('2')], [['two'] * 10]).value == 0
    assert vqa_accuracy([Reply('2')], [['two'] * 9 + ['2']]).value == 1


def test_an_abstention_is_neither_right_nor_wrong():
    replies = [
        Reply('cat'),
        Reply('dog'),
        Reply('', Status.UNSURE),
        Reply('', Status.NOT_IN_VIEW),
        Reply('cat', Status.TIMEOUT),
    ]
    score = exact_match(replies, ['cat', 'Cat ', 'cat', 'cat', 'cat'])
    assert score.value == 0.5
    assert (score.coverage.answered, score.coverage.abstained, score.coverage.failed) == (2, 2, 1)
    assert score.coverage.rate == pytest.approx(0.4)
    np.testing.assert_array_equal(score.values, [1, 0, np.nan, np.nan, np.nan])


def test_yes_and_no_are_counted():
    texts = ['Yes', 'yes, there is a dog', 'No.', 'There is no dog', 'Yes', 'I would say 7']
    truths = [True, False, False, True, True, True]
    score = yes_no([*map(Reply, texts), Reply('', Status.UNSURE)], [*truths, True])
    assert score.accuracy == pytest.approx(3 / 5)
    assert score.precision == pytest.approx(2 / 3)
    assert score.recall == pytest.approx(2 / 3)
    assert score.f1 == pytest.approx(2 / 3)
    assert score.yes_ratio == score.true_yes_ratio == pytest.approx(3 / 5)
    assert (score.coverage.answered, score.coverage.abstained, score.coverage.failed) == (5, 1, 1)


def test_nothing_answered_is_no_number():
    score = yes_no([Reply('', Status.FAILED)], [True])
    assert all(math.isnan(value) for value in (score.accuracy, score.f1, score.yes_ratio))


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('No, but yes', False),
        ('There isn’t any', False),
        ('It is not. Yes.', False),
        ('nobody', False),
        ('noon', None),
        ('', None),
    ],
)
def test_yes_and_no_are_read(text, expected):
    assert read_yes_no(text) is expected


def test_lists_of_other_lengths_are_told():
    with pytest.raises(InputError, match='1 replies, 0 answers'):
        vqa_accuracy([Reply('a')], [])
    with pytest.raises(InputError, match='question 0 has no answer'):
        vqa_accuracy([Reply('a')], [[]])


def test_consistency_is_that_of_whole_sentences():
    t, f, u = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN
    verdicts = [t, f, t, t, u, t, t]
    truths = [True, False, True, False, True, True, True]
    score = verify(verdicts, truths, list('aabbccd'), statuses=[Status.OK] * 6 + [Status.FAILED])
    assert score.accuracy.value == pytest.approx(4 / 5)
    assert score.accuracy.coverage.abstained == 1
    assert score.consistency == 0.5  # a, of a and b
    assert (score.sentences.answered, score.sentences.abstained, score.sentences.failed) == (
        2,
        1,
        1,
    )
