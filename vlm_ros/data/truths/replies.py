"""What was said or pointed at for the items of a language dataset.

This package writes a line of JSON an item. The forms in which results are handed in to the
benchmarks are read as well: VQA v2's and COCO's lists (`question_id`, `answer`; `image_id`,
`caption`), GQA's (`questionId`, `prediction`), and NLVR2's `identifier,prediction`.
"""

from collections.abc import Sequence
import csv
from pathlib import Path
from typing import Any

from pydantic import Field

from vlm_ros.data.formats.truth import content
from vlm_ros.data.truths.items import Item
from vlm_ros.data.truths.json_files import checked, load, load_lines
from vlm_ros.errors import InputError
from vlm_ros.records.frames import Box
from vlm_ros.records.model import Record
from vlm_ros.results import Status

REPLIES = 'replies.jsonl'
_KEYS = ('key', 'question_id', 'questionId', 'image_id', 'identifier', 'sent_id')
_TEXTS = ('text', 'answer', 'prediction', 'caption')


class ReplyRecord(Record):
    """What a model said about an item.

    Attributes:
        key: The item's.
        status: OK or NOTHING_FOUND for an answer, UNSURE or NOT_IN_VIEW for an abstention,
            anything else for a failure.
        text: An answer, a caption, `true` or `false`; an empty one is an abstention.
        boxes: What is pointed at, best first, in pixels of the image.
        message: One line, where there is no answer.
    """

    key: str = Field(min_length=1)
    status: Status = Status.OK
    text: str = ''
    boxes: tuple[Box, ...] = ()
    message: str = ''


def read_replies(path: Path, items: Sequence[Item]) -> list[ReplyRecord]:
    """Read one reply for each item, in their order; one that is missing is FAILED.

    Args:
        path: A folder with `replies.jsonl`, that file, a JSON list, or a CSV of NLVR2.
        items: What the replies are to.

    Raises:
        InputError: It is none of these or damaged, an item has two, or none has one.
        StorageError: It cannot be read.
    """
    file = path / REPLIES if path.is_dir() else path
    if not file.is_file():
        raise InputError(f'there are no replies {file}; answer to the end first')
    if file.suffix.lower() == '.jsonl':
        rows = load_lines(file)
        found = _of_order(rows, items) or [
            _of_line(row, number, file) for number, row in enumerate(rows, 1)
        ]
    elif file.suffix.lower() == '.csv':
        found = [_of_row(row, number, file) for number, row in enumerate(_rows(file), 1)]
    else:
        rows = checked(load(file), list[dict[str, Any]], file, 'replies')
        found = [_of_row(row, number, file) for number, row in enumerate(rows)]
    replies: dict[str, ReplyRecord] = {}
    for number, reply in enumerate(found, 1):
        for box in reply.boxes:
            if box[2] < box[0] or box[3] < box[1]:
                raise InputError(
                    f'entry {number} of {file}: the box {list(box)} ends before it begins; '
                    'correct or remove it'
                )
        if reply.key in replies:
            raise InputError(f'{file} has two replies to {reply.key}; leave one')
        replies[reply.key] = reply
    if not any(item.key in replies for item in items):
        told = found[0].key if found else 'nothing'
        raise InputError(
            f'{file} replies to other items than those of the truth: it begins with {told}, the '
            f'truth with {items[0].key}'
        )
    missing = 'is not among the predictions'
    return [
        replies.get(item.key) or ReplyRecord(key=item.key, status=Status.FAILED, message=missing)
        for item in items
    ]


def _of_order(rows: list[Any], items: Sequence[Item]) -> list[ReplyRecord]:
    """Return POPE's own form of answers, without numbers, where each is to its question."""
    is_such = len(rows) == len(items) and all(
        isinstance(row, dict)
        and row.get('question') == item.text
        and 'answer' in row
        and not any(key in row for key in _KEYS)
        for row, item in zip(rows, items, strict=True)
    )
    if not is_such:
        return []
    return [
        ReplyRecord(key=item.key, text=str(row['answer']))
        for row, item in zip(rows, items, strict=True)
    ]


def _rows(file: Path) -> list[dict[str, Any]]:
    rows = [row for row in csv.reader(content(file).splitlines()) if row]
    if any(len(row) != 2 for row in rows):
        raise InputError(f'{file} should have two columns: identifier,prediction')
    return [{'identifier': key.strip(), 'prediction': text.strip()} for key, text in rows]


def _of_line(row: Any, number: int, file: Path) -> ReplyRecord:
    if not isinstance(row, dict):
        raise InputError(f'line {number} of {file} is no reply: it is no object')
    if 'key' not in row:
        return _of_row(row, number, file)
    # Most keys are numbers, and names of statuses are easier to write by hand.
    given = {**row, 'key': str(row['key']) if isinstance(row['key'], int) else row['key']}
    if row.get('status') in Status.__members__:
        given['status'] = Status[row['status']]
    return checked(given, ReplyRecord, file, f'a reply in line {number}')


def _of_row(row: dict[str, Any], number: int, file: Path) -> ReplyRecord:
    key = next((str(row[name]) for name in _KEYS if name in row), '')
    text = next((str(row[name]) for name in _TEXTS if row.get(name) is not None), None)
    boxes = row.get('boxes', [row['xyxy']] if 'xyxy' in row else [])
    if not key or (text is None and not boxes and 'boxes' not in row):
        if key and any(name in row for name in _TEXTS):
            return ReplyRecord(key=key, status=Status.FAILED, message='the answer is null')
        raise InputError(
            f'entry {number} of {file} is no reply: it needs one of {", ".join(_KEYS)} and one of '
            f'{", ".join(_TEXTS)} or boxes'
        )
    return checked({'key': key, 'text': text or '', 'boxes': boxes}, ReplyRecord, file, 'replies')
