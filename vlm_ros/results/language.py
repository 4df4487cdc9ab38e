"""What is said about an image."""

from dataclasses import dataclass, field, replace

from vlm_ros.results.arrays import frozen_scores
from vlm_ros.results.detections import Detections
from vlm_ros.results.status import Status, Truth


@dataclass(frozen=True)
class Caption:
    """A sentence about the image, with how sure the model is in [0, 1].

    `status` is OK, or UNSURE where the model finds nothing it could speak of.
    """

    text: str
    score: float
    status: Status = Status.OK
    message: str = ''

    def __post_init__(self) -> None:
        frozen_scores([self.score], 1)
        if not self.text:
            raise ValueError('a caption needs a text')

    def scaled(self, x: float, y: float) -> 'Caption':
        """Return the caption, which has no boxes."""
        return self


@dataclass(frozen=True)
class Answer:
    """The answer to a question, with the boxes that support it.

    Attributes:
        status: OK with a text; NOT_IN_VIEW or UNSURE with a message.
        text: The answer; empty unless `status` is OK.
        confidence: In [0, 1]; 0 unless `status` is OK.
        evidence: The detections the answer rests on.
        message: One line for people: why there is no answer.
    """

    status: Status
    text: str = ''
    confidence: float = 0.0
    evidence: Detections = field(default_factory=Detections)
    message: str = ''

    def __post_init__(self) -> None:
        frozen_scores([self.confidence], 1)
        if (self.status is Status.OK) != bool(self.text):
            raise ValueError(f'an answer with status {self.status.name} and text {self.text!r}')
        if self.status is not Status.OK and not self.message:
            raise ValueError(f'an answer with status {self.status.name} must say why')

    def scaled(self, x: float, y: float) -> 'Answer':
        """Return the boxes of an image `x` times as wide and `y` times as high."""
        if x == y == 1:
            return self
        return replace(self, evidence=self.evidence.scaled(x, y))


@dataclass(frozen=True)
class Verdict:
    """Whether a statement about an image or a pair of them holds, with the boxes that support it.

    Attributes:
        truth: UNKNOWN unless `status` is OK.
        confidence: In [0, 1]; 0 where nobody can tell.
        evidence: The detections it rests on; of a pair, those in the left image.
        status: What became of the check.
        message: One line for people.
        other_evidence: Of a pair, the detections in the right image, in its own pixels.
    """

    truth: Truth
    confidence: float = 0.0
    evidence: Detections = field(default_factory=Detections)
    status: Status = Status.OK
    message: str = ''
    other_evidence: Detections = field(default_factory=Detections)

    def __post_init__(self) -> None:
        frozen_scores([self.confidence], 1)
        if self.status is not Status.OK and self.truth is not Truth.UNKNOWN:
            raise ValueError(f'a {self.truth.name} verdict with status {self.status.name}')

    def scaled(self, x: float, y: float) -> 'Verdict':
        """Return the boxes of an image `x` times as wide and `y` times as high.

        Those of the right one of a pair stay as they are: it has a scale of its own.
        """
        if x == y == 1:
            return self
        return replace(self, evidence=self.evidence.scaled(x, y))
