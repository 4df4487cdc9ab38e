"""Finding prefetched weights: checked every time, read only where something may have changed."""

import os
import shutil
import subprocess
import sys

from planting import BOUND, COMMIT, FILES, FREE, plant
import pytest

from vlm_ros.backends.hub import digests, locate, Snapshot, store
from vlm_ros.backends.hub.digests import digests_of
from vlm_ros.backends.hub.lock import read_lock
from vlm_ros.backends.hub.prefetch import prefetch
from vlm_ros.backends.hub.store import faults
from vlm_ros.errors import MissingDependencyError, WeightsError

ID = FREE.model_id
MEND = f'run: vlm-ros models prefetch {ID}'


@pytest.fixture
def readings(monkeypatch):
    """Return the names of the files that were read to the end."""
    names = []

    def read(path):
        names.append(path.name)
        return digests.sha256_of(path)

    monkeypatch.setattr(store, 'sha256_of', read)
    return names


def error(model_id=ID):
    with pytest.raises(WeightsError) as caught:
        locate(model_id)
    assert '\n' not in str(caught.value)
    return str(caught.value)


def test_a_prefetched_model_is_found():
    folder = plant(ID)
    assert locate(ID) == Snapshot(ID, COMMIT, folder)
    assert (folder / 'config.json').read_bytes() == FILES['config.json']


def test_a_model_that_was_not_prefetched():
    assert error() == f'{ID} has not been prefetched; {MEND}'


def test_an_unknown_model_has_neighbours():
    name = ID.partition('/')[2]
    for slip in (ID[:-1], name, ID.upper()):
        assert f'did you mean {ID}' in error(slip)
    assert error('qqqqq/zzzzz').endswith("no model 'qqqqq/zzzzz'; see vlm-ros models list")
    for absurd in ('', '../../etc', 'a' * 10_000, 'a\nb', '\0'):
        assert 'see vlm-ros models list' in error(absurd)
        assert len(error(absurd)) < 300


def test_a_model_of_the_lock_that_is_elsewhere():
    shutil.rmtree(plant(ID))
    assert error() == f'{ID} is in the lock file, but not on this machine; {MEND}'


@pytest.mark.parametrize('name', FILES)
@pytest.mark.parametrize('gone', ['link', 'blob'])
def test_a_missing_file(name, gone):
    path = plant(ID) / name
    (path if gone == 'link' else path.resolve()).unlink()
    assert error() == f'{ID} is not whole: {name} is missing; {MEND}'


@pytest.mark.parametrize('content', [b'', FILES['model.safetensors'][:-1]])
def test_a_cut_file(content, readings):
    path = plant(ID) / 'model.safetensors'
    path.write_bytes(content)
    expected = f'model.safetensors has {len(content)} bytes instead of 10240; {MEND}'
    assert error() == f'{ID} is not whole: {expected}'
    assert readings == []


def test_a_changed_file():
    path = plant(ID) / 'model.safetensors'
    path.write_bytes(b'X' + FILES['model.safetensors'][1:])
    changed = 'model.safetensors has been changed: its checksum differs'
    assert error() == f'{ID} is not whole: {changed}; {MEND}'
    assert error() == f'{ID} is not whole: {changed}; {MEND}'


def test_files_are_read_once(readings):
    plant(ID)
    locate(ID)
    assert sorted(readings) == sorted(FILES)
    locate(ID)
    assert len(readings) == len(FILES)
    list(faults(ID, read_lock()[ID], reread=True))
    assert len(readings) == 2 * len(FILES)


def test_a_change_after_the_reading_is_noticed():
    path = plant(ID) / 'model.safetensors'
    locate(ID)
    path.write_bytes(b'X' + FILES['model.safetensors'][1:])
    assert 'has been changed' in error()


def test_a_change_that_hides_behind_its_old_time_is_noticed():
    path = plant(ID) / 'model.safetensors'
    locate(ID)
    before = path.stat()
    path.write_bytes(b'X' + FILES['model.safetensors'][1:])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert 'has been changed' in error()


def test_a_link_that_was_led_elsewhere_is_noticed():
    path = plant(ID) / 'model.safetensors'
    locate(ID)
    other = path.with_name('other')
    other.write_bytes(bytes(len(FILES['model.safetensors'])))
    path.unlink()
    path.symlink_to(other)
    assert 'has been changed' in error()


def test_another_checksum_in_the_lock_is_noticed():
    plant(ID)
    locate(ID)
    path = store.snapshot_folder(ID, COMMIT) / 'config.json'
    content = path.read_bytes()
    # Another team's lock file for the same commit.
    plant(ID, {**FILES, 'config.json': content[::-1]}, revision='f' * 40)
    target = store.snapshot_folder(ID, 'f' * 40) / 'config.json'
    target.unlink()
    target.symlink_to(path)
    assert 'config.json has been changed' in error()


@pytest.mark.parametrize('content', [b'', b'{', b'[]', b'{"a": 1}', b'\xff'])
def test_damaged_notes_cost_a_reading_only(content, readings):
    plant(ID)
    locate(ID)
    notes = digests.cache_folder() / 'models.verified.json'
    notes.write_bytes(content)
    locate(ID)
    assert len(readings) == 2 * len(FILES)


def test_notes_that_cannot_be_kept_cost_a_reading_only(readings):
    plant(ID)
    (digests.cache_folder() / 'models.verified.json').mkdir()
    locate(ID)
    locate(ID)
    assert len(readings) == 2 * len(FILES)


def test_terms_have_to_be_accepted():
    plant(BOUND.model_id)
    said = error(BOUND.model_id)
    assert BOUND.terms.rstrip('.') in said
    assert said.endswith(f'vlm-ros models prefetch {BOUND.model_id} --accept-terms')
    shutil.rmtree(store.model_folder(BOUND.model_id))
    plant(BOUND.model_id, accepted_terms=BOUND.terms)
    assert locate(BOUND.model_id).revision == COMMIT


def test_terms_that_were_changed_have_to_be_accepted_again():
    plant(BOUND.model_id, accepted_terms='what they were')
    assert '--accept-terms' in error(BOUND.model_id)


def test_an_own_model_needs_no_card():
    plant('somebody/fine-tuned')
    assert locate('somebody/fine-tuned').model_id == 'somebody/fine-tuned'


def test_a_missing_client_is_named_with_its_mend(monkeypatch):
    plant(ID)
    monkeypatch.setitem(sys.modules, 'huggingface_hub', None)
    for use in (locate, prefetch):
        with pytest.raises(MissingDependencyError, match='run: pip install'):
            use(ID)


def test_a_cache_that_cannot_be_written_is_read(monkeypatch):
    plant(ID)

    def refuse(*args, **kwargs):
        raise OSError(30, 'Read-only file system')

    for call in ('mkdir', 'replace', 'unlink'):
        monkeypatch.setattr(os, call, refuse)
    assert locate(ID) == prefetch(ID).snapshot


def test_git_digest_is_git_s(tmp_path):
    path = tmp_path / 'file'
    path.write_bytes(FILES['model.safetensors'])
    command = ['git', 'hash-object', str(path)]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert digests_of(path).git == out
    assert digests_of(path).sha256 == digests.sha256_of(path)


def test_finding_opens_no_connection_and_loads_no_client(tmp_path):
    plant(ID)
    code = (
        'import socket, sys\n'
        'def refuse(*args, **kwargs): raise SystemExit("a socket")\n'
        'socket.socket = refuse\n'
        'from vlm_ros.backends.hub import locate\n'
        f'print(locate({ID!r}).revision)\n'
        'sys.exit(", ".join({"httpx", "httpx2", "requests", "torch"} & set(sys.modules)) or 0)'
    )
    environment = os.environ | {
        'HF_HUB_CACHE': str(tmp_path / 'first' / 'hub'),
        'VLM_ROS_CACHE': str(tmp_path / 'first' / 'vlm_ros'),
    }
    done = subprocess.run(
        [sys.executable, '-c', code], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.returncode) == (COMMIT, 0), done.stderr
