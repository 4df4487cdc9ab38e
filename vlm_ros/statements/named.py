"""Statements with names, as `door_open: the door is open`."""

from collections.abc import Sequence
from dataclasses import dataclass
import re

from vlm_ros.errors import InputError, QuestionError
from vlm_ros.phrases import check_text

MAX_STATEMENTS = 50
"""So many may be watched, those of all cameras together."""
MAX_NAME_CHARACTERS = 50
_NAME = re.compile(r'[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*')
_MOST_QUOTED = 50


@dataclass(frozen=True)
class Statement:
    """A statement that is watched.

    Attributes:
        name: What it is called; the end of a topic's name.
        text: The statement.
        camera: Which camera it is about; empty for the only one.
    """

    name: str
    text: str
    camera: str = ''


def parse_statements(
    lines: Sequence[str], cameras: Sequence[str] = ('',)
) -> tuple[Statement, ...]:
    """Read statements, each as `name: statement` or `name@camera: statement`.

    Args:
        lines: The statements.
        cameras: The names of the cameras. A line that names none is about each of them.

    Returns:
        One statement for each camera that a line is about, in their order.

    Raises:
        InputError: One has no name or an unusable one, is blank, too long, given twice or about no
            camera that is there, or there are too many. The message names the one.
    """
    found: dict[tuple[str, str], Statement] = {}
    for line in lines:
        for statement in _statements_of(line, cameras):
            key = (statement.camera, statement.name)
            if key in found:
                raise InputError(f'the statement {statement.name!r} is given twice; remove one')
            found[key] = statement
    if len(found) > MAX_STATEMENTS:
        raise InputError(
            f'there are {len(found)} statements, counted for each camera; '
            f'at most {MAX_STATEMENTS} are taken'
        )
    return tuple(found.values())


def _statements_of(line: str, cameras: Sequence[str]) -> list[Statement]:
    label, colon, text = line.partition(':')
    name, at, camera = (part.strip() for part in label.partition('@'))
    text = text.strip()
    if not colon or not name:
        raise InputError(
            f"the statement {_short(line)} has no name; write 'name: statement', and a list where "
            'a statement has a comma'
        )
    if len(name) > MAX_NAME_CHARACTERS:
        raise InputError(
            f'the name {name[:20]!r}... of a statement has {len(name)} characters; '
            f'at most {MAX_NAME_CHARACTERS} are taken'
        )
    if not _NAME.fullmatch(name):
        raise InputError(
            f'the name {name!r} of a statement cannot be part of a topic; '
            'use letters, digits and underscores, a letter first'
        )
    try:
        check_text(text, 'statement')
    except QuestionError as error:
        raise InputError(f'{name}: {error}') from error
    if not text.isprintable():
        raise InputError(f'{name}: the statement has control characters; remove them')
    if not at:
        return [Statement(name, text, camera) for camera in cameras]
    if camera not in cameras or not camera:
        known = ', '.join(repr(other) for other in cameras if other)
        raise InputError(
            f'{name}: there is no camera {_short(camera)}; '
            + (f'the cameras are {known}' if known else 'this node has one without a name')
        )
    return [Statement(name, text, camera)]


def _short(text: str) -> str:
    return repr(text) if len(text) <= _MOST_QUOTED else f'{text[:_MOST_QUOTED]!r}...'
