"""BLIP-2 and InstructBLIP against the library's own way: processor, `generate`, whole model."""

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
from tiny import blip2
import torch
from transformers import AutoProcessor

from vlm_ros import backends
from vlm_ros.errors import BackendError, DeadlineExceeded, QuestionError, WorkCancelled
from vlm_ros.tasks import tasks_of, Ticket

TASKS = {'opt': ('caption', 'answer'), 't5': ('caption', 'answer'), 'match': ('match',)}
ASKED = {'opt': 'Question: {} Answer:', 't5': 'Question: {} Short answer:'}
QUESTIONS = ('what color is the door?', 'how many dogs are on the table?')
MAX_TOKENS = 10
TALKERS = pytest.mark.parametrize('head', ['opt', 't5'])


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    made = {}
    for head in blip2.HEADS:
        made[head] = tmp_path_factory.mktemp('blip2') / head
        torch.manual_seed(7)
        blip2.save(made[head], head)
    return made


@pytest.fixture(scope='module')
def load(folders):
    return lambda head, **options: backends.load(
        'blip2',
        model=str(folders[head]),
        **{
            'dtype': 'float32',
            'preprocess': 'exact',
            'max_new_tokens': MAX_TOKENS,
            'threads': 1,
            **options,
        },
    )


@pytest.fixture(scope='module')
def exact(load):
    return {head: load(head) for head in blip2.HEADS}


@pytest.fixture(scope='module')
def library(folders):
    return {
        head: (
            kind.from_pretrained(folders[head], dtype=torch.float32).eval(),
            AutoProcessor.from_pretrained(folders[head]),
        )
        for head, kind in blip2.HEADS.items()
    }


@pytest.fixture(scope='module')
def images(photos):
    return odd_sizes(photos)


@torch.inference_mode()
def generated(library, image, text=None):
    model, processor = library
    inputs = processor(images=planes(image), text=text, return_tensors='pt', **PLANES_FIRST)
    tokens = model.generate(**inputs, max_new_tokens=MAX_TOKENS, **GREEDY)[0]
    if model.config.use_decoder_only_language_model:
        prompt = inputs['input_ids'].shape[1] if text else blip2.QUERIES + 1
        tokens = tokens[prompt:]
    return processor.decode(tokens, skip_special_tokens=True).strip()


@pytest.mark.parametrize('head', blip2.HEADS)
def test_head_decides_the_tasks(exact, head):
    assert tasks_of(exact[head]) == TASKS[head]


@TALKERS
def test_captions_as_the_library_does(exact, library, images, head):
    start = 'A short image description:' if head == 't5' else None
    texts = [exact[head].caption(image).text for image in images]
    assert texts == [generated(library[head], image, start) for image in images]
    prompted = [exact[head].caption(image, prompt='a photo of').text for image in images]
    assert prompted == [generated(library[head], image, 'a photo of') for image in images]
    assert len({*texts, *prompted}) > 4


@TALKERS
def test_answers_as_the_library_does(exact, library, images, head):
    asked = [(image, question) for image in images for question in QUESTIONS]
    texts = [exact[head].answer(*each).text for each in asked]
    assert texts == [
        generated(library[head], image, ASKED[head].format(question)) for image, question in asked
    ]
    assert len(set(texts)) > 3


@torch.inference_mode()
def library_likelihood(library, image, prompt, text):
    """The log-likelihood of a text behind a prompt, by the library's own forward."""
    model, processor = library
    inputs = processor(images=image.copy(), text=prompt, return_tensors='pt')
    end = torch.tensor([[processor.tokenizer.eos_token_id]])
    if model.config.use_decoder_only_language_model:
        text = ' ' + text
    words = processor.tokenizer(text, add_special_tokens=False, return_tensors='pt').input_ids
    words = torch.cat([words, end], 1)
    count = words.shape[1]
    if model.config.use_decoder_only_language_model:
        inputs['input_ids'] = torch.cat([inputs['input_ids'], words], 1)
        inputs['attention_mask'] = torch.ones_like(inputs['input_ids'])
        logits = model(**inputs).logits[:, -count - 1 : -1]
    else:
        start = torch.full((1, 1), model.config.text_config.decoder_start_token_id)
        inputs['decoder_input_ids'] = torch.cat([start, words[:, :-1]], 1)
        logits = model(**inputs).logits
    return logits.log_softmax(-1).gather(-1, words[..., None]).sum().item()


@TALKERS
@pytest.mark.parametrize(
    ('question', 'choices'),
    [('is there a cat?', ('yes', 'no')), ('what is it?', ('a red ball', '猫', 'snowman', 'two'))],
)
def test_closed_questions_get_the_likeliest(exact, library, photos, head, question, choices):
    given = () if choices == ('yes', 'no') else choices
    answer = exact[head].answer(photos['coffee'], question, choices=given)
    prompt = ASKED[head].format(question)
    expected = shares(
        [library_likelihood(library[head], photos['coffee'], prompt, text) for text in choices]
    )
    assert answer.text == choices[int(expected.argmax())]
    assert answer.confidence == pytest.approx(expected.max(), abs=TOLERANCE)
    assert answer.confidence < 1


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
                logits = model(**inputs, use_image_text_matching_head=True).logits_per_image
                expected.append(logits.softmax(-1)[0, 1].item())
        scores = exact['match'].match(image, texts)
        np.testing.assert_allclose(scores, expected, atol=TOLERANCE)
        assert np.ptp(np.log(scores) - np.log1p(-scores)) > 0.05


@pytest.mark.parametrize('head', blip2.HEADS)
def test_frame_is_seen_once(exact, photos, monkeypatch, head):
    model = exact[head]
    model.release_memory()
    seen = []
    tower = model._model.vision_model
    real = tower.forward
    monkeypatch.setattr(tower, 'forward', lambda *x, **y: seen.append(1) or real(*x, **y))
    for text in QUESTIONS:
        if head == 'match':
            model.match(photos['astronaut'], [text])
        else:
            model.answer(photos['astronaut'], text)
            model.caption(photos['astronaut'])
    assert len(seen) == 1


@TALKERS
def test_ends_in_the_middle_of_a_text(exact, photos, head):
    expected = exact[head].caption(photos['coffee'])
    for last in (2, 4):
        with pytest.raises(WorkCancelled):
            exact[head].caption(photos['coffee'], ticket=Stopping(last))
    with pytest.raises(DeadlineExceeded):
        exact[head].caption(photos['coffee'], ticket=Ticket(1e-3))
    assert exact[head].caption(photos['coffee']) == expected


@pytest.mark.parametrize('dtype', ['bfloat16', 'float16'])
@pytest.mark.parametrize('head', blip2.HEADS)
def test_half_precision_says_nearly_the_same(exact, load, photos, head, dtype):
    scores = []
    for model in (exact[head], load(head, dtype=dtype)):
        if head == 'match':
            scores += model.match(photos['coffee'], ['a red ball']).tolist()
        else:
            answer = model.answer(photos['coffee'], 'what is it?', choices=('yes', 'no'))
            scores.append(answer.confidence if answer.text == 'yes' else 1 - answer.confidence)
    assert scores[0] == pytest.approx(scores[1], abs=0.05)


def test_too_long_a_text_is_refused(exact, photos):
    text = 'cat ' * 100
    for ask in (
        lambda: exact['opt'].answer(photos['coffee'], text),
        lambda: exact['t5'].caption(photos['coffee'], prompt=text),
        lambda: exact['match'].match(photos['coffee'], [text]),
    ):
        with pytest.raises(QuestionError, match='this model reads 6'):
            ask()


def test_options_that_cannot_be_used_are_refused(load):
    with pytest.raises(BackendError, match='question_prompt must have one'):
        load('opt', question_prompt='Answer!')
    with pytest.raises(BackendError, match='max_new_tokens'):
        load('opt', max_new_tokens=0)
