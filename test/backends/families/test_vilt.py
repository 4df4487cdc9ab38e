"""ViLT against the library's own way: processor and whole model."""

from families._reference import planes, PLANES_FIRST, Stopping, TOLERANCE
import numpy as np
import pytest
from tiny import vilt
import torch
from transformers import AutoProcessor

from vlm_ros import backends
from vlm_ros.errors import BackendError, InputError, QuestionError, WorkCancelled
from vlm_ros.results import Status, Truth
from vlm_ros.tasks import tasks_of

QUESTIONS = ('what color is the door?', 'is there a cat?', 'how many dogs are on the table?')
STATEMENTS = ('the left picture shows a cat', 'two dogs are running', 'yes')


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    made = {}
    for head in vilt.HEADS:
        made[head] = tmp_path_factory.mktemp('vilt') / head
        torch.manual_seed(7)
        vilt.save(made[head], head)
    return made


@pytest.fixture(scope='module')
def models(folders):
    return {
        head: backends.load('vilt', model=str(folder), dtype='float32', threads=1)
        for head, folder in folders.items()
    }


@pytest.fixture(scope='module')
def library(folders):
    return {
        head: (
            kind.from_pretrained(folders[head], dtype=torch.float32).eval(),
            AutoProcessor.from_pretrained(folders[head]),
        )
        for head, kind in vilt.HEADS.items()
    }


@pytest.fixture(scope='module')
def images(photos):
    coffee = photos['coffee']
    parts = coffee, coffee[:333, 100:201], coffee[:60, :100], coffee[:2, :1]
    return [photos['chelsea'].copy(), *(part.copy() for part in parts)]


def processed(library, image, text):
    return library[1](images=planes(image), text=text, return_tensors='pt', **PLANES_FIRST)


@pytest.mark.parametrize('head', vilt.HEADS)
def test_head_decides_the_task(models, head):
    assert tasks_of(models[head]) == (head,)


@torch.inference_mode()
def test_answers_as_the_library_does(models, library, images):
    answers = set()
    for image in images:
        for question in QUESTIONS:
            logits = library['answer'][0](**processed(library['answer'], image, question)).logits
            answer = models['answer'].answer(image, question)
            assert answer.status is Status.OK
            assert answer.text == vilt.ANSWERS[int(logits[0].argmax())]
            best = logits[0].sigmoid().max().item()
            assert answer.confidence == pytest.approx(best, abs=TOLERANCE)
            answers.add(answer.text)
    assert len(answers) > 1


def test_choices_restrict_the_answers(models, library, photos):
    image, question = photos['coffee'], QUESTIONS[0]
    with torch.inference_mode():
        logits = library['answer'][0](**processed(library['answer'], image, question)).logits[0]
    for choices in (('2', 'Red'), ('yes', 'no'), ('On Table', 'no', '2')):
        answer = models['answer'].answer(image, question, choices=choices)
        scores = [logits[vilt.ANSWERS.index(choice.lower())] for choice in choices]
        assert answer.text == choices[int(np.argmax(scores))]
        best = max(scores).sigmoid().item()
        assert answer.confidence == pytest.approx(best, abs=TOLERANCE)
        assert not answer.message


def test_choices_without_an_answer_are_said_to_be(models, photos):
    answer = models['answer'].answer(photos['coffee'], QUESTIONS[0], choices=['mauve', 'no'])
    assert (answer.text, answer.message) == ('no', 'the model has no such answer as: mauve')
    answer = models['answer'].answer(photos['coffee'], QUESTIONS[0], choices=['mauve', 'beige'])
    assert answer.status is Status.UNSURE
    assert 'mauve, beige' in answer.message


def test_matches_as_the_library_does(models, library, images):
    texts = ['a cat on a table', 'two dogs', *(f'{n} cars beside the street' for n in range(20))]
    for image in images:
        scores = models['match'].match(image, texts)
        with torch.inference_mode():
            expected = [
                library['match'][0](**processed(library['match'], image, text)).logits[0, 0]
                for text in texts
            ]
        np.testing.assert_allclose(scores, torch.stack(expected).sigmoid(), atol=TOLERANCE)
        assert np.ptp(scores) > 0.05


@torch.inference_mode()
def test_verifies_as_the_library_does(models, library, images):
    model, processor = library['verify']
    truths = set()
    for left in images:
        for right, statement in zip(images, STATEMENTS, strict=False):
            inputs = processor(
                images=[planes(left), planes(right)],
                text=statement,
                return_tensors='pt',
                **PLANES_FIRST,
            )
            inputs['pixel_values'] = inputs['pixel_values'][None]
            inputs['pixel_mask'] = inputs['pixel_mask'][None]
            shares = model(**inputs).logits[0].softmax(-1)
            verdict = models['verify'].verify([left, right], statement)
            assert (verdict.truth is Truth.TRUE) == (shares[1] >= 0.5)
            assert verdict.confidence == pytest.approx(shares.max().item(), abs=TOLERANCE)
            truths.add(verdict.truth)
    assert truths == {Truth.TRUE, Truth.FALSE}


def test_one_image_is_no_pair(models, photos):
    for images in ([], [photos['coffee']], [photos['coffee']] * 3):
        with pytest.raises(InputError, match='compares 2 images'):
            models['verify'].verify(images, STATEMENTS[0])


def test_strips_are_stretched(models, library, photos):
    # The library's processor makes nothing of them, and fails.
    strip = np.repeat(photos['coffee'][:4], 4, axis=1)
    assert strip.shape == (4, 2400, 3)
    with pytest.raises(ValueError, match='height=0'):
        processed(library['match'], strip, 'a cat')
    scores = models['match'].match(strip, ['a cat', 'two dogs'])
    assert np.isfinite(scores).all()
    assert scores[0] != models['match'].match(strip[:, ::-1].copy(), ['a cat', 'two dogs'])[0]


def test_draws_no_random_numbers_of_others(models, photos):
    models['answer'].release_memory()
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    models['answer'].answer(photos['astronaut'], QUESTIONS[0])
    assert torch.equal(torch.rand(3), expected)


def test_too_long_a_text_is_refused(models, photos):
    text = 'cat ' * 60
    for ask in (
        lambda: models['answer'].answer(photos['coffee'], text),
        lambda: models['match'].match(photos['coffee'], ['a cat', text]),
        lambda: models['verify'].verify([photos['coffee']] * 2, text),
    ):
        with pytest.raises(QuestionError, match='62 tokens; this model reads 40'):
            ask()


def test_ends_between_texts(models, photos):
    texts = [f'{n} cars' for n in range(40)]
    expected = models['match'].match(photos['coffee'], texts)
    for last in (2, 3, 4):
        with pytest.raises(WorkCancelled):
            models['match'].match(photos['coffee'], texts, ticket=Stopping(last))
    np.testing.assert_array_equal(models['match'].match(photos['coffee'], texts), expected)


def test_model_without_a_head_is_refused(folders, tmp_path):
    for path in folders['match'].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = tmp_path / 'config.json'
    config.write_text(
        config.read_text().replace('ViltForImageAndTextRetrieval', 'ViltForMaskedLM')
    )
    with pytest.raises(BackendError, match='is a ViltForMaskedLM, and only ViltForQuestion'):
        backends.load('vilt', model=str(tmp_path))
