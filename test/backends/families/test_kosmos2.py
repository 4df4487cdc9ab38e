"""Kosmos-2 against the library's own way: processor, `generate`, `post_process_generation`."""

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
from tiny import kosmos2
import torch
from transformers import AutoProcessor, Kosmos2ForConditionalGeneration

from vlm_ros import backends
from vlm_ros.backends.engine.generation import Generated
from vlm_ros.backends.families import kosmos2 as family
from vlm_ros.errors import BackendError, DeadlineExceeded, QuestionError, WorkCancelled
from vlm_ros.tasks import tasks_of, Ticket

QUESTIONS = ('what color is the door?', 'how many dogs are on the table?')
MAX_TOKENS = 12


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('kosmos2')
    torch.manual_seed(7)
    kosmos2.save(folder)
    return folder


@pytest.fixture(scope='module')
def exact(folder):
    return backends.load(
        'kosmos2',
        model=str(folder),
        dtype='float32',
        preprocess='exact',
        max_new_tokens=MAX_TOKENS,
        threads=1,
    )


@pytest.fixture(scope='module')
def library(folder):
    model = Kosmos2ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    return model, AutoProcessor.from_pretrained(folder)


@pytest.fixture(scope='module')
def images(photos):
    return odd_sizes(photos)


def processed(library, image, text):
    inputs = library[1](
        images=planes(image),
        text=text,
        return_tensors='pt',
        num_image_tokens=kosmos2.QUERIES,
        **PLANES_FIRST,
    )
    names = ('pixel_values', 'input_ids', 'attention_mask', 'image_embeds_position_mask')
    return {name: inputs[name] for name in names}


@torch.inference_mode()
def generated(library, image, text):
    inputs = processed(library, image, text)
    tokens = library[0].generate(**inputs, max_new_tokens=MAX_TOKENS, **GREEDY)
    return library[1].decode(tokens[0, inputs['input_ids'].shape[1] :], skip_special_tokens=True)


def plain(library, text):
    return library[1].post_process_generation(text)[0]


def test_tasks(exact):
    assert tasks_of(exact) == ('ground', 'caption', 'answer')


def test_captions_as_the_library_does(exact, library, images):
    texts = [exact.caption(image).text for image in images]
    expected = [plain(library, generated(library, image, 'An image of')) for image in images]
    assert texts == [text or 'nothing' for text in expected]
    prompted = [exact.caption(image, prompt='a photo of').text for image in images]
    expected = [plain(library, generated(library, image, 'a photo of')) for image in images]
    assert prompted == [text or 'nothing' for text in expected]
    assert len({*texts, *prompted}) > 3


def test_answers_as_the_library_does(exact, library, images):
    asked = [(image, question) for image in images for question in QUESTIONS]
    texts = [exact.answer(*each).text for each in asked]
    assert texts == [
        plain(library, generated(library, image, f'Question: {question} Answer:'))
        for image, question in asked
    ]


@pytest.mark.parametrize('phrase', ['a red ball', 'traffic light'])
def test_asks_for_boxes_as_the_library_does(exact, library, images, phrase):
    prompt = f'<grounding><phrase> {phrase}</phrase>'
    texts = []
    for image in images:
        with exact.at_work(None) as ticket:
            texts.append(exact._write(image, prompt, ticket).text)
    assert texts == [generated(library, image, prompt).strip() for image in images]
    assert len(set(texts)) > 2
    assert all('<patch_index_' in text for text in texts)


def test_boxes_go_to_their_phrases(exact, library, photos, monkeypatch):
    said = {
        'snowman': '<object><patch_index_0044><patch_index_0863></object>',
        'fire': '<object><patch_index_0005><patch_index_0911></delimiter_of_multi_objects/>'
        '<patch_index_0100><patch_index_0204></object>',
        'door': ' in the wall',
    }
    asked = []

    def generate(model, tokenizer, inputs, **options):
        prompt = tokenizer.decode(inputs['input_ids'][0])
        asked.append(next(name for name in said if name in prompt))
        assert options['ends'][-1] == tokenizer.convert_tokens_to_ids('</object>')
        return Generated(said[asked[-1]], 0.5, True)

    monkeypatch.setattr(family, 'generate', generate)
    image, text = photos['coffee'], 'A snowman beside a fire, near the door'
    result = exact.ground(image, text)
    assert asked == list(said)
    assert [(each.phrase, each.detections) for each in result.groundings] == [
        ('snowman', (0,)),
        ('fire', (1, 2)),
        ('door', ()),
    ]
    height, width = image.shape[:2]
    boxes = []
    for name in ('snowman', 'fire'):
        whole = f'<grounding><phrase> {name}</phrase>{said[name]}'
        boxes += library[1].post_process_generation(whole)[1][0][2]
    np.testing.assert_allclose(
        result.detections.xyxy, np.array(boxes) * [width, height, width, height], rtol=1e-6
    )
    assert len(exact.ground(image, text, score_threshold=0.6).detections) == 0


@torch.inference_mode()
def library_likelihood(library, image, prompt, text):
    model, processor = library
    inputs = processed(library, image, prompt)
    words = processor.tokenizer(text, add_special_tokens=False)['input_ids']
    words = torch.tensor([[*words, processor.tokenizer.eos_token_id]])
    mask = inputs['image_embeds_position_mask']
    inputs['input_ids'] = torch.cat([inputs['input_ids'], words], 1)
    inputs['attention_mask'] = torch.ones_like(inputs['input_ids'])
    inputs['image_embeds_position_mask'] = torch.cat([mask, torch.zeros_like(words)], 1)
    logits = model(**inputs).logits[:, -words.shape[1] - 1 : -1]
    return logits.log_softmax(-1).gather(-1, words[..., None]).sum().item()


@pytest.mark.parametrize(
    ('question', 'choices'),
    [('is there a cat?', ('yes', 'no')), ('what is it?', ('a red ball', '猫', 'snowman', 'two'))],
)
def test_closed_questions_get_the_likeliest(exact, library, photos, question, choices):
    given = () if choices == ('yes', 'no') else choices
    answer = exact.answer(photos['coffee'], question, choices=given)
    prompt = f'Question: {question} Answer:'
    expected = shares(
        [library_likelihood(library, photos['coffee'], prompt, text) for text in choices]
    )
    assert answer.text == choices[int(expected.argmax())]
    assert answer.confidence == pytest.approx(expected.max(), abs=TOLERANCE)


def test_looks_once_at_a_frame(exact, photos, monkeypatch):
    exact.release_memory()
    seen = []
    real = exact._see
    monkeypatch.setattr(exact, '_see', lambda image: seen.append(1) or real(image))
    exact.ground(photos['astronaut'], 'a cat and a dog')
    exact.caption(photos['astronaut'])
    exact.answer(photos['astronaut'], 'is there a cat?')
    assert len(seen) == 1


def test_ends_in_the_middle_of_a_text(exact, photos):
    expected = exact.caption(photos['coffee'])
    for last in (2, 4, 8):
        with pytest.raises(WorkCancelled):
            exact.caption(photos['coffee'], ticket=Stopping(last))
    with pytest.raises(WorkCancelled):
        exact.ground(photos['coffee'], 'a cat and a dog', ticket=Stopping(9))
    with pytest.raises(DeadlineExceeded):
        exact.caption(photos['coffee'], ticket=Ticket(1e-3))
    assert exact.caption(photos['coffee']) == expected


def test_bad_input_is_refused(exact, folder, photos):
    with pytest.raises(QuestionError, match='this model reads 96'):
        exact.answer(photos['coffee'], 'cat ' * 100)
    with pytest.raises(BackendError, match='max_new_tokens'):
        backends.load('kosmos2', model=str(folder), max_new_tokens=0)
