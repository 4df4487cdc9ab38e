"""What a look at an image can result in.

Every value is frozen and checked when it is made. Boxes are `xyxy` float32 in pixels of the
source image, scores are in [0, 1], labels are text. A failure is never one of these values with
nothing in it: it is an exception inside the package and a `Status` at its edges.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
import enum

import numpy as np
import numpy.typing as npt

from vlm_ros.boxes import FloatArray


class Status(enum.IntEnum):
    """What became of a request; the numbers are those of `ResultStatus.msg`.

    0 is left out on purpose: a message that nobody filled never reads as a result.
    """

    OK = 1
    """Looked, and here is what was found."""
    NOTHING_FOUND = 2
    """Looked, and what was asked for is not there."""
    NOT_IN_VIEW = 3
    """What the question presupposes is not in the image."""
    UNSURE = 4
    """Looked, and cannot tell."""
    STALE = 5
    """The newest image is older than the caller allows."""
    NO_IMAGE = 6
    """No image has come yet."""
    TIMEOUT = 7
    """The deadline passed first."""
    CANCELLED = 8
    """The caller took the request back."""
    FAILED = 9
    """Could not look: the message says why."""


class Truth(enum.IntEnum):
    """Whether a statement holds; the numbers are those of `VerifyStatement.srv`."""

    UNKNOWN = 0
    TRUE = 1
    FALSE = 2


@dataclass(frozen=True)
class Provenance:
    """Where a result came from.

    Attributes:
        stamp_ns: When the image was taken, in nanoseconds of the publisher's clock; None when
            its header carries no stamp.
        frame_id: The image header's frame.
        camera: The camera's name; empty when the graph has only one.
        model_id: What made the result, as `backend` or `backend:model`.
        model_revision: The weights' version.
        vocabulary_id: `Vocabulary.vocabulary_id`; empty where no vocabulary was used.
        inference_time_s: The model's own time.
        age_s: From the image's stamp to the result's publication; None when it cannot be known.
    """

    stamp_ns: int | None = None
    frame_id: str = ''
    camera: str = ''
    model_id: str = ''
    model_revision: str = ''
    vocabulary_id: str = ''
    inference_time_s: float = 0.0
    age_s: float | None = None


@dataclass(frozen=True, eq=False)
class Detections:
    """Named boxes of one image, as parallel arrays.

    Attributes:
        xyxy: `(N, 4)` float32, pixels of the source image, right and bottom edges exclusive.
        scores: `(N,)` float32 in [0, 1].
        labels: N names out of the vocabulary.
        unrecognized: Names of the vocabulary that the model has no way to look for. Their
            absence from `labels` says nothing about the scene.
    """

    xyxy: FloatArray = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    scores: FloatArray = field(default_factory=lambda: np.zeros(0, np.float32))
    labels: tuple[str, ...] = ()
    unrecognized: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.labels)
        xyxy = _frozen('xyxy', self.xyxy, (count, 4))
        if np.any(xyxy[:, 2:] < xyxy[:, :2]):
            raise ValueError(
                'xyxy has a box whose right or bottom edge comes before its left or top'
            )
        object.__setattr__(self, 'xyxy', xyxy)
        object.__setattr__(self, 'scores', _frozen_scores(self.scores, count))
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
        """One line about what could not be looked for; empty when all could."""
        if not self.unrecognized:
            return ''
        return f'this model cannot recognize: {", ".join(self.unrecognized)}'

    def best(self, count: int) -> 'Detections':
        """Return the `count` best detections, best first; equal scores keep their order."""
        return self[np.argsort(-self.scores, kind='stable')[:count]]

    def named(self, label: str) -> 'Detections':
        """Return the detections of one name."""
        return self[np.array([name == label for name in self.labels], bool)]

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
        _frozen_scores(self.scores, len(self.scores))


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
        _frozen_scores([self.score], 1)
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
        _frozen_scores([self.confidence], 1)
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
    """Whether a statement about the image holds, with the boxes that support it."""

    truth: Truth
    confidence: float = 0.0
    evidence: Detections = field(default_factory=Detections)
    status: Status = Status.OK
    message: str = ''

    def __post_init__(self) -> None:
        _frozen_scores([self.confidence], 1)
        if self.status is not Status.OK and self.truth is not Truth.UNKNOWN:
            raise ValueError(f'a {self.truth.name} verdict with status {self.status.name}')

    def scaled(self, x: float, y: float) -> 'Verdict':
        """Return the boxes of an image `x` times as wide and `y` times as high."""
        if x == y == 1:
            return self
        return replace(self, evidence=self.evidence.scaled(x, y))


def _frozen(name: str, values: npt.ArrayLike, shape: tuple[int, ...]) -> FloatArray:
    array = np.array(values, np.float32)
    if array.size == 0 and shape[0] == 0:
        array = array.reshape(shape)
    if array.shape != shape:
        raise ValueError(f'{name} must have shape {shape}, got {array.shape}')
    if not np.isfinite(array).all():
        raise ValueError(f'{name} must be finite')
    array.flags.writeable = False
    return array


def _frozen_scores(values: npt.ArrayLike | Sequence[float], count: int) -> FloatArray:
    scores = _frozen('scores', values, (count,))
    if np.any((scores < 0) | (scores > 1)):
        raise ValueError(f'scores must be in [0, 1], got {scores.min():g} to {scores.max():g}')
    return scores


def _index(index: npt.ArrayLike) -> npt.NDArray[np.intp] | npt.NDArray[np.bool_]:
    array = np.asarray(index)
    return array if array.dtype == bool else array.astype(np.intp)
