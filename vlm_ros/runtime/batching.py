"""Detection in several images at once, where the model gains by it and memory allows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
import time

from vlm_ros.errors import InterruptedWork, ModelError, OutOfMemory
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Detections
from vlm_ros.runtime.model_worker import ModelWorker
from vlm_ros.tasks import BatchDetector, Detector, Image, Model, Ticket


@dataclass(frozen=True)
class Outcome:
    """What became of one image.

    Attributes:
        result: What was found, or why that failed.
        inference_s: Seconds of the call that the image was in.
        model_id: Of the model that looked; empty where none did.
        model_revision: Of the model that looked.
    """

    result: Detections | Exception
    inference_s: float = 0.0
    model_id: str = ''
    model_revision: str = ''


def detect(
    worker: ModelWorker[Model],
    images: Sequence[Image],
    vocabularies: Sequence[Vocabulary],
    *,
    score_threshold: float | None,
    ticket: Ticket,
    show: Callable[[Detector], Detector] = lambda detector: detector,
) -> list[Outcome]:
    """Detect in each image what its own vocabulary names; for a turn of the worker.

    A batch that memory does not suffice for is tried again in smaller ones. A batch that fails
    otherwise is tried again image by image, so that one bad image fails alone.

    Args:
        worker: Has the model, which has to be a `Detector`.
        images: `(H, W, 3)` uint8 RGB each.
        vocabularies: One an image.
        score_threshold: Leave out what scores less, in [0, 1]; None for the model's own.
        ticket: The callers' deadline and cancel.
        show: Returns a detector that knows more than the model by itself.

    Returns:
        One outcome an image, in their order.
    """
    outcomes: list[Outcome] = []
    at_most = len(images)
    singly = 0  # how many of the first images are to be looked at alone
    while (done := len(outcomes)) < len(images):
        count = min(worker.frames_at_once, at_most, len(images) - done)
        count = 1 if done < singly else count
        batch = slice(done, done + count)
        look = partial(
            _look,
            images=images[batch],
            vocabularies=vocabularies[batch],
            score_threshold=score_threshold,
            ticket=ticket,
            show=show,
        )
        try:
            outcomes += worker.call(look)
        except OutOfMemory as error:
            if count == 1:
                outcomes.append(Outcome(error))
            at_most = max(1, count // 2)
        except InterruptedWork as error:
            outcomes += [Outcome(error)] * (len(images) - done)
        except Exception as error:  # noqa: BLE001 - each image gets an outcome of its own
            if ticket.has_ended:
                outcomes += [Outcome(error)] * (len(images) - done)
            elif count > 1:
                singly = done + count
            else:
                outcomes.append(Outcome(error))
    return outcomes


def _look(
    model: Model,
    *,
    images: Sequence[Image],
    vocabularies: Sequence[Vocabulary],
    score_threshold: float | None,
    ticket: Ticket,
    show: Callable[[Detector], Detector],
) -> list[Outcome]:
    started_s = time.perf_counter()
    detector = show(_as_detector(model))
    if len(images) > 1 and isinstance(detector, BatchDetector):
        found = detector.detect_batch(
            images, vocabularies, score_threshold=score_threshold, ticket=ticket
        )
    else:
        found = [
            detector.detect(image, vocabulary, score_threshold=score_threshold, ticket=ticket)
            for image, vocabulary in zip(images, vocabularies, strict=True)
        ]
    inference_s = time.perf_counter() - started_s
    if len(found) != len(images):
        raise ModelError(f'{model.model_id} gave {len(found)} results for {len(images)} images')
    return [Outcome(one, inference_s, model.model_id, model.model_revision) for one in found]


def _as_detector(model: Model) -> Detector:
    if not isinstance(model, Detector):
        raise TypeError(f'{model.model_id} cannot detect')
    return model
