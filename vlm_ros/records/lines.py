"""Files of records, a JSON line each, that are whole or not there."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from vlm_ros.errors import InputError, StorageError
from vlm_ros.records.model import Record
from vlm_ros.whole_files import writing

R = TypeVar('R', bound=Record)


def write_lines(path: Path, records: Iterable[Record]) -> None:
    """Write records, whole or not at all.

    Raises:
        StorageError: The disk is full, or the folder cannot be written.
    """
    with writing(path) as stream:
        for record in records:
            stream.write(record.line().encode() + b'\n')


def read_lines(path: Path, kind: type[R]) -> Iterator[R]:
    """Yield the records of a file, one at a time.

    Raises:
        InputError: A line is not such a record; the message says which and why.
        StorageError: The file cannot be read.
    """
    try:
        with path.open('rb') as stream:
            for number, line in enumerate(stream, 1):
                yield parse(line, kind, f'line {number} of {path}')
    except OSError as error:
        raise StorageError(f'{path} cannot be read: {error.strerror or error}') from error


def parse(content: bytes, kind: type[R], what: str) -> R:
    """Read one record.

    Raises:
        InputError: It is not one; `what` names it in the message.
    """
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = '.'.join(str(part) for part in first['loc'])
        raise InputError(
            f'{what} is not a {kind.__name__}: {where + ": " if where else ""}{first["msg"]}'
        ) from error
