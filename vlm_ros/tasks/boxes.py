"""Tasks whose results are boxes or masks."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from vlm_ros.boxes import FloatArray
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Detections, Masks, PhraseGroundings
from vlm_ros.tasks.model import Image
from vlm_ros.tasks.ticket import Ticket


@runtime_checkable
class Detector(Protocol):
    """Open-vocabulary detection: class names in, named boxes out."""

    def detect(
        self,
        image: Image,
        vocabulary: Vocabulary,
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> Detections:
        """Find what the vocabulary names.

        Args:
            image: `(H, W, 3)` uint8 RGB.
            vocabulary: The class names; labels of the result are taken from them unchanged.
            score_threshold: Leave out what scores less, in [0, 1]; None for the model's own.
            ticket: The caller's deadline and cancel.
        """


@runtime_checkable
class BatchDetector(Detector, Protocol):
    """A detector that looks at several images faster together than one after the other."""

    @property
    def max_batch(self) -> int:
        """How many images one call may bring, at least 1."""

    def detect_batch(
        self,
        images: Sequence[Image],
        vocabularies: Sequence[Vocabulary],
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> Sequence[Detections]:
        """Find in each image what its own vocabulary names, as `detect` would.

        Args:
            images: `(H, W, 3)` uint8 RGB each, of any sizes.
            vocabularies: One an image.
            score_threshold: As for `detect`.
            ticket: The callers' deadline and cancel.

        Returns:
            One result an image, in their order.

        Raises:
            OutOfMemory: The batch is too large; half of it may do.
        """


@runtime_checkable
class PhraseGrounder(Protocol):
    """Phrase grounding: a text in, the boxes of each phrase out."""

    def ground(
        self,
        image: Image,
        text: str,
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> PhraseGroundings:
        """Find what each noun phrase of the text names.

        Raises:
            QuestionError: The text is empty or too long.
        """


@runtime_checkable
class ExemplarDetector(Protocol):
    """Image-guided detection: a picture of a thing in, the boxes of things like it out."""

    def detect_like(
        self,
        image: Image,
        exemplars: Sequence[Image],
        names: Sequence[str],
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> Detections:
        """Find what looks like the exemplars.

        Args:
            image: `(H, W, 3)` uint8 RGB.
            exemplars: Pictures `(H, W, 3)` uint8 RGB, each cut out to show one thing.
            names: What each exemplar is called; the labels of the result. A name may come
                several times, for several pictures of one thing.
            score_threshold: As for `Detector.detect`.
            ticket: The caller's deadline and cancel.

        Raises:
            InputError: There is no exemplar, or not one name for each.
        """


@runtime_checkable
class Segmenter(Protocol):
    """Segmentation by boxes: which pixels belong to the thing in each box."""

    def segment(self, image: Image, boxes: Detections, *, ticket: Ticket | None = None) -> Masks:
        """Cut out what the boxes hold.

        Returns:
            One mask a box, in their order, with their labels; the scores are the model's own of
            how good each mask is.
        """


@runtime_checkable
class PhraseSegmenter(Protocol):
    """Segmentation by words: which pixels belong to what each name says."""

    def segment_phrases(
        self,
        image: Image,
        vocabulary: Vocabulary,
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> Masks:
        """Cut out what the names of the vocabulary stand for.

        Returns:
            The masks of what was found, best first, with the boxes around them.
        """


@runtime_checkable
class RegionMatcher(Protocol):
    """Region-word matching: how well each of the given boxes goes with each word."""

    def match_regions(
        self,
        image: Image,
        xyxy: FloatArray,
        words: Sequence[str],
        *,
        ticket: Ticket | None = None,
    ) -> FloatArray:
        """Compare regions with words.

        Args:
            image: `(H, W, 3)` uint8 RGB.
            xyxy: `(R, 4)` boxes, pixels of the image.
            words: W words or phrases.
            ticket: The caller's deadline and cancel.

        Returns:
            `(R, W)` float32: cosine similarity in [-1, 1]; larger is better, and only the order
            within one model means something.
        """
