"""The model worker: loading, failing, hanging, falling back, freeing."""

from itertools import pairwise
import logging
import queue
import re
import threading
import time

import pytest

from vlm_ros.errors import (
    BackendError,
    DeadlineExceeded,
    InputError,
    ModelError,
    OutOfMemory,
    WeightsError,
)
from vlm_ros.runtime import loading, model_worker
from vlm_ros.runtime.candidates import Candidate, Patience, Phase
from vlm_ros.runtime.model_worker import ModelWorker
from vlm_ros.runtime.turns import Consumer
from vlm_ros.tasks import Ticket

QUICK = Patience(call_s=0.5, load_s=5.0, failures=2, first_retry_s=0.05, longest_retry_s=0.2)
NEVER_AGAIN = Patience(call_s=0.5, load_s=5.0, failures=2, first_retry_s=100.0)


class Stub:
    """A model that notes on which thread it was closed."""

    model_revision, device = '1', 'cpu'

    def __init__(self, name):
        self.model_id = name
        self.closed_on = []
        self.warmed = 0

    def close(self):
        self.closed_on.append(threading.current_thread().name)

    def detect(self):
        return self.model_id


class Candidates:
    """Candidates by name, whose loading can be made to fail."""

    def __init__(self, *names):
        self.loads = []
        self.models = []
        self.errors = {}
        self.list = [Candidate(name, lambda name=name: self._load(name)) for name in names]

    def _load(self, name):
        self.loads.append(name)
        if (error := self.errors.get(name)) is not None:
            raise error
        self.models.append(Stub(name))
        return self.models[-1]


@pytest.fixture
def start(monkeypatch):
    """Start a worker; it is closed after the test."""
    monkeypatch.setattr(model_worker, 'GRACE_S', 0.5)
    workers = []

    def make(candidates, patience=NEVER_AGAIN, **options):
        worker = ModelWorker(candidates.list, patience=patience, name='lite', **options)
        workers.append(worker)
        return worker

    yield make
    for worker in workers:
        assert worker.close(10.0)


def ask(worker, use=lambda model: model.model_id, timeout_s=10.0):
    """Use the model in a turn of its own."""
    return worker.submit(lambda: worker.call(use), Ticket()).result(timeout_s)


def until(condition):
    """Wait for something to become true."""
    end_s = time.monotonic() + 10.0
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def raiser(error):
    """Make a use of the model that raises."""

    def use(model):
        raise error

    return use


def test_a_model_is_loaded_used_and_freed_on_the_worker(start):
    candidates = Candidates('a')
    worker = start(candidates)
    worker.loaded.result(20.0)
    assert ask(worker) == 'a'
    state = worker.state
    assert (state.phase, state.name, state.model_id, state.error) == (Phase.READY, 'a', 'a', '')
    assert worker.close(20.0)
    assert candidates.models[0].closed_on == ['lite']
    assert worker.state.phase is Phase.CLOSED


@pytest.mark.parametrize('error', [WeightsError('weights are missing'), RuntimeError('CUDA')])
def test_a_model_that_does_not_load_fails_every_turn_with_the_reason(start, error):
    candidates = Candidates('a')
    candidates.errors['a'] = error
    worker = start(candidates)
    with pytest.raises(ModelError, match=f'a: .*{error}'):
        worker.loaded.result(20.0)
    for _ in range(2):
        with pytest.raises(ModelError, match=f'a: .*{error}; trying again in'):
            ask(worker)
    assert worker.state.phase is Phase.FAILED


def test_a_model_that_fails_to_warm_up_does_not_count_as_loaded(start):
    candidates = Candidates('a', 'b')
    gate = threading.Event()
    load = candidates.list[0].load
    candidates.list[0] = Candidate('a', lambda: gate.wait(30.0) and load())
    worker = start(candidates)

    def warm_up(model):
        if model.model_id == 'a':
            raise RuntimeError('no kernel image')
        model.warmed += 1

    worker.warm_up(warm_up)
    gate.set()
    worker.loaded.result(20.0)
    assert ask(worker) == 'b'
    assert 'no kernel image' in worker.state.error
    assert [model.warmed for model in candidates.models] == [0, 1]
    assert candidates.models[0].closed_on


def test_the_next_model_takes_over_and_the_better_one_comes_back(start):
    candidates = Candidates('a', 'b')
    told = []
    worker = start(candidates, QUICK, report=lambda level, text: told.append((level, text)))
    assert ask(worker) == 'a'
    candidates.errors['a'] = BackendError('the GPU is gone')
    for _ in range(2):
        with pytest.raises(RuntimeError, match='boom'):
            ask(worker, raiser(RuntimeError('boom')))
    assert ask(worker) == 'b'
    state = worker.state
    assert (state.preferred, state.name, state.model_id) == ('a', 'b', 'b')
    until(lambda: 'the GPU is gone' in worker.state.error)
    assert worker.state.error.startswith('a: ')
    assert ask(worker) == 'b'
    del candidates.errors['a']
    until(lambda: worker.state.name == 'a')
    assert ask(worker) == 'a'
    assert worker.state.error == ''
    until(lambda: [m.model_id for m in candidates.models if m.closed_on] == ['a', 'b'])
    assert (
        logging.ERROR,
        'a failed 2 times in a row and is put aside: RuntimeError: boom',
    ) in told


@pytest.mark.parametrize('harmless', [InputError('bad question'), DeadlineExceeded('too late')])
def test_what_the_caller_did_is_not_held_against_the_model(start, harmless):
    candidates = Candidates('a', 'b')
    worker = start(candidates)
    for _ in range(5):
        with pytest.raises(type(harmless)):
            ask(worker, raiser(harmless))
    assert ask(worker) == 'a'


def test_failures_that_are_not_in_a_row_change_nothing(start):
    candidates = Candidates('a', 'b')
    worker = start(candidates)
    for _ in range(4):
        with pytest.raises(ModelError):
            ask(worker, raiser(ModelError('now and then')))
        assert ask(worker) == 'a'


class Stuck:
    """A use of the model that ignores its ticket until it is let go."""

    def __init__(self):
        self.entered = threading.Event()
        self.release = threading.Event()

    def __call__(self, model):
        self.entered.set()
        assert self.release.wait(30.0)
        return model.model_id


def test_a_call_that_does_not_come_back_is_left_behind(start):
    candidates = Candidates('a', 'b')
    worker = start(candidates, QUICK)
    stuck = Stuck()
    with pytest.raises(ModelError, match='a call did not come back within'):
        ask(worker, stuck)
    assert ask(worker) == 'b'
    assert 'a: a call did not come back' in worker.state.error
    time.sleep(0.5)
    assert candidates.loads == ['a', 'b'], 'not while its thread is still lost'
    assert not candidates.models[0].closed_on
    stuck.release.set()
    until(lambda: worker.state.name == 'a')
    assert ask(worker) == 'a'
    assert candidates.models[0].closed_on == ['lite']


def test_a_frame_that_is_left_behind_is_reported_once_and_its_late_result_dropped(start):
    candidates = Candidates('a', 'b')
    worker = start(candidates)
    stuck, results = Stuck(), queue.SimpleQueue()
    consumer = Consumer(
        lambda frames, ticket: [worker.call(stuck)],
        lambda frame, error: (frame, str(error)),
        results.put,
    )
    worker.offer('front', 1, consumer)
    frame, error = results.get(timeout=10.0)
    assert frame == 1
    assert 'did not come back' in error
    stuck.release.set()
    until(lambda: candidates.models[0].closed_on)
    assert results.empty()


def test_a_slow_call_that_minds_its_ticket_counts_as_a_failure(start):
    candidates = Candidates('a', 'b')
    worker = start(candidates)
    results = queue.SimpleQueue()
    consumer = Consumer(
        lambda frames, ticket: [worker.call(lambda model: ticket.sleep(60.0))],
        lambda frame, error: error,
        results.put,
    )
    for _ in range(2):
        worker.offer('front', 1, consumer)
        assert 'took longer than 0.5 s' in str(results.get(timeout=10.0))
    assert ask(worker) == 'b'


def test_a_long_call_that_shows_that_it_lives_may_go_on_until_its_deadline(start):
    worker = start(Candidates('a', 'b'))
    ticket = Ticket(60.0)
    future = worker.submit(lambda: worker.call(lambda model: ticket.sleep(2.0)), ticket)
    assert future.result(30.0) is None
    assert ask(worker) == 'a'


def test_a_call_that_does_not_come_back_is_left_behind_before_its_late_deadline(start):
    worker = start(Candidates('a', 'b'))
    stuck = Stuck()
    future = worker.submit(lambda: worker.call(stuck), Ticket(3600.0))
    with pytest.raises(ModelError, match='did not come back'):
        future.result(20.0)
    assert ask(worker) == 'b'
    stuck.release.set()


def test_work_beside_the_model_that_hangs_does_not_cost_the_model(start):
    candidates = Candidates('a')
    worker = start(candidates)
    ask(worker)
    release = threading.Event()
    with pytest.raises(ModelError, match='the work did not end within'):
        worker.submit(lambda: release.wait(30.0), Ticket()).result(10.0)
    assert ask(worker) == 'a'
    assert candidates.loads == ['a']
    release.set()


def test_loading_that_hangs_is_given_up(start):
    candidates = Candidates('a', 'b')
    release = threading.Event()
    load = candidates.list[0].load
    candidates.list[0] = Candidate('a', lambda: release.wait(30.0) and load())
    patience = Patience(load_s=2.0, first_retry_s=100.0)
    worker = start(candidates, patience)
    worker.loaded.result(10.0)
    assert ask(worker) == 'b'
    assert 'a: loading took longer than 2 s' in worker.state.error
    release.set()
    until(lambda: len(candidates.models) == 2 and candidates.models[1].closed_on)
    assert ask(worker) == 'b'


def test_without_a_model_turns_fail_at_once_and_it_is_tried_again(start):
    candidates = Candidates('a')
    candidates.errors['a'] = WeightsError('not mounted yet')
    worker = start(candidates, QUICK)
    with pytest.raises(ModelError, match='not mounted yet'):
        worker.loaded.result(20.0)
    candidates.errors.clear()
    until(lambda: worker.state.phase is Phase.READY)
    assert ask(worker) == 'a'


def test_the_back_off_doubles_up_to_its_limit(start):
    candidates = Candidates('a')
    candidates.errors['a'] = WeightsError('never')
    times = []
    load = candidates.list[0].load
    candidates.list[0] = Candidate('a', lambda: times.append(time.monotonic()) or load())
    start(candidates, Patience(first_retry_s=0.05, longest_retry_s=0.2))
    until(lambda: len(times) == 6)
    waits = [b - a for a, b in pairwise(times)]
    assert all(
        w >= at_least for w, at_least in zip(waits, (0.05, 0.1, 0.2, 0.2, 0.2), strict=True)
    )


class Batching(Stub):
    """A model that takes several images and runs out of memory above two."""

    max_batch = 8

    def __init__(self, name):
        super().__init__(name)
        self.released = 0

    def detect_batch(self):
        """Make it a batch detector."""

    def release_memory(self):
        self.released += 1


class CudaError(Exception):
    """As a framework's own."""


CudaError.__name__ = 'OutOfMemoryError'


@pytest.mark.parametrize('error', [OutOfMemory('short'), MemoryError(), CudaError('CUDA')])
def test_out_of_memory_makes_batches_smaller_before_it_counts(start, error):
    model = Batching('a')
    candidates = Candidates('a', 'b')
    candidates.list[0] = Candidate('a', lambda: model)
    worker = start(candidates)
    worker.loaded.result(20.0)
    assert worker.frames_at_once == 8
    for size in (4, 2, 1):
        with pytest.raises(OutOfMemory):
            ask(worker, raiser(error))
        assert worker.frames_at_once == size
    assert model.released == 3
    for _ in range(2):
        with pytest.raises(OutOfMemory):
            ask(worker, raiser(error))
    assert ask(worker) == 'b'
    assert worker.frames_at_once == 1


def test_requests_wait_while_the_first_model_loads(start):
    candidates = Candidates('a')
    gate = threading.Event()
    load = candidates.list[0].load
    candidates.list[0] = Candidate('a', lambda: gate.wait(30.0) and load())
    worker = start(candidates)
    future = worker.submit(lambda: worker.call(lambda model: model.model_id), Ticket())
    assert worker.state.phase is Phase.LOADING
    with pytest.raises(ModelError, match='a is still loading'):
        _ = worker.model
    assert not future.done()
    gate.set()
    assert future.result(20.0) == 'a'


def test_loading_that_takes_long_is_told(start, monkeypatch):
    monkeypatch.setattr(loading, 'PROGRESS_S', 0.05)
    monkeypatch.setattr(model_worker, 'PROGRESS_S', 0.05)
    candidates = Candidates('a')
    gate, told = threading.Event(), []
    load = candidates.list[0].load
    candidates.list[0] = Candidate('a', lambda: gate.wait(30.0) and load())
    worker = start(candidates, report=lambda level, text: told.append(text))
    until(lambda: len(told) >= 3)
    gate.set()
    worker.loaded.result(20.0)
    until(lambda: told[-1] == 'a is ready on cpu')
    assert told[0] == 'loading a'
    assert all(re.fullmatch(r'loading a: \d+ s so far', text) for text in told[1:-1])


def test_closing_while_loading_frees_what_comes_too_late(start):
    candidates = Candidates('a')
    gate = threading.Event()
    load = candidates.list[0].load
    candidates.list[0] = Candidate('a', lambda: gate.wait(30.0) and load())
    worker = start(candidates)
    assert worker.close(20.0)
    with pytest.raises(ModelError, match='shutting down'):
        worker.loaded.result(20.0)
    gate.set()
    until(lambda: candidates.models and candidates.models[0].closed_on)


class Panic(BaseException):
    """As Rust code raises through its Python bindings."""


def test_a_panic_is_a_failure_like_another(start):
    worker = start(Candidates('a', 'b'))
    for _ in range(2):
        with pytest.raises(ModelError, match='Panic: gone'):
            ask(worker, raiser(Panic('gone')))
    assert ask(worker) == 'b'


def test_a_panic_while_loading_is_one_too(start):
    candidates = Candidates('a', 'b')
    candidates.errors['a'] = Panic('gone')
    worker = start(candidates)
    worker.loaded.result(20.0)
    assert ask(worker) == 'b'
    assert worker.state.error == 'a: Panic: gone'


def test_a_panic_with_a_frame_leaves_the_thread_alive(start):
    worker = start(Candidates('a'))
    results = queue.SimpleQueue()

    def work(frames, ticket):
        raise Panic('gone')

    for _ in range(2):
        worker.offer('front', 1, Consumer(work, lambda frame, error: error, results.put))
        assert str(results.get(timeout=20.0)) == 'Panic: gone'


def test_a_model_in_reserve_keeps_nobody_awake(start, monkeypatch):
    waits = []
    worker = start(Candidates('a', 'b'))
    worker.loaded.result(20.0)
    wait = worker._wake.wait
    monkeypatch.setattr(
        worker._wake, 'wait', lambda timeout=None: waits.append(timeout) or wait(timeout)
    )
    assert ask(worker) == 'a'
    time.sleep(0.5)
    assert len(waits) < 20


def test_a_caller_that_looks_at_its_ticket_is_no_sign_of_life():
    ticket = Ticket(0.0)
    before_s = ticket.seen_s
    with pytest.raises(DeadlineExceeded):
        ticket.raise_if_ended()
    assert ticket.seen_s == before_s


def test_a_warm_up_that_hangs_costs_the_model(start):
    worker = start(Candidates('a', 'b'))
    worker.loaded.result(20.0)
    stuck = Stuck()
    worker.warm_up(lambda model: model.model_id == 'b' or stuck(model))
    assert stuck.entered.wait(20.0)
    assert ask(worker, timeout_s=20.0) == 'b'
    stuck.release.set()
