"""What a model can be asked to do: one Protocol a task, one method each.

A backend class satisfies one or more of them. Images are `(H, W, 3)` uint8 RGB, C-contiguous, and
no method writes into one. A model serves one call at a time, on whichever thread calls it. Every
method may raise `ModelError` when the model fails, and `InterruptedWork` from `ticket.check()`.
"""

from collections.abc import Callable, Sequence
import math
import threading
import time
from typing import Protocol, runtime_checkable, TypeAlias

import numpy as np
import numpy.typing as npt

from vlm_ros.errors import DeadlineExceeded, WorkCancelled
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Answer, Caption, Detections, PhraseGroundings

Image: TypeAlias = npt.NDArray[np.uint8]
_SLICE_S = 0.1


class Ticket:
    """A caller's hold on one piece of work: its deadline, its cancel, its partial output.

    Work calls `check()` between its steps (one generated token, one region batch), so that it
    ends within a step of the deadline or of `cancel()`. Safe to use from several threads.

    Args:
        timeout_s: Seconds from now until the work is no longer wanted; None for no limit.
        on_partial: Called, on the working thread, with the text so far whenever there is more.
    """

    def __init__(
        self, timeout_s: float | None = None, on_partial: Callable[[str], None] | None = None
    ) -> None:
        self._deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self._cancelled = threading.Event()
        self._reason = ''
        self.seen_s = time.monotonic()
        """When the work last looked at this ticket, a sign of life; seconds, monotonic clock."""
        self._on_partial = on_partial

    def cancel(self, reason: str = 'the caller cancelled the request') -> None:
        """Take the work back; it ends at its next `check()`, with the reason as its message."""
        if not self._cancelled.is_set():
            self._reason = reason
        self._cancelled.set()

    @property
    def deadline_s(self) -> float | None:
        """When the work is no longer wanted, in seconds of the monotonic clock; None for never."""
        return self._deadline

    @property
    def is_cancelled(self) -> bool:
        """Whether the caller took the work back."""
        return self._cancelled.is_set()

    @property
    def has_ended(self) -> bool:
        """Whether `check()` would raise."""
        return self.is_cancelled or self.remaining_s == 0

    @property
    def remaining_s(self) -> float | None:
        """Seconds until the deadline, never below 0; None where there is none."""
        if self._deadline is None:
            return None
        return max(0.0, self._deadline - time.monotonic())

    def check(self) -> None:
        """Go on, or end the work.

        Raises:
            WorkCancelled: The caller took the work back.
            DeadlineExceeded: The deadline has passed.
        """
        self.seen_s = time.monotonic()
        self.raise_if_ended()

    def raise_if_ended(self) -> None:
        """Raise what `check()` would; for the caller, whose look is no sign of life."""
        if self._cancelled.is_set():
            raise WorkCancelled(self._reason)
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise DeadlineExceeded('the deadline passed before the work was done')

    def sleep(self, duration_s: float) -> None:
        """Wait, ending early as `check()` does."""
        until_s = time.monotonic() + duration_s
        while (left_s := until_s - time.monotonic()) > 0:
            remaining_s = self.remaining_s
            # In slices, because each `check` is a sign of life.
            left_s = min(left_s, _SLICE_S, math.inf if remaining_s is None else remaining_s)
            self._cancelled.wait(left_s)
            self.check()
        self.check()

    def report_partial(self, text: str) -> None:
        """Hand the caller the text so far."""
        if self._on_partial is not None:
            self._on_partial(text)


@runtime_checkable
class Model(Protocol):
    """What every backend says of itself."""

    @property
    def model_id(self) -> str:
        """The name results carry, such as `embedded` or `owlv2:google/owlv2-base-patch16`."""

    @property
    def model_revision(self) -> str:
        """The version of the weights."""

    @property
    def device(self) -> str:
        """Where it runs: `cpu`, `cuda:0`."""

    def close(self) -> None:
        """Free the weights; the model is not used afterwards. May be called twice."""

    # A model may also have two attributes. `enough_px` is the shorter side, in pixels, beyond
    # which a larger image shows it nothing more: compressed images are then decoded no larger.
    # `needs_warm_up = False` says that its first call takes no longer than others.


@runtime_checkable
class ReleasesMemory(Protocol):
    """A model that can give memory back and go on working; asked to when memory runs out."""

    def release_memory(self) -> None:
        """Drop caches and hand freed blocks back to the device."""


@runtime_checkable
class Detector(Protocol):
    """Open-vocabulary detection: class names in, named boxes out."""

    def detect(
        self,
        image: Image,
        vocabulary: Vocabulary,
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> Detections:
        """Find what the vocabulary names.

        Args:
            image: `(H, W, 3)` uint8 RGB.
            vocabulary: The class names; labels of the result are taken from them unchanged.
            score_threshold: Leave out what scores less, in [0, 1]; None for the model's own.
            ticket: The caller's deadline and cancel.
        """


@runtime_checkable
class BatchDetector(Detector, Protocol):
    """A detector that looks at several images faster together than one after the other."""

    @property
    def max_batch(self) -> int:
        """How many images one call may bring, at least 1."""

    def detect_batch(
        self,
        images: Sequence[Image],
        vocabularies: Sequence[Vocabulary],
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> Sequence[Detections]:
        """Find in each image what its own vocabulary names, as `detect` would.

        Args:
            images: `(H, W, 3)` uint8 RGB each, of any sizes.
            vocabularies: One an image.
            score_threshold: As for `detect`.
            ticket: The callers' deadline and cancel.

        Returns:
            One result an image, in their order.

        Raises:
            OutOfMemory: The batch is too large; half of it may do.
        """


@runtime_checkable
class PhraseGrounder(Protocol):
    """Phrase grounding: a text in, the boxes of each phrase out."""

    def ground(
        self,
        image: Image,
        text: str,
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> PhraseGroundings:
        """Find what each noun phrase of the text names.

        Raises:
            QuestionError: The text is empty or too long.
        """


@runtime_checkable
class Captioner(Protocol):
    """Captioning: a sentence about the image."""

    def caption(self, image: Image, *, prompt: str = '', ticket: Ticket | None = None) -> Caption:
        """Describe the image, following `prompt` where the model can."""


@runtime_checkable
class QuestionAnswerer(Protocol):
    """Visual question answering: a question in, an answer or an honest abstention out."""

    def answer(
        self,
        image: Image,
        question: str,
        *,
        choices: Sequence[str] = (),
        ticket: Ticket | None = None,
    ) -> Answer:
        """Answer the question, out of `choices` where they are given.

        Raises:
            QuestionError: The question is empty.
        """


TASKS: dict[str, type] = {
    'detect': Detector,
    'ground': PhraseGrounder,
    'caption': Captioner,
    'answer': QuestionAnswerer,
}
"""The tasks by the name of their method."""


def tasks_of(model: object) -> tuple[str, ...]:
    """Return the names of the tasks that a backend, or a backend class, can do."""
    return tuple(name for name in TASKS if callable(getattr(model, name, None)))
