"""Prefetching with the real client from a hub on this machine, in fair weather and foul."""

from dataclasses import replace
import json
import os
import threading

from huggingface_hub import constants, get_session, scan_cache_dir, snapshot_download
from planting import BOUND, COMMIT, FILES, FREE, locked_files
import pytest

from vlm_ros.backends.catalogue import CATALOGUE
from vlm_ros.backends.hub import digests, locate, remote, store
from vlm_ros.backends.hub import prefetch as prefetch_module
from vlm_ros.backends.hub.lock import lock_path, LockedModel, read_lock, update_lock
from vlm_ros.backends.hub.prefetch import prefetch
from vlm_ros.backends.hub.selection import INDEX
from vlm_ros.errors import WeightsError

ID = FREE.model_id
WEIGHTS = 'model.safetensors'
LARGE = {**FILES, WEIGHTS: os.urandom(3_000_000)}


@pytest.fixture(autouse=True)
def unpinned(monkeypatch):
    """The catalogue's commits are not those of this hub."""
    cards = tuple(replace(card, revision='') for card in CATALOGUE)
    for module in (store, prefetch_module):
        monkeypatch.setattr(module, 'CATALOGUE', cards)
        monkeypatch.setattr(
            module, 'find', lambda name: next((c for c in cards if c.model_id == name), None)
        )


def error(*args, **kwargs):
    with pytest.raises(WeightsError) as caught:
        prefetch(*args, **kwargs)
    assert '\n' not in str(caught.value)
    return str(caught.value)


def blob_of(name, commit=COMMIT):
    return (store.snapshot_folder(ID, commit) / name).resolve()


def incomplete():
    return list(store.model_folder(ID).rglob('*.incomplete'))


def test_brings_a_model_and_settles_on_it(hub):
    hub.add(ID, FILES | {'pytorch_model.bin': b'pickle', 'README.md': b'#', 'onnx/m.onnx': b'o'})
    told = []
    done = prefetch(ID, on_bytes=lambda *numbers: told.append(numbers))
    assert sorted(done.fetched) == sorted(FILES)
    assert done.snapshot == locate(ID)
    assert done.snapshot.revision == COMMIT
    assert {path.name: path.read_bytes() for path in done.snapshot.folder.iterdir()} == FILES
    assert read_lock()[ID].files == locked_files()
    total = sum(map(len, FILES.values()))
    assert told[-1] == (total, total)
    assert told == sorted(told)
    assert not incomplete()


def test_huggingface_hub_takes_it_for_its_own(hub):
    hub.add(ID, FILES)
    folder = prefetch(ID).snapshot.folder
    before = len(hub.requests)
    found = snapshot_download(
        ID, revision=COMMIT, local_files_only=True, cache_dir=constants.HF_HUB_CACHE
    )
    assert os.path.samefile(found, folder)
    assert len(hub.requests) == before
    report = scan_cache_dir(constants.HF_HUB_CACHE)
    assert not report.warnings
    assert [repo.repo_id for repo in report.repos] == [ID]
    # Online, it asks what there is and downloads nothing again.
    snapshot_download(ID, revision=COMMIT, allow_patterns=list(FILES))
    assert not [request for request in hub.requests[before:] if '/resolve/' in request.path]


def test_what_huggingface_hub_has_brought_is_used(hub):
    hub.add(ID, FILES)
    snapshot_download(ID, revision=COMMIT)
    before = len(hub.requests)
    done = prefetch(ID)
    assert done.fetched == ()
    assert len(hub.requests) == before + 1
    assert locate(ID) == done.snapshot


def test_a_satisfied_lock_asks_nobody(hub):
    hub.add(ID, FILES)
    prefetch(ID)
    requests, content = len(hub.requests), lock_path().read_bytes()
    done = prefetch(ID)
    assert done.fetched == ()
    assert (len(hub.requests), lock_path().read_bytes()) == (requests, content)


def test_what_was_just_brought_is_not_read_again(hub, monkeypatch):
    hub.add(ID, LARGE)
    brought = prefetch(ID).snapshot
    monkeypatch.setattr(store, 'sha256_of', lambda path: pytest.fail(f'reads {path}'))
    assert locate(ID) == brought


def test_another_machine_gets_the_locked_commit(hub, cache, tmp_path, monkeypatch):
    monkeypatch.setenv('VLM_ROS_MODELS_LOCK', str(tmp_path / 'team.json'))
    hub.add(ID, FILES)
    prefetch(ID)
    cache('second')
    with pytest.raises(WeightsError, match='not on this machine'):
        locate(ID)
    before = len(hub.requests)
    prefetch(ID)
    assert locate(ID).revision == COMMIT
    assert all(COMMIT in request.path for request in hub.requests[before:])


def test_other_bytes_than_locked_are_refused(hub, cache, tmp_path, monkeypatch):
    monkeypatch.setenv('VLM_ROS_MODELS_LOCK', str(tmp_path / 'team.json'))
    hub.add(ID, FILES)
    prefetch(ID)
    locked = lock_path().read_bytes()
    for name in FILES:
        cache(f'second {name}')
        # As a hub that was broken into would: other bytes, with their own checksum.
        hub.add(ID, FILES | {name: FILES[name][::-1]})
        said = error(ID)
        assert f'another {name} of {ID} at commit {COMMIT[:12]} than the lock file says' in said
        with pytest.raises(WeightsError):
            locate(ID)
        assert lock_path().read_bytes() == locked


def test_update_settles_anew(hub):
    hub.add(ID, FILES)
    prefetch(ID)
    newer = hub.add(ID, FILES | {'config.json': b'{}'}, commit='d' * 40)
    assert prefetch(ID).snapshot.revision == COMMIT
    assert prefetch(ID, update=True).snapshot.revision == newer.commit
    assert (locate(ID).folder / 'config.json').read_bytes() == b'{}'
    # The large file was here already.
    assert len([r for r in hub.asked('/cdn/') if r.method == 'GET']) == 1


def test_a_revision_settles_on_any_model_of_the_hub(hub):
    hub.add('somebody/fine-tuned', FILES)
    assert 'see vlm-ros models list' in error('somebody/fine-tuned')
    assert hub.requests == []
    prefetch('somebody/fine-tuned', revision='main')
    assert locate('somebody/fine-tuned').revision == COMMIT


def test_terms_are_accepted_once(hub):
    hub.add(BOUND.model_id, FILES)
    assert error(BOUND.model_id).endswith(f'prefetch {BOUND.model_id} --accept-terms')
    assert hub.requests == []
    prefetch(BOUND.model_id, accept_terms=True)
    assert read_lock()[BOUND.model_id].accepted_terms == BOUND.terms
    prefetch(BOUND.model_id)
    assert locate(BOUND.model_id).revision == COMMIT


def test_goes_on_after_a_connection_that_broke(hub):
    hub.add(ID, LARGE)
    hub.cut = {WEIGHTS: 1_000_000}
    prefetch(ID)
    ranges = [r.headers.get('Range') for r in hub.asked('/cdn/') if r.method == 'GET']
    assert ranges == [None, 'bytes=1000000-']
    assert (locate(ID).folder / WEIGHTS).read_bytes() == LARGE[WEIGHTS]


def test_goes_on_in_another_process_s_steps(hub, monkeypatch):
    """What an interrupted prefetch brought is used by the next one."""
    hub.add(ID, LARGE)

    def interrupt(done, total):
        if done > 2_000_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prefetch(ID, on_bytes=interrupt)
    assert read_lock() == {}
    [partial] = incomplete()
    size = partial.stat().st_size
    assert 1_000_000 < size < 3_000_000
    prefetch(ID)
    assert hub.asked('/cdn/')[-1].headers['Range'] == f'bytes={size}-'
    assert (locate(ID).folder / WEIGHTS).read_bytes() == LARGE[WEIGHTS]
    assert not incomplete()


def test_a_server_that_ignores_ranges_is_understood(hub):
    hub.add(ID, LARGE)
    hub.cut, hub.ignores_range = {WEIGHTS: 1_000_000}, True
    prefetch(ID)
    assert (locate(ID).folder / WEIGHTS).read_bytes() == LARGE[WEIGHTS]


def test_a_damaged_first_part_is_brought_again(hub):
    hub.add(ID, LARGE)
    hub.cut, hub.cut_always = {WEIGHTS: 0}, True
    error(ID)
    hub.cut = {}
    [partial] = incomplete()
    partial.write_bytes(bytes(500_000))  # as a loss of power leaves it
    prefetch(ID)
    ranges = [r.headers.get('Range') for r in hub.asked('/cdn/') if r.method == 'GET'][-2:]
    assert ranges == ['bytes=500000-', None]
    assert (locate(ID).folder / WEIGHTS).read_bytes() == LARGE[WEIGHTS]


def test_a_connection_that_always_breaks_is_given_up(hub):
    hub.add(ID, LARGE)
    hub.cut, hub.cut_always = {WEIGHTS: 0}, True
    said = error(ID)
    assert f'{hub.address} cannot be reached, or broke off' in said
    assert 'run the same again, what is here is kept' in said
    assert len(hub.asked('/cdn/')) == remote.TRIES


@pytest.mark.parametrize('name', FILES)
@pytest.mark.parametrize('damage', ['changed', 'cut', 'empty', 'missing', 'unlinked'])
def test_damaged_files_are_replaced(hub, name, damage):
    hub.add(ID, FILES)
    prefetch(ID)
    content, blob = FILES[name], blob_of(name)
    if damage == 'missing':
        blob.unlink()
    elif damage == 'unlinked':
        (store.snapshot_folder(ID, COMMIT) / name).unlink()
    else:
        damaged = {'changed': b'X' + content[1:], 'cut': content[:-1], 'empty': b''}[damage]
        blob.write_bytes(damaged)
    with pytest.raises(WeightsError, match=f'{name} (is|has)'):
        locate(ID)
    before = len(hub.asked('/resolve/'))
    done = prefetch(ID)
    assert (locate(ID).folder / name).read_bytes() == content
    assert done.fetched == (() if damage == 'unlinked' else (name,))
    assert (len(hub.asked('/resolve/')) > before) == (damage != 'unlinked')


def test_files_without_links_are_fine(hub, monkeypatch):
    def refuse(*args):
        raise OSError(1, 'Operation not permitted')

    monkeypatch.setattr(remote.Path, 'symlink_to', refuse)
    hub.add(ID, FILES)
    folder = prefetch(ID).snapshot.folder
    assert not any(path.is_symlink() for path in folder.iterdir())
    assert locate(ID).folder == folder
    (folder / WEIGHTS).write_bytes(b'')
    prefetch(ID)
    assert locate(ID).folder == folder
    assert prefetch(ID, update=True).fetched == ()


def sharded(parts, spoken_of=None):
    names = [f'model-{n:05}-of-{parts:05}.safetensors' for n in range(1, parts + 1)]
    index = {'weight_map': dict(enumerate(spoken_of or names))}
    return {name: os.urandom(64) for name in names} | {
        'config.json': b'{}',
        INDEX: json.dumps(index).encode(),
    }


def test_shards(hub):
    files = sharded(3)
    hub.add(ID, files)
    assert sorted(prefetch(ID).fetched) == sorted(files)
    blob_of('model-00002-of-00003.safetensors').unlink()
    with pytest.raises(WeightsError, match=r'model-00002-of-00003\.safetensors is missing'):
        locate(ID)


def test_a_missing_shard_on_the_hub(hub):
    files = sharded(3)
    del files['model-00002-of-00003.safetensors']
    hub.add(ID, files)
    assert f'{ID} has 2 of 3 parts of its weights; use another commit' in error(ID)
    assert not hub.asked('/resolve/')


@pytest.mark.parametrize(
    ('index', 'said'),
    [
        (b'{"weight_map": {"a": "other.safetensors"}}', 'lacks other.safetensors, which its'),
        (b'{"weight_map": 3}', 'has a damaged'),
        (b'no JSON', 'has a damaged'),
        (b'[]', 'has a damaged'),
    ],
)
def test_an_index_that_does_not_fit(hub, index, said):
    hub.add(ID, sharded(1) | {INDEX: index})
    assert f'{ID} {said}' in error(ID)
    assert read_lock() == {}


def test_pickles_are_not_loaded(hub):
    hub.add(ID, {'config.json': b'{}', 'pytorch_model.bin': b'pickle'})
    said = error(ID)
    assert f'{ID} has no safetensors weights (only pytorch_model.bin' in said
    others = said.rpartition('such as ')[2].split(' or ')
    assert len(others) == 2
    assert set(others) <= {card.model_id for card in CATALOGUE} - {ID}
    assert not hub.asked('/resolve/')


def test_a_model_that_is_known_to_be_pickled(hub, monkeypatch):
    card = replace(FREE, safetensors=False)
    monkeypatch.setattr(prefetch_module, 'find', lambda name: card)
    hub.add(ID, FILES)
    assert f'{ID} has no safetensors weights; use another commit' in error(ID)
    assert hub.requests == []
    # There may be a commit that has them.
    assert prefetch(ID, revision='main').fetched


def test_offline(hub, monkeypatch):
    hub.add(ID, FILES)
    monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', True)
    said = error(ID)
    assert 'HF_HUB_OFFLINE forbids to ask; unset it, or bring the model in a bundle' in said
    monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', False)
    prefetch(ID)
    monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', True)
    assert prefetch(ID).fetched == ()
    blob_of(WEIGHTS).unlink()
    assert 'HF_HUB_OFFLINE' in error(ID)
    assert hub.requests


@pytest.mark.parametrize(
    ('status', 'code', 'said'),
    [
        (403, 'GatedRepo', 'is gated: accept its terms on {page} and put a token'),
        (401, 'GatedRepo', 'is gated: accept its terms on {page} and put a token'),
        (401, 'RepoNotFound', '{page} answers 401: there is no such model, or it is private'),
        (401, '', '{page} answers 401: there is no such model, or it is private'),
        (403, '', '{page} answers 403'),
        (404, 'RepoNotFound', '{hub} has no model {id}; check its name and HF_ENDPOINT'),
        (404, '', '{hub} has no model {id}; check its name and HF_ENDPOINT'),
        (404, 'RevisionNotFound', '{page} has no such commit'),
        (418, '', '{hub} refuses (418) when asked for {id}; try again later'),
        (500, '', '{hub} has a fault (500) when asked for {id}; try again later'),
        (503, '', '{hub} has a fault (503) when asked for {id}; try again later'),
    ],
)
@pytest.mark.parametrize('where', ['/api/', '/resolve/'])
def test_refusals(hub, status, code, said, where):
    hub.add(ID, FILES)
    hub.misbehave = lambda handler: where in handler.path and not handler.refuse(status, code)
    expected = said.format(page=f'{hub.address}/{ID}', hub=hub.address, id=ID)
    found = error(ID)
    assert expected in found
    if status in (401, 403):
        assert 'HF_TOKEN' in found
    assert read_lock() == {}
    hub.misbehave = lambda handler: False
    prefetch(ID)


@pytest.mark.parametrize('where', ['/api/', '/resolve/'])
def test_rate_limit(hub, where):
    hub.add(ID, FILES)
    hub.misbehave = lambda handler: (
        where in handler.path and not handler.refuse(429, Retry_After='3000')
    )
    said = error(ID)
    assert 'limits how often it is asked (429), for 3000 s; wait and run the same again' in said


def test_a_fault_in_between_is_survived(hub):
    hub.add(ID, FILES)
    left = [2]

    def misbehave(handler):
        if '/resolve/' in handler.path and left[0]:
            left[0] -= 1
            handler.refuse(503)
            return True
        return False

    hub.misbehave = misbehave
    prefetch(ID)
    assert locate(ID)


@pytest.mark.parametrize(
    'body',
    [
        b'',
        b'<html>Please log in</html>',
        b'\xff\xfe',
        b'[]',
        b'{}',
        b'null',
        b'3',
        b'{"id": "x", "sha": null, "siblings": []}',
        b'{"id": "x", "sha": "main", "siblings": []}',
        b'{"id": "x", "siblings": 3}',
        b'{"id": "x", "sha": "%s", "siblings": [{"name": 3}]}' % COMMIT.encode(),
        b'{"id": "x", "sha": "%s", "siblings": [{"rfilename": "a"}]}' % COMMIT.encode(),
        b'{"id": "x", "sha": "%s", "siblings": [{"rfilename": "a", "size": 1, "blobId": "../x"}]}'
        % COMMIT.encode(),
    ],
)
def test_rubbish(hub, body):
    hub.misbehave = lambda handler: not handler.send_body(body)
    said = error(ID)
    assert f'{hub.address} answered something else than a model hub when asked for {ID}' in said
    assert 'check HF_ENDPOINT' in said


def test_rubbish_in_place_of_a_file(hub):
    hub.add(ID, LARGE)
    hub.misbehave = lambda handler: '/cdn/' in handler.path and not handler.send_body(b'<html>')
    assert f'{ID} came with another {WEIGHTS}' in error(ID) or 'broke off' in error(ID)
    hub.misbehave = lambda handler: (
        '/cdn/' in handler.path and not handler.send_body(bytes(4_000_000))
    )
    assert f'{ID} came with another {WEIGHTS} than the hub announces' in error(ID)
    assert not incomplete()
    assert read_lock() == {}


def test_a_hub_of_another_commit_than_asked_for(hub):
    hub.add(ID, FILES)
    update_lock({ID: LockedModel('e' * 40, locked_files())})
    hub.misbehave = lambda handler: (
        '/api/' in handler.path
        and not handler.send_json({'id': ID, 'sha': COMMIT, 'siblings': []})
    )
    assert 'something else than a model hub' in error(ID)


@pytest.mark.parametrize('name', ['../evil.json', '/etc/evil.json', 'a/../../evil.json', '..\\e'])
def test_names_that_leave_the_folder(hub, name, tmp_path):
    hub.add(ID, FILES | {name: b'evil'})
    said = error(ID)
    assert f'{ID} has a file that would lie outside of its folder' in said
    assert not list(tmp_path.rglob('*evil*'))
    assert not hub.asked('/resolve/')


def test_a_slow_hub(hub, monkeypatch):
    monkeypatch.setattr(constants, 'HF_HUB_DOWNLOAD_TIMEOUT', 0.2)
    hub.add(ID, FILES)
    hub.misbehave = lambda handler: '/resolve/' in handler.path and not handler.hang(0.4)
    assert 'cannot be reached, or broke off' in error(ID)
    hub.misbehave = lambda handler: not handler.hang(0.4)
    assert 'cannot be reached, or broke off' in error(ID)


@pytest.mark.parametrize('address', ['http://127.0.0.1:9', 'http://no-such-host.invalid'])
def test_no_hub_at_all(hub, monkeypatch, address):
    monkeypatch.setattr(constants, 'ENDPOINT', address)
    said = error(ID)
    assert f'{address} cannot be reached' in said
    assert 'vlm-ros models import FILE.tar' in said


def test_room_is_made_sure_of(hub, monkeypatch):
    hub.add(ID, LARGE)
    usage = prefetch_module.shutil.disk_usage('/')._replace(free=1_000_000)
    monkeypatch.setattr(prefetch_module.shutil, 'disk_usage', lambda folder: usage)
    said = error(ID)
    assert f'{ID} needs 3.1 MB in ' in said
    assert 'where 1.0 MB are free: free another 2.1 MB, or set HF_HOME' in said
    assert not hub.asked('/resolve/')


def test_a_full_disk(hub, monkeypatch):
    hub.add(ID, FILES)

    def full(*args):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(remote, '_append', full)
    said = error(ID)
    assert 'is full; free some space, or set HF_HOME' in said


def test_a_cache_that_cannot_be_written(hub, tmp_path):
    hub.add(ID, FILES)
    (tmp_path / 'first').mkdir()
    (tmp_path / 'first' / 'hub').write_text('a file')
    assert f'{ID} cannot be kept in' in error(ID)


def test_a_damaged_lock_stops_before_anything(hub):
    hub.add(ID, FILES)
    lock_path().parent.mkdir(parents=True)
    lock_path().write_text('{"format": 1, ')
    assert 'is damaged (it is not JSON); restore it' in error(ID)
    assert lock_path().read_text() == '{"format": 1, '
    assert hub.requests == []


def test_two_at_once_download_once(hub):
    hub.add(ID, LARGE)
    failures = []

    def run():
        try:
            prefetch(ID)
        except BaseException as failure:  # noqa: BLE001 - reported by the test itself
            failures.append(failure)

    get_session()  # release 1 of the client makes several when threads are the first to ask
    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len([r for r in hub.asked('/cdn/') if r.method == 'GET']) == 1
    assert (locate(ID).folder / WEIGHTS).read_bytes() == LARGE[WEIGHTS]


def test_a_token_does_not_follow_to_another_host(hub, monkeypatch):
    """The real client drops it when the hub leads elsewhere, as it does for large files."""
    hub.add(ID, FILES)
    monkeypatch.setenv('HF_TOKEN', 'hf_secret')
    elsewhere = hub.address.replace('127.0.0.1', 'localhost')

    def misbehave(handler):
        if '/cdn/' in handler.path or not handler.path.endswith(WEIGHTS):
            return False
        handler.send_body(b'', 302, Location=f'{elsewhere}/cdn{handler.path}')
        return True

    hub.misbehave = misbehave
    prefetch(ID)
    tokens = {'/cdn/' in r.path: r.headers.get('authorization') for r in hub.requests}
    assert tokens == {False: 'Bearer hf_secret', True: None}


def test_notes_of_a_prefetch_are_kept(hub):
    hub.add(ID, FILES)
    prefetch(ID)
    notes = json.loads((digests.cache_folder() / 'models.verified.json').read_bytes())
    assert len(notes) == len(FILES)
