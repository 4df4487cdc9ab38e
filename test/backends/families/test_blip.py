"""BLIP against the library's own way: processor, `generate` and the heads of the whole model."""

from families._reference import (
    GREEDY,
    odd_sizes,
    planes,
    PLANES_FIRST,
    shares,
    Stopping,
    TOLERANCE,
)
import numpy as np
import pytest
from tiny import blip
import torch
from transformers import AutoProcessor

from vlm_ros import backends
from vlm_ros.errors import BackendError, DeadlineExceeded, QuestionError, WorkCancelled
from vlm_ros.results import Status
from vlm_ros.tasks import tasks_of, Ticket

QUESTIONS = ('what color is the door?', 'how many dogs are on the table?', 'where am i')
TASKS = {
    'caption': ('caption',),
    'answer': ('answer',),
    'match': ('match', 'encode_images', 'encode_texts'),
}


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    made = {}
    for head in blip.HEADS:
        made[head] = tmp_path_factory.mktemp('blip') / head
        torch.manual_seed(7)
        blip.save(made[head], head)
    return made


@pytest.fixture(scope='module')
def load(folders):
    return lambda head, **options: backends.load(
        'blip',
        **{
            'model': str(folders[head]),
            'dtype': 'float32',
            'preprocess': 'exact',
            'max_new_tokens': 12,
            'threads': 1,
            **options,
        },
    )


@pytest.fixture(scope='module')
def exact(load):
    return {head: load(head) for head in blip.HEADS}


@pytest.fixture(scope='module')
def library(folders):
    return {
        head: (
            kind.from_pretrained(folders[head], dtype=torch.float32).eval(),
            AutoProcessor.from_pretrained(folders[head]),
        )
        for head, kind in blip.HEADS.items()
    }


@pytest.fixture(scope='module')
def images(photos):
    return odd_sizes(photos)


@torch.inference_mode()
def generated(library, image, text=None):
    model, processor = library
    inputs = processor(images=planes(image), text=text, return_tensors='pt', **PLANES_FIRST)
    tokens = model.generate(**inputs, max_new_tokens=12, **GREEDY)
    return processor.decode(tokens[0], skip_special_tokens=True).strip()


@pytest.mark.parametrize('head', blip.HEADS)
def test_head_decides_the_tasks(exact, head):
    assert tasks_of(exact[head]) == TASKS[head]


def test_captions_as_the_library_does(exact, library, images):
    captions = [exact['caption'].caption(image) for image in images]
    texts = [caption.text for caption in captions]
    assert texts == [generated(library['caption'], image) for image in images]
    assert len(set(texts)) == len(images)
    assert len({word for text in texts for word in text.split()}) > 8  # else it proves little
    assert all(0 < caption.score < 1 for caption in captions)


def test_goes_on_from_a_prompt_without_repeating_it(exact, library, images):
    prompt = 'a photo of a'
    for image in images:
        text = exact['caption'].caption(image, prompt=prompt).text
        whole = generated(library['caption'], image, prompt)
        assert whole.startswith(prompt)
        assert text == whole[len(prompt) :].strip()


def test_answers_as_the_library_does(exact, library, images):
    asked = [(image, question) for image in images for question in QUESTIONS]
    answers = [exact['answer'].answer(*each) for each in asked]
    expected = [generated(library['answer'], *each) for each in asked]
    assert [answer.text for answer in answers] == expected
    assert len(set(expected)) > len(asked) / 2
    for answer in answers:
        assert (answer.status is Status.OK) == bool(answer.text) == (answer.confidence > 0)


@torch.inference_mode()
def library_likelihood(library, image, question, text):
    """The log-likelihood of an answer, from the loss of the library's own forward."""
    model, processor = library
    inputs = processor(images=image.copy(), text=question, return_tensors='pt')
    words = model.config.text_config
    answer = processor.tokenizer(text, add_special_tokens=False)['input_ids']
    labels = torch.tensor([[words.bos_token_id, *answer, words.sep_token_id]])
    mean = model(**inputs, labels=labels).loss
    return -float(mean) * (labels.shape[1] - 1)


@pytest.mark.parametrize('question', ['is there a cat?', 'is the door open'])
def test_yes_or_no_is_the_likelier_of_the_two(exact, library, photos, question):
    answer = exact['answer'].answer(photos['coffee'], question)
    likelihoods = [
        library_likelihood(library['answer'], photos['coffee'], question, text)
        for text in ('yes', 'no')
    ]
    expected = shares(likelihoods)
    assert answer.text == ('yes', 'no')[int(np.argmax(expected))]
    assert answer.confidence == pytest.approx(expected.max(), abs=TOLERANCE)
    assert 0.5 < answer.confidence < 1


def test_choice_is_the_likeliest(exact, library, photos):
    choices = ('two', 'a red ball', 'left side of the street', 'snowman', *map(str, range(30)))
    question = 'how many are there?'
    answer = exact['answer'].answer(photos['coffee'], question, choices=choices)
    likelihoods = [
        library_likelihood(library['answer'], photos['coffee'], question, text) for text in choices
    ]
    expected = shares(likelihoods)
    assert answer.text == choices[int(np.argmax(expected))]
    assert answer.confidence == pytest.approx(expected.max(), abs=TOLERANCE)


def test_matches_as_the_library_does(exact, library, images):
    texts = ['a cat on a table', 'two dogs', *(f'{n} cars beside the street' for n in range(20))]
    model, processor = library['match']
    for image in images:
        expected = []
        with torch.inference_mode():
            for text in texts:
                inputs = processor(
                    images=planes(image), text=text, return_tensors='pt', **PLANES_FIRST
                )
                expected.append(model(**inputs).itm_score.softmax(-1)[0, 1].item())
        scores = exact['match'].match(image, texts)
        np.testing.assert_allclose(scores, expected, atol=TOLERANCE)
        assert np.ptp(np.log(scores) - np.log1p(-scores)) > 0.5


def test_places_are_those_of_the_contrastive_head(exact, library, photos):
    texts = ['a cat on a table', 'two dogs', 'an empty box']
    images = [photos[name].copy() for name in ('chelsea', 'coffee', 'astronaut')] * 3
    model, processor = library['match']
    expected = []
    with torch.inference_mode():
        for image in images:
            inputs = processor(images=image, text=texts, padding=True, return_tensors='pt')
            inputs['pixel_values'] = inputs['pixel_values'][:1]
            expected.append(model(**inputs, use_itm_head=False).itm_score[0].numpy())
    cosines = exact['match'].encode_images(images) @ exact['match'].encode_texts(texts).T
    np.testing.assert_allclose(cosines, expected, atol=TOLERANCE)
    assert exact['match'].encode_images([]).shape == (0, 24)


def test_fast_pixels_are_near_the_exact_ones(exact, load, photos):
    fast = load('match', preprocess='fast')
    places = [model.encode_images([photos['chelsea']])[0] for model in (fast, exact['match'])]
    assert places[0] @ places[1] > 0.99
    assert fast.enough_px == blip.SIDE_PX


def test_frame_is_encoded_once(exact, photos, monkeypatch):
    model = exact['answer']
    model.release_memory()
    seen = []
    real = model._see
    monkeypatch.setattr(model, '_see', lambda images: seen.append(1) or real(images))
    frame = photos['astronaut'].copy()
    first = model.answer(frame, QUESTIONS[0])
    model.answer(frame, QUESTIONS[1])
    assert len(seen) == 1
    frame[0, 1] ^= 255  # a pixel that the digest of the cache leaves out
    model.answer(frame, QUESTIONS[0])
    assert len(seen) == 2
    frame[0, 1] ^= 255
    assert model.answer(frame, QUESTIONS[0]).text == first.text


@pytest.mark.parametrize('head', ['caption', 'answer'])
def test_ends_in_the_middle_of_a_text(exact, head, photos):
    model, image = exact[head], photos['coffee']

    def work(ticket=None):
        if head == 'caption':
            return model.caption(image, ticket=ticket)
        return model.answer(image, QUESTIONS[0], ticket=ticket)

    expected = work().text
    for last in (3, 6, 9):
        with pytest.raises(WorkCancelled):
            work(Stopping(last))
    with pytest.raises(DeadlineExceeded):
        work(Ticket(1e-3))
    assert work().text == expected


def test_reports_the_text_so_far(exact, photos):
    said = []
    caption = exact['caption'].caption(photos['coffee'], ticket=Ticket(on_partial=said.append))
    assert len(said) > 3
    assert said[-1] == caption.text
    assert sorted(said, key=len) == said


def test_too_long_a_text_is_refused(exact, photos):
    text = 'cat ' * 60
    for ask in (
        lambda: exact['answer'].answer(photos['coffee'], text),
        lambda: exact['caption'].caption(photos['coffee'], prompt=text),
        lambda: exact['match'].match(photos['coffee'], ['a cat', text]),
        lambda: exact['match'].encode_texts([text]),
    ):
        with pytest.raises(QuestionError, match='62 tokens; this model reads 48'):
            ask()
    with pytest.raises(QuestionError, match='no text'):
        exact['match'].match(photos['coffee'], [])
    with pytest.raises(QuestionError, match='choice is blank'):
        exact['answer'].answer(photos['coffee'], 'what', choices=['a', ' '])


def test_head_that_is_unknown_is_refused(folders, tmp_path):
    for path in folders['match'].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = tmp_path / 'config.json'
    config.write_text(config.read_text().replace('BlipForImageTextRetrieval', 'BlipModel'))
    with pytest.raises(BackendError, match='is a BlipModel, and only BlipForCond'):
        backends.load('blip', model=str(tmp_path))


def test_no_room_for_words_is_refused(load):
    with pytest.raises(BackendError, match='max_new_tokens'):
        load('caption', max_new_tokens=0)
