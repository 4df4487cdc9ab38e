"""Which regions of an image the words of a text go with."""

from dataclasses import dataclass, replace

import numpy as np

from vlm_ros.boxes import FloatArray
from vlm_ros.results.arrays import frozen
from vlm_ros.results.detections import Detections, PhraseGrounding, PhraseGroundings
from vlm_ros.results.status import Status


@dataclass(frozen=True, eq=False)
class RegionWordMatches:
    """How well each region of an image goes with each phrase of a text, and which go together.

    Attributes:
        text: The text.
        phrases: W phrases, as the text has them.
        spans: W spans, `(start, end)` characters in the text, end exclusive.
        xyxy: `(R, 4)` float32 regions, pixels of the source image.
        similarity: `(R, W)` float32 in [-1, 1], as the model gives it; only the order within one
            model means something.
        assigned: The regions of each phrase, indices of `xyxy`, best first; none where no region
            fits.
    """

    text: str
    phrases: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    xyxy: FloatArray
    similarity: FloatArray
    assigned: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        words, regions = len(self.phrases), len(self.xyxy)
        if len(self.spans) != words or len(self.assigned) != words:
            raise ValueError(
                f'{words} phrases, but {len(self.spans)} spans, {len(self.assigned)} assignments'
            )
        object.__setattr__(self, 'xyxy', frozen('xyxy', self.xyxy, (regions, 4)))
        object.__setattr__(
            self, 'similarity', frozen('similarity', self.similarity, (regions, words))
        )
        if any(not 0 <= index < regions for indices in self.assigned for index in indices):
            raise ValueError(f'a phrase is assigned a region outside the {regions} there are')

    @property
    def groundings(self) -> PhraseGroundings:
        """The assignment as boxes of phrases; a negative similarity scores 0."""
        rows = [(region, w) for w, regions in enumerate(self.assigned) for region in regions]
        scores = np.array([self.similarity[row] for row in rows], np.float32).clip(0, 1)
        detections = Detections(
            self.xyxy[[region for region, _ in rows]].reshape(-1, 4),
            scores,
            tuple(self.phrases[w] for _, w in rows),
        )
        found = []
        for w, phrase in enumerate(self.phrases):
            indices = tuple(i for i, (_, word) in enumerate(rows) if word == w)
            own = tuple(float(scores[i]) for i in indices)
            found.append(PhraseGrounding(phrase, self.spans[w], indices, own))
        return PhraseGroundings(self.text, detections, tuple(found))

    @property
    def status(self) -> Status:
        """OK, or NOTHING_FOUND where no phrase has a region."""
        return Status.OK if any(self.assigned) else Status.NOTHING_FOUND

    @property
    def message(self) -> str:
        """Nothing."""
        return ''

    def scaled(self, x: float, y: float) -> 'RegionWordMatches':
        """Return the regions of an image `x` times as wide and `y` times as high."""
        if x == y == 1:
            return self
        return replace(self, xyxy=self.xyxy * np.array([x, y, x, y], np.float32))
