"""One annotated image."""

import enum
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from vlm_ros.records.model import Pixels, Record, Score
from vlm_ros.results import Status

Box = tuple[Pixels, Pixels, Pixels, Pixels]
"""Left, top, right, bottom in pixels of the image; right and bottom exclusive."""


class Verdict(str, enum.Enum):
    """What a person said of an annotation."""

    ACCEPTED = 'accepted'
    REJECTED = 'rejected'


class ReviewRecord(Record):
    """What a person said of a box or of an image.

    Attributes:
        verdict: Whether it stays.
        label: The name that the person gave a box instead of the model's; empty for no other.
        at: When, in ISO 8601; empty where it was not noted.
        by: Who; empty where it was not noted.
    """

    verdict: Verdict
    label: str = ''
    at: str = ''
    by: str = ''


class MaskRecord(Record):
    """Which pixels belong to a thing, in the run-length encoding of COCO.

    Attributes:
        size: Height and width of the image.
        counts: COCO's compressed run lengths, column by column.
    """

    size: tuple[int, int]
    counts: str


class DetectionRecord(Record):
    """A named box.

    Attributes:
        label: A name of the vocabulary.
        score: The model's.
        xyxy: Where it is.
        track_id: The thing's number, the same in every image of a camera that shows it; from 1.
            None where it is seen in one image only, or nobody followed it.
        mask: Its pixels.
        review: What a person said of it.
    """

    label: str = Field(min_length=1)
    score: Score
    xyxy: Box
    track_id: int | None = None
    mask: MaskRecord | None = None
    review: ReviewRecord | None = None

    @model_validator(mode='after')
    def _check_edges(self) -> 'DetectionRecord':
        left, top, right, bottom = self.xyxy
        if right < left or bottom < top:
            raise ValueError(f'the box {list(self.xyxy)} ends before it begins')
        return self

    @property
    def is_rejected(self) -> bool:
        """Whether a person said that it is wrong."""
        return self.review is not None and self.review.verdict is Verdict.REJECTED

    @property
    def name(self) -> str:
        """The name that a person gave it, or else the model's."""
        given = self.review.label if self.review is not None and not self.is_rejected else ''
        return given or self.label


class AnswerRecord(Record):
    """A question and what was answered; see `vlm_ros.results.Answer`."""

    question: str
    status: Status
    answer: str = ''
    confidence: Score = 0.0
    evidence: tuple[DetectionRecord, ...] = ()
    message: str = ''


class CaptionRecord(Record):
    """A sentence about the image; the text is empty where the model found nothing to say."""

    text: str
    score: Score
    status: Status = Status.OK
    message: str = ''


class TagRecord(Record):
    """What the image as a whole is, such as `rain` of the group `weather`.

    Attributes:
        label: The best of the group's names.
        score: The model's.
        scores: That of every name of the group.
    """

    label: str
    score: Score
    scores: dict[str, Score] = Field(default_factory=dict)


def _inside(file: str) -> str:
    path = PurePosixPath(file)
    if path.is_absolute() or '..' in path.parts:
        raise ValueError(f'the picture {file!r} is not in the folder of the dataset')
    return file


class ImageRecord(Record):
    """The picture.

    Attributes:
        file: Relative to the dataset's folder, with `/`; empty where it was not kept.
        width: In pixels.
        height: In pixels.
    """

    file: Annotated[str, AfterValidator(_inside)] = ''
    width: int = Field(gt=0)
    height: int = Field(gt=0)


class FrameRecord(Record):
    """Everything that is known of one image.

    Attributes:
        key: What tells it from all others of a dataset; a file's name can be made of it.
        source: The bag, video, folder or topic that it came from.
        topic: Of a bag or a running system, where it was published; empty elsewhere.
        index: Its number in the source (of its topic), from 0.
        stamp_ns: When it was taken, in nanoseconds of its publisher's clock, or where nobody set
            that, of the recorder's; None if not known.
        time_s: Seconds since the source's beginning; None for photographs.
        image: The picture.
        status: Of the detections: OK or NOTHING_FOUND (looked, and this is what there is), UNSURE
            (not all names could be looked for), FAILED (could not look). None where nobody was
            asked to look.
        message: One line that says why, for what failed; for UNSURE `unrecognized` does.
        detections: The boxes, best first.
        unrecognized: Names of the vocabulary that could not be looked for.
        caption: What is said about it.
        answers: The questions that were asked, in their order.
        tags: What it is as a whole, by group.
        review: What a person said of the image.
    """

    key: Annotated[str, Field(pattern=r'^[A-Za-z0-9][A-Za-z0-9._-]*$')]
    source: str
    topic: str = ''
    index: int = Field(ge=0)
    stamp_ns: int | None = None
    time_s: float | None = None
    image: ImageRecord
    status: Status | None = None
    message: str = ''
    detections: tuple[DetectionRecord, ...] = ()
    unrecognized: tuple[str, ...] = ()
    caption: CaptionRecord | None = None
    answers: tuple[AnswerRecord, ...] = ()
    tags: dict[str, TagRecord] = Field(default_factory=dict)
    review: ReviewRecord | None = None

    @property
    def is_rejected(self) -> bool:
        """Whether a person said that it is of no use."""
        return self.review is not None and self.review.verdict is Verdict.REJECTED
