"""VisualBERT against the library's own way: tokenizer and whole model, on the same regions."""

from families._reference import odd_sizes, TOLERANCE
import pytest
from tiny import visual_bert
import torch
from transformers import AutoTokenizer

from vlm_ros import backends
from vlm_ros.errors import BackendError, InputError, ModelError, QuestionError
from vlm_ros.results import Truth
from vlm_ros.tasks import tasks_of

TEXTS = ('what color is the door?', 'is there a cat?', 'two dogs are running', 'yes')


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    made = {}
    for name, head in (('answer', 'answer'), ('verify', 'verify'), ('unnamed', 'answer')):
        made[name] = tmp_path_factory.mktemp('visual_bert') / name
        torch.manual_seed(8)
        visual_bert.save(made[name], head, named=name != 'unnamed')
    return made


@pytest.fixture(scope='module')
def load(folders):
    return lambda name, **options: backends.load(
        'visual_bert',
        model=str(folders[name]),
        **{'dtype': 'float32', 'threads': 1, 'features': 'tiny.visual_bert:regions', **options},
    )


@pytest.fixture(scope='module')
def models(load):
    return {name: load(name) for name in ('answer', 'verify')}


@pytest.fixture(scope='module')
def images(photos):
    return odd_sizes(photos)


@torch.inference_mode()
def library_shares(folder, images, text):
    model = visual_bert.HEADS[folder.name].from_pretrained(folder, dtype=torch.float32).eval()
    regions = [torch.from_numpy(visual_bert.regions(image)).float() for image in images]
    seen = torch.cat(regions)[None]
    inputs = AutoTokenizer.from_pretrained(folder)(text, return_tensors='pt')
    ones = torch.ones(seen.shape[:2])
    outputs = model(
        **inputs,
        visual_embeds=seen,
        visual_token_type_ids=ones.long(),
        visual_attention_mask=ones,
    )
    return outputs.logits[0].softmax(-1)


def test_head_decides_the_task(models):
    assert tasks_of(models['answer']) == ('answer',)
    assert tasks_of(models['verify']) == ('verify',)


def test_answers_as_the_library_does(models, folders, images):
    answers, confidences = set(), set()
    for image in images:
        for text in TEXTS:
            shares = library_shares(folders['answer'], [image], f'{text.rstrip("?")}? [MASK]')
            answer = models['answer'].answer(image, text)
            assert answer.text == visual_bert.ANSWERS[int(shares.argmax())]
            assert answer.confidence == pytest.approx(shares.max().item(), abs=TOLERANCE)
            answer = models['answer'].answer(image, text, choices=['Red', 'no'])
            chosen = max(('Red', 3), ('no', 1), key=lambda item: shares[item[1]])
            assert answer.text == chosen[0]
            assert answer.confidence == pytest.approx(shares[chosen[1]].item(), abs=TOLERANCE)
            answers.add(visual_bert.ANSWERS[int(shares.argmax())])
            confidences.add(round(shares.max().item(), 4))
    assert len(answers) > 1
    assert len(confidences) > len(images) * len(TEXTS) / 2


def test_verifies_as_the_library_does(models, folders, images):
    truths = set()
    for left in images:
        for right, text in zip(images, TEXTS, strict=True):
            shares = library_shares(folders['verify'], [left, right], text)
            verdict = models['verify'].verify([left, right], text)
            assert (verdict.truth is Truth.TRUE) == (shares[1] >= 0.5)
            assert verdict.confidence == pytest.approx(shares.max().item(), abs=TOLERANCE)
            truths.add(verdict.truth)
    assert truths == {Truth.TRUE, Truth.FALSE}


def test_one_image_is_no_pair(models, photos):
    with pytest.raises(InputError, match='compares 2 images'):
        models['verify'].verify([photos['coffee']], TEXTS[0])


@pytest.mark.parametrize(
    ('features', 'message'),
    [
        ('', "set features='my_module:my_function'"),
        ('tiny.visual_bert', "set features='my_module:my_function'"),
        ('no_such_module:regions', "there is no function 'no_such_module:regions'"),
        ('tiny.visual_bert:nothing', "there is no function 'tiny.visual_bert:nothing'"),
        ('tiny.visual_bert:WIDTH', 'is no function'),
    ],
)
def test_cannot_be_loaded_without_features(load, features, message):
    with pytest.raises(BackendError, match=message):
        load('answer', features=features)


def test_regions_of_another_width_are_refused(load, photos):
    model = load('answer', features='numpy:atleast_2d')
    with pytest.raises(ModelError, match=r'features must be \(R, 12\)'):
        model.answer(photos['coffee'], TEXTS[0])


def test_answers_need_names(load, photos, tmp_path):
    with pytest.raises(BackendError, match='does not name its answers'):
        load('unnamed', answers='')
    names = tmp_path / 'answers.txt'
    names.write_text('a\nb')
    with pytest.raises(BackendError, match='cannot be read'):
        load('unnamed', answers=str(tmp_path / 'nothing.txt'))
    with pytest.raises(BackendError, match='has 2 answers, the model 5'):
        load('answer', answers=str(names))
    names.write_text('\n'.join('abcde'))
    named = load('unnamed', answers=str(names)).answer(photos['coffee'], TEXTS[0])
    known = load('answer').answer(photos['coffee'], TEXTS[0])
    assert visual_bert.ANSWERS['abcde'.index(named.text)] == known.text


def test_too_long_a_text_is_refused(models, photos):
    with pytest.raises(QuestionError, match='this model reads 40'):
        models['answer'].answer(photos['coffee'], 'cat ' * 60)
