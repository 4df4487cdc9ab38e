"""The scene memory: what goes in comes back, whatever happens to the process and the disk."""

from contextlib import closing
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from vlm_ros.data.scene_memory import (
    Background,
    Limits,
    Moment,
    Pose,
    SceneMemory,
    Search,
    thumbnail,
)
from vlm_ros.errors import InputError, MissingDependencyError, StorageError
from vlm_ros.images import decode_compressed

DIMENSIONS = 16
SECOND_NS = 1_000_000_000
POSE = Pose('map', (1.0, -2.5, 0.3), (0.0, 0.0, 0.6, 0.8))


def unit(seed):
    vector = np.random.default_rng(seed).normal(size=DIMENSIONS).astype(np.float32)
    return vector / np.linalg.norm(vector)


BACKGROUND = Background(np.stack([unit(1000 + seed) for seed in range(60)]))


@pytest.fixture
def opened(tmp_path):
    """Open memories in one file, and close them after the test."""
    memories = []

    def open_memory(model='eye 1', **options):
        options.setdefault('background', BACKGROUND)
        memory = SceneMemory(tmp_path / 'kept' / 'memory.sqlite', model, **options)
        memories.append(memory)
        return memory

    yield open_memory
    for memory in memories:
        memory.close()


def fill(memory, count, **fields):
    """Add moments a second apart that differ from each other."""
    for seed in range(count):
        moment = Moment(seed * SECOND_NS, 'front', picture=b'x' * 10_000, **fields)
        assert memory.add(moment, unit(seed)) is not None


def stamps(memory, seed=0, **wanted):
    found = memory.search(unit(seed), Search(max_moments=100, **wanted))
    return sorted(match.moment.stamp_ns // SECOND_NS for match in found)


def test_what_goes_in_comes_back_after_a_restart(opened):
    moment = Moment(5, 'front_frame', 'front', ('cup', 'a "猫"'), POSE, b'\xff\xd8jpeg')
    memory = opened()
    assert memory.add(moment, unit(0))
    memory.close()
    memory.close()
    again = opened()
    assert (len(again), again.cameras) == (1, ('front',))
    [match] = again.search(unit(0), Search())
    assert match.moment == moment
    [bare] = again.search(unit(0), Search(with_pictures=False))
    assert bare.moment.picture == b''


def test_the_best_comes_first_with_a_score_that_min_score_cuts(opened):
    memory = opened()
    fill(memory, 30)
    found = memory.search(unit(7), Search(max_moments=30))
    scores = [match.score for match in found]
    assert found[0].moment.stamp_ns == 7 * SECOND_NS
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 30 and 0 <= scores[-1] < 0.5 < 0.95 < scores[0] <= 1
    cut = memory.search(unit(7), Search(max_moments=30, min_score=0.95))
    assert [match.score for match in cut] == [score for score in scores if score >= 0.95]
    assert memory.search(-unit(7), Search(min_score=1.0)) == []
    assert len(memory.search(unit(7), Search(max_moments=3))) == 3


def test_a_score_is_what_share_of_everyday_names_fits_worse(opened):
    memory = opened()
    memory.add(Moment(0), unit(0))
    names = BACKGROUND.vectors
    cosines = names @ unit(0)
    scores = [memory.search(name, Search())[0].score for name in names]
    assert list(np.argsort(scores)) == list(np.argsort(cosines))
    median = names[np.argsort(cosines)[len(cosines) // 2]]
    assert memory.search(median, Search())[0].score == pytest.approx(0.5, abs=0.15)


def test_cameras_and_times_filter(opened):
    memory = opened()
    fill(memory, 6, camera='front')
    memory.add(Moment(9 * SECOND_NS, camera='rear'), unit(0))
    assert stamps(memory, camera='front') == [0, 1, 2, 3, 4, 5]
    assert stamps(memory, camera='rear') == [9]
    assert stamps(memory, camera='roof') == []
    assert stamps(memory, since_ns=2 * SECOND_NS, until_ns=4 * SECOND_NS) == [2, 3, 4]
    assert stamps(memory, since_ns=5 * SECOND_NS, camera='front') == [5]


@pytest.mark.parametrize(
    ('wanted', 'says'),
    [
        ({'since_ns': 2, 'until_ns': 1}, 'since .* is after until'),
        ({'min_score': 1.5}, 'min_score must be in'),
        ({'min_score': float('nan')}, 'min_score must be in'),
        ({'max_moments': 0}, 'max_moments must be'),
    ],
)
def test_contradictory_limits_are_refused(wanted, says):
    with pytest.raises(InputError, match=says):
        Search(**wanted)


def test_what_does_not_change_is_remembered_once_in_a_while(opened):
    memory = opened(limits=Limits(same_within_s=60))
    noise = unit(1) * 0.02
    for second in range(100):
        memory.add(Moment(second * SECOND_NS), unit(0) + noise * (second % 2))
    assert len(memory) == 2
    assert len(stamps(memory)) == 1  # the two look the same
    assert memory.add(Moment(99 * SECOND_NS, camera='rear'), unit(0))
    assert memory.add(Moment(99 * SECOND_NS), unit(2))


@pytest.mark.parametrize('wrong', [np.full(DIMENSIONS, np.nan, np.float32), unit(0)[:4]])
def test_what_is_no_place_is_refused(opened, wrong):
    memory = opened()
    with pytest.raises(InputError, match='16 finite numbers'):
        memory.add(Moment(0), wrong)
    with pytest.raises(InputError, match='16 finite numbers'):
        memory.search(wrong, Search())


def test_labels_may_follow(opened):
    memory = opened()
    number = memory.add(Moment(0), unit(0))
    memory.label(number, ('cup', 'table'))
    assert memory.search(unit(0), Search())[0].moment.labels == ('cup', 'table')


def test_the_oldest_go_when_there_are_too_many(opened):
    memory = opened(limits=Limits(max_moments=8))
    fill(memory, 20)
    assert stamps(memory) == list(range(12, 20))
    memory.close()
    assert stamps(opened(limits=Limits(max_moments=3))) == [17, 18, 19]


def test_the_oldest_go_when_the_file_is_full(opened):
    limits = Limits(max_bytes=1_000_000)
    memory = opened(limits=limits)
    for seed in range(300):
        memory.add(Moment(seed * SECOND_NS, picture=bytes(20_000)), unit(seed))
        assert memory.used_bytes <= limits.max_bytes
    assert 20 <= len(memory) < 50
    assert stamps(memory)[-1] == 299
    memory.close()
    assert memory.path.stat().st_size <= limits.max_bytes


def test_another_models_vectors_are_never_compared(opened):
    fill(opened(), 3)
    with pytest.raises(InputError, match=r'eye 1 saw .* eye 2 sees .* another file, or reset'):
        opened('eye 2')
    other = Background(np.eye(4, dtype=np.float32))
    with pytest.raises(InputError, match='16 dimensions'):
        opened(background=other)
    assert len(opened()) == 3


def test_a_reset_moves_the_file_aside(opened, tmp_path):
    memory = opened()
    fill(memory, 3)
    memory.close()
    said = []
    anew = opened('eye 2', reset=True, report=said.append)
    assert len(anew) == 0
    assert len(said) == 1 and 'begins anew' in said[0]
    [aside] = (tmp_path / 'kept').glob('*.old-*')
    anew.close()
    shutil.move(aside, anew.path)
    assert len(opened()) == 3


@pytest.mark.parametrize('damage', ['no database at all', 'a page overwritten', 'cut short'])
def test_a_damaged_file_is_moved_aside(opened, tmp_path, damage):
    memory = opened()
    fill(memory, 20)
    memory.close()
    content = memory.path.read_bytes()
    broken = {
        'no database at all': b'nonsense ' * 1000,
        'a page overwritten': content[:4096] + b'\xa5' * 4096 + content[8192:],
        'cut short': content[: len(content) // 3],
    }[damage]
    memory.path.write_bytes(broken)
    said = []
    again = opened(report=said.append)
    assert len(again) == 0
    assert len(said) == 1 and 'was damaged; it is now' in said[0]
    [aside] = (tmp_path / 'kept').glob('*.damaged-*')
    assert aside.read_bytes() == broken
    fill(again, 2)


def test_somebody_elses_database_is_left_alone(opened, tmp_path):
    path = tmp_path / 'kept' / 'memory.sqlite'
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute('CREATE TABLE accounts (name TEXT)')
        connection.commit()
    before = path.read_bytes()
    with pytest.raises(InputError, match='is no scene memory but another database'):
        opened()
    assert path.read_bytes() == before


def test_a_memory_of_a_later_release_is_left_alone(opened):
    memory = opened()
    memory.close()
    with closing(sqlite3.connect(memory.path)) as connection:
        connection.execute('PRAGMA user_version = 99')
    with pytest.raises(InputError, match='version 99'):
        opened()


def test_a_full_disk_loses_nothing_and_is_said(opened):
    memory = opened()
    fill(memory, 10)
    [(pages,)] = memory._connection.execute('PRAGMA page_count').fetchall()
    memory._connection.execute(f'PRAGMA max_page_count = {pages + 5}')
    with pytest.raises(StorageError, match=r'full; what is remembered is kept: make room'):
        memory.add(Moment(99 * SECOND_NS, picture=bytes(100_000)), unit(99))
    assert stamps(memory) == list(range(10))
    memory._connection.execute('PRAGMA max_page_count = 1000000')
    assert memory.add(Moment(99 * SECOND_NS, picture=bytes(100_000)), unit(99))
    memory.close()
    assert stamps(opened()) == [*range(10), 99]


WRITER = """
    import resource, sys
    import numpy as np
    from vlm_ros.data.scene_memory import Background, Moment, SceneMemory
    if sys.argv[2] != '0':
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
    eye = np.eye(16, dtype=np.float32)
    memory = SceneMemory(sys.argv[1], 'eye 1', Background(eye))
    for number in range(100_000):
        memory.add(Moment(number * 10**12, picture=bytes(20_000)), eye[number % 16])
        print(number, flush=True)
"""


@pytest.fixture
def writer(tmp_path):
    """Start a process that writes until it is killed or its files may not grow."""
    processes = []

    def start(max_file_bytes=0):
        path = tmp_path / 'kept' / 'memory.sqlite'
        command = [sys.executable, '-c', textwrap.dedent(WRITER), path, str(max_file_bytes)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_a_killed_process_loses_nothing_that_was_stored(opened, writer):
    process = writer()
    stored = [int(process.stdout.readline()) for _ in range(40)][-1]
    reader = opened(background=Background(np.eye(16, dtype=np.float32)), read_only=True)
    assert len(reader) >= stored  # while the other writes
    process.send_signal(signal.SIGKILL)
    process.wait()
    reader.close()
    memory = opened(background=Background(np.eye(16, dtype=np.float32)), report=pytest.fail)
    kept = [match.moment.stamp_ns // 10**12 for match in memory.search(unit(0), Search())]
    assert len(memory) > stored and kept
    assert memory.add(Moment(0), unit(3))


def test_a_file_that_may_not_grow_loses_nothing_that_was_stored(opened, writer):
    out, errors = writer(2_000_000).communicate()
    assert 'what is remembered is kept: make room on its disk' in errors
    stored = int(out.split()[-1])
    memory = opened(background=Background(np.eye(16, dtype=np.float32)), report=pytest.fail)
    assert len(memory) == stored + 1 > 10


def test_a_reader_changes_nothing(opened):
    with pytest.raises(StorageError, match='there is no scene memory'):
        opened(read_only=True)
    fill(opened(), 2)
    reader = opened(read_only=True)
    assert stamps(reader) == [0, 1]
    with pytest.raises(StorageError, match='readonly'):
        reader.add(Moment(0), unit(5))


def test_a_folder_that_cannot_be_made_is_said(opened, tmp_path):
    (tmp_path / 'kept').write_text('a file')
    with pytest.raises(StorageError, match='cannot be made'):
        opened()


def test_a_file_that_cannot_be_opened_is_said(opened, tmp_path):
    (tmp_path / 'kept' / 'memory.sqlite').mkdir(parents=True)
    with pytest.raises(StorageError, match='unable to open'):
        opened()


def test_without_sqlite_vec_the_mend_is_said(opened, monkeypatch):
    monkeypatch.setitem(sys.modules, 'sqlite_vec', None)
    with pytest.raises(MissingDependencyError, match='pip install sqlite-vec'):
        opened()


def test_a_thumbnail_is_small_and_keeps_its_colours():
    image = np.zeros((600, 1000, 3), np.uint8)
    image[:, :500] = (250, 20, 20)
    small = decode_compressed(thumbnail(image))
    assert small.shape == (192, 320, 3)
    assert small[50, 50, 0] > 200 and small[50, 50, 2] < 60
    assert decode_compressed(thumbnail(image[:20, :30])).shape == (20, 30, 3)
