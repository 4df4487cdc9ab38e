from importlib.metadata import EntryPoint
import subprocess
import sys
import textwrap

import pytest

from vlm_ros import backends
from vlm_ros.backends import registry
from vlm_ros.errors import (
    BackendError,
    DeviceError,
    MissingDependencyError,
    UnknownBackendError,
    WeightsError,
)


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a plug-in: a module with some source, under an entry point."""

    def add(name, source):
        (tmp_path / f'plug_in_{name}.py').write_text(textwrap.dedent(source))
        monkeypatch.syspath_prepend(tmp_path)
        plug_in = EntryPoint(name, f'plug_in_{name}:Backend', backends.ENTRY_POINT_GROUP)
        monkeypatch.setattr(registry, 'entry_points', lambda group: [plug_in])

    return add


GOOD = """
    class Backend:
        LICENCE = 'MIT'
        model_revision, device = '1', 'cpu'
        def __init__(self, *, device, model, size=1):
            self.model_id = f'mine:{model}:{size}'
        def close(self): pass
        def caption(self, image, *, prompt='', ticket=None): pass
"""


def test_names_the_built_in_ones():
    assert {'embedded', 'fake', 'owl'} <= set(backends.names())
    assert list(backends.names()) == sorted(backends.names())


def test_describing_imports_no_model_library():
    code = (
        'import sys; from vlm_ros import backends; found = backends.describe();'
        'heavy = {"torch", "openvino", "tokenizers", "cv2"} & set(sys.modules);'
        'assert {"embedded", "owl"} <= {info.name for info in found}; assert not heavy, heavy'
    )
    subprocess.run([sys.executable, '-c', code], check=True, timeout=60)


def test_describes_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setenv('VLM_ROS_CACHE', str(tmp_path))
    monkeypatch.setattr(registry, 'find_spec', lambda name: None)
    info = next(info for info in backends.describe() if info.name == 'embedded')
    assert not info.ready
    assert 'torch' in info.missing_libraries
    assert 'openvino' in info.missing_libraries
    assert len(info.missing_weights) == 7
    assert 'Apache-2.0' in info.licence


def test_unknown_name_gets_a_suggestion_and_the_list():
    with pytest.raises(UnknownBackendError, match=r"mean 'embedded'\? available: .*embedded, "):
        backends.load('embeded')
    with pytest.raises(UnknownBackendError, match=r'available: .*embedded, .*fake'):
        backends.load('')


@pytest.mark.parametrize(
    'device', [3, None, '', 'gpu', 'cuda:', 'cuda:x', 'CPU', 'cpu:0', 'cuda:0\n']
)
def test_unknown_device_is_refused_in_one_line(device):
    with pytest.raises(DeviceError) as caught:
        backends.load('fake', device=device)
    assert '\n' not in str(caught.value)


def test_a_model_that_is_no_text_is_refused():
    with pytest.raises(BackendError, match='the model must be a text, got 3; put it in quotation'):
        backends.load('owl', model=3)


def test_unknown_option_names_the_ones_there_are():
    with pytest.raises(BackendError, match="no option 'speed'; it has: script, scene, latency_s"):
        backends.load('fake', speed=2)


def test_missing_weights_say_what_to_run(monkeypatch, tmp_path):
    monkeypatch.setenv('VLM_ROS_CACHE', str(tmp_path))
    with pytest.raises(WeightsError, match='missing; run: vlm-ros fetch embedded'):
        backends.load('embedded')


def test_plug_in_is_loaded_like_any_other(install):
    install('mine', GOOD)
    assert 'mine' in backends.names()
    assert backends.load('mine', model='big', size=3).model_id == 'mine:big:3'
    info = next(info for info in backends.describe() if info.name == 'mine')
    assert (info.tasks, info.licence, info.ready) == (('caption',), 'MIT', True)


def test_plug_in_that_cannot_be_imported_hides_no_other(install):
    install('broken', 'raise RuntimeError("no\\nluck")')
    found = {info.name: info for info in backends.describe()}
    assert found['fake'].ready
    assert 'no luck' in found['broken'].problem
    with pytest.raises(BackendError, match='no luck'):
        backends.load('broken')


def test_plug_in_cannot_take_a_built_in_name(install):
    install('fake', GOOD)
    assert backends.load('fake').model_id == 'fake'


def test_missing_library_is_named_with_its_package(install):
    install('needy', 'import cv2_that_is_not_there')
    with pytest.raises(MissingDependencyError, match='pip install cv2_that_is_not_there'):
        backends.load('needy')


def test_a_class_without_tasks_is_no_backend(install):
    install('idle', 'class Backend:\n    def __init__(self, *, device, model): pass')
    with pytest.raises(BackendError, match='satisfies no task'):
        backends.load('idle')


@pytest.mark.parametrize(
    'option',
    'key api_key API_KEY apiKey apikey access_token token HFToken secret client_secret2 '
    'password db_password credentials credential_1 _key'.split(),
)
@pytest.mark.parametrize('backend', ['fake', 'greedy'])
def test_option_that_looks_like_a_secret_is_refused(install, backend, option):
    install('greedy', GOOD.replace('size=1', '**options').replace(':{size}', ''))
    with pytest.raises(BackendError, match='environment') as caught:
        backends.load(backend, **{option: 'hunter2'})
    message = str(caught.value)
    assert repr(option) in message
    assert 'hunter2' not in message
    assert '\n' not in message


@pytest.mark.parametrize(
    'option',
    ['max_tokens', 'maxTokens', 'keyframes', 'keyboard', 'monkey', 'tokenizer', 'secretary'],
)
def test_option_that_only_sounds_like_a_secret_is_taken(install, option):
    install('greedy', GOOD.replace('size=1', '**options').replace('{size}', '{options}'))
    assert option in backends.load('greedy', **{option: 8}).model_id
