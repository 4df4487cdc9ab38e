"""Detection by name and by picture: what is merged, stretched, left out and passed on."""

import numpy as np
import pytest

from vlm_ros.grounding.exemplars import Exemplar, extended, PicturesAlone, with_exemplars
from vlm_ros.phrases import MAX_NAMES, Vocabulary
from vlm_ros.results import Detections, PhraseGrounding, PhraseGroundings
from vlm_ros.tasks import BatchDetector, Detector, Ticket

IMAGE = np.zeros((100, 200, 3), np.uint8)
HERE, NEAR, THERE = (10, 10, 50, 50), (12, 11, 50, 52), (100, 10, 150, 60)


def boxes(*found, unrecognized=()):
    """Detections of `(label, score, xyxy)`."""
    return Detections(
        np.array([xyxy for *_, xyxy in found], np.float32).reshape(-1, 4),
        np.array([score for _, score, _ in found], np.float32),
        tuple(label for label, *_ in found),
        unrecognized,
    )


class Words:
    """Detects by name alone; tells what it was asked."""

    score_threshold = 0.4

    def __init__(self, named=boxes(), alike=boxes()):  # noqa: B008 - values never change
        self.named, self.alike = named, alike
        self.asked = []

    def detect(self, image, vocabulary, *, score_threshold=None, ticket=None):
        self.asked.append((vocabulary.names, score_threshold, ticket))
        return self.named


class Pictures(Words):
    def detect_like(self, image, exemplars, names, *, score_threshold=None, ticket=None):
        assert len(exemplars) == len(names) > 0
        self.asked.append((tuple(names), score_threshold, ticket))
        return self.alike


class Batches(Pictures):
    max_batch = 3

    def detect_batch(self, images, vocabularies, *, score_threshold=None, ticket=None):
        self.asked.append((len(images), score_threshold, ticket))
        return [self.named for _ in images]


def exemplars(*names):
    return [Exemplar(name, np.full((20, 20, 3), i, np.uint8)) for i, name in enumerate(names)]


def test_a_model_that_needs_nothing_is_passed_on():
    for model, shown in ((Pictures(), []), (Words(), exemplars('zorp'))):
        assert with_exemplars(model, shown) is model


def test_the_kind_of_model_stays():
    shown = with_exemplars(Pictures(), exemplars('zorp'))
    assert isinstance(shown, Detector) and not isinstance(shown, BatchDetector)
    batches = with_exemplars(Batches(), exemplars('zorp'))
    assert isinstance(batches, BatchDetector) and batches.max_batch == 3


def test_only_what_the_vocabulary_names_is_looked_for_by_pictures():
    model = Pictures()
    detector = with_exemplars(model, exemplars('zorp', 'zorp', 'blick'))
    detector.detect(IMAGE, Vocabulary(('cup', 'dog')))
    assert [asked[0] for asked in model.asked] == [('cup', 'dog')]
    model.asked.clear()
    detector.detect(IMAGE, Vocabulary(('cup', 'Zorp')))
    assert [asked[0] for asked in model.asked] == [('cup', 'Zorp'), ('Zorp', 'Zorp')]


def test_what_both_ways_find_is_one_box_best_first():
    model = Pictures(
        boxes(('cup', 0.6, HERE), ('dog', 0.5, HERE)),
        boxes(('cup', 0.9, NEAR), ('cup', 0.55, THERE)),
    )
    found = with_exemplars(model, exemplars('cup')).detect(IMAGE, Vocabulary(('cup', 'dog')))
    assert found.labels == ('cup', 'cup', 'dog')
    np.testing.assert_allclose(found.scores, (0.9, 0.55, 0.5))
    np.testing.assert_allclose(found.xyxy, (NEAR, THERE, HERE))


def test_a_name_that_pictures_explain_is_no_longer_unrecognized():
    model = Pictures(boxes(unrecognized=('zorp', 'blick')))
    detector = with_exemplars(model, exemplars('ZORP'))
    found = detector.detect(IMAGE, Vocabulary(('zorp', 'blick')))
    assert found.unrecognized == ('blick',)
    model.alike = boxes(unrecognized=('zorp',))
    found = detector.detect(IMAGE, Vocabulary(('zorp', 'blick')))
    assert found.unrecognized == ('zorp', 'blick')


def test_a_picture_that_shows_nothing_does_not_unmake_a_name():
    model = Pictures(alike=boxes(unrecognized=('cup',)))
    found = with_exemplars(model, exemplars('cup')).detect(IMAGE, Vocabulary(('cup',)))
    assert found.unrecognized == ()


def test_one_threshold_does_for_two_scales():
    class Owl(Pictures):
        score_threshold = 0.1
        likeness_threshold = 0.6

    model = Owl(alike=boxes(('zorp', 0.6, HERE), ('zorp', 0.8, THERE)))
    detector = with_exemplars(model, exemplars('zorp'))
    assert detector.score_threshold == 0.1
    found = detector.detect(IMAGE, Vocabulary(('zorp',)))
    np.testing.assert_allclose(found.scores, (0.55, 0.1), atol=1e-6)
    for asked, passed in ((None, None), (0.1, 0.6), (0.05, 0.3), (0.55, 0.8), (1.0, 1.0)):
        model.asked.clear()
        detector.detect(IMAGE, Vocabulary(('zorp',)), score_threshold=asked)
        assert [threshold for _, threshold, _ in model.asked] == [
            asked, None if passed is None else pytest.approx(passed, abs=1e-6),
        ]  # fmt: skip


def test_scores_stay_where_a_model_says_nothing_of_its_thresholds():
    class Silent:
        detect, detect_like = Pictures.detect, Pictures.detect_like

        def __init__(self):
            self.named, self.alike, self.asked = Detections(), boxes(('zorp', 0.3, HERE)), []

    detector = with_exemplars(Silent(), exemplars('zorp'))
    assert not hasattr(detector, 'score_threshold')
    found = detector.detect(IMAGE, Vocabulary(('zorp',)), score_threshold=0.2)
    np.testing.assert_allclose(found.scores, 0.3)


def test_a_model_without_words_finds_what_has_pictures():
    class Towers:
        likeness_threshold = 0.8
        model_id = 'towers'

        def detect_like(self, image, exemplars, names, *, score_threshold=None, ticket=None):
            return boxes(('zorp', 0.9, HERE))

    alone = PicturesAlone(Towers())
    found = with_exemplars(alone, exemplars('zorp')).detect(IMAGE, Vocabulary(('zorp', 'cup')))
    assert (found.labels, found.unrecognized) == (('zorp',), ('cup',))
    np.testing.assert_allclose(found.scores, 0.9)
    assert (alone.score_threshold, alone.model_id) == (0.8, 'towers')


def test_a_batch_is_looked_at_at_once_for_names():
    model = Batches(boxes(('cup', 0.6, HERE)), boxes(('zorp', 0.7, THERE)))
    ticket = Ticket()
    detector = with_exemplars(model, exemplars('zorp'))
    first, second = detector.detect_batch(
        [IMAGE, IMAGE], [Vocabulary(('cup',)), Vocabulary(('zorp', 'cup'))], ticket=ticket
    )
    assert [asked[0] for asked in model.asked] == [2, ('zorp',)]
    assert all(asked[2] is ticket for asked in model.asked)
    assert first.labels == ('cup',)
    assert second.labels == ('zorp', 'cup')


def test_names_of_pictures_come_behind_the_others():
    names = ('Cup', 'dog')
    vocabulary = extended(names, exemplars('zorp', 'cup', 'ZORP', 'blick'))
    assert vocabulary.names == ('Cup', 'dog', 'ZORP', 'blick')
    assert vocabulary.vocabulary_id != Vocabulary(names).vocabulary_id
    assert extended(names, ()).vocabulary_id == Vocabulary(names).vocabulary_id
    full = tuple(f'thing {number}' for number in range(MAX_NAMES - 1))
    assert extended(full, exemplars('zorp', 'blick')).names == (*full, 'zorp')


def grounded(text, found, *phrases):
    groundings = tuple(
        PhraseGrounding(
            phrase,
            (text.index(phrase), text.index(phrase) + len(phrase)),
            tuple(i for i, label in enumerate(found.labels) if label == phrase),
            tuple(found.scores[[label == phrase for label in found.labels]].tolist()),
        )
        for phrase in phrases
    )
    return PhraseGroundings(text, found, groundings)


def test_what_a_model_grounds_itself_gets_the_pictures_too():
    text = 'a dog and a zorp'
    own = grounded(text, boxes(('dog', 0.8, HERE), unrecognized=('zorp',)), 'dog')
    alike = boxes(('zorp', 0.6, THERE), ('zorp', 0.9, HERE))
    model = Pictures(alike=alike)
    shown = with_exemplars(model, exemplars('zorp', 'blick'))
    result = shown.ground_alike(own, IMAGE, score_threshold=0.3)
    assert [asked[0] for asked in model.asked] == [('zorp',)]
    assert [(each.phrase, each.span) for each in result.groundings] == [
        ('dog', (2, 5)),
        ('zorp', (12, 16)),
    ]
    assert result.groundings[0].detections == (0,)
    scores = pytest.approx((0.9, 0.6))
    assert result.groundings[1].scores == scores
    there = result.detections.xyxy[list(result.groundings[1].detections)]
    assert there.tolist() == [list(HERE), list(THERE)]
    assert result.detections.unrecognized == ()


def test_a_box_that_the_model_has_already_is_not_added_again():
    own = grounded('the zorp', boxes(('zorp', 0.5, HERE)), 'zorp')
    alike = boxes(('zorp', 0.9, NEAR), ('zorp', 0.4, THERE))
    shown = with_exemplars(Pictures(alike=alike), exemplars('zorp'))
    (grounding,) = shown.ground_alike(own, IMAGE).groundings
    assert grounding.scores == pytest.approx((0.5, 0.4))


def test_a_text_that_names_no_picture_is_left_alone():
    model = Pictures(alike=boxes(('zorp', 0.9, THERE)))
    own = grounded('the dog', boxes(('dog', 0.8, HERE)), 'dog')
    assert with_exemplars(model, exemplars('zorp')).ground_alike(own, IMAGE) is own
    assert model.asked == []
