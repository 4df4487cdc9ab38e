"""What people said, put into the records of a dataset."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vlm_ros.errors import InputError
from vlm_ros.records import (
    FrameRecord,
    Manifest,
    read_lines,
    ReviewRecord,
    SkippedRecord,
    write_lines,
)
from vlm_ros.records.lines import parse
from vlm_ros.review.reviews import (
    kept_reviews,
    latest,
    locked,
    moment_of,
    read_reviews,
    ReviewLine,
    REVIEWS,
    Target,
)

ANNOTATIONS, MANIFEST = 'annotations.jsonl', 'dataset.json'


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


def apply_reviews(folder: Path, file: Path | None = None) -> Applied:
    """Put reviews into a dataset's records; again, after `annotate` has written these anew.

    Done twice, it changes nothing the second time. Reviews of `file` are kept in the dataset's
    `reviews.jsonl` with those that are there.

    Args:
        folder: The dataset's.
        file: Reviews from elsewhere; None for those of the dataset alone.

    Raises:
        InputError: There is no dataset, or a line of a file is damaged; nothing has changed.
        StorageError: The disk is full, or the folder cannot be written.
    """
    manifest = read_manifest(folder)
    given = [] if file is None else read_reviews(file)
    with locked(folder):
        kept = kept_reviews(folder)
        lines = list(dict.fromkeys([*kept, *given]))
        if len(lines) > len(kept):
            # First, so that what was given is not lost whatever comes.
            write_lines(folder / REVIEWS, lines)
        application = _Application(latest(lines), manifest.vocabulary)
        path = folder / ANNOTATIONS
        write_lines(path, application.records(read_lines(path, FrameRecord)))
    return application.applied()


def read_manifest(folder: Path) -> Manifest:
    """Return what a dataset's `dataset.json` says.

    Raises:
        InputError: There is no dataset, or it is not finished.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise InputError(f'{folder} holds no dataset; make one with vlm-ros annotate')
    if not (folder / ANNOTATIONS).is_file():
        raise InputError(f'{folder} is not finished; run vlm-ros annotate on it once more')
    return parse(path.read_bytes(), Manifest, str(path))


class _Application:
    def __init__(self, held: Mapping[Target, ReviewLine], vocabulary: tuple[str, ...]) -> None:
        self._boxes: dict[str, list[ReviewLine]] = {}
        for line in held.values():
            self._boxes.setdefault(line.key, []).append(line)
        self._vocabulary = vocabulary
        self._reviewed = self._changed = 0
        self._unknown: dict[ReviewLine, str] = {}
        self._labels: dict[str, None] = {}

    def records(self, records: Iterator[FrameRecord]) -> Iterator[FrameRecord]:
        for record in records:
            yield self._reviewed_record(record, self._boxes.pop(record.key, []))
        for lines in self._boxes.values():
            self._unknown |= dict.fromkeys(lines, 'the dataset has no such image')

    def applied(self) -> Applied:
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
        for review in reviews:
            if review is not None and review.label not in ('', *self._vocabulary):
                self._labels[review.label] = None
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
