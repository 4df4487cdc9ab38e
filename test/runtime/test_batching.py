"""Detection in several images at once: what happens where a batch fails."""

import queue
import threading

import numpy as np
import pytest

from vlm_ros.backends.fake import FakeBackend
from vlm_ros.errors import DeadlineExceeded, ModelError, OutOfMemory
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Detections
from vlm_ros.runtime import batching, model_worker
from vlm_ros.runtime.candidates import Candidate, Patience
from vlm_ros.runtime.model_worker import ModelWorker
from vlm_ros.runtime.turns import Consumer
from vlm_ros.tasks import Ticket

IMAGES = [np.full((4, 4, 3), n, np.uint8) for n in range(6)]
NAMES = [Vocabulary((f'thing {n}',)) for n in range(6)]
POISONED = 2


@pytest.fixture
def start(monkeypatch):
    """Start a worker with these models, the first the best; it is closed after the test."""
    monkeypatch.setattr(model_worker, 'GRACE_S', 0.1)
    workers = []

    def make(*models, **patience):
        candidates = [Candidate(f'c{n}', lambda m=m: m) for n, m in enumerate(models)]
        workers.append(ModelWorker(candidates, patience=Patience(first_retry_s=100, **patience)))
        workers[0].loaded.result(5.0)
        return workers[0]

    yield make
    for worker in workers:
        worker.close(5.0)


def detect(worker, count=6, ticket=None):
    """Detect in some images, in a turn of the worker."""
    ticket = ticket or Ticket()
    images, vocabularies = IMAGES[:count], NAMES[:count]
    return worker.submit(
        lambda: batching.detect(worker, images, vocabularies, score_threshold=None, ticket=ticket),
        Ticket(),
    ).result(10.0)


class Model(FakeBackend):
    """Notes the sizes of the batches, and cannot look at one of the images."""

    def __init__(self, poison=None, **options):
        super().__init__(**options)
        self.sizes = []
        self.poison = poison

    def look(self, images):
        self.sizes.append(len(images))
        if self.poison and any(image[0, 0, 0] == POISONED for image in images):
            raise self.poison

    def detect(self, image, vocabulary, **options):
        self.look([image])
        return super().detect(image, vocabulary, **options)

    def detect_batch(self, images, vocabularies, **options):
        self.look(images)
        return super().detect_batch(images, vocabularies, **options)


def labels(outcomes):
    """What was found in each image; None where that failed."""
    return [o.result.labels if isinstance(o.result, Detections) else None for o in outcomes]


EVERY = [(f'thing {n}',) for n in range(6)]
BUT_THE_POISONED = [None if n == POISONED else found for n, found in enumerate(EVERY)]


@pytest.mark.parametrize(
    ('max_batch', 'sizes'), [(1, [1] * 6), (2, [2] * 3), (4, [4, 2]), (8, [6])]
)
def test_each_image_is_looked_at_once_with_its_own_names(start, max_batch, sizes):
    model = Model(max_batch=max_batch)
    outcomes = detect(start(model))
    assert labels(outcomes) == EVERY
    assert model.sizes == sizes
    assert {(o.model_id, o.model_revision) for o in outcomes} == {('fake', '1')}


@pytest.mark.parametrize('max_batch', [1, 2, 4, 8])
@pytest.mark.parametrize('poison', [RuntimeError('boom'), ModelError('boom')])
def test_a_bad_image_fails_alone(start, max_batch, poison):
    outcomes = detect(start(Model(poison, max_batch=max_batch)))
    assert labels(outcomes) == BUT_THE_POISONED
    assert 'boom' in str(outcomes[POISONED].result)


@pytest.mark.parametrize('oom_above', [1, 2, 3])
@pytest.mark.parametrize('count', [1, 2, 3, 4, 6])
def test_a_batch_too_large_for_the_memory_is_tried_in_smaller_ones(start, oom_above, count):
    model = Model(max_batch=4, oom_above=oom_above)
    worker = start(model)
    assert labels(detect(worker, count)) == EVERY[:count]
    assert labels(detect(worker, count)) == EVERY[:count]
    assert worker.frames_at_once <= 4


def test_an_image_that_never_fits_fails_alone(start):
    outcomes = detect(start(Model(OutOfMemory('short'), max_batch=4)))
    assert labels(outcomes) == BUT_THE_POISONED
    assert isinstance(outcomes[POISONED].result, OutOfMemory)


def test_the_next_model_looks_at_what_is_left(start):
    worker = start(Model(script='fail'), Model(model='next'), failures=1)
    outcomes = detect(worker, 1)
    assert isinstance(outcomes[0].result, ModelError)
    assert labels(detect(worker)) == EVERY
    assert {o.model_id for o in detect(worker)} == {'fake:next'}


def test_a_deadline_ends_the_whole_batch(start):
    outcomes = detect(start(Model(script='ok hang')), 3, Ticket(0.2))
    assert labels(outcomes) == [EVERY[0], None, None]
    assert all(isinstance(o.result, DeadlineExceeded) for o in outcomes[1:])


def test_a_model_that_cannot_detect_says_so(start):
    class Mute:
        model_id, model_revision, device = 'mute', '1', 'cpu'

        def close(self):
            pass

    outcomes = detect(start(Mute()), 2)
    assert [str(o.result) for o in outcomes] == ['mute cannot detect'] * 2


def test_what_comes_back_too_late_does_not_use_the_next_model(start):
    """A model serves one call at a time, and the next one is busy with its own."""
    entered, release, went_on = threading.Event(), threading.Event(), threading.Event()

    class Stuck(Model):
        def detect_batch(self, images, vocabularies, **options):
            entered.set()
            release.wait(10.0)
            raise RuntimeError('too late')

        def close(self):
            super().close()
            went_on.set()

    second = Model(model='second')
    worker = start(Stuck(max_batch=4), second, call_s=0.2)
    with pytest.raises(ModelError, match='did not come back'):
        detect(worker, 4)
    assert labels(detect(worker, 1)) == EVERY[:1]
    release.set()
    assert went_on.wait(10.0)
    assert second.sizes == [1]


def test_a_batch_that_took_too_long_counts_once(start):
    class Slow(FakeBackend):
        def __init__(self):
            super().__init__(max_batch=6, script='hang')

    worker = start(Slow(), FakeBackend(), call_s=0.3)
    results = queue.SimpleQueue()
    consumer = Consumer(
        lambda frames, ticket: [
            batching.detect(worker, IMAGES, NAMES, score_threshold=None, ticket=ticket)
        ],
        lambda frame, error: error,
        results.put,
    )
    for _ in range(2):
        worker.offer('front', 1, consumer)
        outcomes = results.get(timeout=10.0)
        assert len(outcomes) == 6
        assert all('longer than 0.3 s' in str(one.result) for one in outcomes)
    assert worker.state.name == 'c0', 'two failures of three'


def test_a_model_that_gives_too_few_results_fails(start):
    class Lazy(FakeBackend):
        def detect_batch(self, images, vocabularies, **_):
            return []

        def detect(self, image, vocabulary, **_):
            raise ModelError('not alone either')

    outcomes = detect(start(Lazy(max_batch=6), failures=100))
    assert [str(outcome.result) for outcome in outcomes] == ['not alone either'] * 6
