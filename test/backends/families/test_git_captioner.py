"""GIT against the library's own way: processor and `generate`."""

from families._reference import GREEDY, planes, PLANES_FIRST, shares, Stopping, TOLERANCE
import pytest
from tiny import git
import torch
from transformers import AutoProcessor, GitForCausalLM

from vlm_ros import backends
from vlm_ros.errors import BackendError, DeadlineExceeded, InputError, QuestionError, WorkCancelled
from vlm_ros.tasks import tasks_of, Ticket

QUESTIONS = ('what color is the door?', 'how many dogs are on the table?')
MAX_TOKENS = 10
KINDS = {'image': None, 'video': git.FRAMES}


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    made = {}
    for kind, frames in KINDS.items():
        made[kind] = tmp_path_factory.mktemp('git') / kind
        torch.manual_seed(7)
        git.save(made[kind], frames=frames)
    return made


@pytest.fixture(scope='module')
def load(folders):
    return lambda kind, **options: backends.load(
        'git',
        model=str(folders[kind]),
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
    return {kind: load(kind) for kind in KINDS}


@pytest.fixture(scope='module')
def library(folders):
    return {
        kind: (
            GitForCausalLM.from_pretrained(folder, dtype=torch.float32).eval(),
            AutoProcessor.from_pretrained(folder),
        )
        for kind, folder in folders.items()
    }


@pytest.fixture(scope='module')
def images(photos):
    coffee = photos['coffee']
    parts = coffee, coffee[100:150, :333], coffee[:2, :1]
    return [photos['chelsea'].copy(), *(part.copy() for part in parts)]


def start(library, text):
    processor = library[1]
    words = processor.tokenizer(text, add_special_tokens=False)['input_ids'] if text else []
    return torch.tensor([[processor.tokenizer.cls_token_id, *words]])


def seen(library, images):
    pixels = library[1](
        images=[planes(image) for image in images], return_tensors='pt', **PLANES_FIRST
    ).pixel_values
    return pixels if len(images) == 1 else pixels[None]


@torch.inference_mode()
def generated(library, images, text=''):
    model, processor = library
    tokens = start(library, text)
    written = model.generate(
        pixel_values=seen(library, images), input_ids=tokens, max_new_tokens=MAX_TOKENS, **GREEDY
    )
    text = processor.decode(written[0, tokens.shape[1] :], skip_special_tokens=True)
    return text.strip()


def test_weights_decide_the_tasks(exact):
    assert tasks_of(exact['image']) == ('caption', 'answer')
    assert tasks_of(exact['video']) == ('caption', 'answer', 'caption_frames', 'answer_frames')


def test_captions_as_the_library_does(exact, library, images):
    texts = [exact['image'].caption(image).text for image in images]
    expected = [generated(library['image'], [image]) for image in images]
    assert texts == [text.removeprefix('##') for text in expected]
    prompted = [exact['image'].caption(image, prompt='a photo of').text for image in images]
    expected = [generated(library['image'], [image], 'a photo of') for image in images]
    assert prompted == [text.removeprefix('##') for text in expected]
    assert len({*texts, *prompted}) > 4


def test_answers_as_the_library_does(exact, library, images):
    asked = [(image, question) for image in images for question in QUESTIONS]
    texts = [exact['image'].answer(*each).text for each in asked]
    assert texts == [generated(library['image'], [image], question) for image, question in asked]
    assert len(set(texts)) > 3


def test_describes_frames_as_the_library_does(exact, library, images):
    model = exact['video']
    frames = images[:3]
    expected = generated(library['video'], frames)
    assert model.caption_frames(frames).text == expected.removeprefix('##')
    answer = model.answer_frames(frames, QUESTIONS[0])
    assert answer.text == generated(library['video'], frames, QUESTIONS[0])
    assert answer.text != model.answer_frames(frames[::-1], QUESTIONS[0]).text


def test_frames_are_chosen_evenly(exact, images):
    model, question = exact['video'], QUESTIONS[1]
    of_five = [images[0], images[3], images[1], images[3], images[2]]
    expected = model.answer_frames(images[:3], question).text
    assert model.answer_frames(of_five, question).text == expected
    still = model.answer(images[0], question).text
    assert model.answer_frames([images[0]] * 2, question).text == still
    with pytest.raises(InputError, match='no image'):
        model.caption_frames([])


@torch.inference_mode()
def library_likelihood(library, images, question, text):
    model, processor = library
    before = start(library, question)
    words = processor.tokenizer(text, add_special_tokens=False)['input_ids']
    words = torch.tensor([[*words, processor.tokenizer.sep_token_id]])
    logits = model(
        input_ids=torch.cat([before, words], 1), pixel_values=seen(library, images)
    ).logits[:, -words.shape[1] - 1 : -1]
    return logits.log_softmax(-1).gather(-1, words[..., None]).sum().item()


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize(
    ('question', 'choices'),
    [('is there a cat?', ('yes', 'no')), ('what is it?', ('a red ball', '猫', 'snowman', 'two'))],
)
def test_closed_questions_get_the_likeliest(exact, library, images, kind, question, choices):
    given = () if choices == ('yes', 'no') else choices
    frames = images[:1] if kind == 'image' else images[:3]
    if kind == 'image':
        answer = exact[kind].answer(frames[0], question, choices=given)
    else:
        answer = exact[kind].answer_frames(frames, question, choices=given)
    expected = shares(
        [library_likelihood(library[kind], frames, question, text) for text in choices]
    )
    assert answer.text == choices[int(expected.argmax())]
    assert answer.confidence == pytest.approx(expected.max(), abs=TOLERANCE)
    assert answer.confidence < 1


def test_frame_is_seen_once(exact, photos, monkeypatch):
    model = exact['image']
    model.release_memory()
    looks = []
    real = model._tower.forward
    monkeypatch.setattr(model._tower, 'forward', lambda *x, **y: looks.append(1) or real(*x, **y))
    first = model.answer(photos['astronaut'], QUESTIONS[0]).text
    model.caption(photos['astronaut'])
    assert model.answer(photos['astronaut'], QUESTIONS[0]).text == first
    assert len(looks) == 1


def test_ends_in_the_middle_of_a_text(exact, images):
    model = exact['video']
    expected = model.caption_frames(images)
    for last in (2, 4, 7):
        with pytest.raises(WorkCancelled):
            model.caption_frames(images, ticket=Stopping(last))
    with pytest.raises(DeadlineExceeded):
        model.caption_frames(images, ticket=Ticket(1e-3))
    assert model.caption_frames(images) == expected


def test_bad_input_is_refused(exact, load, photos):
    with pytest.raises(QuestionError, match='70 tokens; this model reads 63'):
        exact['image'].answer(photos['coffee'], 'cat ' * 70)
    with pytest.raises(BackendError, match='max_new_tokens'):
        load('image', max_new_tokens=0)
