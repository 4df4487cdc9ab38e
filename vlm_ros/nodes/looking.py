"""One look at one image: what came of it, where it came from, and never an exception."""

from collections.abc import Callable
from concurrent.futures import Future
import contextlib
from dataclasses import dataclass, replace
import time
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from vlm_ros.errors import ModelError
from vlm_ros.nodes.conversions import error_to_status, header_to_provenance
from vlm_ros.nodes.image_feed import Frame
from vlm_ros.results import Provenance, Status
from vlm_ros.tasks import Image, Model, tasks_of, Ticket
from vlm_ros.worker import ModelWorker


class Result(Protocol):
    """What every task's result says of itself."""

    @property
    def status(self) -> Status:
        """What became of the task."""

    @property
    def message(self) -> str:
        """One line about it, or nothing."""


_WARM_UP_SHAPE = (480, 640, 3)
R = TypeVar('R', bound=Result)
R_co = TypeVar('R_co', bound=Result, covariant=True)


@dataclass(frozen=True)
class Look(Generic[R_co]):
    """What came of a look; `result` is None exactly where the look failed."""

    result: R_co | None
    status: Status
    message: str
    provenance: Provenance


def warm_up(worker: ModelWorker[Model], work: Callable[[Any, Image], object]) -> Future[None]:
    """Have the model do something once before the first frame, whose turn would take longest.

    A model that fails now fails again at the first frame, and is reported then.
    """

    def once() -> None:
        with contextlib.suppress(Exception):
            work(worker.model, np.zeros(_WARM_UP_SHAPE, np.uint8))

    return worker.submit(once, Ticket())


def look(
    worker: ModelWorker[Model],
    frame: Frame,
    tasks: tuple[str, ...],
    work: Callable[[Any, Image], R],
    provenance: Provenance,
) -> Look[R]:
    """Do a task on a frame; for the worker's thread.

    Args:
        worker: Has the model.
        frame: What to look at.
        tasks: The methods of which the model must have one, out of `tasks.TASKS`.
        work: Calls the model, which has one of the tasks.
        provenance: What is known before: camera, vocabulary.
    """
    source = header_to_provenance(frame.header)
    provenance = replace(provenance, stamp_ns=source.stamp_ns, frame_id=source.frame_id)
    try:
        model = worker.model
        provenance = replace(
            provenance, model_id=model.model_id, model_revision=model.model_revision
        )
        if not set(tasks) & set(tasks_of(model)):
            raise ModelError(
                f'{model.model_id} cannot {" or ".join(tasks)}, only '
                f'{", ".join(tasks_of(model))}; choose another backend'
            )
        image = frame.image
        started_s = time.perf_counter()
        result = work(model, image)
        provenance = replace(provenance, inference_time_s=time.perf_counter() - started_s)
    except Exception as error:  # noqa: BLE001 - a bad frame or model never ends the loop
        return Look(None, *error_to_status(error), provenance)
    return Look(result, result.status, result.message, provenance)
