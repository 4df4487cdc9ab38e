"""What becomes of an answer: cut off, empty, thought aloud, cancelled, refused."""

import json
import shutil

import numpy as np
import pytest

from vlm_ros import backends
from vlm_ros.backends.chat import prompts
from vlm_ros.backends.chat.prompts import without_thoughts
from vlm_ros.backends.engine.generation import Generated
from vlm_ros.errors import (
    BackendError,
    DeadlineExceeded,
    InputError,
    ModelError,
    QuestionError,
    WorkCancelled,
)
from vlm_ros.results import Status
from vlm_ros.tasks import tasks_of, Ticket


@pytest.fixture(scope='module')
def image(photos):
    return np.ascontiguousarray(photos['coffee'][:300, :280])


def saying(model, monkeypatch, text, *, complete=True):
    """Make a model write a text."""
    written = Generated(text, 0.5, complete, tuple(range(7)))
    monkeypatch.setattr(model, '_write', lambda *args, **options: written)


def test_an_answer_that_was_cut_off_says_so(chat, image):
    model = chat('smolvlm')
    answer = model.answer(image, 'What colour is the cup?')
    assert answer.status is Status.OK
    assert answer.message == f'cut off after {model.options.answer_tokens} tokens'
    assert 0 < answer.confidence < 1
    assert model.caption(image).message == f'cut off after {model.options.caption_tokens} tokens'


def test_nothing_written_is_no_answer(chat, image, monkeypatch):
    model = chat('smolvlm')
    saying(model, monkeypatch, '')
    assert model.answer(image, 'What is it?').status is Status.UNSURE
    assert model.caption(image).status is Status.UNSURE


def test_thoughts_are_left_out(chat, image, monkeypatch):
    model = chat('smolvlm')
    saying(model, monkeypatch, '<think>It is brown, I see.</think>\n\nBrown.')
    assert model.answer(image, 'What colour is it?').text == 'Brown.'
    saying(model, monkeypatch, '<think>It is brown, I', complete=False)
    assert model.answer(image, 'What colour is it?').status is Status.UNSURE


@pytest.mark.parametrize(
    ('text', 'left'),
    [
        ('a cup', 'a cup'),
        ('<think>\n\n</think>\n\na cup', 'a cup'),
        ('hm, a spoon?</think> a cup', 'a cup'),
        ('<think>a</think>b<think>c</think>d', 'd'),
        ('a cup <think>or', 'a cup'),
        ('<think>' * 3, ''),
    ],
)
def test_without_thoughts(text, left):
    assert without_thoughts(text) == left


def test_the_template_is_told_not_to_think(chat):
    assert chat('qwen3_5')._chat.text([''], 'What?').endswith('<think>\n\n</think>\n\n')


def test_a_prompt_of_ones_own(chat, library, image):
    tokens = library('smolvlm').tokens([image], 'Only the colours, please.', 10)
    text = library('smolvlm').processor.tokenizer.decode(tokens, skip_special_tokens=True)
    assert chat('smolvlm').caption(image, prompt='Only the colours, please.').text == text.strip()
    assert chat('smolvlm').caption(image).text != text.strip()


def test_marks_in_a_question_are_no_marks(chat, image):
    model = chat('smolvlm')
    plain = model.answer(image, 'What  is it?')
    marked = model.answer(image, 'What <image><end_of_utterance> is it?')
    assert model._chat.plain('a <image>b<|im_start|>') == 'a  b'
    assert marked.status is Status.OK
    assert model.answer(image, 'What   is it?').text == marked.text != plain.text


def test_partial_texts_grow_into_the_answer(chat, image):
    texts = []
    caption = chat('qwen2_5_vl').caption(image, ticket=Ticket(on_partial=texts.append))
    assert len(texts) > 2
    assert texts == sorted(texts, key=len)
    assert caption.text.startswith(texts[-1])


@pytest.mark.parametrize('kind', ['smolvlm', 'qwen3_vl', 'gemma4'])
def test_cancel_in_the_middle_ends_the_work_and_nothing_stays(kind, load, image, ending):
    model = load(kind, caption_tokens=40)
    expected = model.caption(image)
    ticket = ending(3)
    with pytest.raises(WorkCancelled):
        model.caption(image, ticket=ticket)
    assert len(ticket.texts) <= 4  # some see a token before the library looks, some after
    assert model.caption(image) == expected


def test_a_deadline_in_the_middle_ends_the_work(load, image):
    class Late(Ticket):
        def report_partial(self, text):
            self._deadline = 0.0

    with pytest.raises(DeadlineExceeded):
        load('smolvlm').caption(image, ticket=Late(60))


def test_no_frames_are_refused(chat):
    with pytest.raises(InputError, match='no image'):
        chat('smolvlm').caption_frames([])
    with pytest.raises(InputError, match='no image'):
        chat('smolvlm').answer_frames([], 'What happens?')


def test_questions_without_words_are_refused(chat, image):
    for ask in (
        lambda: chat('smolvlm').answer(image, ' '),
        lambda: chat('smolvlm').answer_frames([image], '?'),
        lambda: chat('smolvlm').answer_many(image, []),
        lambda: chat('smolvlm').answer_many(image, ['What?', '']),
        lambda: chat('smolvlm').verify([image], ''),
    ):
        with pytest.raises(QuestionError):
            ask()


def test_questions_open_and_closed_at_once(chat, image):
    model = chat('smolvlm')
    questions = ('Is there a cup?', 'What colour is it?', 'Are there two dogs?', 'Who is it?')
    together = model.answer_many(image, questions)
    apart = [model.answer(image, question) for question in questions]
    assert [answer.text for answer in together] == [answer.text for answer in apart]
    assert {together[0].text, together[2].text} <= {'yes', 'no'}


def test_frames_have_choices_too(chat, image):
    answer = chat('smolvlm').answer_frames([image, image], 'Which is it?', choices=['a', 'b'])
    assert answer.text in ('a', 'b')


def test_closed_is_closed(load, image):
    model = load('smolvlm')
    model.close()
    model.close()
    with pytest.raises(ModelError, match='closed'):
        model.caption(image)


def test_another_kind_of_model_is_refused(folders, tmp_path):
    folder = shutil.copytree(folders('smolvlm'), tmp_path / 'other')
    config = json.loads((folder / 'config.json').read_text())
    (folder / 'config.json').write_text(json.dumps({**config, 'model_type': 'owlvit'}))
    with pytest.raises(BackendError, match=r'other is a owlvit model, and chat runs'):
        backends.load('chat', model=str(folder))


def test_a_base_model_is_refused(folders, tmp_path):
    folder = shutil.copytree(folders('smolvlm'), tmp_path / 'base')
    (folder / 'chat_template.jinja').unlink()
    with pytest.raises(BackendError, match='no chat template'):
        backends.load('chat', model=str(folder))


def test_without_a_dialect_there_are_no_boxes(chat):
    assert not {'detect', 'ground'} & set(tasks_of(chat('smolvlm')))
    assert {'detect', 'ground'} <= set(tasks_of(chat('qwen3_vl')))


def test_the_words_of_the_tasks():
    assert prompts.MATCH.format(text='a cat') == (
        'Does this figure show "a cat"? Please answer yes or no.'
    )
