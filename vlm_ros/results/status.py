"""What became of a request, and where its result came from."""

from dataclasses import dataclass
import enum


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
