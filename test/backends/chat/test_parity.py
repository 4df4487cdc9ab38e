"""Every kind of model writes what the library's own path writes, however it was asked."""

import numpy as np
import pytest
from tiny.chat import KINDS

from vlm_ros.backends.chat import prompts
from vlm_ros.backends.chat.loading import ONE_IMAGE, SEVERAL_IMAGES
from vlm_ros.errors import ImageError
from vlm_ros.tasks import tasks_of

QUESTIONS = (
    'What colour is the cat?',
    'How many cups are on the table, and where are they?',
    'Who sits in the kitchen',
    'What?',
    'Which thing lies beside the door, seen from the street?',
)
SIZES_WH = ((1, 1), (37, 211), (4000, 8), (8, 4000))
COUNT = 8

# PaliGemma's processor makes an array of a tensor in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings('ignore:__array__ implementation:DeprecationWarning')


def words(kind, question):
    prefixed = kind == 'paligemma'
    template = prompts.PREFIX_ANSWER if prefixed else prompts.ANSWER
    return template.format(question=question)


def written(model, images, intros, text):
    """Return the tokens that the backend's own way makes."""
    with model.at_work(None) as ticket:
        prefix = model._reader.read(images, intros, ticket)
        return model._write(prefix, text, COUNT, ticket).tokens


@pytest.fixture(scope='module')
def frames(photos):
    return [np.ascontiguousarray(photos['chelsea'][:, 60 * i : 60 * i + 211]) for i in range(3)]


@pytest.mark.parametrize('kind', KINDS)
def test_five_questions_on_each_of_two_frames(kind, chat, library, frames):
    model, own = chat(kind), library(kind)
    expected = [
        own.tokens([frame], words(kind, q), COUNT) for frame in frames[:2] for q in QUESTIONS
    ]
    # By turns, so that one frame's state is never that of the question before.
    got = {
        (f, q): written(model, [frames[f]], [''], words(kind, QUESTIONS[q]))
        for q in range(5)
        for f in range(2)
    }
    assert [got[f, q] for f in range(2) for q in range(5)] == expected
    assert len(set(expected)) >= 5


@pytest.mark.parametrize('kind', KINDS)
def test_many_questions_at_once(kind, chat, library, frames):
    model, own = chat(kind), library(kind)
    decode = own.processor.tokenizer.decode
    answers = model.answer_many(frames[0], QUESTIONS)
    for question, answer in zip(QUESTIONS, answers, strict=True):
        tokens = own.tokens([frames[0]], words(kind, question), model.options.answer_tokens)
        assert answer.text == decode(tokens, skip_special_tokens=True).strip()
        alone = model.answer(frames[0], question)
        assert answer.confidence == pytest.approx(alone.confidence, abs=1e-5)


@pytest.mark.parametrize('kind', SEVERAL_IMAGES)
def test_several_frames(kind, chat, library, frames):
    intros = ['Frame 1:', 'Frame 2:', 'Frame 3:']
    own = library(kind)
    caption = chat(kind).caption_frames(frames)
    count = chat(kind).options.caption_tokens
    tokens = own.tokens(frames, prompts.CAPTION_FRAMES, count, intros)
    assert caption.text == own.processor.tokenizer.decode(tokens, skip_special_tokens=True).strip()
    turned = own.tokens(frames[::-1], words(kind, QUESTIONS[0]), COUNT, intros)
    assert written(chat(kind), frames[::-1], intros, words(kind, QUESTIONS[0])) == turned


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('size_wh', SIZES_WH, ids=str)
def test_odd_sizes(kind, size_wh, chat, library, photos):
    width, height = size_wh
    tiles = (-(-height // 300), -(-width // 451), 1)
    image = np.ascontiguousarray(np.tile(photos['chelsea'], tiles)[:height, :width])
    got = written(chat(kind), [image], [''], words(kind, QUESTIONS[0]))
    if max(size_wh) / min(size_wh) > 50:  # the library refuses some of them, or fails
        assert got
    else:
        assert got == library(kind).tokens([image], words(kind, QUESTIONS[0]), COUNT)


@pytest.mark.parametrize('kind', KINDS)
def test_tasks_are_those_of_the_kind(kind, chat):
    tasks = set(tasks_of(chat(kind)))
    assert {'caption', 'answer', 'verify', 'match'} <= tasks
    assert ('answer_frames' in tasks) == (kind not in ONE_IMAGE)
    speaks = kind in (
        'qwen2_vl',
        'qwen2_5_vl',
        'qwen3_vl',
        'qwen3_5',
        'internvl',
        'paligemma',
        'gemma4',
    )
    assert ('detect' in tasks) == ('ground' in tasks) == speaks


def test_a_frame_is_read_once(chat, frames, monkeypatch):
    model = chat('smolvlm')
    model.release_memory()
    reads = []
    read = model._reader._read
    monkeypatch.setattr(model._reader, '_read', lambda *a: reads.append(1) or read(*a))
    model.caption(frames[0])
    model.answer(frames[0].copy(), QUESTIONS[0])
    model.match(frames[0], ['a cat'])
    assert len(reads) == 1
    model.caption(frames[1])
    model.answer(frames[0], QUESTIONS[1])
    assert len(reads) == 2
    model.caption(frames[2])
    model.caption(frames[0])
    assert len(reads) == 3


def test_an_array_that_is_filled_anew_is_another_frame(chat, frames):
    model = chat('smolvlm')
    array = frames[0].copy()
    first = model.caption(array)
    array[:] = frames[1]
    assert model.caption(array) != first
    assert model.caption(array) == model.caption(frames[1])


def test_what_is_no_image_is_refused(chat):
    with pytest.raises(ImageError):
        chat('smolvlm').caption(np.zeros((4, 4), np.uint8))


TEXTS = (
    'What?',
    ' is it  here\n\nor there ? ',
    '\nfirst line\nsecond',
    "it's 3.5 m, isn't it",
    '猫はどこ',
    'A' * 40,
)


@pytest.mark.parametrize('kind', KINDS)
def test_words_make_the_tokens_that_the_processor_makes(kind, chat, library, frames):
    model = chat(kind)
    # PaliGemma's processor ends every text itself, so it is asked.
    assert model._reader.tails.are_quick == (kind != 'paligemma')
    for text in TEXTS:
        tokens = library(kind).inputs([frames[0]], text)['input_ids'][0].tolist()
        with model.at_work(None) as ticket:
            prefix = model._reader.read([frames[0]], [''], ticket)
            assert [*prefix.tokens, *model._reader.tail(prefix, text)] == tokens
