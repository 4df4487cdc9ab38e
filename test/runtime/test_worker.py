"""The worker: turns, dropping, deadlines, cancels."""

from itertools import pairwise
import queue
import threading

import pytest

from vlm_ros.errors import DeadlineExceeded, ModelError, WorkCancelled
from vlm_ros.runtime.turns import Consumer
from vlm_ros.runtime.worker import QueueFull, Worker
from vlm_ros.tasks import Ticket


@pytest.fixture
def worker():
    worker = Worker('test', max_requests=3)
    yield worker
    assert worker.close(5.0)


def consumer(done, **options):
    """Note frames, or what became of them."""
    return Consumer(
        work=lambda frames, ticket: [done.append(frame) for frame in frames],
        failed=lambda frame, error: (frame, error),
        deliver=lambda result: None,
        **options,
    )


class Gate:
    """A job that runs until it is let go."""

    def __init__(self):
        self.entered = threading.Event()
        self.release = threading.Event()

    def __call__(self):
        self.entered.set()
        assert self.release.wait(5.0)


@pytest.fixture
def gate(worker):
    """Keep the worker busy until the gate is released."""
    gate = Gate()
    worker.submit(gate, Ticket())
    assert gate.entered.wait(5.0)
    yield gate
    gate.release.set()


def finish(worker, gate):
    """Let the gate go and wait until everything that was waiting is done."""
    gate.release.set()
    for _ in range(8):
        worker.submit(lambda: None, Ticket()).result(5.0)


def test_a_newer_frame_of_a_stream_replaces_the_older(worker, gate):
    done = []
    note = consumer(done)
    assert not worker.offer('front', 1, note)
    assert worker.offer('front', 2, note)
    assert not worker.offer('rear', 3, note)
    assert worker.offer('front', 4, note)
    finish(worker, gate)
    assert done == [4, 3], 'the stream that waited longest comes first'


def test_a_withdrawn_frame_is_never_looked_at(worker, gate):
    done = []
    worker.offer('front', 1, consumer(done))
    assert worker.withdraw('front')
    assert not worker.withdraw('front')
    finish(worker, gate)
    assert not done


def test_no_stream_waits_for_more_turns_than_there_are_streams(worker):
    """Every stream offers again as soon as, and more often than, it is served."""
    turns, enough = [], threading.Event()
    names = ('front', 'left', 'rear', 'right')

    def work(frames, ticket):
        turns.extend(frames)
        for name in (names[0],) * 5 + names:
            worker.offer(name, name, busy)
        if len(turns) >= 80:
            enough.set()
        return frames

    busy = Consumer(work, lambda frame, error: frame, lambda result: None)
    for name in names:
        worker.offer(name, name, busy)
    assert enough.wait(5.0)
    for name in names:
        served = [turn for turn, served in enumerate(turns[:80]) if served == name]
        assert max(b - a for a, b in pairwise(served)) <= len(names)


def test_frames_of_one_consumer_share_a_turn():
    class Pairs(Worker):
        def _frames_at_once(self):
            return 2

    worker = Pairs('pairs')
    gate, batches = Gate(), []
    worker.submit(gate, Ticket())
    assert gate.entered.wait(5.0)
    both = Consumer(
        lambda frames, ticket: batches.append(list(frames)) or frames,
        lambda frame, error: frame,
        lambda result: None,
        batches=True,
    )
    alone = consumer(batches)
    for name, who in (('a', both), ('b', alone), ('c', both), ('d', both)):
        worker.offer(name, name, who)
    finish(worker, gate)
    assert batches == [['a', 'c'], 'b', ['d']]
    assert worker.close(5.0)


def test_requests_and_frames_take_turns(worker, gate):
    done = []
    futures = [worker.submit(lambda n=n: done.append(n), Ticket()) for n in range(2)]
    for name in ('front', 'rear'):
        worker.offer(name, name, consumer(done))
    gate.release.set()
    for future in futures:
        future.result(5.0)
    assert done in (['front', 0, 'rear', 1], ['front', 0, 'rear'])


def test_the_earliest_deadline_comes_first(worker, gate):
    done = []
    futures = [
        worker.submit(lambda t=timeout_s: done.append(t), Ticket(timeout_s))
        for timeout_s in (None, 50.0, 30.0)
    ]
    gate.release.set()
    for future in futures:
        future.result(5.0)
    assert done == [30.0, 50.0, None]


def test_a_frame_whose_work_raises_is_reported(worker):
    results = queue.SimpleQueue()

    def fail(frames, ticket):
        raise ValueError('broken')

    worker.offer('front', 1, Consumer(fail, lambda frame, error: (frame, error), results.put))
    frame, error = results.get(timeout=5.0)
    assert frame == 1
    assert str(error) == 'broken'


def test_a_full_queue_refuses_at_once(worker, gate):
    for _ in range(3):
        worker.submit(lambda: None, Ticket())
    with pytest.raises(QueueFull, match='3 requests are waiting'):
        worker.submit(lambda: None, Ticket())


def test_requests_that_have_ended_take_no_place(worker, gate):
    tickets = [Ticket() for _ in range(3)]
    futures = [worker.submit(lambda: None, ticket) for ticket in tickets]
    for ticket in tickets:
        ticket.cancel()
    assert worker.submit(lambda: 7, Ticket()) is not None
    for future in futures:
        with pytest.raises(WorkCancelled):
            future.result(0)
    assert worker.waiting == 1


@pytest.mark.parametrize(
    ('end', 'error'),
    [(lambda ticket: ticket.cancel(), WorkCancelled), (lambda ticket: None, DeadlineExceeded)],
)
def test_an_ended_request_never_starts(worker, gate, end, error):
    ticket = Ticket(timeout_s=60.0 if error is WorkCancelled else 0.0)
    ran = []
    future = worker.submit(lambda: ran.append(1), ticket)
    end(ticket)
    gate.release.set()
    with pytest.raises(error):
        future.result(5.0)
    assert not ran


def test_an_error_goes_to_its_caller_and_the_thread_lives_on(worker):
    def fail():
        raise ValueError('broken')

    with pytest.raises(ValueError, match='broken'):
        worker.submit(fail, Ticket()).result(5.0)
    assert worker.submit(lambda: 7, Ticket()).result(5.0) == 7


def test_closing_fails_what_waits():
    worker = Worker('test')
    gate = Gate()
    worker.submit(gate, Ticket())
    assert gate.entered.wait(5.0)
    waiting = worker.submit(lambda: None, Ticket())
    assert not worker.close(0.01), 'the job it is at has not ended'
    with pytest.raises(ModelError, match='shutting down'):
        waiting.result(5.0)
    with pytest.raises(ModelError, match='shutting down'):
        worker.submit(lambda: None, Ticket())
    gate.release.set()
    assert worker.close(5.0)
