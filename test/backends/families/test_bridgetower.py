"""BridgeTower against the library's own way: processor and whole model."""

from families._reference import planes, PLANES_FIRST, Stopping, TOLERANCE
import numpy as np
import pytest
from tiny import bridgetower
import torch
from transformers import AutoProcessor

from vlm_ros import backends
from vlm_ros.errors import BackendError, QuestionError, WorkCancelled
from vlm_ros.tasks import tasks_of

TEXTS = ('a cat on a table', 'two dogs', *(f'{n} cars beside the street' for n in range(20)))


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    made = {}
    for head in bridgetower.HEADS:
        made[head] = tmp_path_factory.mktemp('bridgetower') / head
        torch.manual_seed(7)
        bridgetower.save(made[head], head)
    return made


@pytest.fixture(scope='module')
def models(folders):
    return {
        head: backends.load('bridgetower', model=str(folders[head]), dtype='float32', threads=1)
        for head in ('match', 'encode')
    }


@pytest.fixture(scope='module')
def library(folders):
    return {
        head: (
            kind.from_pretrained(folders[head], dtype=torch.float32).eval(),
            AutoProcessor.from_pretrained(folders[head]),
        )
        for head, kind in bridgetower.HEADS.items()
    }


@pytest.fixture(scope='module')
def images(photos):
    coffee = photos['coffee']
    parts = coffee, coffee[:333, 100:201], coffee[:60, :100], coffee[:2, :1]
    return [photos['chelsea'].copy(), *(part.copy() for part in parts)]


@torch.inference_mode()
def seen(library, image, text):
    model, processor = library
    inputs = processor(images=planes(image), text=text, return_tensors='pt', **PLANES_FIRST)
    return model(**inputs)


def test_weights_decide_the_tasks(models):
    assert tasks_of(models['match']) == ('match',)
    assert tasks_of(models['encode']) == ('encode_images', 'encode_texts')


def test_matches_as_the_library_does(models, library, images):
    for image in images:
        expected = [seen(library['match'], image, text).logits.softmax(-1)[0, 1] for text in TEXTS]
        scores = models['match'].match(image, TEXTS)
        np.testing.assert_allclose(scores, expected, atol=TOLERANCE)
        assert np.ptp(np.log(scores) - np.log1p(-scores)) > 0.1


def test_places_are_those_of_the_library(models, library, images):
    pairs = [seen(library['encode'], *pair) for pair in zip(images, TEXTS, strict=False)]
    expected = np.concatenate([pair.image_embeds for pair in pairs])
    places = models['encode'].encode_images(images)
    np.testing.assert_allclose(places, expected, atol=TOLERANCE)
    assert np.abs(places[0] - places[1]).max() > 0.01
    expected = np.concatenate([pair.text_embeds for pair in pairs])
    np.testing.assert_allclose(
        models['encode'].encode_texts(TEXTS)[: len(pairs)], expected, atol=TOLERANCE
    )
    assert models['encode'].encode_images([]).shape == (0, bridgetower.PLACES)


def test_strips_are_stretched(models, photos):
    strip = np.repeat(photos['coffee'][:4], 4, axis=1)
    assert np.isfinite(models['match'].match(strip, TEXTS)).all()


def test_too_long_a_text_is_refused(models, photos):
    text = ' cat' * 60
    with pytest.raises(QuestionError, match='this model reads 48'):
        models['match'].match(photos['coffee'], [text])
    with pytest.raises(QuestionError, match='this model reads 48'):
        models['encode'].encode_texts(['a cat', text])


def test_ends_between_steps(models, photos):
    expected = models['match'].match(photos['coffee'], TEXTS)
    for last in (2, 3):
        with pytest.raises(WorkCancelled):
            models['match'].match(photos['coffee'], TEXTS, ticket=Stopping(last))
    with pytest.raises(WorkCancelled):
        models['encode'].encode_images([photos['coffee']] * 3, ticket=Stopping(3))
    np.testing.assert_array_equal(models['match'].match(photos['coffee'], TEXTS), expected)


def test_model_without_a_head_is_refused(folders):
    with pytest.raises(BackendError, match='neither a matching head nor a contrastive one'):
        backends.load('bridgetower', model=str(folders['words']))
