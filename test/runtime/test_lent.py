"""A detector that another worker lends."""

from concurrent.futures import ThreadPoolExecutor
import threading
import time

import numpy as np
import pytest

from vlm_ros.backends.fake import FakeBackend
from vlm_ros.errors import DeadlineExceeded, OtherModelError, WorkCancelled
from vlm_ros.phrases import Vocabulary
from vlm_ros.runtime.candidates import Candidate, Patience
from vlm_ros.runtime.lent import LentDetector
from vlm_ros.runtime.model_worker import ModelWorker
from vlm_ros.tasks import Ticket

IMAGE = np.zeros((48, 64, 3), np.uint8)
NAMES = Vocabulary(('person',))


@pytest.fixture
def worker():
    """Start workers of a fake; they end after the test."""
    workers = []

    def start(script=None, **patience):
        fake = FakeBackend(script=script)
        candidates = [Candidate('fake', lambda: fake)]
        workers.append(ModelWorker(candidates, patience=Patience(**patience)))
        workers[-1].loaded.result(10)
        return workers[-1]

    yield start
    for each in workers:
        each.close()


def test_it_finds_what_the_detector_finds(worker):
    lent = LentDetector(worker())
    found = lent.detect(IMAGE, NAMES)
    expected = FakeBackend().detect(IMAGE, NAMES)
    assert found.labels == expected.labels
    assert np.array_equal(found.xyxy, expected.xyxy)


def test_the_detector_works_on_its_own_thread_only(worker):
    owner = worker()
    threads = set()
    plain = owner.model.detect

    def detect(*args, **options):
        threads.add(threading.current_thread().name)
        return plain(*args, **options)

    owner.model.detect = detect
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: LentDetector(owner).detect(IMAGE, NAMES), range(8)))
    assert threads == {'model'}


def test_a_failure_is_another_models(worker):
    with pytest.raises(OtherModelError, match='the detector failed'):
        LentDetector(worker(script='fail')).detect(IMAGE, NAMES)


def test_the_borrower_is_not_put_aside_for_it(worker):
    lent = LentDetector(worker(script='fail', failures=100))
    borrower = worker(failures=1)
    for _ in range(3):
        future = borrower.submit(
            lambda: borrower.call(lambda _: lent.detect(IMAGE, NAMES)), Ticket()
        )
        with pytest.raises(OtherModelError):
            future.result(10)
    assert borrower.model.model_id == 'fake'


def test_a_detector_that_hangs_is_noticed_though_the_borrower_lives(worker):
    lent = LentDetector(worker(script='stuck:4', call_s=0.3))
    borrower = worker(call_s=60.0)
    job = borrower.submit(lambda: borrower.call(lambda _: lent.detect(IMAGE, NAMES)), Ticket())
    with pytest.raises(OtherModelError, match='did not come back'):
        job.result(20)


def test_the_deadline_of_the_borrower_ends_the_wait(worker):
    owner = worker(script='hang')
    with pytest.raises(DeadlineExceeded):
        LentDetector(owner).detect(IMAGE, NAMES, ticket=Ticket(0.2))


def test_a_cancel_of_the_borrower_ends_the_detectors_work(worker):
    owner = worker(script='hang ok...')
    ticket = Ticket()
    threading.Timer(0.3, ticket.cancel).start()
    with pytest.raises(WorkCancelled):
        LentDetector(owner).detect(IMAGE, NAMES, ticket=ticket)
    started_s = time.monotonic()
    LentDetector(owner).detect(IMAGE, NAMES)
    assert time.monotonic() - started_s < 20, 'the detector is free again'


def test_a_detector_that_is_gone_says_so(worker):
    owner = worker()
    lent = LentDetector(owner)
    owner.close()
    for use in (
        lambda: lent.detect(IMAGE, NAMES),
        lambda: lent.score_threshold,
        lambda: lent.model_id,
    ):
        with pytest.raises(OtherModelError, match='shutting down'):
            use()
