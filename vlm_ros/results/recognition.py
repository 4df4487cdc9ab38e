"""What an image, or a part of it, is recognized as."""

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from vlm_ros.boxes import FloatArray
from vlm_ros.results.arrays import frozen_scores
from vlm_ros.results.detections import Detections
from vlm_ros.results.status import Status


@dataclass(frozen=True, eq=False)
class Classification:
    """How well each name of a vocabulary goes with a whole image.

    Attributes:
        labels: Every name of the vocabulary, in its order.
        scores: `(N,)` float32 in [0, 1], one a name.
        exclusive: Whether the scores share out 1 between the names (a softmax), so that one of
            them wins even where none fits; otherwise each name is scored by itself.
    """

    labels: tuple[str, ...]
    scores: FloatArray
    exclusive: bool

    def __post_init__(self) -> None:
        if not self.labels:
            raise ValueError('a classification needs at least one label')
        object.__setattr__(self, 'labels', tuple(self.labels))
        object.__setattr__(self, 'scores', frozen_scores(self.scores, len(self.labels)))

    @property
    def label(self) -> str:
        """The name that goes best with the image."""
        return self.labels[int(np.argmax(self.scores))]

    @property
    def score(self) -> float:
        """The score of `label`."""
        return float(self.scores.max())

    @property
    def status(self) -> Status:
        """OK: a classifier always has a say, and its scores tell how much of one."""
        return Status.OK

    @property
    def message(self) -> str:
        """Nothing."""
        return ''

    def scaled(self, x: float, y: float) -> 'Classification':
        """Return the classification, which has no boxes."""
        return self


@dataclass(frozen=True, eq=False)
class Masks:
    """Which pixels belong to each thing.

    Attributes:
        masks: `(N, H, W)` bool, in pixels of the image that was looked at, row first.
        detections: The N boxes, scores and labels that go with them, in the same order.
    """

    masks: npt.NDArray[np.bool_]
    detections: Detections = field(default_factory=Detections)

    def __post_init__(self) -> None:
        masks = np.array(self.masks, bool)
        if masks.ndim != 3 or len(masks) != len(self.detections):
            raise ValueError(
                f'masks must have shape ({len(self.detections)}, H, W), got {masks.shape}'
            )
        masks.flags.writeable = False
        object.__setattr__(self, 'masks', masks)

    def __len__(self) -> int:
        return len(self.detections)

    @property
    def status(self) -> Status:
        """The status of the detections."""
        return self.detections.status

    @property
    def message(self) -> str:
        """The message of the detections."""
        return self.detections.message

    def scaled(self, x: float, y: float) -> 'Masks':
        """Return the masks and boxes of an image `x` times as wide and `y` times as high."""
        if x == y == 1:
            return self
        height, width = self.masks.shape[1:]
        rows = (np.arange(round(height * y)) / y).astype(np.intp).clip(0, height - 1)
        columns = (np.arange(round(width * x)) / x).astype(np.intp).clip(0, width - 1)
        masks = self.masks[:, rows[:, np.newaxis], columns]
        return replace(self, masks=masks, detections=self.detections.scaled(x, y))
