"""The lock file: stable, whole, and nothing in it is trusted."""

from dataclasses import replace
import json
from pathlib import Path
import threading

from hypothesis import given, settings, strategies
import pytest

from vlm_ros.backends.hub import lock as lock_module
from vlm_ros.backends.hub.lock import (
    format_lock,
    is_inside,
    is_model_id,
    lock_path,
    LockedFile,
    LockedModel,
    parse_lock,
    read_lock,
    update_lock,
)
from vlm_ros.errors import WeightsError

SHA256 = 'ab' * 32
MODEL = LockedModel(
    '0123456789' * 4, {'config.json': LockedFile(3, SHA256)}, '', '2026-01-31T12:00:00Z'
)


def entry(**changes):
    file = {'size': 3, 'sha256': SHA256} | changes.pop('file', {})
    name = changes.pop('name', 'config.json')
    return {'revision': MODEL.revision, 'files': {name: file}} | changes


def content(model_id='a/b', **changes):
    return json.dumps({'format': 1, 'models': {model_id: entry(**changes)}}).encode()


def test_comes_back_as_it_was_written():
    models = {'b/b': MODEL, 'a/a': replace(MODEL, accepted_terms='not for « commercial » use')}
    assert parse_lock(format_lock(models)) == models


def test_is_the_same_whatever_the_order():
    files = {'b.json': LockedFile(1, SHA256), 'a.json': LockedFile(2, SHA256)}
    backwards = dict(reversed(files.items()))
    one = {'a/a': replace(MODEL, files=files), 'b/b': MODEL}
    other = {'b/b': MODEL, 'a/a': replace(MODEL, files=backwards)}
    assert format_lock(one) == format_lock(other)
    assert format_lock(one).endswith(b'}\n')


def test_the_example_of_the_documentation_is_a_lock_file():
    text = (Path(__file__).parents[3] / 'docs' / 'weights.md').read_text('utf-8')
    example = text.partition('```json\n')[2].partition('```')[0].encode()
    assert format_lock(parse_lock(example)) == example


def test_there_is_nothing_without_a_file():
    assert read_lock() == {}


def test_update_keeps_the_other_models():
    update_lock({'a/a': MODEL})
    update_lock({'b/b': MODEL})
    assert set(read_lock()) == {'a/a', 'b/b'}
    assert [path.name for path in lock_path().parent.glob('*.json')] == ['models.lock.json']
    assert not list(lock_path().parent.glob('.*.tmp'))


def test_another_time_alone_changes_nothing():
    update_lock({'a/a': MODEL})
    before = lock_path().stat()
    update_lock({'a/a': replace(MODEL, prefetched='2027-01-01T00:00:00Z')})
    assert lock_path().stat().st_ino == before.st_ino
    assert read_lock() == {'a/a': MODEL}


def test_updates_at_once_lose_nothing():
    names = [f'owner/model{number}' for number in range(12)]
    threads = [threading.Thread(target=update_lock, args=({name: MODEL},)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(read_lock()) == sorted(names)


def test_own_place(monkeypatch, tmp_path):
    monkeypatch.setenv('VLM_ROS_MODELS_LOCK', str(tmp_path / 'repository' / 'robot.json'))
    update_lock({'a/a': MODEL})
    assert [path.name for path in (tmp_path / 'repository').iterdir()] == ['robot.json']


def test_interrupted_write_leaves_the_old_file(monkeypatch):
    update_lock({'a/a': MODEL})

    def full(*args):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(lock_module.os, 'fsync', full)
    with pytest.raises(WeightsError, match='cannot be written: No space left'):
        update_lock({'b/b': MODEL})
    assert read_lock() == {'a/a': MODEL}
    assert not list(lock_path().parent.glob('.*.tmp'))


@pytest.mark.parametrize(
    ('damaged', 'where'),
    [
        (b'', 'not JSON'),
        (b'{"format": 1, "mod', 'not JSON'),
        (b'\xff\xfe', 'not JSON'),
        (b'[' * 100_000, 'not JSON'),
        (b'[]', 'no models'),
        (b'{"format": 1, "models": 3}', 'no models'),
        (b'{"format": 2, "models": {}}', 'format is 2 and not 1'),
        (content('../../etc'), 'is not a model'),
        (content('a/b/c'), 'is not a model'),
        (content(revision='main'), 'has no commit'),
        (content(revision=None), 'has no commit'),
        (content(files=[]), 'has no files'),
        (content(name='../secret'), "file '../secret'"),
        (content(name='/etc/passwd'), "file '/etc/passwd'"),
        (content(name='a/../../b'), 'file'),
        (content(name='a\\b'), 'file'),
        (content(name='a\nb'), 'file'),
        (content(file={'size': -1}), 'has no size'),
        (content(file={'size': True}), 'has no size'),
        (content(file={'size': 1.5}), 'has no size'),
        (content(file={'sha256': 'AB' * 32}), 'has no checksum'),
        (content(file={'sha256': None}), 'has no checksum'),
    ],
)
def test_damage_is_one_line_and_the_file_stays(damaged, where):
    lock_path().parent.mkdir(parents=True)
    lock_path().write_bytes(damaged)
    for use in (read_lock, lambda: update_lock({'a/a': MODEL})):
        with pytest.raises(WeightsError, match='is damaged') as caught:
            use()
        assert where in str(caught.value)
        assert 'move it away and run: vlm-ros models prefetch' in str(caught.value)
        assert '\n' not in str(caught.value)
    assert lock_path().read_bytes() == damaged


@settings(max_examples=40, deadline=None)
@given(strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.text(),
    lambda inner: strategies.lists(inner) | strategies.dictionaries(
        strategies.sampled_from(['a/b', 'files', 'models', 'revision', 'size', 'sha256']), inner
    ),
))  # fmt: skip
def test_any_json_is_a_lock_or_a_value_error(found):
    for whole in (found, {'format': 1, 'models': found}, {'format': 1, 'models': {'a/b': found}}):
        try:
            parsed = parse_lock(json.dumps(whole).encode())
        except ValueError:
            continue
        assert all(is_model_id(name) for name in parsed)


@pytest.mark.parametrize('name', ['a', 'a.json', 'folder/a.json', '.hidden', '..a', 'a b.txt'])
def test_names_inside(name):
    assert is_inside(name)


@pytest.mark.parametrize(
    'name', ['', '.', '..', '/a', '../a', 'a/..', 'a/./b', 'a//b', 'a/', './a', 'C:a', 'a\0b']
)
def test_names_outside(name):
    assert not is_inside(name)


@pytest.mark.parametrize(
    'text', ['', '.', '..', 'a/..', '../a', 'a--b/c', 'a/b/c', 'ä/b', 'a/b\n']
)
def test_no_model_ids(text):
    assert not is_model_id(text)
