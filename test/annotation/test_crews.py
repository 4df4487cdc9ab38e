"""`annotation.workers` and `rays`: the same bytes as one process, whoever is killed in between."""

import os
import signal

import cv2
import numpy as np
import pytest
from skimage import data

from vlm_ros.annotation.loading import load_annotator
from vlm_ros.annotation.plan import AnnotationPlan
from vlm_ros.annotation.run import annotate
from vlm_ros.annotation.work import Alone
from vlm_ros.annotation.workers import Workers
from vlm_ros.errors import BackendError, InputError, ModelError

COUNT = 24


@pytest.fixture(scope='module')
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp('videos') / 'walk.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 10, (128, 96))
    for left in range(COUNT):
        writer.write(np.ascontiguousarray(data.astronaut()[:96, 4 * left : 4 * left + 128, ::-1]))
    writer.release()
    return str(path)


def plan_of(video, **options):
    return AnnotationPlan(
        sources=(video, 'sample:'),
        vocabulary=('person', 'car'),
        caption=True,
        track=True,
        images='png',
        chunk_frames=4,
        backend={'name': 'fake', 'options': options},
    )


def everything(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


def alone(plan, folder):
    annotate(plan, folder, crew=Alone(plan, load_annotator(plan)))
    return everything(folder)


def with_crew(plan, folder, crew, told=lambda progress: None):
    last = []

    def progress(now):
        last[:] = [now]
        told(now)

    try:
        annotate(plan, folder, crew=crew, progress=progress)
    finally:
        crew.close()
    return last[0]


def test_workers_make_the_same_bytes_and_a_killed_one_costs_its_chunk_only(video, tmp_path):
    plan = plan_of(video, latency_s=0.02)
    crew = Workers(plan, 2)
    killed = []

    def kill(now):
        if now.frames == 7 and not killed:
            killed.append(crew._workers[0].process.pid)
            os.kill(killed[0], signal.SIGKILL)

    done = with_crew(plan, tmp_path / 'two', crew, kill)
    assert killed
    assert (done.frames, done.chunks_done, done.lost) == (COUNT + 7, 8, 1)
    assert everything(tmp_path / 'two') == alone(plan, tmp_path / 'one')


def test_a_chunk_that_ends_every_worker_ends_the_run_and_what_is_done_stays(video, tmp_path):
    plan = plan_of(video, latency_s=0.02)
    crew = Workers(plan, 2)

    def kill(now):
        for worker in crew._workers:
            if worker.chunk is not None and worker.chunk.number == 3:
                os.kill(worker.process.pid, signal.SIGKILL)

    with pytest.raises(ModelError, match='ended 3 workers, the last one by SIGKILL'):
        with_crew(plan, tmp_path / 'out', crew, kill)
    parts = everything(tmp_path / 'out' / 'parts')
    done = with_crew(plan, tmp_path / 'out', Workers(plan, 2))
    assert done.images_before == 4 * (len(parts) // 2) > 0
    assert everything(tmp_path / 'out') == alone(plan, tmp_path / 'one')


def test_no_more_workers_are_loaded_than_there_are_chunks(video, tmp_path):
    plan = plan_of(video).model_copy(update={'sources': ('sample:',)})
    crew = Workers(plan, 6)
    seen = []
    with_crew(plan, tmp_path / 'out', crew, lambda _: seen.append(len(crew._workers)))
    assert set(seen) == {2}
    crew, seen = Workers(plan, 6), []
    with_crew(plan, tmp_path / 'out', crew, lambda _: seen.append(len(crew._workers)))
    assert seen == [0]


def test_what_a_worker_cannot_do_is_said_here(video, tmp_path):
    plan = plan_of(video, load_fails='x')
    with pytest.raises(BackendError, match="'load_fails' of 'fake' must be a whole number"):
        with_crew(plan, tmp_path / 'out', Workers(plan, 2))
    assert not (tmp_path / 'out').exists()
    plan = plan_of(video).model_copy(update={'sources': (f'{video}.gone',)})
    with pytest.raises(InputError, match='there is no file or folder'):
        with_crew(plan, tmp_path / 'out', Workers(plan, 2))
