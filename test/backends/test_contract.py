"""What every registered backend promises, whatever its family."""

from dataclasses import is_dataclass

import numpy as np
import pytest
import tiny

from vlm_ros import backends
from vlm_ros.errors import (
    DeadlineExceeded,
    DeviceError,
    ImageError,
    ModelError,
    QuestionError,
    WorkCancelled,
)
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import (
    Answer,
    Caption,
    Classification,
    Detections,
    Masks,
    PhraseGroundings,
    Verdict,
)
from vlm_ros.tasks import Model, TASKS, tasks_of, Ticket

NAMES = ('person', 'cat', 'Coffee Cup', '猫', 'absent thing')
RESOLUTIONS_WH = ((1, 1), (2, 3), (640, 480), (4000, 8), (8, 4000), (3840, 2160))
TEXTS = ('a cat on a table', 'a dog')
REGIONS = np.array([[0, 0, 200, 150], [50, 20, 300, 280]], np.float32)


def _boxes():
    return Detections(REGIONS, np.ones(2, np.float32), ('cat', 'person'))


REQUESTS = {
    'detect': lambda model, image, **more: model.detect(image, Vocabulary(NAMES), **more),
    'ground': lambda model, image, **more: model.ground(image, 'a cat beside a cup', **more),
    'caption': lambda model, image, **more: model.caption(image, **more),
    'answer': lambda model, image, **more: model.answer(image, 'is there a cat?', **more),
    'caption_frames': lambda model, image, **more: model.caption_frames([image, image], **more),
    'answer_frames': lambda model, image, **more: model.answer_frames(
        [image, image], 'is there a cat?', **more
    ),
    'verify': lambda model, image, **more: model.verify([image, image], TEXTS[0], **more),
    'match': lambda model, image, **more: model.match(image, TEXTS, **more),
    'classify': lambda model, image, **more: model.classify(image, Vocabulary(NAMES), **more),
    'encode_images': lambda model, image, **more: model.encode_images([image, image], **more),
    'encode_texts': lambda model, image, **more: model.encode_texts(TEXTS, **more),
    'match_regions': lambda model, image, **more: model.match_regions(
        image, REGIONS, NAMES, **more
    ),
    'detect_like': lambda model, image, **more: model.detect_like(
        image, [np.ascontiguousarray(image[: len(image) // 2])], ['cat'], **more
    ),
    'segment': lambda model, image, **more: model.segment(image, _boxes(), **more),
    'segment_phrases': lambda model, image, **more: model.segment_phrases(
        image, Vocabulary(NAMES), **more
    ),
}
RESULTS = {
    'detect': Detections,
    'ground': PhraseGroundings,
    'caption': Caption,
    'answer': Answer,
    'caption_frames': Caption,
    'answer_frames': Answer,
    'verify': Verdict,
    'classify': Classification,
    'detect_like': Detections,
    'segment': Masks,
    'segment_phrases': Masks,
}
SHAPES = {
    'match': (len(TEXTS),),
    'encode_images': (2, None),
    'encode_texts': (len(TEXTS), None),
    'match_regions': (len(REGIONS), len(NAMES)),
}
"""Of the tasks whose results are plain arrays."""


@pytest.fixture(params=backends.names())
def name(request):
    if request.param not in ('embedded', 'fake', *tiny.names()):
        pytest.skip('its own tests load it: it needs more than a folder')
    return request.param


@pytest.fixture
def model(name, loaded):
    return loaded(name)


@pytest.fixture
def works(model):
    """The tasks of a backend, as calls that take an image."""
    return {
        task: lambda image, task=task, **more: REQUESTS[task](model, image, **more)
        for task in tasks_of(model)
    }


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


def plain(result):
    """A result as nested lists, which can be compared."""
    if isinstance(result, np.ndarray):
        return result.tolist()
    if is_dataclass(result):
        return {key: plain(value) for key, value in vars(result).items()}
    return result


def test_says_what_it_is(model):
    assert isinstance(model, Model)
    assert model.model_id
    assert model.model_revision
    assert model.device == 'cpu'


def test_declares_the_tasks_it_satisfies(name, model):
    info = next(info for info in backends.describe() if info.name == name)
    assert set(tasks_of(model)) <= set(info.tasks)
    assert tasks_of(model)
    for task in tasks_of(model):
        assert isinstance(model, TASKS[task])


def test_results_are_of_the_task(works, photos):
    for task, work in works.items():
        result = work(photos['chelsea'])
        if task in RESULTS:
            assert isinstance(result, RESULTS[task]), task
        else:
            assert result.dtype == np.float32, task
            expected = SHAPES[task]
            assert result.ndim == len(expected), task
            assert all(n in (None, m) for n, m in zip(expected, result.shape, strict=True)), task
        if task.startswith('encode'):
            np.testing.assert_allclose(np.linalg.norm(result, axis=1), 1, atol=1e-4)
        if task == 'match':
            assert np.all((result >= 0) & (result <= 1))


@pytest.mark.parametrize('resolution_wh', RESOLUTIONS_WH, ids=str)
def test_results_of_any_resolution_lie_in_the_image(works, resolution_wh, photos):
    width, height = resolution_wh
    tiles = (-(-height // 300), -(-width // 451), 1)
    image = np.ascontiguousarray(np.tile(photos['chelsea'], tiles)[:height, :width])
    for task, work in works.items():
        if task in ('detect_like', 'match_regions', 'segment'):
            continue  # what they are given would not lie in it either
        threshold = {'score_threshold': 0.01} if task in ('detect', 'segment_phrases') else {}
        result = work(image, **threshold)
        if isinstance(result, Masks):
            assert result.masks.shape[1:] == (height, width)
        found = getattr(result, 'detections', result)
        if isinstance(found, Detections):
            assert np.all(found.xyxy >= 0)
            limits = np.array([width, height, width, height], np.float32)
            assert np.all(found.xyxy <= limits + 1e-3)
        if task == 'detect':
            assert set(found.labels) <= set(NAMES)
            assert set(found.unrecognized) <= set(NAMES)
            assert np.all(found.scores >= 0.01)


def test_says_the_same_again(works, photos):
    for task, work in works.items():
        assert plain(work(photos['coffee'])) == plain(work(photos['coffee'].copy())), task


def test_leaves_the_image_alone(works, photos):
    for task, work in works.items():
        image = photos['chelsea'].copy()
        work(image)
        np.testing.assert_array_equal(image, photos['chelsea'], err_msg=task)


def test_sees_what_an_array_holds_now(works, photos):
    # A caller may read every frame into the same array.
    for task, work in works.items():
        frame = photos['chelsea'].copy()
        first = plain(work(frame))
        frame[:] = 0
        blank = plain(work(frame))
        frame[:] = photos['chelsea']
        assert plain(work(frame)) == first, task
        assert blank == plain(work(np.zeros_like(frame))), task


def test_what_is_no_image_is_refused(works, name):
    if name == 'fake':
        pytest.skip('it does not look')
    for task, work in works.items():
        for image in (np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32)):
            if task != 'encode_texts':
                with pytest.raises(ImageError):
                    work(image)


def test_threshold_leaves_out_what_scores_less(works, photos):
    if (detect := works.get('detect')) is None:
        pytest.skip('no detector')
    found = detect(photos['coffee'], score_threshold=0.05)
    assert len(detect(photos['coffee'], score_threshold=1.0)) == 0
    assert len(found) >= len(detect(photos['coffee']))


def test_ended_work_ends(works, photos):
    cancelled = Ticket()
    cancelled.cancel()
    for work in works.values():
        with pytest.raises(DeadlineExceeded):
            work(photos['astronaut'], ticket=Ticket(0))
        with pytest.raises(WorkCancelled):
            work(photos['astronaut'], ticket=cancelled)


def test_cancel_between_steps_ends_the_work_and_nothing_stays_behind(works, photos):
    for task, work in works.items():
        expected = plain(work(photos['chelsea']))
        fresh = np.ascontiguousarray(photos['chelsea'][:, ::-1])
        counting = Counting()
        work(fresh, ticket=counting)
        assert counting.checks >= 2, task
        for last in {1, 2, counting.checks // 2, counting.checks} - {0}:
            changed = fresh.copy()
            changed[0, 0] = last
            with pytest.raises(WorkCancelled):
                work(changed, ticket=Counting(last))
        assert plain(work(photos['chelsea'])) == expected, task


@pytest.mark.parametrize('text', ['', '  \n'])
def test_empty_texts_are_refused(model, text, photos):
    image = photos['chelsea']
    requests = {
        'ground': lambda: model.ground(image, text),
        'answer': lambda: model.answer(image, text),
        'answer_frames': lambda: model.answer_frames([image], text),
        'verify': lambda: model.verify([image, image], text),
        'match': lambda: model.match(image, [text]),
        'encode_texts': lambda: model.encode_texts([text]),
    }
    for task in set(requests) & set(tasks_of(model)):
        with pytest.raises(QuestionError):
            requests[task]()


def test_device_it_cannot_use_is_refused(name, options):
    with pytest.raises(DeviceError, match='cpu'):
        backends.load(name, **{**options(name), 'device': 'mps'})


def test_grounding_points_into_its_own_detections(model, photos):
    if 'ground' not in tasks_of(model):
        pytest.skip('no grounder')
    text = 'A cup of coffee, and an absent cat.'
    grounded = model.ground(photos['coffee'], text)
    for grounding in grounded.groundings:
        start, end = grounding.span
        assert text[start:end] == grounding.phrase
        assert all(0 <= index < len(grounded.detections) for index in grounding.detections)
        assert list(grounding.scores) == sorted(grounding.scores, reverse=True)


def test_closes_twice_and_says_so(name, options, photos):
    if name == 'embedded':
        pytest.skip('it forgets what it saw, and goes on')
    model = backends.load(name, **options(name))
    task = tasks_of(model)[0]
    model.close()
    model.close()
    if name != 'fake':
        with pytest.raises(ModelError, match='closed'):
            REQUESTS[task](model, photos['chelsea'])
