"""Tasks whose results are words, or how well words fit."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from vlm_ros.boxes import FloatArray
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Answer, Caption, Classification, Verdict
from vlm_ros.tasks.model import Image
from vlm_ros.tasks.ticket import Ticket


@runtime_checkable
class Captioner(Protocol):
    """Captioning: a sentence about the image."""

    def caption(self, image: Image, *, prompt: str = '', ticket: Ticket | None = None) -> Caption:
        """Describe the image, following `prompt` where the model can."""


@runtime_checkable
class QuestionAnswerer(Protocol):
    """Visual question answering: a question in, an answer or an honest abstention out."""

    def answer(
        self,
        image: Image,
        question: str,
        *,
        choices: Sequence[str] = (),
        ticket: Ticket | None = None,
    ) -> Answer:
        """Answer the question, out of `choices` where they are given.

        Raises:
            QuestionError: The question is empty.
        """


@runtime_checkable
class FramesCaptioner(Protocol):
    """Captioning of several frames: a sentence about a short video or several cameras."""

    def caption_frames(
        self, images: Sequence[Image], *, prompt: str = '', ticket: Ticket | None = None
    ) -> Caption:
        """Describe the images, oldest first, following `prompt` where the model can.

        Raises:
            InputError: There is no image.
        """


@runtime_checkable
class FramesAnswerer(Protocol):
    """Visual question answering about several frames."""

    def answer_frames(
        self,
        images: Sequence[Image],
        question: str,
        *,
        choices: Sequence[str] = (),
        ticket: Ticket | None = None,
    ) -> Answer:
        """Answer the question about the images, oldest first.

        Raises:
            InputError: There is no image.
            QuestionError: The question is empty.
        """


@runtime_checkable
class StatementVerifier(Protocol):
    """Statement checks on one image, or on a pair as in NLVR2 (arXiv 1811.00491)."""

    def verify(
        self, images: Sequence[Image], statement: str, *, ticket: Ticket | None = None
    ) -> Verdict:
        """Say whether the statement is true of the images.

        Args:
            images: One or two; of two, the left one first.
            statement: A sentence.
            ticket: The caller's deadline and cancel.

        Raises:
            InputError: There are fewer or more images than the model takes.
            QuestionError: The statement is empty.
        """


@runtime_checkable
class ImageTextMatcher(Protocol):
    """Image-text matching: whether each text describes the image."""

    def match(
        self, image: Image, texts: Sequence[str], *, ticket: Ticket | None = None
    ) -> FloatArray:
        """Score each text by itself.

        Returns:
            `(N,)` float32 in [0, 1]: the probability that the text describes the image.

        Raises:
            QuestionError: There is no text, or one is empty.
        """


@runtime_checkable
class Classifier(Protocol):
    """Zero-shot classification: which of some names goes with the whole image."""

    def classify(
        self, image: Image, vocabulary: Vocabulary, *, ticket: Ticket | None = None
    ) -> Classification:
        """Score every name."""


@runtime_checkable
class ImageEncoder(Protocol):
    """Places images in a space; for retrieval, together with a `TextEncoder`."""

    def encode_images(
        self, images: Sequence[Image], *, ticket: Ticket | None = None
    ) -> FloatArray:
        """Return `(N, D)` float32 vectors of length 1."""


@runtime_checkable
class TextEncoder(Protocol):
    """Places texts in the same space as images: their cosine is a dot product."""

    def encode_texts(self, texts: Sequence[str], *, ticket: Ticket | None = None) -> FloatArray:
        """Return `(N, D)` float32 vectors of length 1.

        Raises:
            QuestionError: There is no text, or one is empty.
        """
