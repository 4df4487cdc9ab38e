"""What a finished dataset holds, in numbers."""

from dataclasses import dataclass, field
from pathlib import Path

from vlm_ros.annotation.failures import failure_of
from vlm_ros.annotation.plan import AnnotationPlan
from vlm_ros.data.formats.exporting import LOOKED
from vlm_ros.records import AnswerRecord, FrameRecord, read_lines
from vlm_ros.records.manifest import ANNOTATIONS
from vlm_ros.results import Status


@dataclass(frozen=True)
class Summary:
    """Counts over all records.

    Attributes:
        images: How many records there are.
        found: Of how many something was found, said or answered.
        timed: How many have a time, which photographs have not.
        boxes: How many boxes there are.
        with_boxes: In how many images.
        tracks: How many things were followed from image to image.
        unknown: Names of the plan that could not be looked for in any image.
        unanswered: Questions without an answer in any image, each with the first reason.
        failed: At how many a model failed.
        failure: Why, of the first of them, in one line.
    """

    images: int
    found: int
    timed: int
    boxes: int
    with_boxes: int
    tracks: int
    unknown: tuple[str, ...]
    unanswered: dict[str, str]
    failed: int
    failure: str


def summary_of(folder: Path, plan: AnnotationPlan) -> Summary:
    """Count what is in a dataset.

    Raises:
        InputError: A line of it is not a record.
        StorageError: It cannot be read.
    """
    counts = _Counts(plan)
    for record in read_lines(folder / ANNOTATIONS, FrameRecord):
        counts.add(record)
    return counts.summary()


@dataclass
class _Counts:
    plan: AnnotationPlan
    images: int = 0
    found: int = 0
    timed: int = 0
    boxes: int = 0
    with_boxes: int = 0
    failed: int = 0
    failure: str = ''
    looked: bool = False
    unknown: set[str] = field(default_factory=set)
    last_tracks: dict[tuple[str, str], int] = field(default_factory=dict)
    unanswered: dict[str, str] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)

    def add(self, record: FrameRecord) -> None:
        self.images += 1
        self.found += _has_something(record)
        self.timed += record.time_s is not None
        self.boxes += len(record.detections)
        self.with_boxes += bool(record.detections)
        if why := failure_of(record, self.plan):
            self.failed += 1
            self.failure = self.failure or f'{record.key}: {why}'
        if record.status in LOOKED:
            unknown = set(record.unrecognized) - {box.label for box in record.detections}
            self.unknown = self.unknown & unknown if self.looked else unknown
            self.looked = True
        # The things of a camera are numbered from 1 on.
        camera = (record.source, record.topic)
        numbers = [box.track_id for box in record.detections if box.track_id is not None]
        self.last_tracks[camera] = max([self.last_tracks.get(camera, 0), *numbers])
        for answer in record.answers:
            self._add_answer(answer)

    def _add_answer(self, answer: AnswerRecord) -> None:
        if answer.status is Status.UNSURE:
            self.unanswered.setdefault(answer.question, answer.message)
        else:
            self.answered.add(answer.question)

    def summary(self) -> Summary:
        names = dict.fromkeys(self.plan.prompts().values())
        return Summary(
            images=self.images,
            found=self.found,
            timed=self.timed,
            boxes=self.boxes,
            with_boxes=self.with_boxes,
            tracks=sum(self.last_tracks.values()),
            unknown=tuple(name for name in names if name in self.unknown),
            unanswered={
                question: why
                for question, why in self.unanswered.items()
                if question not in self.answered
            },
            failed=self.failed,
            failure=self.failure,
        )


def _has_something(record: FrameRecord) -> bool:
    caption = record.caption is not None and bool(record.caption.text)
    answered = any(answer.status is Status.OK for answer in record.answers)
    return bool(record.detections) or caption or answered or bool(record.tags)
