"""The worker: turns, dropping, deadlines, cancels."""

import threading

import pytest

from vlm_ros.errors import DeadlineExceeded, ModelError, WeightsError, WorkCancelled
from vlm_ros.tasks import Ticket
from vlm_ros.worker import ModelWorker, QueueFull, Worker


@pytest.fixture
def worker():
    worker = Worker('test', max_requests=3)
    yield worker
    assert worker.close(5.0)


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
    worker.offer('gate', gate)
    assert gate.entered.wait(5.0)
    yield gate
    gate.release.set()


def test_newer_work_of_a_stream_replaces_older(worker, gate):
    done = []
    assert not worker.offer('front', lambda: done.append(1))
    assert worker.offer('front', lambda: done.append(2))
    assert not worker.offer('rear', lambda: done.append(3))
    assert worker.offer('front', lambda: done.append(4))
    gate.release.set()
    worker.submit(lambda: None, Ticket()).result(5.0)
    worker.submit(lambda: None, Ticket()).result(5.0)
    worker.submit(lambda: None, Ticket()).result(5.0)
    assert done == [4, 3], 'the stream that waited longest comes first'


def test_requests_and_frames_take_turns(worker, gate):
    done = []
    futures = [worker.submit(lambda n=n: done.append(n), Ticket()) for n in range(2)]
    worker.offer('front', lambda: done.append('frame'))
    gate.release.set()
    for future in futures:
        future.result(5.0)
    assert done == [0, 'frame', 1]


def test_a_full_queue_refuses_at_once(worker, gate):
    for _ in range(3):
        worker.submit(lambda: None, Ticket())
    with pytest.raises(QueueFull, match='3 requests are waiting'):
        worker.submit(lambda: None, Ticket())


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
    worker.offer('gate', gate)
    assert gate.entered.wait(5.0)
    waiting = worker.submit(lambda: None, Ticket())
    assert not worker.close(0.01), 'the job it is at has not ended'
    with pytest.raises(ModelError, match='shutting down'):
        waiting.result(5.0)
    with pytest.raises(ModelError, match='shutting down'):
        worker.submit(lambda: None, Ticket())
    gate.release.set()
    assert worker.close(5.0)


def test_a_model_is_loaded_and_freed_on_the_thread():
    threads = {}

    def load():
        threads['load'] = threading.current_thread().name
        return 'model'

    def free(model):
        threads['free'] = (threading.current_thread().name, model)

    worker = ModelWorker(load, free, name='lite')
    assert worker.loaded.result(5.0) == 'model'
    assert worker.submit(lambda: worker.model, Ticket()).result(5.0) == 'model'
    assert worker.close(5.0)
    assert threads == {'load': 'lite', 'free': ('lite', 'model')}


@pytest.mark.parametrize('error', [WeightsError('weights are missing'), RuntimeError('CUDA')])
def test_a_model_that_does_not_load_fails_every_job_with_the_reason(error):
    def load():
        raise error

    worker = ModelWorker(load, lambda model: None)
    for _ in range(2):
        with pytest.raises((WeightsError, ModelError), match=str(error)):
            worker.submit(lambda: worker.model, Ticket()).result(5.0)
    assert worker.close(5.0)
