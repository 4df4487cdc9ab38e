"""Whether things are as described: `red`, `open`, `wooden`."""

from collections.abc import Sequence
from dataclasses import dataclass

from vlm_ros.grounding.sightings import Observer
from vlm_ros.results import Detections
from vlm_ros.tasks import QuestionAnswerer, RegionMatcher


@dataclass(frozen=True)
class Opinion:
    """What somebody thinks of one box.

    Attributes:
        truth: Whether the attribute holds; None where nobody can tell.
        confidence: How sure that is, in [0, 1]; 0 where nobody can tell.
        text: The value that was asked for, `red`; empty where none was, or nobody can tell.
    """

    truth: bool | None = None
    confidence: float = 0.0
    text: str = ''


class Judge:
    """Judges attributes of what boxes hold.

    Args:
        answerer: Asked first, with a picture of each box; None for nobody.
        matcher: Asked next, by comparing each box with words; None for nobody.
    """

    def __init__(
        self, answerer: QuestionAnswerer | None = None, matcher: RegionMatcher | None = None
    ) -> None:
        self._answerer = answerer
        self._matcher = matcher

    def holds(self, observer: Observer, boxes: Detections, attribute: str) -> tuple[Opinion, ...]:
        """Say of each box whether an attribute holds."""
        return (Opinion(),) * len(boxes)

    def value(self, observer: Observer, box: Detections, kind: str = 'colour') -> Opinion:
        """Say what the attribute of one box is."""
        return Opinion()


Opinions = Sequence[Opinion]
