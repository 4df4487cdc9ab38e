import itertools
import threading

import numpy as np
import pytest

from vlm_ros.backends.fake import FakeBackend
from vlm_ros.errors import DeadlineExceeded, InputError, ModelError, WorkCancelled
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Status
from vlm_ros.tasks import Ticket

IMAGE = np.zeros((100, 200, 3), np.uint8)


def test_finds_every_name_once_but_absent_and_unknown_ones():
    found = FakeBackend().detect(IMAGE, Vocabulary.parse('cat, dog, absent cup, unknown thing'))
    assert found.labels == ('cat', 'dog')
    assert found.unrecognized == ('unknown thing',)


def test_finds_a_name_at_the_same_place_whatever_else_is_asked_for():
    first = FakeBackend().detect(IMAGE, Vocabulary(('cat',)))
    again = FakeBackend().detect(IMAGE, Vocabulary(('dog', 'Cat')))
    np.testing.assert_array_equal(first.xyxy[0], again.named('Cat').xyxy[0])


def test_scene_says_what_is_there_and_where():
    fake = FakeBackend(scene={'Cup': [(0, 0, 0.5, 0.5), (0.5, 0.5, 1, 1)]})
    found = fake.detect(IMAGE, Vocabulary.parse('cup, cat'))
    assert found.labels == ('cup', 'cup')
    np.testing.assert_allclose(found.xyxy, [[0, 0, 100, 50], [100, 50, 200, 100]])


@pytest.mark.parametrize('box', [(0.5, 0, 0.2, 1), (0, 0, 2, 1), (-0.1, 0, 1, 1)])
def test_scene_outside_the_image_is_refused(box):
    with pytest.raises(InputError, match='outside'):
        FakeBackend(scene={'cup': [box]})


def test_question_about_something_absent_is_not_in_view():
    answer = FakeBackend(scene={}).answer(IMAGE, 'is the cup full?')
    assert answer.status is Status.NOT_IN_VIEW
    assert 'cup' in answer.message


def test_answer_comes_word_by_word():
    parts = []
    answer = FakeBackend().answer(
        IMAGE, 'is the cup full?', ticket=Ticket(on_partial=parts.append)
    )
    assert parts[-1] == answer.text
    assert len(parts) == len(answer.text.split()) > 1
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(parts))


def test_answer_is_one_of_the_choices():
    choices = ('red', 'green', 'blue')
    assert FakeBackend().answer(IMAGE, 'which colour?', choices=choices).text in choices


def test_cancel_between_words_ends_an_answer():
    parts = []
    ticket = Ticket(on_partial=lambda text: parts.append(text) or ticket.cancel())
    with pytest.raises(WorkCancelled):
        FakeBackend().answer(IMAGE, 'is the cup full?', ticket=ticket)
    assert len(parts) == 1


def test_latency_runs_into_the_deadline():
    with pytest.raises(DeadlineExceeded):
        FakeBackend(latency_s=5).detect(IMAGE, Vocabulary(('cat',)), ticket=Ticket(0.05))


def test_hanging_call_ends_by_its_ticket():
    ticket = Ticket()
    timer = threading.Timer(0.1, ticket.cancel)
    timer.start()
    with pytest.raises(WorkCancelled):
        FakeBackend(hang=True).caption(IMAGE, ticket=ticket)
    timer.join()


def test_fails_when_told_to():
    fake = FakeBackend(fail_every=2)
    fake.caption(IMAGE)
    with pytest.raises(ModelError, match='on purpose at call 2'):
        fake.caption(IMAGE)
    fake.caption(IMAGE)


@pytest.mark.parametrize('options', [{'latency_s': -1}, {'fail_every': -1}])
def test_unusable_options_are_refused(options):
    with pytest.raises(InputError):
        FakeBackend(**options)
