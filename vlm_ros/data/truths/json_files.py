"""JSON that other programs wrote, read and checked."""

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from vlm_ros.data.formats.truth import content, lines
from vlm_ros.errors import InputError

T = TypeVar('T')


def load(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        InputError: It is missing, no text, or no JSON.
    """
    text = content(path)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f'{path} is not JSON: {error}') from error


def load_lines(path: Path) -> list[Any]:
    """Return what the lines of a file hold, each JSON; blank ones are skipped.

    Raises:
        InputError: It is missing, no text, or a line is no JSON.
    """
    found = []
    for number, line in enumerate(lines(path), 1):
        if line.strip():
            try:
                found.append(json.loads(line))
            except (ValueError, RecursionError) as error:
                raise InputError(f'line {number} of {path} is not JSON: {error}') from error
    return found


def checked(value: object, kind: type[T], path: Path, what: str) -> T:
    """Return a value as a kind of pydantic's.

    Args:
        value: As `load` returns it.
        kind: A model, or a list or dict of such.
        path: Where it is from.
        what: What such a file is, for the message.

    Raises:
        InputError: It is not of this kind; the message says where and why.
    """
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = '.'.join(str(part) for part in first['loc'])
        raise InputError(
            f'{path} is not {what}: {where}{": " * bool(where)}{first["msg"]}'
        ) from error
