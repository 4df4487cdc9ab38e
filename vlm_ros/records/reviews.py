"""What people said of a dataset: one JSON line each, kept beside its records.

The file grows by a line with each verdict, and a later line about the same box holds. So nothing
that was said is lost, and two files can be put together in any order.
"""

import codecs
from collections.abc import Iterable, Iterator
import contextlib
from datetime import datetime, timezone
import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from vlm_ros.errors import InputError, StorageError
from vlm_ros.records.frames import Box, FrameRecord, ReviewRecord, Verdict
from vlm_ros.records.lines import parse
from vlm_ros.records.model import Record
from vlm_ros.whole_files import locked

REVIEWS = 'reviews.jsonl'
"""In a dataset's folder."""
MAX_NAME = 200
"""Characters of a label, or of who reviews."""
KEY = r'^[A-Za-z0-9][A-Za-z0-9._-]*$'  # as records have it
REVIEWS_LOCK = '.reviews.lock'
Target = tuple[str, int | None]
"""The key of an image, and the number of the box; None for the image as a whole."""


def moment_of(at: str) -> datetime:
    """Return a time in ISO 8601; UTC where it has no zone, and long ago where it is empty.

    Raises:
        ValueError: It is none.
    """
    if not at:
        return datetime.min.replace(tzinfo=timezone.utc)
    # Python 3.10 does not know the letter.
    moment = datetime.fromisoformat(at.replace('Z', '+00:00'))
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _time(value: str) -> str:
    moment_of(value)
    return value


def _name(value: str) -> str:
    if value != value.strip() or not value.isprintable():
        raise ValueError(f'{value!r} cannot be a name; leave out what cannot be printed')
    return value


Name = Annotated[str, Field(max_length=MAX_NAME), AfterValidator(_name)]


class ReviewLine(Record):
    """What a person said of a box or of an image.

    Attributes:
        key: The image's.
        box: The number of the box among its detections; None for the image as a whole.
        found: The model's name for the box; with `xyxy`, what tells whether it is still the same.
        xyxy: Where the box was.
        verdict: Whether it stays; None takes back what was said before.
        label: The name that the person gave it instead; empty for no other.
        at: When, in ISO 8601.
        by: Who.
    """

    key: Annotated[str, Field(pattern=KEY)]
    box: int | None = Field(default=None, ge=0, strict=True)
    found: str = ''
    xyxy: Box | None = None
    verdict: Verdict | None = None
    label: Name = ''
    at: Annotated[str, AfterValidator(_time)] = ''
    by: Name = ''

    @property
    def target(self) -> Target:
        """What it is about."""
        return self.key, self.box

    def review(self) -> ReviewRecord | None:
        """Return what the record keeps of it."""
        if self.verdict is None:
            return None
        return ReviewRecord(verdict=self.verdict, label=self.label, at=self.at, by=self.by)


def lines_of(record: FrameRecord) -> Iterator[ReviewLine]:
    """Yield the reviews that a record has, as lines."""
    said: list[tuple[int | None, ReviewRecord | None]] = [(None, record.review)]
    said += [(index, row.review) for index, row in enumerate(record.detections)]
    for box, review in said:
        if review is None:
            continue
        row = None if box is None else record.detections[box]
        yield ReviewLine(
            key=record.key,
            box=box,
            found='' if row is None else row.label,
            xyxy=None if row is None else row.xyxy,
            verdict=review.verdict,
            label=review.label,
            at=review.at,
            by=review.by,
        )


def latest(lines: Iterable[ReviewLine]) -> dict[Target, ReviewLine]:
    """Return what holds of each target: the latest, and of equally late ones the last."""
    held: dict[Target, ReviewLine] = {}
    for line in lines:
        before = held.get(line.target)
        if before is None or moment_of(line.at) >= moment_of(before.at):
            held[line.target] = line
    return held


def read_reviews(path: Path) -> list[ReviewLine]:
    """Return the lines of a file, in their order.

    Raises:
        InputError: A line is no review; the message says which and why.
        StorageError: The file cannot be read.
    """
    return _parsed(_content(path), path)


def kept_reviews(folder: Path) -> list[ReviewLine]:
    """Return the lines that a dataset has; none where nobody has said anything yet.

    A last line that was cut off, as by a power failure, is left out: whoever wrote it was never
    told that it is kept.

    Raises:
        InputError: A line is no review; the message says which and why.
        StorageError: The file cannot be read.
    """
    path = folder / REVIEWS
    if not path.exists():
        return []
    content = _content(path)
    return _parsed(content[: _whole(content)], path)


def append_reviews(folder: Path, lines: Iterable[ReviewLine]) -> None:
    """Add lines to those of a dataset; when this returns, they are on the disk.

    Raises:
        StorageError: The disk is full, or the file cannot be written; what was there stays.
    """
    rows = b''.join(line.line().encode() + b'\n' for line in lines)
    path = folder / REVIEWS
    if not folder.is_dir():
        # A folder that has been moved must not begin anew where it was.
        raise StorageError(f'{folder} is not there any more; put it back')
    try:
        # Without a buffer, which would write what did not fit once more when it is closed.
        with locked_reviews(folder), path.open('a+b', buffering=0) as stream:
            stream.seek(0)
            content = stream.read()
            end = _whole(content)
            stream.truncate(end)
            rest = memoryview(rows if content[:end].endswith(b'\n') or not end else b'\n' + rows)
            try:
                while rest:
                    rest = rest[stream.write(rest) :]
                os.fsync(stream.fileno())
            except OSError:
                stream.truncate(end)
                raise
    except OSError as error:
        raise StorageError(f'{path} cannot be written: {error.strerror or error}') from error


def locked_reviews(folder: Path) -> contextlib.AbstractContextManager[None]:
    """Keep other processes from changing a dataset's reviews, or its records, in a `with`.

    Raises:
        StorageError: The folder cannot be written.
    """
    return locked(folder / REVIEWS_LOCK)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes().removeprefix(codecs.BOM_UTF8)  # which some editors put there
    except OSError as error:
        raise StorageError(f'{path} cannot be read: {error.strerror or error}') from error


def _parsed(content: bytes, path: Path) -> list[ReviewLine]:
    found = []
    for number, row in enumerate(content.splitlines(), 1):
        if not row.strip():
            continue
        try:
            found.append(parse(row, ReviewLine, f'line {number} of {path}'))
        except InputError as error:
            raise InputError(f'{error}; mend or remove the line') from error
    return found


def _whole(content: bytes) -> int:
    """Return where the last whole line ends; one that an editor left without an end is whole."""
    end = content.rfind(b'\n') + 1
    rest = content[end:]
    if rest:
        with contextlib.suppress(InputError):
            parse(rest, ReviewLine, '')
            return len(content)
    return end
