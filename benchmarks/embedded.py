"""What the embedded backend costs. Run as `python -m benchmarks.embedded [--json]`.

Images are a photograph shifted by some pixels, so that none is the one before; names are ten
everyday ones. Each figure says vocabulary size, resolution, model and device. Comparisons are made
in this run: their baseline is what the backend would cost without the thing named.
"""

from collections.abc import Callable, Iterator
import os
import resource
import subprocess
import sys
import time

import cv2
import numpy as np
import skimage.data

from benchmarks.reporting import Figure, run
from vlm_ros import backends
from vlm_ros.backends.embedded.assets import EFFICIENTNET
from vlm_ros.backends.embedded.backend import EmbeddedBackend
from vlm_ros.backends.embedded.features import FeatureExtractor
from vlm_ros.backends.embedded.look import MAX_BOXES
from vlm_ros.backends.weights import locate
from vlm_ros.grounding.inventory import EVERYDAY
from vlm_ros.phrases import Vocabulary
from vlm_ros.tasks import Image

NAMES = 'person, car, dog, cat, bicycle, chair, bottle, laptop, truck, coffee cup'
REPETITIONS = 60
FEWER = 15
"""For what takes long."""
REGIONS = 20
"""Regions of the comparison with one crop a region; a street scene has as many boxes."""
CROP_PX = 224


def main() -> None:
    run(figures())


def figures() -> Iterator[Figure]:
    """Measure everything, yielding each figure as soon as it is known."""
    model = backends.load('embedded')
    assert isinstance(model, EmbeddedBackend)
    where = f'{model.model_id}, {model.device}, {os.cpu_count()} cores'
    yield Figure('embedded.load', load_s(), 's', f'imports included, {where}')
    yield from speed(model, where)
    yield from comparisons(model, where)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    yield Figure('embedded.memory', peak_mb, 'MB', f'peak, {where}')


def load_s() -> float:
    """Seconds from nothing to a model that is ready, in a process of its own."""
    code = (
        'import time; started = time.perf_counter()\n'
        'from vlm_ros import backends; backends.load("embedded")\n'
        'print(time.perf_counter() - started)'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, check=True, text=True)
    return float(done.stdout)


def speed(model: EmbeddedBackend, where: str) -> Iterator[Figure]:
    """First call and warm ones, at the resolutions cameras have."""
    vocabulary = Vocabulary.parse(NAMES)
    for resolution_wh in ((640, 480), (1920, 1080)):
        frames = Frames(resolution_wh)
        setting = f'{len(vocabulary)} names, {frames}, {where}'
        size = f'{resolution_wh[1]}p'
        first, *warm = seconds(lambda f=frames: model.detect(next(f), vocabulary), REPETITIONS)
        if resolution_wh == (640, 480):
            yield Figure('embedded.first_call', first * 1e3, 'ms', setting)
        yield Figure(f'embedded.{size}.rate', 1 / np.mean(warm), 'frames/s', setting)
        yield Figure(f'embedded.{size}.p50', np.median(warm) * 1e3, 'ms', setting)
        yield Figure(f'embedded.{size}.p95', np.quantile(warm, 0.95) * 1e3, 'ms', setting)


def comparisons(model: EmbeddedBackend, where: str) -> Iterator[Figure]:
    """What dense passes, cached vocabularies and one look for many questions are worth."""
    frames = Frames((640, 480))
    features = FeatureExtractor(locate(EFFICIENTNET), os.cpu_count() or 1)
    crops = [np.ascontiguousarray(next(frames)[:CROP_PX, :CROP_PX]) for _ in range(REGIONS)]
    dense = median(lambda: [features.run(next(frames), px) for px in (224, 448)], FEWER)
    one_by_one = median(lambda: [features.run(crop, CROP_PX) for crop in crops], FEWER)
    setting = f'{REGIONS} to {MAX_BOXES} regions, {frames}, {where}'
    yield Figure('embedded.region_features', dense * 1e3, 'ms', setting, one_by_one * 1e3)

    names = list(EVERYDAY.names)
    image = next(frames)
    many = Vocabulary(tuple(names))
    known = median(lambda: model.detect(image, many), FEWER)
    # The same names in another order are another vocabulary.
    orders = (Vocabulary((*names[i:], *names[:i])) for i in range(1, len(names)))
    unread = median(lambda: model.detect(image, next(orders)), FEWER)
    setting = f'{len(names)} names, {frames}, {where}'
    yield Figure('embedded.vocabulary_read_before', known * 1e3, 'ms', setting, unread * 1e3)

    questions = [f'is there a {name}?' for name in ('dog', 'cat', 'car', 'person', 'cup')]
    model.answer(image, questions[0])

    def ask(pictures: list[Image]) -> None:
        for question, picture in zip(questions, pictures, strict=True):
            model.answer(picture, question)

    five = [np.roll(image, 3 * i, axis=0) for i in range(2 * 5)]
    apart = median(lambda: ask(rotate(five, 5)), FEWER)
    same = median(lambda: ask(rotate(five, 1) * 5), FEWER)
    setting = f'5 questions, {frames}, {where}'
    yield Figure('embedded.questions_on_one_image', same * 1e3, 'ms', setting, apart * 1e3)


class Frames:
    """An endless camera: a photograph, shifted a little further every time."""

    def __init__(self, resolution_wh: tuple[int, int]) -> None:
        photo = cv2.resize(skimage.data.coffee(), resolution_wh)
        self._frames = [np.roll(photo, 8 * i, axis=1) for i in range(12)]
        self._taken = 0
        self._name = '{}x{}'.format(*resolution_wh)

    def __next__(self) -> Image:
        self._taken += 1
        return self._frames[self._taken % len(self._frames)]

    def __str__(self) -> str:
        return self._name


def rotate(pictures: list[Image], count: int) -> list[Image]:
    """Take the next pictures of a ring."""
    taken = [pictures.pop(0) for _ in range(count)]
    pictures.extend(taken)
    return taken


def seconds(work: Callable[[], object], repetitions: int) -> list[float]:
    """Time each repetition."""
    taken = []
    for _ in range(repetitions):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return taken


def median(work: Callable[[], object], repetitions: int) -> float:
    """Return the median time of a warm repetition, in seconds."""
    return float(np.median(seconds(work, repetitions + 1)[1:]))


if __name__ == '__main__':
    main()
