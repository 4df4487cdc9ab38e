"""From a name or a folder to weights, with everything that can be wrong about them."""

from dataclasses import replace
import json
import shutil

import pytest
from safetensors.torch import load_file, save_file
import tiny
import torch

from vlm_ros import backends
from vlm_ros.backends.catalogue import find
from vlm_ros.backends.engine import checkpoint
from vlm_ros.backends.engine.checkpoint import check_memory, open_checkpoint
from vlm_ros.errors import BackendError, VlmRosError, WeightsError


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp('checkpoint') / 'owl'
    tiny.save('owl', folder)
    return folder


@pytest.fixture
def folder(made, tmp_path):
    """A copy that may be damaged."""
    return shutil.copytree(made, tmp_path / 'mine')


def load(folder, **options):
    return backends.load('owl', model=str(folder), **options)


def change_config(folder, **changes):
    path = folder / 'config.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_folder_names_the_model_and_its_files_are_its_revision(folder):
    model = load(folder)
    assert model.model_id == 'owl:mine'
    again = load(f'local-dir:{folder}')
    assert again.model_revision == model.model_revision
    weights = load_file(folder / 'model.safetensors')
    save_file({**weights, 'more': torch.zeros(3)}, folder / 'model.safetensors')
    assert open_checkpoint(str(folder), backend='owl').revision != model.model_revision


def test_its_parameters_are_counted(folder):
    weights = load_file(folder / 'model.safetensors')
    counted = open_checkpoint(str(folder), backend='owl').parameters()
    assert counted == sum(each.numel() for each in weights.values())


@pytest.mark.parametrize(
    'name', ['/no/such/folder', './no', '~/no/such', 'local-dir:no', 'local-dir:']
)
def test_a_folder_that_is_not_there(name):
    with pytest.raises(WeightsError, match='there is no folder'):
        load(name)


@pytest.mark.parametrize('name', ['/' + 'x' * 5000, 'x' * 5000, '~nobody-of-this-name/x', 'a\0b'])
def test_a_name_that_can_be_no_folder(name):
    with pytest.raises(WeightsError) as caught:
        load(name)
    assert len(str(caught.value)) < 300
    assert '\n' not in str(caught.value)


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(WeightsError, match=r'holds no model: it has no config\.json'):
        load(tmp_path)


@pytest.mark.parametrize('text', ['{', '[]', '"owl"', '[' * 100_000], ids=len)
def test_a_config_that_is_none(folder, text):
    (folder / 'config.json').write_text(text)
    with pytest.raises(WeightsError, match=r'config\.json (cannot be read|does not describe)'):
        load(folder)


def test_a_model_of_another_family(folder):
    change_config(folder, model_type='clip')
    with pytest.raises(BackendError, match='mine is a clip model, and owl runs owlvit, owlv2'):
        load(folder)


def test_pickles_are_never_read(folder):
    weights = load_file(folder / 'model.safetensors')
    (folder / 'model.safetensors').unlink()
    torch.save(weights, folder / 'pytorch_model.bin')
    with pytest.raises(WeightsError, match='no weights in the safetensors format'):
        load(folder)


def test_code_that_a_model_brings_is_not_run(folder):
    (folder / 'evil.py').write_text('raise SystemExit("ran")')
    change_config(folder, auto_map={'AutoModel': 'evil.Model', 'AutoConfig': 'evil.Config'})
    assert load(folder).model_id == 'owl:mine'


@pytest.mark.parametrize('left', [100, 5000])
def test_weights_cut_short(folder, left):
    path = folder / 'model.safetensors'
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(WeightsError) as caught:
        load(folder)
    assert 'mine' in str(caught.value)
    assert '\n' not in str(caught.value)


def test_a_weight_that_is_missing_is_not_made_up(folder):
    path = folder / 'model.safetensors'
    weights = load_file(path)
    weights = {name: each for name, each in weights.items() if not name.startswith('class_head')}
    save_file(weights, path, metadata={'format': 'pt'})
    with pytest.raises(WeightsError, match='lacks 6 of the weights of a OwlViTForObj'):
        load(folder)


def test_a_weight_of_another_shape(folder):
    path = folder / 'model.safetensors'
    weights = load_file(path)
    weights['class_head.dense0.weight'] = torch.zeros(3, 3)
    save_file(weights, path, metadata={'format': 'pt'})
    with pytest.raises(WeightsError, match=r'class_head.dense0.weight the first \(\(3, 3\), not'):
        load(folder)


@pytest.mark.parametrize('name', ['tokenizer.json', 'preprocessor_config.json'])
def test_a_processor_that_is_missing(folder, name):
    found = [path for path in folder.iterdir() if path.name in (name, 'processor_config.json')]
    assert found
    for path in found:
        path.unlink()
    with pytest.raises(WeightsError, match='of mine cannot be loaded') as caught:
        load(folder)
    assert 'http' not in str(caught.value)


def test_a_model_larger_than_the_memory(folder, monkeypatch):
    monkeypatch.setattr(checkpoint, 'free_memory_bytes', lambda device: 100_000)
    with pytest.raises(BackendError, match=r'needs about 0\.0 GB in float32, and cpu has 0\.0 GB'):
        load(folder, dtype='float32')


def test_what_the_catalogue_knows_of_activations_counts(folder, monkeypatch):
    card = find('IDEA-Research/grounding-dino-tiny')
    assert card.activations_mb > 1600
    large = replace(open_checkpoint(str(folder), backend='owl'), name=card.model_id)
    monkeypatch.setattr(checkpoint, 'free_memory_bytes', lambda device: 1_000_000_000)
    check_memory(large, device=torch.device('cpu'), dtype=torch.bfloat16)
    with pytest.raises(BackendError, match=r'grounding-dino-tiny needs about 1\.[67] GB'):
        check_memory(large, device=torch.device('cpu'), dtype=torch.float32)


def test_a_published_model_of_another_backend():
    with pytest.raises(BackendError, match="runs in the backend 'grounding_dino', not in 'owl'"):
        load('IDEA-Research/grounding-dino-tiny')


@pytest.mark.parametrize('name', ['google/owlvit-base-patch32', 'google/owlvit-bose-patch32', ''])
def test_a_published_model_that_was_not_fetched(name, tmp_path, monkeypatch):
    monkeypatch.setenv('VLM_ROS_CACHE', str(tmp_path))
    with pytest.raises(VlmRosError) as caught:
        load(name)
    assert 'google/owlvit-base-patch32' in str(caught.value)
    assert '\n' not in str(caught.value)
