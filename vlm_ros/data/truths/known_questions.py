"""Questions and statements with known answers, as `vlm-ros questions` writes them.

A line of JSON each, with the fields of POPE (`question_id`, `image`, `text`, `label`), `form` and
`group`. The answer is yes or no, a number, or a colour.
"""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from vlm_ros.data.truths.items import LanguageTruth, Question, Statement
from vlm_ros.data.truths.json_files import checked, load_lines
from vlm_ros.data.truths.pictures import pictures_near
from vlm_ros.errors import InputError

_KINDS = {'yes': 'yes/no', 'no': 'yes/no'}


class _Row(BaseModel):
    question_id: int
    image: str
    text: str
    label: str = Field(min_length=1)
    form: Literal['question', 'statement'] = 'question'
    group: str


def read_known_questions(path: Path, *, images: Path | None = None) -> LanguageTruth:
    """Read them; keys are the numbers of the questions, groups such as `count: number`.

    Args:
        path: The file.
        images: The folder of the pictures; None to look around.

    Raises:
        InputError: The file is damaged or no such file.
    """
    items: list[Question | Statement] = []
    for number, value in enumerate(load_lines(path), 1):
        row = checked(value, _Row, path, f'a file of questions in line {number}')
        items.append(_item(row, f'line {number} of {path}'))
    if not items:
        raise InputError(f'{path} has no questions')
    pictures = images or pictures_near(path.parent, [items[0].images[0]])
    return LanguageTruth(items, 'questions', pictures)


def _item(row: _Row, where: str) -> Question | Statement:
    key, file = str(row.question_id), (row.image,)
    if row.form == 'statement':
        if row.label not in _KINDS:
            raise InputError(f'{where}: a statement is yes or no, not {row.label!r}')
        group = f'{row.group}: statement'
        return Statement(key, file, row.text, group, holds=row.label == 'yes', sentence=key)
    kind = 'number' if row.label.isdecimal() else 'colour'
    group = f'{row.group}: {_KINDS.get(row.label, kind)}'
    return Question(key, file, row.text, group, (row.label,))
