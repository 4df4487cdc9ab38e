"""`records`: what is written is read again, and what is wrong says where."""

import os
import resource
import signal
import subprocess
import sys

import pytest

from vlm_ros.errors import InputError, StorageError
from vlm_ros.records import DetectionRecord, FrameRecord, ImageRecord, read_lines, write_lines
from vlm_ros.results import Status
from vlm_ros.whole_files import locked, sweep, writing

FRAME = FrameRecord(
    key='drive-front-000001',
    source='drive',
    topic='/front',
    index=1,
    stamp_ns=1_700_000_000_000_000_000,
    image=ImageRecord(file='images/a.jpg', width=64, height=48),
    status=Status.OK,
    detections=(DetectionRecord(label='car', score=0.123456, xyxy=(1, 2.005, 3.14159, 4)),),
)


def test_records_come_back_equal_and_the_same_bytes(tmp_path):
    path = tmp_path / 'new' / 'records.jsonl'
    write_lines(path, [FRAME, FRAME])
    content = path.read_bytes()
    again = list(read_lines(path, FrameRecord))
    assert again == [FRAME, FRAME]
    write_lines(path, again)
    assert path.read_bytes() == content
    assert again[0].detections[0].score == 0.1235
    assert os.stat(path).st_mode & 0o777 == 0o666 & ~current_umask()


def current_umask():
    umask = os.umask(0)
    os.umask(umask)
    return umask


@pytest.mark.parametrize(
    ('line', 'words'),
    [
        ('', 'line 2 of .*: .*JSON'),
        ('{"key": "a"}', 'source: Field required'),
        (FRAME.line().replace('"score":0.1235', '"score":1.5'), r'detections.0.score: .*less'),
        (FRAME.line().replace('[1.0,2.0', '[9.0,2.0'), 'ends before it begins'),
        (FRAME.line().replace('"index"', '"indx"'), 'index: Field required|indx: Extra'),
        (FRAME.line().replace('drive-front-000001', '../../etc'), 'key: '),
    ],
)
def test_a_bad_line_says_where_and_why(tmp_path, line, words):
    path = tmp_path / 'records.jsonl'
    path.write_text(f'{FRAME.line()}\n{line}\n')
    with pytest.raises(InputError, match=words) as caught:
        list(read_lines(path, FrameRecord))
    assert 'line 2' in str(caught.value)
    assert '\n' not in str(caught.value)


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / 'records.jsonl'
    write_lines(path, [FRAME])
    before = path.read_bytes()

    def broken():
        yield FRAME
        raise RuntimeError('the model failed')

    with pytest.raises(RuntimeError):
        write_lines(path, broken())
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ['records.jsonl']


def test_a_full_disk_is_one_line_and_leaves_what_was_there(tmp_path):
    path = tmp_path / 'records.jsonl'
    write_lines(path, [FRAME])
    before = path.read_bytes()
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, old[1]))
        with pytest.raises(StorageError, match='make room'):
            write_lines(path, [FRAME] * 50)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ['records.jsonl']


def test_a_killed_write_leaves_nothing_that_looks_whole(tmp_path):
    program = (
        'import os, signal\nfrom pathlib import Path\nfrom vlm_ros.whole_files import writing\n'
        f'with writing(Path({str(tmp_path / "a.txt")!r})) as stream:\n'
        '    stream.write(b"half"); stream.flush(); os.kill(os.getpid(), signal.SIGKILL)'
    )
    assert (
        subprocess.run([sys.executable, '-c', program], check=False).returncode == -signal.SIGKILL
    )
    assert not (tmp_path / 'a.txt').exists()
    assert len(list(tmp_path.iterdir())) == 1
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_names_itself(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(StorageError, match=r'file/records\.jsonl cannot be written'):
        with writing(tmp_path / 'file' / 'records.jsonl'):
            pass


def test_a_lock_makes_no_folder_anew(tmp_path):
    with pytest.raises(StorageError, match='gone cannot be written'), locked(tmp_path / 'gone/a'):
        pass
    assert not (tmp_path / 'gone').exists()
    with locked(tmp_path / 'a'):
        with pytest.raises(InputError, match='another process is writing'):
            with locked(tmp_path / 'a', waits=False):
                pass
