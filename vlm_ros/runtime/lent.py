"""A detector lent by another worker: to a model that looks through somebody else's eyes.

Each model has one thread. Work on one worker's thread that needs the detector of another asks for
a turn there and waits, so the detector still sees one call at a time, and its weights are loaded
once for all. Lending goes one way: a detector's own work borrows nothing. Two nodes of a process
of which each borrows the other's model would wait for each other until their deadlines.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from typing import TypeVar

from vlm_ros.errors import InterruptedWork, ModelError, OtherModelError
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Detections
from vlm_ros.runtime.model_worker import ModelWorker
from vlm_ros.runtime.worker import QueueFull
from vlm_ros.tasks import Detector, ExemplarDetector, Image, Model, Ticket

T = TypeVar('T')
_SLICE_S = 0.05
"""How often the borrower looks at its own ticket."""


class LentDetector:
    """The detector of a worker, for the threads of others.

    Args:
        worker: Has a model that can detect.
    """

    def __init__(self, worker: ModelWorker[Model]) -> None:
        self._worker = worker

    @property
    def model_id(self) -> str:
        """The detector's name; raises `OtherModelError` where there is none now."""
        return self._model.model_id

    @property
    def score_threshold(self) -> float | None:
        """The detector's own threshold, where it says so; raises as `model_id` does."""
        return getattr(self._model, 'score_threshold', None)

    @property
    def likeness_threshold(self) -> float | None:
        """The same for pictures, where it says so."""
        own: float | None = getattr(self._model, 'likeness_threshold', self.score_threshold)
        return own

    @property
    def detects_by_pictures(self) -> bool:
        """Whether `detect_like` can be asked for now."""
        try:
            return isinstance(self._worker.model, ExemplarDetector)
        except ModelError:  # there is none at the moment
            return False

    def detect(
        self,
        image: Image,
        vocabulary: Vocabulary,
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> Detections:
        """Find what the vocabulary names, in a turn of the other worker.

        Raises:
            OtherModelError: The detector failed, or there is none.
            InterruptedWork: The ticket ended while this waited or the detector worked.
        """

        def use(model: Model, turn: Ticket) -> Detections:
            if not isinstance(model, Detector):
                raise ModelError(f'{model.model_id} cannot detect; choose another detector')
            return model.detect(image, vocabulary, score_threshold=score_threshold, ticket=turn)

        return self._borrow(use, ticket or Ticket())

    def detect_like(
        self,
        image: Image,
        exemplars: Sequence[Image],
        names: Sequence[str],
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> Detections:
        """Find what looks like the exemplars, in a turn of the other worker.

        Raises:
            OtherModelError: The detector failed, cannot do it, or there is none.
            InterruptedWork: The ticket ended while this waited or the detector worked.
        """

        def use(model: Model, turn: Ticket) -> Detections:
            if not isinstance(model, ExemplarDetector):
                raise ModelError(f'{model.model_id} cannot detect by pictures')
            return model.detect_like(
                image, exemplars, names, score_threshold=score_threshold, ticket=turn
            )

        return self._borrow(use, ticket or Ticket())

    def _borrow(self, use: Callable[[Model, Ticket], T], ticket: Ticket) -> T:
        ticket.check()
        # Its own ticket: that of the borrower would show signs of life while the detector hangs.
        turn = Ticket(ticket.remaining_s)
        try:
            future = self._worker.submit(
                lambda: self._worker.call(lambda model: use(model, turn)), turn
            )
            return _wait(future, ticket)
        except InterruptedWork as error:
            turn.cancel(str(error))
            raise
        except (ModelError, QueueFull) as error:
            raise _failed(error) from error

    @property
    def _model(self) -> Model:
        try:
            return self._worker.model
        except ModelError as error:
            raise _failed(error) from error


def _failed(error: Exception) -> OtherModelError:
    return OtherModelError(f'the detector failed: {error}')


def _wait(future: 'Future[T]', ticket: Ticket) -> T:
    while True:
        try:
            return future.result(_SLICE_S)
        except NotYet:
            if future.done():  # meanwhile, or it raised this itself
                return future.result()
            ticket.check()
