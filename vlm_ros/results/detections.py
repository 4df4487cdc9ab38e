"""Named boxes of an image, and the phrases that name them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from vlm_ros.boxes import class_wise_non_max_suppression, FloatArray
from vlm_ros.results.arrays import frozen, frozen_scores
from vlm_ros.results.status import Status

SAME_IOU = 0.7
"""Boxes of one label that overlap more, found under two prompts, are one thing."""


@dataclass(frozen=True, eq=False)
class Detections:
    """Named boxes of one image, as parallel arrays.

    Attributes:
        xyxy: `(N, 4)` float32, pixels of the source image, right and bottom edges exclusive.
        scores: `(N,)` float32 in [0, 1].
        labels: N names out of the vocabulary.
        unrecognized: Names of the vocabulary that the model has no way to look for, or of which
            its answer could not be read. Their absence from `labels` says nothing about the scene.
    """

    xyxy: FloatArray = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    scores: FloatArray = field(default_factory=lambda: np.zeros(0, np.float32))
    labels: tuple[str, ...] = ()
    unrecognized: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.labels)
        xyxy = frozen('xyxy', self.xyxy, (count, 4))
        if np.any(xyxy[:, 2:] < xyxy[:, :2]):
            raise ValueError(
                'xyxy has a box whose right or bottom edge comes before its left or top'
            )
        object.__setattr__(self, 'xyxy', xyxy)
        object.__setattr__(self, 'scores', frozen_scores(self.scores, count))
        object.__setattr__(self, 'labels', tuple(self.labels))
        object.__setattr__(self, 'unrecognized', tuple(self.unrecognized))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: npt.ArrayLike | slice) -> 'Detections':
        """Select by a slice, a boolean mask `(N,)` or an array of indices."""
        chosen = np.atleast_1d(
            np.arange(len(self))[index if isinstance(index, slice) else _index(index)]
        )
        return replace(
            self,
            xyxy=self.xyxy[chosen],
            scores=self.scores[chosen],
            labels=tuple(self.labels[i] for i in chosen),
        )

    @property
    def status(self) -> Status:
        """OK, NOTHING_FOUND, or UNSURE where nothing was found but not all could be looked for."""
        if self.labels:
            return Status.OK
        return Status.UNSURE if self.unrecognized else Status.NOTHING_FOUND

    @property
    def message(self) -> str:
        """One line about the names whose absence says nothing; empty where there are none."""
        if not self.unrecognized:
            return ''
        return f'this model cannot say whether there is: {", ".join(self.unrecognized)}'

    def best(self, count: int) -> 'Detections':
        """Return the `count` best detections, best first; equal scores keep their order."""
        return self[np.argsort(-self.scores, kind='stable')[:count]]

    def named(self, label: str) -> 'Detections':
        """Return the detections of one name."""
        return self[np.array([name == label for name in self.labels], bool)]

    def renamed(self, label_of: Mapping[str, str]) -> 'Detections':
        """Return them under the labels that their prompts stand for.

        Where several prompts stand for one label, the best of its boxes that overlap is kept.

        Args:
            label_of: The label of every prompt that was looked for.
        """
        renamed = replace(
            self,
            labels=tuple(label_of[prompt] for prompt in self.labels),
            unrecognized=tuple(dict.fromkeys(label_of[prompt] for prompt in self.unrecognized)),
        )
        if len(set(label_of.values())) == len(label_of):
            return renamed  # what overlaps is the model's own say
        kinds = np.unique(np.array(renamed.labels, str), return_inverse=True)[1]
        return renamed[class_wise_non_max_suppression(self.xyxy, self.scores, kinds, SAME_IOU)]

    def scaled(self, x: float, y: float) -> 'Detections':
        """Return the boxes of an image `x` times as wide and `y` times as high."""
        if x == y == 1:
            return self
        return replace(self, xyxy=self.xyxy * np.array([x, y, x, y], np.float32))


@dataclass(frozen=True)
class PhraseGrounding:
    """A phrase of a text and the detections it names.

    Attributes:
        phrase: The phrase as the text has it.
        span: Its `(start, end)` characters in the text, end exclusive.
        detections: Indices into the detections it came with, best first.
        scores: How well each of them matches, in [0, 1].
    """

    phrase: str
    span: tuple[int, int]
    detections: tuple[int, ...] = ()
    scores: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        start, end = self.span
        if not 0 <= start < end or end - start != len(self.phrase):
            raise ValueError(f'span {self.span} does not fit the phrase {self.phrase!r}')
        if len(self.detections) != len(self.scores):
            raise ValueError(f'{len(self.detections)} detections but {len(self.scores)} scores')
        frozen_scores(self.scores, len(self.scores))


@dataclass(frozen=True)
class PhraseGroundings:
    """Every phrase of a text with its boxes; a phrase that is not there has none.

    `detections.unrecognized` holds the phrases that the model cannot look for.
    """

    text: str
    detections: Detections
    groundings: tuple[PhraseGrounding, ...]

    def __post_init__(self) -> None:
        for grounding in self.groundings:
            start, end = grounding.span
            if self.text[start:end] != grounding.phrase:
                raise ValueError(f'{grounding.phrase!r} is not at {grounding.span} of the text')
            if any(not 0 <= index < len(self.detections) for index in grounding.detections):
                raise ValueError(
                    f'{grounding.phrase!r} names a detection outside the '
                    f'{len(self.detections)} there are'
                )

    @property
    def status(self) -> Status:
        """The status of the detections."""
        return self.detections.status

    @property
    def message(self) -> str:
        """The message of the detections."""
        return self.detections.message

    def scaled(self, x: float, y: float) -> 'PhraseGroundings':
        """Return the boxes of an image `x` times as wide and `y` times as high."""
        if x == y == 1:
            return self
        return replace(self, detections=self.detections.scaled(x, y))


def _index(index: npt.ArrayLike) -> npt.NDArray[np.intp] | npt.NDArray[np.bool_]:
    array = np.asarray(index)
    return array if array.dtype == bool else array.astype(np.intp)
