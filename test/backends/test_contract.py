"""What every registered backend promises."""

import numpy as np
import pytest

from vlm_ros import backends
from vlm_ros.errors import DeadlineExceeded, DeviceError, QuestionError, WorkCancelled
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Answer, Caption, Detections, PhraseGroundings
from vlm_ros.tasks import Model, TASKS, tasks_of, Ticket

NAMES = ('person', 'cat', 'Coffee Cup', '猫', 'absent thing')
RESOLUTIONS_WH = ((1, 1), (2, 3), (640, 480), (4000, 8), (8, 4000), (3840, 2160))

REQUESTS = {
    'detect': lambda model, image, **more: model.detect(image, Vocabulary(NAMES), **more),
    'ground': lambda model, image, **more: model.ground(image, 'a cat beside a cup', **more),
    'caption': lambda model, image, **more: model.caption(image, **more),
    'answer': lambda model, image, **more: model.answer(image, 'is there a cat?', **more),
}
RESULTS = {
    'detect': Detections,
    'ground': PhraseGroundings,
    'caption': Caption,
    'answer': Answer,
}
TASKS_OF_BACKENDS = [(info.name, task) for info in backends.describe() for task in info.tasks]


@pytest.fixture(params=backends.names())
def model(request, loaded):
    return loaded(request.param)


@pytest.fixture(params=TASKS_OF_BACKENDS, ids='-'.join)
def work(request, loaded):
    """A backend and one of its tasks, as a call that takes an image."""
    name, task = request.param
    return lambda image, **more: REQUESTS[task](loaded(name), image, **more)


class Counting(Ticket):
    """Cancels itself at a check of its own choice."""

    def __init__(self, last: int | None = None):
        super().__init__()
        self.last = last
        self.checks = 0

    def check(self):
        self.checks += 1
        if self.checks == self.last:
            self.cancel()
        super().check()


def test_says_what_it_is(model):
    assert isinstance(model, Model)
    assert model.model_id
    assert model.model_revision
    assert model.device == 'cpu'


@pytest.mark.parametrize('info', backends.describe(), ids=lambda info: info.name)
def test_declares_the_tasks_it_satisfies(info, loaded):
    model = loaded(info.name)
    assert set(info.tasks) == set(tasks_of(model))
    assert info.tasks
    for task in info.tasks:
        assert isinstance(model, TASKS[task])


@pytest.mark.parametrize(('name', 'task'), TASKS_OF_BACKENDS)
def test_results_are_of_the_task(name, task, loaded, photos):
    assert isinstance(REQUESTS[task](loaded(name), photos['chelsea']), RESULTS[task])


@pytest.mark.parametrize('resolution_wh', RESOLUTIONS_WH, ids=str)
def test_boxes_lie_in_the_image_and_labels_in_the_vocabulary(model, resolution_wh, photos):
    width, height = resolution_wh
    tiles = (-(-height // 300), -(-width // 451), 1)
    image = np.ascontiguousarray(np.tile(photos['chelsea'], tiles)[:height, :width])
    found = model.detect(image, Vocabulary(NAMES), score_threshold=0.01)
    assert np.all(found.xyxy >= 0)
    assert np.all(found.xyxy <= np.array([width, height, width, height], np.float32) + 1e-3)
    assert set(found.labels) <= set(NAMES)
    assert set(found.unrecognized) <= set(NAMES)
    assert np.all(found.scores >= 0.01)


def test_says_the_same_again(work, photos):
    first, second = work(photos['coffee']), work(photos['coffee'].copy())
    assert repr(first) == repr(second)


def test_leaves_the_image_alone(work, photos):
    image = photos['chelsea'].copy()
    work(image)
    np.testing.assert_array_equal(image, photos['chelsea'])


def test_sees_what_an_array_holds_now(model, photos):
    # A caller may read every frame into the same array.
    frame = photos['chelsea'].copy()
    first = model.detect(frame, Vocabulary(NAMES))
    frame[:] = 0
    blank = model.detect(frame, Vocabulary(NAMES))
    frame[:] = photos['chelsea']
    assert repr(model.detect(frame, Vocabulary(NAMES))) == repr(first)
    assert repr(blank) == repr(model.detect(np.zeros_like(frame), Vocabulary(NAMES)))


def test_threshold_leaves_out_what_scores_less(model, photos):
    found = model.detect(photos['coffee'], Vocabulary(NAMES), score_threshold=0.05)
    assert len(model.detect(photos['coffee'], Vocabulary(NAMES), score_threshold=1.0)) == 0
    assert len(found) >= len(model.detect(photos['coffee'], Vocabulary(NAMES)))


def test_deadline_that_has_passed_ends_the_work(work, photos):
    with pytest.raises(DeadlineExceeded):
        work(photos['astronaut'], ticket=Ticket(0))


def test_cancelled_work_ends(work, photos):
    ticket = Ticket()
    ticket.cancel()
    with pytest.raises(WorkCancelled):
        work(photos['astronaut'], ticket=ticket)


@pytest.mark.parametrize('name', backends.names())
def test_cancel_between_steps_ends_the_work_and_nothing_stays_behind(name, loaded, photos):
    model, vocabulary = loaded(name), Vocabulary(NAMES)
    expected = model.detect(photos['chelsea'], vocabulary)
    fresh = np.ascontiguousarray(photos['chelsea'][:, ::-1])
    counting = Counting()
    model.detect(fresh, vocabulary, ticket=counting)
    assert counting.checks >= 2
    for last in range(1, counting.checks + 1):
        changed = fresh.copy()
        changed[0, 0] = last
        with pytest.raises(WorkCancelled):
            model.detect(changed, vocabulary, ticket=Counting(last))
    assert repr(model.detect(photos['chelsea'], vocabulary)) == repr(expected)


@pytest.mark.parametrize('text', ['', '  \n'])
def test_empty_texts_are_refused(model, text, photos):
    with pytest.raises(QuestionError):
        model.ground(photos['chelsea'], text)
    with pytest.raises(QuestionError):
        model.answer(photos['chelsea'], text)


@pytest.mark.parametrize('name', backends.names())
def test_device_it_cannot_use_is_refused(name):
    with pytest.raises(DeviceError, match='cpu only'):
        backends.load(name, device='mps')


def test_grounding_points_into_its_own_detections(model, photos):
    text = 'A cup of coffee, and an absent cat.'
    grounded = model.ground(photos['coffee'], text)
    assert grounded.groundings
    for grounding in grounded.groundings:
        start, end = grounding.span
        assert text[start:end] == grounding.phrase
        np.testing.assert_allclose(
            grounded.detections.scores[list(grounding.detections)], grounding.scores
        )
        assert list(grounding.scores) == sorted(grounding.scores, reverse=True)


def test_closes_twice():
    model = backends.load('fake')
    model.close()
    assert model.close() is None
