"""`results`: values that cannot be wrong once they exist."""

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from vlm_ros.results import (
    Answer,
    Caption,
    Detections,
    PhraseGrounding,
    PhraseGroundings,
    Provenance,
    Status,
    Truth,
    Verdict,
)


def three(**changes):
    values = {
        'xyxy': [[0, 0, 10, 10], [5, 5, 9, 9], [1, 2, 1, 2]],
        'scores': [0.9, 0.5, 0],
        'labels': ['cat', 'dog', 'cat'],
    }
    return Detections(**values | changes)


# Status


def test_an_unfilled_message_is_no_status():
    assert 0 not in [int(status) for status in Status]
    assert [int(status) for status in Status] == list(range(1, 10))
    assert Truth(0) is Truth.UNKNOWN


# Detections


def test_detections_convert_what_they_are_given():
    found = three()
    assert len(found) == 3
    assert found.xyxy.dtype == found.scores.dtype == np.float32
    assert found.xyxy.shape == (3, 4)
    assert found.labels == ('cat', 'dog', 'cat')
    assert three(unrecognized=['wug']).unrecognized == ('wug',)


@pytest.mark.parametrize('nothing', [[], np.zeros((0, 4)), np.zeros(0)])
def test_no_detections(nothing):
    found = Detections(xyxy=nothing, scores=[], labels=[])
    assert len(found) == 0
    assert not found
    assert found.xyxy.shape == (0, 4)
    assert Detections().xyxy.shape == (0, 4)


def test_detections_are_frozen_and_share_nothing_with_their_maker():
    xyxy = np.array([[1, 2, 3, 4]], np.float32)
    found = Detections(xyxy, [0.5], ['cat'])
    xyxy[:] = 0
    assert found.xyxy.tolist() == [[1, 2, 3, 4]]
    with pytest.raises(ValueError, match='read-only'):
        found.xyxy[0, 0] = 7
    with pytest.raises(ValueError, match='read-only'):
        found.scores[0] = 0.1
    with pytest.raises(FrozenInstanceError):
        found.labels = ()


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'labels': ['cat']}, r'xyxy must have shape \(1, 4\), got \(3, 4\)'),
        ({'scores': [0.5]}, r'scores must have shape \(3,\), got \(1,\)'),
        ({'xyxy': [[0, 0, 1]] * 3}, r'xyxy must have shape \(3, 4\), got \(3, 3\)'),
        ({'xyxy': [[0, 0, np.nan, 1]] * 3}, 'xyxy must be finite'),
        ({'xyxy': [[0, 0, np.inf, 1]] * 3}, 'xyxy must be finite'),
        ({'xyxy': [[5, 0, 4, 1]] * 3}, 'right or bottom edge comes before its left or top'),
        ({'xyxy': [[0, 5, 4, 1]] * 3}, 'right or bottom edge comes before its left or top'),
        ({'scores': [0.5, 1.01, 0]}, r'scores must be in \[0, 1\], got 0 to 1.01'),
        ({'scores': [0.5, -0.1, 0]}, r'scores must be in \[0, 1\], got -0.1 to 0.5'),
        ({'scores': [0.5, np.nan, 0]}, 'scores must be finite'),
    ],
)
def test_detections_that_cannot_be(changes, message):
    with pytest.raises(ValueError, match=message):
        three(**changes)


@pytest.mark.parametrize(
    ('index', 'kept'),
    [
        (slice(1, None), [1, 2]),
        (slice(None, None, -1), [2, 1, 0]),
        (np.array([True, False, True]), [0, 2]),
        ([False, False, False], []),
        ([2, 0], [2, 0]),
        (np.array([], int), []),
        ([], []),
        (1, [1]),
        (-1, [2]),
    ],
)
def test_selecting(index, kept):
    found = three(unrecognized=('wug',))
    selected = found[index]
    np.testing.assert_array_equal(selected.xyxy, found.xyxy[kept].reshape(-1, 4))
    np.testing.assert_array_equal(selected.scores, found.scores[kept])
    assert selected.labels == tuple(found.labels[i] for i in kept)
    assert selected.unrecognized == ('wug',)


def test_selecting_what_is_not_there():
    with pytest.raises(IndexError):
        three()[[3]]


def test_selecting_by_name():
    assert three().named('cat').scores.tolist() == pytest.approx([0.9, 0])
    assert len(three().named('Cat')) == 0
    assert len(Detections().named('cat')) == 0


def test_the_best():
    found = Detections([[0, 0, i, 1] for i in range(4)], [0.5, 0.9, 0.5, 0.1], list('abcd'))
    assert found.best(3).labels == ('b', 'a', 'c')
    assert len(found.best(9)) == 4
    assert len(found.best(0)) == len(Detections().best(5)) == 0


def test_nothing_found_is_told_from_what_could_not_be_looked_for():
    assert (three().status, three().message) == (Status.OK, '')
    assert (Detections().status, Detections().message) == (Status.NOTHING_FOUND, '')
    partly = Detections(unrecognized=('wug', 'blicket'))
    assert partly.status is Status.UNSURE
    assert partly.message == 'this model cannot say whether there is: wug, blicket'
    assert three(unrecognized=('wug',)).status is Status.OK


# Phrases


def test_a_grounding():
    grounding = PhraseGrounding('a cat', (4, 9), (2, 0), (0.9, 0.4))
    groundings = PhraseGroundings('see a cat', three(), (grounding,))
    assert groundings.groundings[0].detections == (2, 0)
    assert (groundings.status, groundings.message) == (Status.OK, '')
    unknown = PhraseGroundings('see nothing', Detections(unrecognized=('wug',)), ())
    assert unknown.status is Status.UNSURE
    assert unknown.message == unknown.detections.message != ''


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'span': (4, 8)}, 'does not fit the phrase'),
        ({'span': (-1, 4)}, 'does not fit the phrase'),
        ({'phrase': '', 'span': (4, 4)}, 'does not fit the phrase'),
        ({'detections': (0,)}, '1 detections but 0 scores'),
        ({'detections': (0,), 'scores': (1.5,)}, r'scores must be in \[0, 1\]'),
    ],
)
def test_groundings_that_cannot_be(values, message):
    with pytest.raises(ValueError, match=message):
        PhraseGrounding(**{'phrase': 'a cat', 'span': (4, 9)} | values)


def test_groundings_belong_to_their_text_and_detections():
    with pytest.raises(ValueError, match=r"'a cat' is not at \(4, 9\) of the text"):
        PhraseGroundings('see a dog', three(), (PhraseGrounding('a cat', (4, 9)),))
    outside = PhraseGrounding('a cat', (4, 9), (3,), (0.5,))
    with pytest.raises(ValueError, match='a detection outside the 3 there are'):
        PhraseGroundings('see a cat', three(), (outside,))


# Captions, answers, verdicts


def test_a_caption_has_a_text_and_a_score():
    assert Caption('a cat', 0.5).status is Status.OK
    with pytest.raises(ValueError, match='a caption needs a text'):
        Caption('', 0.5)
    with pytest.raises(ValueError, match='scores must be'):
        Caption('a cat', 1.5)


def test_an_answer_has_a_text_or_a_reason():
    assert Answer(Status.OK, 'yes', 0.7).evidence.labels == ()
    assert Answer(Status.NOT_IN_VIEW, message='there is no car in view').text == ''
    for status, text, message in [
        (Status.OK, '', ''),
        (Status.UNSURE, 'yes', 'a reason'),
        (Status.UNSURE, '', ''),
    ]:
        with pytest.raises(ValueError, match='an answer with status'):
            Answer(status, text, message=message)
    with pytest.raises(ValueError, match='scores must be'):
        Answer(Status.OK, 'yes', -0.5)


def test_a_verdict_without_a_look_is_unknown():
    assert Verdict(Truth.FALSE, 0.6).status is Status.OK
    assert Verdict(Truth.UNKNOWN, status=Status.NOT_IN_VIEW).truth is Truth.UNKNOWN
    with pytest.raises(ValueError, match='a FALSE verdict with status NOT_IN_VIEW'):
        Verdict(Truth.FALSE, status=Status.NOT_IN_VIEW)


# Boxes of a reduced image


def test_boxes_are_scaled_to_the_source_image():
    found = three(unrecognized=['wug'])
    scaled = found.scaled(4, 2.5)
    np.testing.assert_array_equal(
        scaled.xyxy, [[0, 0, 40, 25], [20, 12.5, 36, 22.5], [4, 5, 4, 5]]
    )
    assert scaled.xyxy.dtype == np.float32
    np.testing.assert_array_equal(scaled.scores, found.scores)
    assert (scaled.labels, scaled.unrecognized) == (found.labels, ('wug',))
    assert Detections().scaled(2, 2).xyxy.shape == (0, 4)


def test_what_holds_boxes_is_scaled_with_all_else_as_it_was():
    groundings = PhraseGroundings(
        'see a cat', three(), (PhraseGrounding('a cat', (4, 9), (0,), (0.5,)),)
    )
    answer = Answer(Status.OK, 'yes', 0.7, three())
    verdict = Verdict(Truth.TRUE, 0.6, three())
    scaled = groundings.scaled(2, 3)
    np.testing.assert_array_equal(scaled.detections.xyxy, three().scaled(2, 3).xyxy)
    assert replace(scaled, detections=groundings.detections) == groundings
    for value in (answer, verdict):
        scaled = value.scaled(2, 3)
        np.testing.assert_array_equal(scaled.evidence.xyxy, three().scaled(2, 3).xyxy)
        assert replace(scaled, evidence=value.evidence) == value
    for value in (three(), groundings, answer, verdict):
        assert value.scaled(1, 1.0) is value
        assert value.scaled(1, 2) is not value
    caption = Caption('a cat', 0.5)
    assert caption.scaled(2, 3) is caption


def test_provenance_starts_unknown():
    provenance = Provenance()
    assert provenance.stamp_ns is None
    assert provenance.age_s is None
    assert replace(provenance, model_id='fake').model_id == 'fake'


def test_prompts_of_one_label_find_one_thing():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 10], [50, 0, 60, 10]], np.float32)
    found = Detections(
        boxes, np.float32([0.6, 0.9, 0.8, 0.7]), ('man', 'woman', 'dog', 'man'), ('child', 'elf')
    )
    people = {'man': 'person', 'woman': 'person', 'dog': 'dog', 'child': 'person', 'elf': 'elf'}
    renamed = found.renamed(people)
    assert list(zip(renamed.labels, renamed.scores.round(1), strict=True)) == [
        ('person', np.float32(0.9)),
        ('dog', np.float32(0.8)),
        ('person', np.float32(0.7)),
    ]
    assert renamed.unrecognized == ('person', 'elf')


def test_what_overlaps_under_one_prompt_is_left_to_the_model():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10]], np.float32)
    found = Detections(boxes, np.float32([0.6, 0.9]), ('man', 'man'))
    assert found.renamed({'man': 'person', 'dog': 'dog'}).labels == ('person', 'person')
