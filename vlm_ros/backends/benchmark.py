"""How long a backend takes on this machine: cold, warm, to the first token, and in what memory.

Run as a process of its own, so that a cold start is one and memory is nobody else's::

    python -m vlm_ros.backends.benchmark '{"backend": "embedded"}'

prints one JSON object a task.
"""

import time

STARTED_S = time.perf_counter()

from collections.abc import Callable, Iterator  # noqa: E402 - imports are a part of a cold start
from dataclasses import asdict, dataclass  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from vlm_ros.backends.registry import load  # noqa: E402
from vlm_ros.errors import VlmRosError  # noqa: E402
from vlm_ros.phrases import Vocabulary  # noqa: E402
from vlm_ros.results import Detections  # noqa: E402
from vlm_ros.tasks import Image, tasks_of, Ticket  # noqa: E402

NAMES = Vocabulary(
    ('person', 'car', 'dog', 'cat', 'bicycle', 'chair', 'bottle', 'laptop', 'truck', 'cup')
)
QUESTION = 'What is in the picture?'
STATEMENT = 'There is a person in the picture.'


@dataclass(frozen=True)
class Run:
    """What to measure.

    Attributes:
        backend: A registered name.
        model: As `backends.load` takes it.
        device: As `backends.load` takes it.
        options: The backend's own settings.
        resolution_wh: Of the images, in pixels.
        repetitions: Warm calls of each task.
    """

    backend: str
    model: str = ''
    device: str = 'auto'
    options: dict[str, Any] | None = None
    resolution_wh: tuple[int, int] = (640, 480)
    repetitions: int = 5


@dataclass(frozen=True)
class Measurement:
    """What one task of one backend took.

    Attributes:
        model_id: What was measured.
        device: Where it ran.
        dtype: Its arithmetic; empty where the backend does not say.
        task: Out of `vlm_ros.tasks.TASKS`.
        cold_start_s: From the start of a process to a loaded model, imports included.
        first_call_ms: Of the first call, with whatever is done once.
        warm_p50_ms: Of the calls after it, each with another image: half take less.
        warm_p95_ms: Nineteen of twenty take less.
        first_token_ms: To the first partial text of a warm call; None where there is none.
        memory_mb: Resident memory, at its peak so far, in 10^6 bytes.
        device_memory_mb: The same of a GPU's memory that torch holds; None on others.
        note: Why there are no figures; empty where there are.
    """

    model_id: str
    device: str
    dtype: str
    task: str
    cold_start_s: float
    first_call_ms: float = 0.0
    warm_p50_ms: float = 0.0
    warm_p95_ms: float = 0.0
    first_token_ms: float | None = None
    memory_mb: float = 0.0
    device_memory_mb: float | None = None
    note: str = ''


def measure(run: Run) -> Iterator[Measurement]:
    """Load a backend and time each of its tasks, yielding each as soon as it is known.

    Raises:
        BackendError: It cannot be loaded.
    """
    options = {'device': run.device, 'model': run.model, **(run.options or {})}
    model: Any = load(run.backend, **options)
    cold_start_s = time.perf_counter() - STARTED_S
    images = _images(run.resolution_wh)
    for task in tasks_of(model):
        about = {
            'model_id': model.model_id,
            'device': model.device,
            'dtype': str(getattr(model, 'dtype', '')).rpartition('.')[2],
            'task': task,
            'cold_start_s': cold_start_s,
        }
        try:
            timed = _timed(_request(model, task), images, run.repetitions, model.device)
            yield Measurement(**about, **timed)
        except VlmRosError as error:
            yield Measurement(**about, note=str(error))


class _Watch:
    """Notes when partial texts come."""

    def __init__(self) -> None:
        self.seen_s: list[float] = []

    def __call__(self, text: str) -> None:
        self.seen_s.append(time.perf_counter())


def _timed(
    work: Callable[[Image, Ticket], object],
    images: Iterator[Image],
    repetitions: int,
    device: str,
) -> dict[str, Any]:
    calls_ms = []
    firsts_ms: list[float] = []
    for _ in range(1 + repetitions):
        image = next(images)
        watch = _Watch()
        started_s = time.perf_counter()
        work(image, Ticket(on_partial=watch))
        calls_ms.append((time.perf_counter() - started_s) * 1e3)
        firsts_ms += [(at_s - started_s) * 1e3 for at_s in watch.seen_s[:1]]
    warm_ms = calls_ms[1:]
    return {
        'first_call_ms': calls_ms[0],
        'warm_p50_ms': float(np.median(warm_ms)),
        'warm_p95_ms': float(np.quantile(warm_ms, 0.95)),
        'first_token_ms': float(np.median(firsts_ms[1:])) if firsts_ms[1:] else None,
        'memory_mb': _peak_memory_mb(),
        'device_memory_mb': _device_memory_mb(device),
    }


def _request(model: Any, task: str) -> Callable[[Image, Ticket], object]:
    """Return a call of the task that takes an image."""
    call = getattr(model, task)

    def half(image: Image) -> Detections:
        height, width = image.shape[:2]
        box = np.array([[0, 0, width / 2, height / 2]], np.float32)
        return Detections(box, np.ones(1, np.float32), ('thing',))

    requests: dict[str, Callable[[Image], tuple[Any, ...]]] = {
        'detect': lambda image: (image, NAMES),
        'ground': lambda image: (image, STATEMENT),
        'caption': lambda image: (image,),
        'answer': lambda image: (image, QUESTION),
        'caption_frames': lambda image: ([image, image],),
        'answer_frames': lambda image: ([image, image], QUESTION),
        'verify': lambda image: ([image, image], STATEMENT),
        'match': lambda image: (image, [STATEMENT]),
        'classify': lambda image: (image, NAMES),
        'encode_images': lambda image: ([image],),
        'encode_texts': lambda image: ([STATEMENT],),
        'match_regions': lambda image: (image, half(image).xyxy, NAMES.names),
        'detect_like': lambda image: (image, [image], ['thing']),
        'segment': lambda image: (image, half(image)),
        'segment_phrases': lambda image: (image, NAMES),
    }
    return lambda image, ticket: call(*requests[task](image), ticket=ticket)


def _images(resolution_wh: tuple[int, int]) -> Iterator[Image]:
    """Yield a photograph for ever, shifted a little further every time."""
    import cv2
    import skimage.data

    photo = cv2.resize(skimage.data.coffee(), resolution_wh)
    shift = 0
    while True:
        shift += 8
        yield np.roll(photo, shift, axis=1)


def _peak_memory_mb() -> float:
    import resource

    # In units of 1024 bytes on Linux, of 1 on macOS.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == 'darwin' else peak * 1024 / 1e6


def _device_memory_mb(device: str) -> float | None:
    if not device.startswith('cuda'):
        return None
    import torch

    return float(torch.cuda.max_memory_reserved(device) / 1e6)


def main() -> int:
    """Measure what the argument says; print a JSON object a task, or one with an error."""
    try:
        for measurement in measure(Run(**json.loads(sys.argv[1]))):
            print(json.dumps(asdict(measurement)), flush=True)
    except VlmRosError as error:
        print(json.dumps({'error': str(error)}), flush=True)
        return 1
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
