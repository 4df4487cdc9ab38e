"""`annotation.rays`: a real local cluster makes the same bytes, and bears the loss of a worker."""

import os
import signal
import warnings

import cv2
import numpy as np
import psutil
import pytest
from skimage import data

from vlm_ros.annotation.loading import load_annotator
from vlm_ros.annotation.plan import AnnotationPlan
from vlm_ros.annotation.rays import RayWorkers
from vlm_ros.annotation.run import annotate
from vlm_ros.annotation.work import Alone
from vlm_ros.errors import BackendError, InputError

ray = pytest.importorskip('ray')
# Sockets and threads of Ray's own that outlive it.
pytestmark = pytest.mark.filterwarnings('ignore::ResourceWarning')

COUNT = 24


@pytest.fixture(scope='module', autouse=True)
def cluster():
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        ray.init(
            address='local',
            num_cpus=2,
            object_store_memory=80_000_000,
            include_dashboard=False,
            log_to_driver=False,
        )
        yield
        ray.shutdown()


def plan_of(tmp_path, **options):
    path = str(tmp_path / 'walk.avi')
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*'MJPG'), 10, (128, 96))
    for left in range(COUNT):
        writer.write(np.ascontiguousarray(data.astronaut()[:96, 4 * left : 4 * left + 128, ::-1]))
    writer.release()
    return AnnotationPlan(
        sources=(path, 'sample:'),
        vocabulary=('person', 'car'),
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


# On a busy machine a cluster takes long to start an actor again.
@pytest.mark.timeout(300)
@pytest.mark.flaky(reruns=1)
def test_a_cluster_with_a_killed_worker_makes_the_same_bytes(tmp_path):
    plan = plan_of(tmp_path, latency_s=0.1)
    killed, steps = [], []

    def kill(now):
        steps.append(now)
        busy = [
            process
            for process in psutil.Process().children(recursive=True)
            if process.name().startswith('ray::Annotating.annotate')
        ]
        if now.chunks_done >= 1 and busy and not killed:
            killed.append(busy[0].pid)
            os.kill(killed[0], signal.SIGKILL)

    crew = RayWorkers(plan, 'auto', 2)
    try:
        crew.models()
        ray.get(crew._start().models.remote())  # a run would not wait for the second one
        annotate(plan, tmp_path / 'ray', crew=crew, progress=kill)
    finally:
        crew.close()
    assert killed
    done = steps[-1]
    assert (done.frames, done.chunks_done, done.lost) == (COUNT + 7, 8, 1)
    annotate(plan, tmp_path / 'one', crew=Alone(plan, load_annotator(plan)))
    assert everything(tmp_path / 'ray') == everything(tmp_path / 'one')


def test_what_an_actor_cannot_do_is_said_here_in_one_line(tmp_path):
    plan = plan_of(tmp_path, load_fails='x')
    crew = RayWorkers(plan, 'auto', 1)
    try:
        with pytest.raises(BackendError, match=r"^the option 'load_fails' of 'fake' must be"):
            crew.models()
    finally:
        crew.close()
    on_gpu = plan.model_copy(
        update={'backend': plan.backend.model_copy(update={'device': 'cuda'})}
    )
    with pytest.raises(InputError, match='has a GPU'):
        RayWorkers(on_gpu, 'auto', 1)
