"""What a finished dataset holds, in numbers."""

from dataclasses import dataclass
from pathlib import Path

from vlm_ros.annotation.failures import failure_of
from vlm_ros.annotation.plan import AnnotationPlan
from vlm_ros.records import FrameRecord, read_lines
from vlm_ros.records.manifest import ANNOTATIONS
from vlm_ros.results import Status


@dataclass(frozen=True)
class Summary:
    """Counts over all records.

    Attributes:
        images: How many records there are.
        found: Of how many something was found, said or answered.
        failed: At how many a model failed.
        failure: Why, of the first of them, in one line.
    """

    images: int
    found: int
    failed: int
    failure: str


def summary_of(folder: Path, plan: AnnotationPlan) -> Summary:
    """Count what is in a dataset.

    Raises:
        InputError: A line of it is not a record.
        StorageError: It cannot be read.
    """
    images = found = failed = 0
    failure = ''
    for record in read_lines(folder / ANNOTATIONS, FrameRecord):
        images += 1
        found += _has_something(record)
        if why := failure_of(record, plan):
            failed += 1
            failure = failure or f'{record.key}: {why}'
    return Summary(images, found, failed, failure)


def _has_something(record: FrameRecord) -> bool:
    caption = record.caption is not None and bool(record.caption.text)
    answered = any(answer.status is Status.OK for answer in record.answers)
    return bool(record.detections) or caption or answered or bool(record.tags)
