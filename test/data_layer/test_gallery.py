"""The gallery on disk: what is kept stays, whatever happens beside it."""

import errno
import json
import os
import subprocess
import sys
import threading
import time

import numpy as np
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo
import pytest

from vlm_ros.data import gallery as gallery_module
from vlm_ros.data.gallery import Gallery, MAX_PER_NAME
from vlm_ros.data.pictures import MAX_SIDE_PX
from vlm_ros.errors import InputError, StorageError


def picture(seed=0, height=40, width=60):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / 'gallery'


@pytest.fixture
def skipped():
    return []


@pytest.fixture
def gallery(folder, skipped):
    return Gallery(folder, on_skipped=skipped.append)


def ids(gallery):
    return {kept.exemplar_id for kept in gallery.pictures(now=True)}


def test_what_is_kept_is_read_again_by_another(gallery, folder):
    image = picture()
    kept = gallery.add('Zörp 猫', image, stamp_ns=5, camera='front', xyxy=(1.0, 2.0, 61.0, 42.0))
    (again,) = Gallery(folder).pictures()
    np.testing.assert_array_equal(again.image, image)
    for known in ('name', 'exemplar_id', 'added_ns', 'stamp_ns', 'camera', 'xyxy'):
        assert getattr(again, known) == getattr(kept, known)
    assert (again.name, again.stamp_ns, again.camera) == ('Zörp 猫', 5, 'front')
    assert not again.image.flags.writeable
    assert [path.name for path in folder.glob('*.png')] == [f'{kept.exemplar_id}.png']


def test_the_folder_is_found_as_users_expect(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.delenv('VLM_ROS_DATA', raising=False)
    monkeypatch.delenv('XDG_DATA_HOME', raising=False)
    assert Gallery('~/mine').folder == tmp_path / 'mine'
    assert Gallery().folder == tmp_path / '.local/share/vlm_ros/gallery'
    monkeypatch.setenv('XDG_DATA_HOME', str(tmp_path / 'data'))
    assert Gallery().folder == tmp_path / 'data/vlm_ros/gallery'
    monkeypatch.setenv('VLM_ROS_DATA', '~/own')
    assert Gallery().folder == tmp_path / 'own/gallery'


def test_no_folder_is_no_pictures(gallery, folder):
    assert gallery.pictures() == ()
    assert not folder.exists()


def test_large_pictures_are_kept_small(gallery):
    kept = gallery.add('zorp', picture(height=900, width=3 * MAX_SIDE_PX))
    assert max(kept.image.shape) == MAX_SIDE_PX
    assert kept.image.shape[0] == 300


def test_an_unchanged_gallery_is_the_same_tuple(gallery):
    gallery.add('zorp', picture())
    first = gallery.pictures(now=True)
    assert gallery.pictures(now=True) is first
    gallery.add('zorp', picture(1))
    assert len(gallery.pictures()) == 2


def test_names_differ_by_more_than_case(gallery):
    gallery.add('Zorp', picture())
    assert gallery.add('zORP', picture(1)).name == 'Zorp'
    assert gallery.remove('zorp') == 2


def test_one_or_all_of_a_name_are_removed(gallery):
    first, _second, other = (gallery.add(name, picture()) for name in ('zorp', 'zorp', 'blick'))
    assert gallery.remove('blick', first.exemplar_id) == 0
    assert gallery.remove('zorp', first.exemplar_id) == 1
    assert gallery.remove('zorp') == 1
    assert gallery.remove('zorp') == 0
    assert ids(gallery) == {other.exemplar_id}


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('', 'blank'),
        (' \n ', 'blank'),
        ('x' * 101, '101 characters'),
        ('a\x00b', 'cannot be shown'),
        ('a\x1b[31m', 'cannot be shown'),
    ],
)
def test_names_that_cannot_be_used_are_refused(gallery, name, message):
    for use in (lambda: gallery.add(name, picture()), lambda: gallery.remove(name)):
        with pytest.raises(InputError, match=message):
            use()
    assert gallery.pictures(now=True) == ()


@pytest.mark.parametrize('name', ['../escape', '/etc/passwd', '.', 'con:1', '-rf *'])
def test_a_name_is_never_a_path(gallery, folder, name):
    kept = gallery.add(name, picture())
    assert [path.name for path in folder.glob('*.png')] == [f'{kept.exemplar_id}.png']
    assert gallery.pictures()[0].name == name
    assert len(list(folder.parent.iterdir())) == 1


def test_small_pictures_are_refused(gallery):
    with pytest.raises(InputError, match='60x15 pixels, and fewer than 16'):
        gallery.add('zorp', picture(height=15))


def test_there_is_a_limit_to_a_name_and_to_all(gallery, monkeypatch):
    for number in range(MAX_PER_NAME):
        gallery.add('zorp', picture(number, 16, 16))
    with pytest.raises(InputError, match=f"has {MAX_PER_NAME} pictures of 'zorp' and takes no"):
        gallery.add('ZORP', picture())
    gallery.add('blick', picture())
    monkeypatch.setattr(gallery_module, 'MAX_PICTURES', MAX_PER_NAME + 1)
    with pytest.raises(InputError, match='has 33 pictures and takes no more'):
        gallery.add('third', picture())
    monkeypatch.setattr(gallery_module, 'MAX_PICTURES', 500)
    monkeypatch.setattr(gallery_module, 'MAX_BYTES', 40_000)
    with pytest.raises(InputError, match='bytes of pictures and takes no more'):
        gallery.add('third', picture())
    assert len(gallery.pictures(now=True)) == MAX_PER_NAME + 1


def test_what_is_not_a_kept_picture_is_skipped_and_told_once(gallery, folder, skipped):
    kept = gallery.add('zorp', picture())
    whole = (folder / f'{kept.exemplar_id}.png').read_bytes()
    (folder / 'notes.txt').write_text('mine')
    (folder / 'empty.png').touch()
    (folder / 'cut.png').write_bytes(whole[: len(whole) // 2])
    (folder / 'flipped.png').write_bytes(whole[:900] + bytes([whole[900] ^ 255]) + whole[901:])
    (folder / 'blank.png').write_bytes(whole.replace(b'"zorp"', b'"    "'))
    Pillow.fromarray(picture()).save(folder / 'foreign.png')
    (folder / 'folder.png').mkdir()
    os.mkfifo(folder / 'pipe.png')
    (folder / 'nowhere.png').symlink_to('gone')
    (folder / 'huge.png').write_bytes(bytes(5 << 20))
    (folder / '.hidden').touch()
    for _ in range(3):
        assert ids(gallery) == {kept.exemplar_id}
    names = ('notes.txt', 'empty', 'cut', 'flipped', 'blank', 'foreign', 'folder', 'pipe', 'huge')
    assert len(skipped) == len(names)
    for name in names:
        assert sum(f'/{name}' in line for line in skipped) == 1
    assert all('\n' not in line for line in skipped)
    gallery.add('blick', picture())
    assert len(gallery.pictures()) == 2


KNOWN = {'name': 'zorp', 'added_ns': 1, 'stamp_ns': None, 'camera': '', 'xyxy': None}


@pytest.mark.parametrize(
    ('text', 'side_px', 'name'),
    [
        ('[' * 100_000, 20, 'deep.png'),
        (json.dumps({**KNOWN, 'xyxy': [10**400] * 4}), 20, 'endless.png'),
        (json.dumps({**KNOWN, 'name': '\ud800'}), 20, 'half a character.png'),
        (json.dumps(KNOWN), 8000, 'unpacks to 192 megabytes.png'),
        (json.dumps(KNOWN), 20, os.fsdecode(b'\xff.png')),
    ],
    ids=['deep', 'endless', 'half a character', 'large', 'no text'],
)
def test_a_hostile_file_costs_only_itself(gallery, folder, skipped, text, side_px, name):
    kept = gallery.add('blick', picture())
    known = PngInfo()
    known.add_itxt('vlm_ros', text)
    Pillow.new('RGB', (side_px, side_px)).save(folder / name, pnginfo=known)
    assert ids(gallery) == {kept.exemplar_id}
    (line,) = skipped
    assert line.isprintable() and len(line) < 500


@pytest.mark.parametrize('at', ['fsync', 'replace'])
def test_a_full_disk_loses_nothing_and_says_so(gallery, folder, monkeypatch, at):
    kept = gallery.add('zorp', picture())
    before = {path: path.read_bytes() for path in folder.glob('*.png')}

    def refuse(*_args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(os, at, refuse)
        with pytest.raises(StorageError, match='No space left on device; what was kept before'):
            gallery.add('zorp', picture(1))
    assert {path: path.read_bytes() for path in folder.glob('*.png')} == before
    assert not list(folder.glob('.tmp'))
    assert ids(gallery) == {kept.exemplar_id}
    gallery.add('zorp', picture(1))
    assert len(gallery.pictures()) == 2


FILL = """
import resource, signal, sys
import numpy as np
from vlm_ros.data.gallery import Gallery
from vlm_ros.errors import StorageError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3), np.uint8)
    Gallery(sys.argv[1]).add('zorp', noise)
except StorageError as error:
    print(error)
"""


def test_a_file_that_the_system_cuts_short_is_not_kept(gallery, folder):
    kept = gallery.add('zorp', picture())
    result = run(FILL, folder)
    assert 'File too large' in result and 'what was kept before is as it was' in result
    assert {path.name for path in folder.iterdir()} == {'.lock', f'{kept.exemplar_id}.png'}


def run(code, *args):
    done = subprocess.run(
        [sys.executable, '-c', code, *map(str, args)],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return done.stdout


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / 'file').touch()
    gallery = Gallery(tmp_path / 'file' / 'gallery')
    with pytest.raises(StorageError, match='Not a directory'):
        gallery.add('zorp', picture())
    with pytest.raises(StorageError, match='cannot be read'):
        gallery.pictures(now=True)


ADD = """
import sys
import numpy as np
from vlm_ros.data.gallery import Gallery
gallery = Gallery(sys.argv[1])
for number in range(int(sys.argv[3])):
    gallery.add(sys.argv[2], np.full((20, 20, 3), number, np.uint8))
    print(len(gallery.pictures()), flush=True)
"""


def test_processes_that_add_at_once_lose_nothing(gallery, folder):
    workers = [
        subprocess.Popen([sys.executable, '-c', ADD, str(folder), name, '20'],
                         stdout=subprocess.PIPE, text=True)
        for name in ('zorp', 'blick', 'zorp')
    ]  # fmt: skip
    seen = [0]
    while any(worker.poll() is None for worker in workers):
        count = len(gallery.pictures(now=True))  # never half a picture: it would be skipped
        assert count >= seen[-1]
        seen.append(count)
    for worker in workers:
        worker.communicate()
    pictures = gallery.pictures(now=True)
    # Two of them had 32 for one name between them, and the limit held.
    assert sum(kept.name == 'zorp' for kept in pictures) == MAX_PER_NAME
    assert sum(kept.name == 'blick' for kept in pictures) == 20


def test_a_reader_notices_without_being_told(gallery, folder, skipped, monkeypatch):
    gallery.add('zorp', picture())
    assert len(gallery.pictures()) == 1
    now_s = [time.monotonic() + 100]
    monkeypatch.setattr(gallery_module.time, 'monotonic', lambda: now_s[0])
    gallery.pictures()
    run(ADD, folder, 'blick', 1)
    assert len(gallery.pictures()) == 1, 'it looks once a second at most'
    now_s[0] += 1.1
    assert len(gallery.pictures()) == 2
    Gallery(folder).remove('zorp')
    now_s[0] += 1.1
    assert [kept.name for kept in gallery.pictures()] == ['blick']
    assert not skipped


def test_a_folder_that_does_not_change_is_not_listed_again(gallery, folder, monkeypatch):
    gallery.add('zorp', picture())
    os.utime(folder, (1, 1))  # long ago, so that a change would show
    now_s = [time.monotonic() + 100]
    monkeypatch.setattr(gallery_module.time, 'monotonic', lambda: now_s[0])
    gallery.pictures()
    monkeypatch.setattr(os, 'scandir', lambda *_: pytest.fail('listed again'))
    now_s[0] += 1.1
    assert len(gallery.pictures()) == 1


def test_threads_that_add_and_remove_at_once(gallery):
    errors = []

    def work(name):
        try:
            for number in range(10):
                kept = gallery.add(name, picture(number, 20, 20))
                if number % 2:
                    assert gallery.remove(name, kept.exemplar_id) == 1
        except Exception as error:  # noqa: BLE001 - shown by the test
            errors.append(error)

    threads = [threading.Thread(target=work, args=(f'thing {n}',)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(gallery.pictures(now=True)) == 20


def test_a_writer_that_was_killed_leaves_no_trace(gallery, folder):
    gallery.add('zorp', picture())
    (folder / '.tmp').write_bytes(b'half a pict')
    gallery.add('zorp', picture(1))
    assert len(gallery.pictures(now=True)) == 2
    assert not (folder / '.tmp').exists()


def test_a_held_lock_ends_in_an_error(gallery, folder, monkeypatch):
    monkeypatch.setattr(gallery_module, '_LOCK_TIMEOUT_S', 0.1)
    gallery.add('zorp', picture())
    with gallery._locked():
        with pytest.raises(StorageError, match='another process holds'):
            Gallery(folder).add('zorp', picture())
    gallery.add('zorp', picture())
