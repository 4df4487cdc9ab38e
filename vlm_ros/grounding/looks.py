"""Looks at one image that are not made twice, however many ask."""

from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Detections
from vlm_ros.tasks import Detector, Image, Ticket


class SharedLooks:
    """A detector that remembers what it found in the image it looked at last.

    Only a look for the very same names is the same look: with other names beside it a detector may
    take a thing for another.

    Args:
        detector: Looks.

    Attributes:
        model_id: The detector's; as what follows, only where it has one.
        score_threshold: The detector's.
        enough_px: The detector's.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._image: Image | None = None
        self._found: dict[tuple[tuple[str, ...], float | None], Detections] = {}
        for attribute in ('model_id', 'score_threshold', 'enough_px'):
            if hasattr(detector, attribute):
                setattr(self, attribute, getattr(detector, attribute))

    def detect(
        self,
        image: Image,
        vocabulary: Vocabulary,
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> Detections:
        """Find what the vocabulary names; an array that comes again is taken to be unchanged."""
        if image is not self._image:
            self._image, self._found = image, {}
        key = (vocabulary.names, score_threshold)
        if key not in self._found:
            self._found[key] = self._detector.detect(
                image, vocabulary, score_threshold=score_threshold, ticket=ticket
            )
        return self._found[key]
