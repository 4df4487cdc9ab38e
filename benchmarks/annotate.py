"""What annotating costs beside the model. Run as `python -m benchmarks.annotate [--frames N]`.

The source is a bag of two cameras with JPEG pictures of 640x480, photographs shifted by some
pixels so that none is the one before. All ways write the same records, which is checked byte by
byte. The backend's own speed is what its calls took in the same run, as two runs on a busy machine
differ by more than what is measured. Workers and actors have loaded their models before the time
counts.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
import os
from pathlib import Path
import tempfile
import time
from typing import Any

import cv2
import numpy as np
import psutil
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores
import skimage.data

from benchmarks.reporting import Figure, parse, print_figures
from vlm_ros.annotation.chunks import chunks_of
from vlm_ros.annotation.loading import load_annotator
from vlm_ros.annotation.plan import AnnotationPlan
from vlm_ros.annotation.rays import RayWorkers
from vlm_ros.annotation.run import annotate
from vlm_ros.annotation.work import Alone, Crew
from vlm_ros.annotation.workers import Workers
from vlm_ros.records.manifest import ANNOTATIONS

NAMES = ('person', 'car', 'bicycle', 'truck', 'bus', 'cat', 'dog', 'cup', 'motorcycle', 'rocket')
WARM_CHUNKS = 4
"""Of twenty: the first images take longer, as the names are read then."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--frames', type=int, default=1000, help='how many (%(default)s)')
    parser.add_argument('--rounds', type=int, default=2, help='of what is compared (%(default)s)')
    args = parse(parser)
    with tempfile.TemporaryDirectory() as folder:
        print_figures(figures(Path(folder), args.frames, args.rounds), as_json=args.json)


def figures(folder: Path, frames: int, rounds: int) -> Iterator[Figure]:
    """Measure everything, yielding each figure as soon as it is known."""
    plan = AnnotationPlan(
        sources=(str(record(folder / 'drive', frames)),),
        vocabulary=NAMES,
        chunk_frames=max(2, frames // 20),
    )
    setting = f'{frames} frames of 640x480, {len(NAMES)} names, embedded, {os.cpu_count()} cores'
    alone = Run(plan, folder / 'alone', Alone(plan, load_annotator(plan)), time_calls=True)
    yield Figure(
        'annotate.rate',
        frames / alone.taken_s,
        'frames/s',
        f'{setting}; baseline: the calls of the backend alone',
        baseline=frames / alone.calls_s,
        at_least=0.9 * frames / alone.calls_s,
    )
    fifth = len(alone.memory_mb) // 5
    growth = max(alone.memory_mb[fifth:]) - alone.memory_mb[fifth]
    yield Figure(
        'annotate.memory_growth', growth, 'MB', f'after a fifth of them, {setting}', at_most=50.0
    )
    # Of two workers each has half the cores. In turns, and the best of each, because what else
    # runs on the machine makes more of a difference than what is compared.
    share = max(1, (os.cpu_count() or 1) // 2)
    crews: dict[str, Callable[[], Crew]] = {
        'one': lambda: Workers(plan, 1, threads=share),
        'two': lambda: Workers(plan, 2),
        'ray': lambda: RayWorkers(plan, 'local', 2),
    }
    runs = [
        (name, Run(plan, folder / f'{name}-{number}', make()))
        for number in range(rounds)
        for name, make in crews.items()
    ]
    rates = {
        name: max(frames / run.taken_s for other, run in runs if other == name) for name in crews
    }
    setting = f'best of {rounds}, {setting}'
    yield Figure(
        'annotate.workers',
        rates['two'],
        'frames/s',
        f'2 workers; baseline: one of them; {setting}',
        baseline=rates['one'],
        at_least=1.7 * rates['one'],
    )
    yield Figure(
        'annotate.ray',
        rates['ray'],
        'frames/s',
        f'2 actors; baseline: 2 workers; {setting}',
        baseline=rates['two'],
        at_least=0.85 * rates['two'],
    )
    check_same([alone.folder, *(run.folder for _, run in runs)])


class Run:
    """One run, its time and memory.

    Attributes:
        taken_s: From the plan to the merged records, models loaded before.
        calls_s: Of it, in the backend; 0 where that was not timed.
        memory_mb: Of this process, after each image.
    """

    def __init__(
        self, plan: AnnotationPlan, folder: Path, crew: Crew, *, time_calls: bool = False
    ) -> None:
        self.folder = folder
        self.calls_s = 0.0
        self.memory_mb: list[float] = []
        process = psutil.Process()
        try:
            load_all(crew)
            list(crew.work(chunks_of(plan)[:WARM_CHUNKS], folder.with_name(f'{folder.name}-warm')))
            if time_calls:
                self._time_calls(crew)
            started_s = time.perf_counter()
            annotate(
                plan,
                folder,
                crew=crew,
                progress=lambda now: self.memory_mb.append(process.memory_info().rss / 1e6),
            )
            self.taken_s = time.perf_counter() - started_s
        finally:
            crew.close()

    def _time_calls(self, crew: Any) -> None:
        model = crew._annotator.models.detector  # noqa: SLF001 - nobody else times it
        detect = model.detect

        def timed(*args: Any, **kwargs: Any) -> Any:
            started_s = time.perf_counter()
            try:
                return detect(*args, **kwargs)
            finally:
                self.calls_s += time.perf_counter() - started_s

        model.detect = timed


def load_all(crew: Crew) -> None:
    """Load the models of all workers, of which a run would wait for the first only."""
    crew.models(2)
    if isinstance(crew, RayWorkers):
        import ray

        while len(crew._actors) < crew._count:  # noqa: SLF001 - a run begins with those there are
            crew._start()  # noqa: SLF001
        ray.get([actor.models.remote() for actor in crew._actors])  # noqa: SLF001


def record(path: Path, frames: int) -> Path:
    """Write the bag."""
    store = get_typestore(Stores.ROS2_JAZZY)
    kind = 'sensor_msgs/msg/CompressedImage'
    names = ('astronaut', 'chelsea', 'coffee', 'rocket')
    photos = [cv2.resize(getattr(skimage.data, name)(), (640, 480)) for name in names]
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        topics = ('/front/compressed', '/rear/compressed')
        cameras = [writer.add_connection(topic, kind, typestore=store) for topic in topics]
        for number in range(frames):
            view = np.roll(photos[number % len(photos)], 3 * number, axis=1)
            content = cv2.imencode('.jpg', view[..., ::-1])[1]
            stamp = store.types['builtin_interfaces/msg/Time'](
                number // 20, number % 20 * 50_000_000
            )
            header = store.types['std_msgs/msg/Header'](stamp, 'camera')
            msg = store.types[kind](header, 'jpeg', content)
            time_ns = 1_700_000_000_000_000_000 + number * 50_000_000
            writer.write(cameras[number % 2], time_ns, store.serialize_cdr(msg, kind))
    return path


def check_same(folders: Sequence[Path]) -> None:
    """See that all wrote the same.

    Raises:
        RuntimeError: Two did not.
    """
    contents = {(folder / ANNOTATIONS).read_bytes() for folder in folders}
    if len(contents) > 1:
        raise RuntimeError(
            f'{", ".join(folder.name for folder in folders)} differ in their records'
        )


if __name__ == '__main__':
    main()
