"""Florence-2 against the library's own way: processor, `generate`, `post_process_generation`."""

from families._reference import GREEDY, odd_sizes, planes, PLANES_FIRST, Stopping
import numpy as np
import pytest
from tiny import florence2
import torch
from transformers import AutoProcessor, Florence2ForConditionalGeneration

from vlm_ros import backends
from vlm_ros.backends.dialects import SpokenBox
from vlm_ros.backends.dialects.florence2 import DETECT_TASK, GROUND_TASK
from vlm_ros.backends.engine.spoken_grounding import grounded, ScoredBox
from vlm_ros.errors import BackendError, DeadlineExceeded, QuestionError, WorkCancelled
from vlm_ros.phrases import Vocabulary
from vlm_ros.tasks import tasks_of, Ticket

NAMES = ('cat', 'red traffic light', 'Coffee Cup', '猫')
MAX_TOKENS = 24


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('florence2')
    torch.manual_seed(7)
    florence2.save(folder)
    return folder


@pytest.fixture(scope='module')
def load(folder):
    return lambda **options: backends.load(
        'florence2',
        **{
            'model': str(folder),
            'dtype': 'float32',
            'preprocess': 'exact',
            'max_new_tokens': MAX_TOKENS,
            'threads': 1,
            **options,
        },
    )


@pytest.fixture(scope='module')
def exact(load):
    return load()


@pytest.fixture(scope='module')
def images(photos):
    return odd_sizes(photos)


@pytest.fixture(scope='module')
def library(folder):
    """The library's text of a task, with its special tokens or without, and what it reads."""
    model = Florence2ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    processor = AutoProcessor.from_pretrained(folder)

    @torch.inference_mode()
    def write(image, task, text=''):
        inputs = processor(
            images=planes(image), text=task + text, return_tensors='pt', **PLANES_FIRST
        )
        tokens = model.generate(**inputs, max_new_tokens=MAX_TOKENS, **GREEDY)
        marked = processor.batch_decode(tokens, skip_special_tokens=False)[0]
        read = processor.post_process_generation(
            marked, task=task, image_size=(image.shape[1], image.shape[0])
        )
        return processor.batch_decode(tokens, skip_special_tokens=True)[0].strip(), read[task]

    return write


def in_order(boxes):
    """Boxes with their corners in order, without the empty ones."""
    boxes = np.array(boxes, np.float32).reshape(-1, 2, 2)
    boxes = np.concatenate([boxes.min(1), boxes.max(1)], 1)
    return boxes[(boxes[:, 2:] > boxes[:, :2]).all(1)].tolist()


def assert_same(xyxy, boxes, labels):
    """Compare boxes with the library's, and return how many there are.

    The library takes the end of a location token for a label where there is none, and leaves
    letters that are not ASCII out of labels: of boxes whose label is nothing else, it cannot be
    told whether they have one.
    """
    found = {tuple(box) for box in xyxy.tolist()}
    sure = [box for box, label in zip(boxes, labels, strict=True) if label.rpartition('>')[2]]
    assert set(map(tuple, in_order(sure))) <= found <= set(map(tuple, in_order(boxes)))
    return len(found)


def test_tasks(exact):
    assert tasks_of(exact) == ('detect', 'ground', 'caption')


@pytest.mark.parametrize(
    'task', ['<CAPTION>', '<DETAILED_CAPTION>', '<MORE_DETAILED_CAPTION>'], ids=lambda x: x[1:-1]
)
def test_captions_as_the_library_does(exact, library, images, task):
    texts = [exact.caption(image, prompt=task).text for image in images]
    assert texts == [library(image, task)[0] for image in images]
    assert len(set(texts)) > 2


def test_option_chooses_the_caption(load, exact, photos):
    paragraph = load(caption='paragraph').caption(photos['chelsea'])
    assert paragraph == exact.caption(photos['chelsea'], prompt='<MORE_DETAILED_CAPTION>')
    assert paragraph != exact.caption(photos['chelsea'])
    with pytest.raises(BackendError, match='short, detailed, paragraph'):
        load(caption='long')


def test_finds_what_the_library_finds(exact, library, images):
    count = 0
    for image in images:
        found = exact.detect(image, Vocabulary(NAMES), score_threshold=0)
        assert list(found.scores) == sorted(found.scores, reverse=True)
        for name in NAMES:
            read = library(image, DETECT_TASK, name)[1]
            count += assert_same(found.named(name).xyxy, read['bboxes'], read['bboxes_labels'])
    assert count > 10


def test_what_a_name_finds_does_not_depend_on_others(exact, photos):
    alone = exact.detect(photos['coffee'], Vocabulary(('cat',)), score_threshold=0)
    among = exact.detect(photos['coffee'], Vocabulary(NAMES), score_threshold=0).named('cat')
    assert len(alone) > 0
    np.testing.assert_array_equal(alone.xyxy, among.xyxy)
    np.testing.assert_array_equal(alone.scores, among.scores)


def test_boxes_score_the_probability_of_their_tokens(exact, photos):
    model, processor = exact._model, exact._processor
    found = exact.detect(photos['coffee'], Vocabulary(('cat',)), score_threshold=0)
    inputs = processor(
        images=planes(photos['coffee']), text=DETECT_TASK + 'cat', return_tensors='pt'
    )
    with torch.inference_mode():
        tokens = model.generate(**inputs, max_new_tokens=MAX_TOKENS, **GREEDY)
        logits = model(**inputs, decoder_input_ids=tokens[:, :-1]).logits
    likely = logits.log_softmax(-1).gather(-1, tokens[:, 1:, None])[0, :, 0]
    names = processor.tokenizer.convert_ids_to_tokens(tokens[0, 1:].tolist())
    scores, start, at = [], 1, 1  # behind <s>
    while at < len(names):
        while at < len(names) and not names[at].startswith('<loc_'):
            at += 1
        words, corners = likely[start:at], at
        while at < len(names) and names[at].startswith('<loc_'):
            at += 1
        for first in range(corners, at - 3, 4):
            if start < corners:
                scores.append(torch.cat([words, likely[first : first + 4]]).mean().exp().item())
        start = at
    assert len(scores) >= len(found) > 0
    for score in found.scores:
        assert min(abs(score - other) for other in scores) < 2e-5


def test_grounds_the_phrases_that_the_library_grounds(exact, library, images):
    text = 'a cat beside a cup'
    count = 0
    for image in images:
        read = library(image, GROUND_TASK, text)[1]
        with exact.at_work(None) as ticket:
            found = exact._locate(image, GROUND_TASK, text, ticket)
        xyxy = np.array([each.box.xyxy for each in found], np.float32)
        count += assert_same(xyxy, read['bboxes'], read['labels'])
    assert count > 3


def scored(label, left, score):
    return ScoredBox(SpokenBox(label, (left, 0, left + 5, 5)), score)


def test_boxes_go_to_the_phrases_of_the_text():
    text = 'A black cat beside a cup, and another cup on the shelf.'
    boxes = [
        scored('A black  cat', 0, 0.4),
        scored('A black  cat', 10, 0.6),
        scored('a cup', 20, 0.3),
        scored('a dog', 30, 0.9),
        scored('another cup', 40, 0.05),
    ]
    result = grounded(text, boxes, 0.1)
    assert [(each.phrase, each.detections) for each in result.groundings] == [
        ('A black cat', (1, 0)),
        ('a cup', (2,)),
        ('cup', ()),
        ('shelf', ()),
    ]
    assert result.detections.labels == ('A black cat', 'A black cat', 'a cup')


def test_unreadable_names_are_said_to_be(exact, photos):
    long = 'x' * 100
    found = exact.detect(photos['coffee'], Vocabulary(('cat', '<|>', long)))
    assert found.unrecognized == ('<|>', long)
    with pytest.raises(QuestionError, match='this model reads 64'):
        exact.ground(photos['coffee'], long)


def test_looks_once_at_a_frame(exact, photos, monkeypatch):
    exact.release_memory()
    seen = []
    real = exact._see
    monkeypatch.setattr(exact, '_see', lambda image: seen.append(1) or real(image))
    exact.detect(photos['astronaut'], Vocabulary(NAMES))
    exact.caption(photos['astronaut'])
    assert len(seen) == 1


def test_ends_in_the_middle_of_a_text(exact, photos):
    vocabulary = Vocabulary(NAMES)
    expected = exact.detect(photos['coffee'], vocabulary, score_threshold=0)
    for last in (2, 10, 40):
        with pytest.raises(WorkCancelled):
            exact.detect(photos['coffee'], vocabulary, ticket=Stopping(last))
    with pytest.raises(DeadlineExceeded):
        exact.caption(photos['coffee'], ticket=Ticket(1e-3))
    again = exact.detect(photos['coffee'], vocabulary, score_threshold=0)
    assert len(again) > 0
    np.testing.assert_array_equal(expected.xyxy, again.xyxy)
