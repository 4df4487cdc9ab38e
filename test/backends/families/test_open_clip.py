"""Models of open_clip against the library's own way: its loader, its transforms, its generate."""

import json
import logging
import socket

import numpy as np
import open_clip
from PIL import Image as PillowImage
import pytest
from safetensors.torch import load_file, save_file
from tiny import open_clip as tiny_open_clip
import torch
import transformers

from vlm_ros import backends
from vlm_ros.backends.families import open_clip_loading
from vlm_ros.errors import (
    BackendError,
    QuestionError,
    VocabularyError,
    WeightsError,
    WorkCancelled,
)
from vlm_ros.phrases import Vocabulary
from vlm_ros.tasks import Captioner, ImageTextMatcher, Ticket

TOLERANCE = 1e-5
"""Of scores and of unit vectors, both ways in float32."""
NAMES = ('cat', 'Coffee Cup', 'traffic light', 'person')
TEXTS = ('A cat sleeps on the table.', 'two dogs', 'what is it?')
FAST_KINDS = ('clip', 'coca', 'siglip2')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    saved = {}

    def get(kind):
        if kind not in saved:
            saved[kind] = tmp_path_factory.mktemp('open_clip') / kind
            saved[kind].mkdir()
            with torch.random.fork_rng():
                torch.manual_seed(7)
                tiny_open_clip.save(saved[kind], kind)
        return saved[kind]

    return get


@pytest.fixture(scope='module')
def load(folder):
    return lambda kind, **options: backends.load(
        'open_clip',
        **{'model': str(folder(kind)), 'dtype': 'float32', 'preprocess': 'exact', **options},
    )


@pytest.fixture(scope='module')
def coca(load):
    return load('coca')


@pytest.fixture
def copied(folder, tmp_path):
    """A folder of its own of the model, and its configuration to change."""

    def get(kind, **changes):
        for path in folder(kind).iterdir():
            (tmp_path / path.name).write_bytes(path.read_bytes())
        config = json.loads((tmp_path / 'open_clip_config.json').read_text('utf-8'))
        for part, settings in changes.items():
            target = config if part == 'preprocess_cfg' else config['model_cfg']
            target[part] = {**target[part], **settings}
        (tmp_path / 'open_clip_config.json').write_text(json.dumps(config), 'utf-8')
        return tmp_path

    return get


def library(folder):
    model, transform = open_clip.create_model_from_pretrained(f'local-dir:{folder}')
    return model.eval(), transform, open_clip.get_tokenizer(f'local-dir:{folder}')


@pytest.mark.parametrize('kind', tiny_open_clip.MODELS)
def test_places_and_scores_as_the_library_does(load, folder, photos, kind):
    model, transform, tokenizer = library(folder(kind))
    backend = load(kind)
    # One is enough for towers of real size, which take their time.
    images = [photos['chelsea'], photos['coffee']][: 2 if kind in FAST_KINDS else 1]
    with torch.inference_mode():
        pixels = torch.stack([transform(PillowImage.fromarray(image)) for image in images])
        places = model.encode_image(pixels, normalize=True)
        texts = model.encode_text(tokenizer(list(TEXTS)), normalize=True)
        prompts = tokenizer([f'a photo of a {name}.' for name in NAMES])
        cosines = places[:1] @ model.encode_text(prompts, normalize=True).T
        logits = (cosines * model.logit_scale.exp())[0]
    np.testing.assert_allclose(backend.encode_images(images), places.numpy(), atol=TOLERANCE)
    np.testing.assert_allclose(backend.encode_texts(TEXTS), texts.numpy(), atol=TOLERANCE)
    is_sigmoid = model.logit_bias is not None
    expected = (logits + model.logit_bias).sigmoid() if is_sigmoid else logits.softmax(0)
    found = backend.classify(images[0], Vocabulary(NAMES))
    assert found.exclusive != is_sigmoid
    assert np.ptp(found.scores) > 0.01  # else equal ones prove nothing
    np.testing.assert_allclose(found.scores, expected.detach().numpy(), atol=TOLERANCE)


@pytest.mark.parametrize('kind', FAST_KINDS)
def test_each_kind_has_the_tasks_it_was_trained_for(load, kind):
    backend = load(kind)
    assert (
        isinstance(backend, ImageTextMatcher) == hasattr(backend, 'match') == (kind == 'siglip2')
    )
    assert isinstance(backend, Captioner) == hasattr(backend, 'caption') == (kind == 'coca')


@pytest.mark.parametrize('kind', FAST_KINDS)
@pytest.mark.parametrize('shape', [(1, 1), (3, 3), (8, 2000), (300, 70)], ids=str)
def test_odd_sizes_make_no_difference(load, folder, photos, kind, shape):
    model, transform, _ = library(folder(kind))
    tiles = (1, -(-shape[1] // photos['coffee'].shape[1]), 1)
    image = np.ascontiguousarray(np.tile(photos['coffee'], tiles)[: shape[0], : shape[1]])
    with torch.inference_mode():
        pixels = transform(PillowImage.fromarray(image))[None]
        expected = model.encode_image(pixels, normalize=True).numpy()
    np.testing.assert_allclose(load(kind).encode_images([image]), expected, atol=TOLERANCE)


@pytest.mark.parametrize('kind', FAST_KINDS)
def test_fast_and_bfloat16_see_nearly_the_same(load, photos, kind):
    images = [photos[name] for name in ('chelsea', 'coffee', 'astronaut')]
    expected = load(kind).encode_images(images)
    fast = (load(kind, preprocess='fast').encode_images(images) * expected).sum(axis=1)
    assert 0.995 < fast.min() < 1 - 1e-7  # or the option does nothing
    rounded = load(kind, dtype='bfloat16').encode_images(images)
    assert rounded.dtype == np.float32
    assert (rounded * expected).sum(axis=1).min() > 0.97


def test_region_ends_count_although_the_transform_cuts_them_off(load, photos):
    model, image = load('clip', context=0.0), photos['chelsea'].copy()
    box = np.array([[0, 100, 450, 150]], np.float32)
    before = model.match_regions(image, box, NAMES)
    assert before.shape == (1, len(NAMES))
    image[100:150, 380:450] = 255 - image[100:150, 380:450]
    assert np.abs(model.match_regions(image, box, NAMES) - before).max() > 1e-3


@pytest.mark.parametrize('kind', ['clip', 'siglip2'])
def test_texts_that_are_too_long_are_named_not_cut(load, photos, kind):
    model = load(kind)
    with pytest.raises(VocabularyError, match=r'qz.*reads 32.*shorten'):
        model.classify(photos['coffee'], Vocabulary(('cat', 'qz ' * 33)))
    texts = [start + 'z ' * n for n in range(1, 40) for start in ('', 'zq ')]
    lengths = dict(zip(model._count_tokens(texts), texts, strict=True))
    model.encode_texts([lengths[32]])
    with pytest.raises(QuestionError, match='shorten'):
        model.encode_texts([lengths[33]])


def test_texts_are_counted_as_the_library_s_clips_mode_makes_them(copied):
    path = copied('siglip2', text_cfg={'tokenizer_mode': 'clips'})
    backend = backends.load('open_clip', model=str(path), dtype='float32')
    tokenizer = backend._tokenizer.tokenizer
    tokenizer.add_special_tokens({'cls_token': '<mask>'})
    words = tokenizer('two dogs', add_special_tokens=False)['input_ids']
    assert backend._count_tokens(['two dogs']) == [len(words) + 3]


# What follows is about captions.


@pytest.fixture
def library_generate(folder, monkeypatch):
    """The library's own `generate`, given back what it wants to import beside beam search."""
    module = open_clip.coca_model
    for name in (
        'LogitsProcessorList',
        'MaxLengthCriteria',
        'MinLengthLogitsProcessor',
        'RepetitionPenaltyLogitsProcessor',
        'StoppingCriteriaList',
    ):
        monkeypatch.setattr(module, name, getattr(transformers, name), raising=False)
    monkeypatch.setitem(module.GENERATION_TYPES, 'top_k', transformers.TopKLogitsWarper)
    monkeypatch.setattr(module, '_has_transformers', True)
    model, transform, tokenizer = library(folder('coca'))

    def generate(image, length, begin=()):
        begin = torch.tensor([[tokenizer.sot_token_id, *begin]])
        pixels = transform(PillowImage.fromarray(image))[None]
        with torch.inference_mode():
            tokens = model.generate(
                pixels, begin, generation_type='top_k', top_k=1, seq_len=length
            )[0].tolist()
        kept = [token for token in tokens[1:] if token not in (tokenizer.eot_token_id, 0)]
        return tokenizer.decode(kept).strip()

    return generate


@pytest.mark.parametrize('length', [6, 20])
@pytest.mark.parametrize('photo', ['chelsea', 'coffee'])
def test_captions_are_those_of_the_library(load, library_generate, photos, photo, length):
    expected = library_generate(photos[photo], length)
    assert len(set(expected.split())) > 1
    assert load('coca', max_tokens=length).caption(photos[photo]).text == expected


def test_a_prompt_is_how_a_caption_begins(coca, library_generate, photos):
    begin = coca._tokenizer.encode('a photo of')
    found = coca.caption(photos['coffee'], prompt='a photo of').text
    assert found.startswith('a photo of ')
    assert found == library_generate(photos['coffee'], 30, begin)


def test_captions_are_surer_of_surer_words(coca, photos, monkeypatch):
    unsure = coca.caption(photos['coffee'])
    real = coca._model.text_decoder.forward
    monkeypatch.setattr(coca._model.text_decoder, 'forward', lambda *args: real(*args) * 3)
    sure = coca.caption(photos['coffee'])
    assert sure.text == unsure.text
    assert 0 < unsure.score < sure.score < 1


def test_a_caption_ends_where_the_model_ends_it(coca, photos, monkeypatch):
    ends_after, real = 9, coca._model.text_decoder.forward

    def decode(images, texts):
        logits = real(images, texts)
        logits[..., coca._tokenizer.eot_token_id] = 1e4 if texts.shape[1] >= ends_after else 0.0
        return logits

    full = coca.caption(photos['coffee']).text
    monkeypatch.setattr(coca._model.text_decoder, 'forward', decode)
    ended = coca.caption(photos['coffee']).text
    assert full.startswith(ended)
    assert len(coca._tokenizer.encode(ended)) == ends_after - 1


def test_a_caption_is_told_as_it_grows_and_ended_by_its_ticket(coca, photos):
    told = []
    full = coca.caption(photos['coffee'], ticket=Ticket(on_partial=told.append)).text
    assert told[-1] == full
    assert len(told) > 5
    assert all(full.startswith(text) for text in told)
    ticket = Ticket(on_partial=lambda text: text == told[3] and ticket.cancel())
    with pytest.raises(WorkCancelled):
        coca.caption(photos['coffee'], ticket=ticket)


def test_a_prompt_without_room_for_a_caption_is_refused(coca, photos):
    with pytest.raises(QuestionError, match='shorten'):
        coca.caption(photos['coffee'], prompt='z ' * 28)
    assert coca.caption(photos['coffee'], prompt='z ' * 27).text


@pytest.mark.parametrize('length', [5, 33])
def test_lengths_a_caption_cannot_have_are_refused(load, length):
    with pytest.raises(BackendError, match=r'max_tokens must be in \[6, 32\]'):
        load('coca', max_tokens=length)


# What follows is about loading.


def test_nothing_is_asked_of_the_network_and_logging_stays(load, folder, monkeypatch):
    for kind in FAST_KINDS:
        folder(kind)
    root = logging.getLogger()
    monkeypatch.setattr(root, 'handlers', [])
    monkeypatch.setattr(socket.socket, 'connect', lambda *_: pytest.fail('it connects'))
    monkeypatch.setattr(socket, 'getaddrinfo', lambda *_, **__: pytest.fail('it looks up a host'))
    for kind in FAST_KINDS:
        load(kind)
    assert root.handlers == []


def test_the_prefix_of_hub_ids_is_understood(load):
    with pytest.raises(WeightsError, match='timm/ViT-B-16-SigLIP2'):
        load('clip', model='hf-hub:timm/ViT-B-16-SigLIP2')


def test_pickled_weights_are_never_read(copied, load, photos):
    path = copied('clip')
    (path / 'open_clip_pytorch_model.bin').write_bytes(b'not even a pickle')
    (path / 'open_clip_model.safetensors').rename(path / 'model.safetensors')
    places = load('clip', model=str(path)).encode_images([photos['coffee']])
    np.testing.assert_array_equal(places, load('clip').encode_images([photos['coffee']]))
    (path / 'model.safetensors').unlink()
    with pytest.raises(WeightsError, match='safetensors'):
        load('clip', model=str(path))


def test_a_missing_weight_is_an_error(copied, load):
    path = copied('clip') / 'open_clip_model.safetensors'
    weights = load_file(path)
    del weights['ln_final.weight']
    save_file(weights, path)
    with pytest.raises(WeightsError, match=r'ln_final\.weight'):
        load('clip', model=str(path.parent))


def test_damaged_weights_are_an_error(copied, load):
    path = copied('clip') / 'open_clip_model.safetensors'
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(WeightsError):
        load('clip', model=str(path.parent))


def test_weights_of_another_library_are_not_taken_for_these(copied, load):
    path = copied('clip')
    (path / 'open_clip_model.safetensors').rename(path / 'other.safetensors')
    with pytest.raises(WeightsError, match=r'none of the files open_clip_model\.safetensors'):
        load('clip', model=str(path))


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'text_cfg': {'hf_model_name': 'roberta-base'}}, 'roberta-base'),
        ({'vision_cfg': {'timm_model_name': 'hf-hub:somebody/something'}}, 'from the hub'),
        ({'preprocess_cfg': {'resize_mode': 'longest'}}, 'longest'),
    ],
)
def test_models_that_cannot_be_run_here_are_refused(copied, load, changes, message):
    with pytest.raises(BackendError, match=message):
        load('siglip2', model=str(copied('siglip2', **changes)))


def test_a_folder_of_something_else_is_refused(copied, load):
    path = copied('clip')
    (path / 'open_clip_config.json').write_text('{"model_cfg": {"embed_dim": 3}}', 'utf-8')
    with pytest.raises(WeightsError, match='describes no model'):
        load('clip', model=str(path))


def test_a_tokenizer_that_is_not_there_is_an_error(copied, load):
    path = copied('siglip2')
    (path / 'tokenizer.json').unlink()
    (path / 'tokenizer_config.json').unlink()
    with pytest.raises(WeightsError, match='the tokenizer of'):
        load('siglip2', model=str(path))


def test_a_configuration_cannot_ask_for_code_of_strangers(copied, load, monkeypatch):
    asked = {}

    def recorded(*_, **options):
        asked.update(options)
        raise ValueError('enough')

    monkeypatch.setattr(open_clip_loading, 'HFTokenizer', recorded)
    kwargs = {'trust_remote_code': True, 'local_files_only': False, 'reduction_mask': 'syntax'}
    path = copied('siglip2', text_cfg={'tokenizer_kwargs': kwargs})
    with pytest.raises(WeightsError, match='enough'):
        load('siglip2', model=str(path))
    assert asked['trust_remote_code'] is False
    assert asked['local_files_only'] is True
    assert 'reduction_mask' not in asked


def test_an_exported_tower_places_the_same(load, photos, tmp_path, monkeypatch):
    monkeypatch.setenv('VLM_ROS_CACHE', str(tmp_path))
    images = [photos['chelsea'], photos['coffee']]
    found = load('siglip2', runtime='openvino').encode_images(images)
    np.testing.assert_allclose(found, load('siglip2').encode_images(images), atol=1e-4)
    assert len(list((tmp_path / 'exported').iterdir())) == 1
