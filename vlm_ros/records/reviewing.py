"""What people said, put into the records that it is about."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from vlm_ros.records.frames import FrameRecord, ReviewRecord
from vlm_ros.records.manifest import SkippedRecord
from vlm_ros.records.reviews import latest, moment_of, ReviewLine


@dataclass(frozen=True)
class Applied:
    """What came of it.

    Attributes:
        reviewed: How many boxes and images have a verdict now.
        changed: Of how many it is another than before, or gone.
        unknown: Reviews of images and boxes that are not there, and why; they stay in
            `reviews.jsonl`.
        new_labels: Names that people gave and that the dataset's vocabulary does not have: an
            export needs them in its vocabulary.
    """

    reviewed: int
    changed: int
    unknown: tuple[SkippedRecord, ...]
    new_labels: tuple[str, ...]


class Reviewing:
    """Puts reviews into records, one at a time, and counts what came of it.

    Args:
        lines: What was said, in any order; of each target the latest line holds.
        vocabulary: The names that were looked for.
    """

    def __init__(self, lines: Iterable[ReviewLine], vocabulary: Sequence[str]) -> None:
        self._boxes: dict[str, list[ReviewLine]] = {}
        for line in latest(lines).values():
            self._boxes.setdefault(line.key, []).append(line)
        self._vocabulary = tuple(vocabulary)
        self._reviewed = self._changed = 0
        self._unknown: dict[ReviewLine, str] = {}
        self._labels: dict[str, None] = {}

    def records(self, records: Iterable[FrameRecord]) -> Iterator[FrameRecord]:
        """Yield each record with what was said of it."""
        for record in records:
            yield self._reviewed_record(record, self._boxes.pop(record.key, []))
        for lines in self._boxes.values():
            self._unknown |= dict.fromkeys(lines, 'the dataset has no such image')

    def applied(self) -> Applied:
        """Return what came of it, after the last record."""
        unknown = tuple(
            SkippedRecord(name=_name(line), reason=reason)
            for line, reason in self._unknown.items()
        )
        return Applied(self._reviewed, self._changed, unknown, tuple(self._labels))

    def _reviewed_record(self, record: FrameRecord, lines: list[ReviewLine]) -> FrameRecord:
        whole = record.review
        boxes = list(record.detections)
        for line in lines:
            if line.box is None:
                whole = self._held(whole, line)
                continue
            reason = _mismatch(record, line)
            if reason:
                self._unknown[line] = reason
                continue
            box = boxes[line.box]
            boxes[line.box] = box.model_copy(update={'review': self._held(box.review, line)})
        reviews = [whole, *(box.review for box in boxes)]
        self._reviewed += sum(review is not None for review in reviews)
        for box in boxes:
            # A name of the model's own is of the vocabulary, or of another dataset's.
            if not box.is_rejected and box.name not in (box.label, *self._vocabulary):
                self._labels[box.name] = None
        return record.model_copy(update={'review': whole, 'detections': tuple(boxes)})

    def _held(self, before: ReviewRecord | None, line: ReviewLine) -> ReviewRecord | None:
        if before is not None and moment_of(before.at) > moment_of(line.at):
            return before
        after = line.review()
        self._changed += after != before
        return after


def _mismatch(record: FrameRecord, line: ReviewLine) -> str:
    boxes = record.detections
    if line.box is None or line.box >= len(boxes):
        return f'the image has {len(boxes)} boxes'
    box = boxes[line.box]
    if line.found and line.found != box.label:
        return f'the box was a {line.found}, and is a {box.label} now'
    if line.xyxy is not None and line.xyxy != box.xyxy:
        return f'the box was at {list(line.xyxy)}, and is at {list(box.xyxy)} now'
    return ''


def _name(line: ReviewLine) -> str:
    return line.key if line.box is None else f'box {line.box} of {line.key}'
