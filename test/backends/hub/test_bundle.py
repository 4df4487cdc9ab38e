"""Bundles: what one machine exports, another imports whole or not at all."""

from dataclasses import replace
import io
import tarfile

from planting import BOUND, COMMIT, FILES, FREE, locked_files, OTHER_FREE, plant
import pytest

from vlm_ros.backends.hub import locate, store
from vlm_ros.backends.hub import prefetch as prefetch_module
from vlm_ros.backends.hub.bundle import export_bundle, import_bundle
from vlm_ros.backends.hub.lock import format_lock, LockedFile, LockedModel, read_lock, update_lock
from vlm_ros.errors import WeightsError

ID = FREE.model_id
LOCK = 'models.lock.json'


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'robot.tar'


@pytest.fixture
def exported(path, cache):
    """A bundle of two models, with the robot's empty cache in use."""
    plant(ID)
    plant(OTHER_FREE.model_id, FILES | {'spiece.model': b'pieces'})
    export_bundle(path, [ID, OTHER_FREE.model_id])
    return cache('robot') and path


def error(path, **kwargs):
    with pytest.raises(WeightsError) as caught:
        import_bundle(path, **kwargs)
    assert '\n' not in str(caught.value)
    return str(caught.value)


def nothing_came(machine):
    hub = machine / 'hub'
    return read_lock() == {} and not (hub.exists() and list(hub.iterdir()))


def member(name, content=b'', **properties):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in properties.items():
        setattr(info, key, value)
    return info, content


def write(path, *members):
    with tarfile.open(path, 'w') as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))


def lock_of(files=FILES, model_id=ID, **changes):
    model = replace(LockedModel(COMMIT, locked_files(files)), **changes)
    return member(LOCK, format_lock({model_id: model}))


def parts(files=FILES, model_id=ID):
    return [member(f'models/{model_id}/{name}', files[name]) for name in sorted(files)]


def test_crosses_to_another_machine(exported):
    told = []
    models = import_bundle(exported, on_bytes=lambda *numbers: told.append(numbers))
    assert sorted(models) == sorted([ID, OTHER_FREE.model_id])
    folder = locate(ID).folder
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == FILES
    assert (locate(OTHER_FREE.model_id).folder / 'spiece.model').read_bytes() == b'pieces'
    total = sum(model.size_bytes for model in models.values())
    assert told[-1] == (total, total)
    assert not list(store.hub_folder().glob('.vlm-ros-import-*'))


def test_is_plain_and_the_same_each_time(exported, path, tmp_path, cache):
    cache('first')
    again = tmp_path / 'again.tar'
    export_bundle(again, [OTHER_FREE.model_id, ID, ID])
    assert again.read_bytes() == path.read_bytes()
    with tarfile.open(path, 'r:') as tar:
        assert tar.getnames()[0] == LOCK
        assert len(tar.getnames()) == 1 + 2 * len(FILES) + 1
        assert {(m.type, m.uid, m.mtime, m.mode) for m in tar} == {(tarfile.REGTYPE, 0, 0, 0o644)}


def test_importing_again_changes_nothing(exported):
    import_bundle(exported)
    before = locate(ID).folder / 'config.json'
    inode = before.stat().st_ino
    import_bundle(exported)
    assert before.stat().st_ino == inode


def test_importing_mends(exported):
    import_bundle(exported)
    path = locate(ID).folder / 'config.json'
    path.write_bytes(b'X' * len(FILES['config.json']))
    import_bundle(exported)
    assert (locate(ID).folder / 'config.json').read_bytes() == FILES['config.json']


def test_a_bundle_is_made_of_whole_models_only(path, cache):
    with pytest.raises(WeightsError, match='has not been prefetched'):
        export_bundle(path, [ID])
    (plant(ID) / 'config.json').write_bytes(b'{}')
    with pytest.raises(WeightsError, match=r'config\.json has 2 bytes'):
        export_bundle(path, [ID])
    assert not path.exists()


def test_a_failed_export_leaves_the_old_bundle(exported, path, cache, monkeypatch):
    cache('first')
    before = path.read_bytes()

    def full(*args):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(tarfile.TarFile, 'addfile', full)
    with pytest.raises(WeightsError, match='cannot be written: No space left on device'):
        export_bundle(path, [ID])
    assert path.read_bytes() == before
    assert [item.name for item in path.parent.glob('.*')] == []


def test_no_folder_to_export_to(tmp_path):
    plant(ID)
    with pytest.raises(WeightsError, match='cannot be written: No such file or directory'):
        export_bundle(tmp_path / 'nowhere' / 'robot.tar', [ID])


def test_terms_travel(path, cache):
    plant(BOUND.model_id, accepted_terms=BOUND.terms)
    export_bundle(path, [BOUND.model_id])
    cache('robot')
    import_bundle(path)
    assert locate(BOUND.model_id).revision == COMMIT


def test_terms_that_were_accepted_here_stay(path):
    write(path, lock_of(model_id=BOUND.model_id), *parts(model_id=BOUND.model_id))
    plant(BOUND.model_id, accepted_terms=BOUND.terms)
    import_bundle(path)
    assert read_lock()[BOUND.model_id].accepted_terms == BOUND.terms


def test_contradictions_need_a_word(exported):
    for other in (
        LockedModel('e' * 40, locked_files()),
        LockedModel(COMMIT, locked_files(FILES | {'config.json': b'other'})),
        LockedModel(COMMIT, {}),
    ):
        update_lock({ID: other})
        said = error(exported)
        assert f'has {ID} at commit {COMMIT[:12]}, but the lock file is settled on other' in said
        assert 'add --replace' in said
        assert read_lock() == {ID: other}
    import_bundle(exported, replace_locked=True)
    assert read_lock()[ID].files == locked_files()
    assert locate(ID)


@pytest.mark.parametrize('left', [0, 100, 512, 700, 2000, 5000, 12_000, 20_000])
def test_a_cut_bundle(exported, path, left, tmp_path):
    content = path.read_bytes()
    assert len(content) > 24_000
    path.write_bytes(content[:left])
    said = error(path)
    assert str(path) in said
    assert 'again' in said or 'is no bundle of models' in said
    assert nothing_came(tmp_path / 'robot')


def test_a_bundle_cut_between_members(path, tmp_path):
    write(path, lock_of(), parts()[0])
    assert f'is cut: model.safetensors of {ID} is missing; copy it again' in error(path)
    assert nothing_came(tmp_path / 'first')


def test_every_flipped_byte_of_a_file_is_noticed(exported, path, tmp_path):
    content = path.read_bytes()
    start = content.index(FILES['model.safetensors'])
    for offset in (0, 5000, len(FILES['model.safetensors']) - 1):
        changed = bytearray(content)
        changed[start + offset] ^= 1
        path.write_bytes(changed)
        assert 'the checksum of model.safetensors' in error(path)
        assert nothing_came(tmp_path / 'robot')


EVIL = [
    member('../evil', b'x'),
    member('/tmp/evil', b'x'),
    member(f'models/{ID}/../../evil', b'x'),
    member('models/other/evil', b'x'),
    member(f'models/{ID}/more', b'x'),
    member(f'models/{ID}/config.json', type=tarfile.SYMTYPE, linkname='/etc/passwd'),
    member(f'models/{ID}/config.json', type=tarfile.LNKTYPE, linkname=LOCK),
    member(f'models/{ID}/config.json', type=tarfile.CHRTYPE, devmajor=1, devminor=5),
    member(f'models/{ID}/config.json', type=tarfile.FIFOTYPE),
    member(f'models/{ID}/config.json', type=tarfile.DIRTYPE),
    member(f'models/{ID}/config.json', FILES['config.json'] + b' '),
]


@pytest.mark.parametrize('evil', EVIL, ids=lambda evil: f'{evil[0].type} {evil[0].name}')
def test_evil_members(path, evil, tmp_path):
    write(path, lock_of(), evil, *parts())
    said = error(path)
    assert 'is not a part' in said or 'is no such file' in said
    assert nothing_came(tmp_path / 'first')
    assert not list(tmp_path.rglob('*evil*'))


def test_the_same_member_twice(path, tmp_path):
    write(path, lock_of(), *parts(), parts()[0])
    assert 'is not a part' in error(path)
    assert nothing_came(tmp_path / 'first')


@pytest.mark.parametrize('name', ['../evil', '/evil', 'a/../../evil'])
def test_a_lock_that_names_places_elsewhere(path, name, tmp_path):
    content = format_lock({ID: LockedModel(COMMIT, locked_files({name: b'x'}))})
    write(path, member(LOCK, content), member(f'models/{ID}/{name}', b'x'))
    assert 'is damaged' in error(path)
    assert not list(tmp_path.rglob('*evil*'))


def test_absurd_sizes(path, tmp_path):
    absurd = LockedModel(COMMIT, {'model.safetensors': LockedFile(10**18, 'ab' * 32)})
    write(path, member(LOCK, format_lock({ID: absurd})))
    assert 'needs 1000000000.0 GB in' in error(path)
    info = member(LOCK)[0]
    info.size = 10**15
    path.write_bytes(info.tobuf())
    assert 'is no bundle of models' in error(path)
    assert nothing_came(tmp_path / 'first')


@pytest.mark.parametrize('content', [b'', b'no tar', b'\0' * 2048, b'\x1f\x8b' + b'\0' * 600])
def test_no_bundle(path, content):
    path.write_bytes(content)
    said = error(path)
    assert 'is no bundle' in said or 'is cut or damaged' in said


def test_another_tar(path):
    write(path, member('README', b'hello'))
    assert f'{path} is no bundle of models; make one: vlm-ros models export' in error(path)
    write(path, member(LOCK, b'{"format": 1, "mod'))
    assert 'is damaged (it is not JSON); export it again' in error(path)


def test_no_file(path, tmp_path):
    assert 'No such file' in error(path)
    assert 'Is a directory' in error(tmp_path)


def test_no_room(exported, monkeypatch, tmp_path):
    usage = prefetch_module.shutil.disk_usage('/')._replace(free=100)
    monkeypatch.setattr(prefetch_module.shutil, 'disk_usage', lambda folder: usage)
    assert f'the bundle {exported} needs 0.1 MB in' in error(exported)
    assert nothing_came(tmp_path / 'robot')


def test_an_interrupted_import_leaves_nothing(exported, tmp_path):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_bundle(exported, on_bytes=interrupt)
    assert nothing_came(tmp_path / 'robot')
