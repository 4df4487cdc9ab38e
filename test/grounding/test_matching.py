"""Regions and the words that go with them."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
import numpy as np
import pytest

from vlm_ros.errors import InputError, QuestionError
from vlm_ros.grounding.matching import match_words, NOTHING, propose
from vlm_ros.results import Detections, RegionWordMatches, Status

IMAGE = np.zeros((100, 200, 3), np.uint8)
BOXES = np.array([[0, 0, 50, 50], [60, 0, 110, 50], [120, 0, 190, 90]], np.float32)


class Table:
    """A matcher whose similarities are given: one row a region, by word; 0 for other words."""

    def __init__(self, *rows):
        self.rows = rows
        self.asked = []

    def match_regions(self, image, xyxy, words, *, ticket=None):
        self.asked.append(tuple(words))
        found = [[row.get(word, 0.0) for word in words] for row in self.rows[: len(xyxy)]]
        return np.array(found, np.float32)


def match(text, *rows, **options):
    return match_words(IMAGE, text, Table(*rows), BOXES[: len(rows)], **options)


def test_each_phrase_gets_its_region_with_its_span():
    found = match('a dog and a red car', {'dog': 0.3}, {'red car': 0.2}, {NOTHING[0]: 0.1})
    assert found.phrases == ('dog', 'red car')
    assert [found.text[start:end] for start, end in found.spans] == ['dog', 'red car']
    assert found.assigned == ((0,), (1,))
    assert found.similarity.shape == (3, 2)
    groundings = found.groundings
    assert groundings.detections.labels == ('dog', 'red car')
    assert np.array_equal(groundings.detections.xyxy, BOXES[:2])
    assert groundings.groundings[1].scores == pytest.approx((0.2,))
    assert found.status is Status.OK


def test_one_region_is_not_both_of_two_things():
    found = match('a dog and a cat', {'dog': 0.5, 'cat': 0.45}, {'dog': 0.4, 'cat': 0.1})
    assert found.assigned == ((1,), (0,)), 'the sum is larger than with the best pair'


def test_all_is_compared_in_one_call():
    matcher = Table({'dog': 0.5})
    match_words(IMAGE, 'a dog, a cat and two birds', matcher, BOXES[:1])
    assert matcher.asked == [('dog', 'cat', 'bird', *NOTHING)]


def test_a_plural_gets_all_that_fit_best_first():
    found = match('two dogs', {'dog': 0.2}, {'dog': 0.4}, {NOTHING[1]: 0.3, 'dog': 0.1})
    assert found.assigned == ((1, 0),)


def test_what_is_more_like_nothing_is_not_named():
    found = match('a dog', {'dog': 0.2, NOTHING[0]: 0.25})
    assert found.assigned == ((),)
    assert found.status is Status.NOTHING_FOUND
    assert found.groundings.status is Status.NOTHING_FOUND


def test_the_threshold_of_the_caller_holds():
    assert match('a dog', {'dog': 0.2}, score_threshold=0.3).assigned == ((),)
    assert match('a dog', {'dog': 0.3}, score_threshold=0.25).assigned == ((0,),)


def test_the_same_words_mean_the_same_thing():
    found = match('the dog is next to the dog', {'dog': 0.4}, {'dog': 0.3})
    assert found.assigned == ((0,), (0,))


@pytest.mark.parametrize('text', ['where is it?', 'look over there'])
def test_a_text_that_names_nothing_has_no_phrase(text):
    assert match(text, {'dog': 0.4}).phrases == ()


def test_without_regions_there_is_nothing():
    found = match_words(IMAGE, 'a dog', Table(), np.zeros((0, 4)))
    assert found.assigned == ((),)
    assert found.similarity.shape == (0, 1)


@pytest.mark.parametrize('text', ['', '...', 'x' * 100_000])
def test_texts_that_cannot_be_read_are_refused(text):
    with pytest.raises(QuestionError):
        match(text, {})


@pytest.mark.parametrize('xyxy', [[1, 2, 3, 4], [[1, 2, 3]], [[0, 0, np.nan, 4]]])
def test_regions_that_are_no_boxes_are_refused(xyxy):
    with pytest.raises(InputError, match='regions'):
        match_words(IMAGE, 'a dog', Table({}), xyxy)


@given(arrays(np.float32, (3, 4), elements=st.floats(-1, 1, width=32)))
def test_no_region_is_given_twice_and_none_that_does_not_fit(values):
    names = ('dog', 'cat', 'cup')
    rows = [dict(zip((*names, NOTHING[0]), row.tolist(), strict=True)) for row in values]
    found = match('a dog, a cat and a cup', *rows)
    used = [region for regions in found.assigned for region in regions]
    assert len(used) == len(set(used))
    for word, regions in enumerate(found.assigned):
        for region in regions:
            assert values[region, word] > max(values[region, 3], 0)


def test_proposals_are_looked_for_under_the_names_of_the_text_too():
    seen = []

    class Everything:
        def detect(self, image, vocabulary, *, score_threshold=None, ticket=None):
            seen.append((vocabulary.names, score_threshold))
            again = np.concatenate([BOXES, BOXES[:1] + 1])
            return Detections(again, np.array([0.2, 0.3, 0.4, 0.1]), ('zebra',) * 4)

    regions = propose(Everything(), IMAGE, 'a zebra crossing')
    assert len(regions) == 3, 'a region found twice comes once'
    (names, threshold), *more = seen
    assert not more
    assert 'person' in names
    assert any('zebra' in name for name in names)
    assert threshold < 0.2


def test_matches_are_checked():
    with pytest.raises(ValueError, match='outside'):
        RegionWordMatches('dog', ('dog',), ((0, 3),), BOXES[:1], np.zeros((1, 1)), ((1,),))
    with pytest.raises(ValueError, match='assignments'):
        RegionWordMatches('dog', ('dog',), ((0, 3),), BOXES[:1], np.zeros((1, 1)), ())
