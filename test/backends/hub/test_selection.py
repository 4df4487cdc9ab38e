"""Which files are needed, by listings such as the hub's repositories have."""

import pytest

from vlm_ros.backends.hub.selection import INDEX, needed, UnusableRepository

TRANSFORMERS = [
    '.gitattributes', 'README.md', 'LICENSE', 'config.json', 'flax_model.msgpack', 'merges.txt',
    'model.safetensors', 'preprocessor_config.json', 'pytorch_model.bin', 'spiece.model',
    'tf_model.h5', 'tokenizer.json', 'vocab.json', 'onnx/model.onnx', 'onnx/config.json',
    'chat_template.jinja', 'modeling_own.py', 'additional_chat_templates/tools.jinja',
    'training_args.bin', 'model.fp16.safetensors', 'original/params.json',
]  # fmt: skip
WANTED = [
    'LICENSE', 'additional_chat_templates/tools.jinja', 'chat_template.jinja', 'config.json',
    'merges.txt', 'preprocessor_config.json', 'spiece.model', 'tokenizer.json', 'vocab.json',
    'model.safetensors',
]  # fmt: skip
BOTH = [*TRANSFORMERS, 'open_clip_model.safetensors', 'open_clip_config.json', 'open_clip.bin']
SHARDS = [f'model-{part:05}-of-00003.safetensors' for part in (1, 2, 3)]


def test_no_pickles_no_code_no_other_runtimes():
    assert list(needed(TRANSFORMERS, 'clip')) == WANTED


def test_each_library_has_its_weights():
    assert needed(BOTH, 'clip')[-1] == 'model.safetensors'
    assert 'open_clip_model.safetensors' not in needed(BOTH, 'clip')
    chosen = needed(BOTH, 'open_clip')
    assert chosen[-1] == 'open_clip_model.safetensors'
    assert 'open_clip_config.json' in chosen
    assert 'model.safetensors' not in chosen
    assert {'model.safetensors', 'open_clip_model.safetensors'} <= {*needed(BOTH)}


def test_open_clip_takes_what_there_is():
    assert needed(['model.safetensors', 'config.json'], 'open_clip')[-1] == 'model.safetensors'
    assert needed(['open_clip_model.safetensors']) == ('open_clip_model.safetensors',)


def test_shards_go_with_their_index():
    assert needed([*SHARDS, INDEX, 'config.json'], 'chat') == ('config.json', INDEX, *SHARDS)


def test_whole_weights_go_before_shards():
    assert needed([*SHARDS, INDEX, 'model.safetensors'], 'chat') == ('model.safetensors',)


@pytest.mark.parametrize('part', SHARDS)
def test_a_missing_part(part):
    names = [name for name in [*SHARDS, INDEX] if name != part]
    with pytest.raises(UnusableRepository, match='has 2 of 3 parts of its weights'):
        needed(names, 'chat')


@pytest.mark.parametrize(
    'names',
    [
        [],
        ['config.json'],
        ['config.json', 'pytorch_model.bin'],
        ['config.json', 'unet/model.safetensors'],
        SHARDS,  # without an index nothing says what is where
        ['adapter_model.safetensors'],
    ],
)
def test_no_weights(names):
    with pytest.raises(UnusableRepository, match='has no safetensors weights'):
        needed(names, 'chat')


def test_transformers_models_are_not_served_by_open_clip_s_file():
    with pytest.raises(UnusableRepository):
        needed(['open_clip_model.safetensors', 'open_clip_config.json'], 'clip')
