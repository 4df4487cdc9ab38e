"""Which object an expression refers to."""

from dataclasses import dataclass, field, replace

from vlm_ros.results.arrays import frozen_scores
from vlm_ros.results.detections import Detections
from vlm_ros.results.status import Status


@dataclass(frozen=True)
class Reference:
    """The one object that an expression such as `the second person from the left` refers to.

    Attributes:
        status: OK with an object; NOT_IN_VIEW where there is none such; UNSURE where several may
            be meant, or where nobody can tell.
        detection: The object; without boxes unless `status` is OK.
        confidence: How sure it is that this one is meant, in [0, 1]; 0 unless `status` is OK.
        candidates: What else bears the name or may be meant, best first.
        message: One line for people: why there is no object.
    """

    status: Status
    detection: Detections = field(default_factory=Detections)
    confidence: float = 0.0
    candidates: Detections = field(default_factory=Detections)
    message: str = ''

    def __post_init__(self) -> None:
        frozen_scores([self.confidence], 1)
        if len(self.detection) != (self.status is Status.OK):
            raise ValueError(
                f'a reference with status {self.status.name} and {len(self.detection)} objects'
            )
        if self.status is not Status.OK and (self.confidence or not self.message):
            raise ValueError(f'a reference with status {self.status.name} must only say why')

    def scaled(self, x: float, y: float) -> 'Reference':
        """Return the boxes of an image `x` times as wide and `y` times as high."""
        if x == y == 1:
            return self
        return replace(
            self, detection=self.detection.scaled(x, y), candidates=self.candidates.scaled(x, y)
        )
