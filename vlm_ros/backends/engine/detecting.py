"""What every open-vocabulary detector that runs in torch does alike."""

from abc import abstractmethod
from collections.abc import Sequence

from vlm_ros.backends.engine.work import TorchBackend
from vlm_ros.errors import BackendError
from vlm_ros.grounding.naming import ground_by_names
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Detections, PhraseGroundings
from vlm_ros.tasks import Image, Ticket


class BatchedDetector(TorchBackend):
    """Detects one image as a batch of one, and grounds a text by the names in it.

    Attributes:
        max_batch: How many images one call may bring.
        score_threshold: What a score must reach where the caller does not say.
    """

    max_batch: int
    score_threshold: float

    def detect(
        self,
        image: Image,
        vocabulary: Vocabulary,
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> Detections:
        """Find what the vocabulary names."""
        return self.detect_batch(
            [image], [vocabulary], score_threshold=score_threshold, ticket=ticket
        )[0]

    @abstractmethod
    def detect_batch(
        self,
        images: Sequence[Image],
        vocabularies: Sequence[Vocabulary],
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> Sequence[Detections]:
        """Find in each image what its own vocabulary names."""

    def ground(
        self,
        image: Image,
        text: str,
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> PhraseGroundings:
        """Find what each noun phrase of the text names, with its attributes."""
        return ground_by_names(self, image, text, score_threshold=score_threshold, ticket=ticket)


def check_fractions(**options: float) -> None:
    """Refuse options that are not in [0, 1], by their names.

    Raises:
        BackendError: One is not.
    """
    for name, value in options.items():
        if not 0 <= value <= 1:
            raise BackendError(f'{name} must be in [0, 1], got {value:g}')


def check_max_batch(max_batch: int) -> None:
    """Refuse an impossible size of batches.

    Raises:
        BackendError: It is below 1.
    """
    if max_batch < 1:
        raise BackendError(f'max_batch must be at least 1, got {max_batch}')
