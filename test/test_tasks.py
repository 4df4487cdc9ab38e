import threading
import time

import numpy as np
import pytest

from vlm_ros.errors import DeadlineExceeded, InterruptedWork, WorkCancelled
from vlm_ros.results import Answer, Caption, Detections, PhraseGroundings, Status
from vlm_ros.tasks import Model, TASKS, tasks_of, Ticket

FIRST_FOUR = ('detect', 'ground', 'caption', 'answer')


class OneDetector:
    model_id = 'one'
    model_revision = '1'
    device = 'cpu'

    def detect(self, image, vocabulary, *, score_threshold=None, ticket=None):
        return Detections(np.float32([[0, 0, 1, 1]]), np.float32([1]), vocabulary.names[:1])

    def close(self):
        pass


class FourTasks(OneDetector):
    def ground(self, image, text, *, score_threshold=None, ticket=None):
        return PhraseGroundings(text, Detections(), ())

    def caption(self, image, *, prompt='', ticket=None):
        return Caption('a picture', 1.0)

    def answer(self, image, question, *, choices=(), ticket=None):
        return Answer(Status.OK, 'yes', 1.0)


class Misleading:
    answer = 42
    detect = None


@pytest.mark.parametrize(
    ('model', 'tasks'),
    [
        (OneDetector(), ('detect',)),
        (FourTasks(), ('detect', 'ground', 'caption', 'answer')),
        (FourTasks, ('detect', 'ground', 'caption', 'answer')),
        (Misleading(), ()),
        (object(), ()),
    ],
)
def test_tasks_of(model, tasks):
    assert tasks_of(model) == tasks


def test_tasks_are_the_protocols():
    for name, protocol in TASKS.items():
        assert callable(getattr(protocol, name))
        assert isinstance(FourTasks(), protocol) == (name in FIRST_FOUR)
        assert isinstance(OneDetector(), protocol) == (name == 'detect')


def test_a_model_says_who_it_is():
    assert isinstance(OneDetector(), Model)
    assert not isinstance(object(), Model)


def test_a_ticket_without_limits_goes_on():
    ticket = Ticket()
    ticket.check()
    ticket.report_partial('nobody listens')
    assert ticket.remaining_s is None


def test_a_cancelled_ticket_ends_the_work():
    ticket = Ticket()
    ticket.cancel()
    ticket.cancel()
    with pytest.raises(WorkCancelled, match='the caller cancelled the request'):
        ticket.check()


def test_a_ticket_ends_at_its_deadline():
    ticket = Ticket(timeout_s=0.05)
    ticket.check()
    assert 0 < ticket.remaining_s <= 0.05
    time.sleep(0.06)
    assert ticket.remaining_s == 0
    with pytest.raises(DeadlineExceeded, match='the deadline passed before the work was done'):
        ticket.check()


def test_no_time_at_all_is_a_deadline_in_the_past():
    for timeout_s in (0.0, -1.0):
        with pytest.raises(DeadlineExceeded):
            Ticket(timeout_s=timeout_s).check()


def test_cancelling_comes_before_the_deadline():
    ticket = Ticket(timeout_s=0)
    ticket.cancel()
    with pytest.raises(WorkCancelled):
        ticket.check()


def test_sleep_ends_early_when_cancelled():
    ticket = Ticket()
    threading.Timer(0.05, ticket.cancel).start()
    start = time.monotonic()
    with pytest.raises(WorkCancelled):
        ticket.sleep(10)
    assert time.monotonic() - start < 5


def test_sleep_ends_early_at_the_deadline():
    start = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        Ticket(timeout_s=0.05).sleep(10)
    assert time.monotonic() - start < 5


def test_sleep_lasts_when_nobody_ends_it():
    start = time.monotonic()
    Ticket(timeout_s=10).sleep(0.05)
    assert time.monotonic() - start >= 0.04


def test_partial_output_reaches_the_listener():
    said = []
    ticket = Ticket(on_partial=said.append)
    ticket.report_partial('a')
    ticket.report_partial('a dog')
    assert said == ['a', 'a dog']


def test_one_except_clause_catches_both_endings():
    assert issubclass(WorkCancelled, InterruptedWork)
    assert issubclass(DeadlineExceeded, InterruptedWork)
