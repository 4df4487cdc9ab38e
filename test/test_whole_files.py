"""Files that appear whole or not at all, and what is never replaced by one."""

import errno
import os
from pathlib import Path

import pytest

from vlm_ros.errors import InputError, StorageError
from vlm_ros.whole_files import sweep, writing


def test_what_stood_there_stays_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / 'deep' / 'file'
    with writing(path) as stream:
        stream.write(b'old')
    with pytest.raises(StorageError, match='make room'):
        _write_in_vain(path)
    assert path.read_bytes() == b'old'
    assert list(path.parent.iterdir()) == [path]


def _write_in_vain(path):
    with writing(path) as stream:
        stream.write(b'half')
        stream.flush()
        raise OSError(errno.ENOSPC, 'No space left on device')


def test_a_link_stays_a_link(tmp_path):
    target, link = tmp_path / 'target', tmp_path / 'link'
    target.write_bytes(b'old')
    link.symlink_to(target)
    with writing(link) as stream:
        stream.write(b'new')
    assert link.is_symlink()
    assert target.read_bytes() == b'new'


def test_what_is_no_file_is_not_replaced(tmp_path):
    pipe = tmp_path / 'pipe'
    os.mkfifo(pipe)
    for path, words in ((pipe, 'no file'), (tmp_path, 'no file'), (Path(''), 'give one')):
        with pytest.raises(InputError, match=words), writing(path):
            pass
    assert pipe.is_fifo()


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / 'file').write_bytes(b'')
    with pytest.raises(StorageError, match='cannot be written'), writing(tmp_path / 'file' / 'x'):
        pass


def test_what_a_killed_process_left_is_swept_and_nothing_else(tmp_path):
    left = tmp_path / 'a' / '.file.0123abcd.part'
    left.parent.mkdir()
    left.write_bytes(b'half')
    (tmp_path / 'a' / 'file.part').write_bytes(b'')
    sweep(tmp_path)
    assert [path.name for path in (tmp_path / 'a').iterdir()] == ['file.part']
