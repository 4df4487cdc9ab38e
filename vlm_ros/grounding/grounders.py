"""A model that grounds phrases, in the seat of a detector."""

from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Detections
from vlm_ros.tasks import Image, PhraseGrounder, Ticket

_BETWEEN = '. '


class GroundingDetector:
    """Looks for names by grounding a text that is nothing but them, in one call.

    A name of which the grounder makes no phrase was not looked for, and is unrecognized.

    Args:
        grounder: Finds the phrases of a text.
    """

    def __init__(self, grounder: PhraseGrounder) -> None:
        self._grounder = grounder

    @property
    def score_threshold(self) -> float | None:
        """What a score must reach where the caller does not say; None where it is not told."""
        threshold = getattr(self._grounder, 'score_threshold', None)
        return None if threshold is None else float(threshold)

    @property
    def model_id(self) -> str:
        """The grounder's."""
        return str(getattr(self._grounder, 'model_id', ''))

    def detect(
        self,
        image: Image,
        vocabulary: Vocabulary,
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> Detections:
        """Find what the vocabulary names.

        Raises:
            QuestionError: The names together are longer than the grounder takes.
        """
        text = _BETWEEN.join(vocabulary.names)
        grounded = self._grounder.ground(
            image, text, score_threshold=score_threshold, ticket=ticket
        )
        labels: dict[int, str] = {}
        known = set()
        start = 0
        for name in vocabulary.names:
            end = start + len(name)
            for phrase in grounded.groundings:
                if phrase.span[0] < end and phrase.span[1] > start:
                    known.add(name)
                    labels.update(dict.fromkeys(phrase.detections, name))
            start = end + len(_BETWEEN)
        unseen = {text.casefold() for text in grounded.detections.unrecognized}
        found = sorted(labels)
        boxes = grounded.detections[found] if found else Detections()
        return Detections(
            boxes.xyxy,
            boxes.scores,
            tuple(labels[index] for index in found),
            tuple(n for n in vocabulary.names if n not in known or n.casefold() in unseen),
        )
