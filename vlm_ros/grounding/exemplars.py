"""Detection by name and by picture: things that look like what somebody once showed.

Names that have pictures are looked for by them, and by the name itself where the model knows what
it means; boxes of one name that both ways found become one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np

from vlm_ros import boxes
from vlm_ros.boxes import FloatArray
from vlm_ros.phrases import MAX_NAMES, noun_phrases, Phrase, Vocabulary
from vlm_ros.results import Detections, PhraseGrounding, PhraseGroundings
from vlm_ros.tasks import BatchDetector, Detector, ExemplarDetector, Image, Ticket

SAME_THING_IOU = 0.5
"""Boxes of one name that overlap by more show one thing; what detectors here suppress by."""


@dataclass(frozen=True, eq=False)
class Exemplar:
    """A picture of a thing.

    Attributes:
        name: What the thing is called.
        image: `(H, W, 3)` uint8 RGB, cut out to show the thing alone.
    """

    name: str
    image: Image


@runtime_checkable
class PictureDetector(Detector, ExemplarDetector, Protocol):
    """A model that finds by names and by pictures."""


@runtime_checkable
class PictureBatchDetector(BatchDetector, ExemplarDetector, Protocol):
    """The same, with several images at once where it looks for names."""


class PicturesAlone:
    """A detector for models that know no names: every name is unrecognized until it has pictures.

    Args:
        model: Detects by pictures.
    """

    def __init__(self, model: ExemplarDetector) -> None:
        self.detect_like = model.detect_like
        self.model_id: str = getattr(model, 'model_id', '')
        if hasattr(model, 'likeness_threshold'):
            self.score_threshold: float = model.likeness_threshold

    def detect(
        self,
        image: Image,
        vocabulary: Vocabulary,
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> Detections:
        """Find nothing, and say that this means nothing."""
        return Detections(unrecognized=vocabulary.names)


class ExemplarAwareDetector:
    """Detects what names mean and what looks like the pictures that go by them.

    A model may score a likeness on another scale than a name, which its attributes say:
    `score_threshold` and `likeness_threshold` are what it reports from where nobody asks for
    something else. Likenesses are then stretched so that both thresholds are the same score, and
    one `score_threshold` does for both.

    Args:
        model: Looks.
        exemplars: The pictures.

    Attributes:
        score_threshold: The model's own; only where it has one.
        enough_px: As `tasks.Model` says of it; only where the model has one.
    """

    def __init__(self, model: PictureDetector, exemplars: Sequence[Exemplar]) -> None:
        self._model = model
        self._exemplars: dict[str, list[Image]] = {}
        for exemplar in exemplars:
            self._exemplars.setdefault(exemplar.name.casefold(), []).append(exemplar.image)
        for attribute in ('model_id', 'score_threshold', 'enough_px'):
            if hasattr(model, attribute):
                setattr(self, attribute, getattr(model, attribute))
        own: float | None = getattr(model, 'score_threshold', None)
        likeness: float | None = getattr(model, 'likeness_threshold', own)
        self._bars = None if own is None or likeness is None else (likeness, own)

    def detect(
        self,
        image: Image,
        vocabulary: Vocabulary,
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> Detections:
        """Find what the vocabulary names, by name and by picture."""
        named = self._model.detect(
            image, vocabulary, score_threshold=score_threshold, ticket=ticket
        )
        return self._with_alike(image, vocabulary, named, score_threshold, ticket)

    def ground_alike(
        self,
        grounded: PhraseGroundings,
        image: Image,
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> PhraseGroundings:
        """Add what looks like the pictures to what a model grounded in its own way.

        Args:
            grounded: The text, and what the model found of it.
            image: `(H, W, 3)` uint8 RGB.
            score_threshold: As for `detect`.
            ticket: The caller's deadline and cancel.
        """
        pictured = [
            (phrase, name)
            for phrase in noun_phrases(grounded.text)
            for name in dict.fromkeys((phrase.name, phrase.head))
            if name.casefold() in self._exemplars
        ]
        if not pictured:
            return grounded
        names = tuple({name.casefold(): name for _, name in pictured}.values())
        nothing = Detections()
        alike = self._with_alike(image, Vocabulary(names), nothing, score_threshold, ticket)
        for phrase, name in pictured:
            grounded = _with_phrase(grounded, phrase, alike.named(name))
        return grounded

    def _with_alike(
        self,
        image: Image,
        vocabulary: Vocabulary,
        named: Detections,
        score_threshold: float | None,
        ticket: Ticket | None,
    ) -> Detections:
        """Add what looks like the pictures of a vocabulary's names to what was found by name."""
        pictured = [
            (name, picture)
            for name in vocabulary.names
            for picture in self._exemplars.get(name.casefold(), ())
        ]
        if not pictured:
            return named
        alike = self._model.detect_like(
            image,
            [picture for _, picture in pictured],
            [name for name, _ in pictured],
            score_threshold=self._as_likeness(score_threshold),
            ticket=ticket,
        )
        unknown = set(named.unrecognized) - {name for name, _ in pictured}
        unknown |= set(named.unrecognized) & set(alike.unrecognized)
        return merge(
            named,
            replace(alike, scores=self._as_score(alike.scores)),
            tuple(name for name in named.unrecognized if name in unknown),
        )

    def _as_likeness(self, score: float | None) -> float | None:
        if score is None or self._bars is None:
            return score
        return float(_stretched(np.array(score, np.float32), *reversed(self._bars)))

    def _as_score(self, likenesses: FloatArray) -> FloatArray:
        return likenesses if self._bars is None else _stretched(likenesses, *self._bars)


class ExemplarAwareBatchDetector(ExemplarAwareDetector):
    """The same, where the model looks at several images at once when it looks for names.

    Args:
        model: Looks.
        exemplars: The pictures.
    """

    def __init__(self, model: PictureBatchDetector, exemplars: Sequence[Exemplar]) -> None:
        super().__init__(model, exemplars)
        self._batches = model

    @property
    def max_batch(self) -> int:
        """How many images one call may bring."""
        return self._batches.max_batch

    def detect_batch(
        self,
        images: Sequence[Image],
        vocabularies: Sequence[Vocabulary],
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> Sequence[Detections]:
        """Find in each image what its own vocabulary names, as `detect` would."""
        named = self._batches.detect_batch(
            images, vocabularies, score_threshold=score_threshold, ticket=ticket
        )
        return [
            self._with_alike(image, vocabulary, found, score_threshold, ticket)
            for image, vocabulary, found in zip(images, vocabularies, named, strict=True)
        ]


def _with_phrase(
    grounded: PhraseGroundings, phrase: Phrase, alike: Detections
) -> PhraseGroundings:
    """Add boxes of a phrase; where the model shows the same thing, its own box stays."""
    whole = grounded.detections
    near = [
        each
        for each in grounded.groundings
        if each.span[0] < phrase.end and phrase.start < each.span[1]
    ]
    own = near[0] if near else PhraseGrounding(phrase.text, phrase.span)
    there = whole.xyxy[list(own.detections)] if own.detections else np.zeros((0, 4), np.float32)
    alike = alike[~(boxes.iou(alike.xyxy, there) > SAME_THING_IOU).any(axis=1)]
    indices = range(len(whole), len(whole) + len(alike))
    rows = [*zip(own.detections, own.scores, strict=True)]
    rows += zip(indices, alike.scores.tolist(), strict=True)
    rows.sort(key=lambda row: -row[1])
    more = replace(
        own, detections=tuple(i for i, _ in rows), scores=tuple(score for _, score in rows)
    )
    known = {own.phrase.casefold(), phrase.name.casefold(), phrase.head.casefold()}
    detections = Detections(
        np.concatenate([whole.xyxy, alike.xyxy]),
        np.concatenate([whole.scores, alike.scores]),
        (*whole.labels, *alike.labels),
        tuple(text for text in whole.unrecognized if text.casefold() not in known),
    )
    groundings = [more if each is own else each for each in grounded.groundings]
    groundings += [] if near else [more]
    return PhraseGroundings(grounded.text, detections, tuple(groundings))


def with_exemplars(model: Detector, exemplars: Sequence[Exemplar]) -> Detector:
    """Return a detector that knows the pictures too.

    Args:
        model: Looks.
        exemplars: The pictures.

    Returns:
        The model itself where there are no pictures or it cannot detect by them.
    """
    if exemplars and isinstance(model, PictureBatchDetector):
        return ExemplarAwareBatchDetector(model, exemplars)
    if exemplars and isinstance(model, PictureDetector):
        return ExemplarAwareDetector(model, exemplars)
    return model


def merge(named: Detections, alike: Detections, unrecognized: tuple[str, ...]) -> Detections:
    """Make one result of two looks at an image: one box a thing and name, best first.

    Args:
        named: What was found by name.
        alike: What was found by picture.
        unrecognized: The names that neither look could look for.
    """
    labels = named.labels + alike.labels
    xyxy = np.concatenate([named.xyxy, alike.xyxy])
    scores = np.concatenate([named.scores, alike.scores])
    numbers = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    kept = boxes.class_wise_non_max_suppression(
        xyxy, scores, [numbers[label] for label in labels], SAME_THING_IOU
    )
    return Detections(
        xyxy[kept], scores[kept], tuple(labels[index] for index in kept), unrecognized
    )


def extended(names: Sequence[str], exemplars: Sequence[Exemplar]) -> Vocabulary:
    """Return a vocabulary of names and, behind them, of pictures, as far as there is room.

    Raises:
        VocabularyError: The names make no vocabulary.
    """
    own = Vocabulary(tuple(names))
    added = {exemplar.name.casefold(): exemplar.name for exemplar in exemplars}
    for name in own.names:
        added.pop(name.casefold(), None)
    return Vocabulary((own.names + tuple(added.values()))[:MAX_NAMES]) if added else own


def _stretched(values: FloatArray, bar: float, wanted: float) -> FloatArray:
    """Map [0, 1] onto itself, in two straight pieces, so that `bar` becomes `wanted`."""
    return np.interp(values, (0.0, bar, 1.0), (0.0, wanted, 1.0)).astype(np.float32)
