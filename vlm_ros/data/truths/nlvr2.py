"""NLVR2 (arXiv 1811.00491): statements about pairs of photographs, a line of JSON each.

An identifier is `SPLIT-SET-PAIR-SENTENCE`; the pictures of a pair are
`SPLIT-SET-PAIR-img0.png`, the left one, and `img1`, those of `train` in folders by number
(https://github.com/lil-lab/nlvr).
"""

from pathlib import Path

from pydantic import BaseModel

from vlm_ros.data.truths.items import LanguageTruth, Statement
from vlm_ros.data.truths.json_files import checked, load_lines
from vlm_ros.data.truths.pictures import pictures_near
from vlm_ros.errors import InputError


class _Row(BaseModel):
    identifier: str
    sentence: str
    label: str
    directory: int | None = None


def read_nlvr2(path: Path, *, images: Path | None = None) -> LanguageTruth:
    """Read statements; keys are their identifiers.

    Args:
        path: Such as `dev.json`, `test1.json`.
        images: The folder of the pictures; None to look around.

    Raises:
        InputError: The file is damaged or no such dataset's.
    """
    items = []
    for number, value in enumerate(load_lines(path), 1):
        row = checked(value, _Row, path, f'of NLVR2 in line {number}')
        parts = row.identifier.split('-')
        truth = row.label.strip().lower()
        if len(parts) == 2:
            raise InputError(f'{path} is of NLVR, which has no photographs; give a file of NLVR2')
        if len(parts) != 4 or truth not in ('true', 'false'):
            raise InputError(
                f'line {number} of {path}: {row.identifier!r} is {row.label!r}; an identifier has '
                'four parts with - between, and a label is True or False'
            )
        split, group, pair, sentence = parts
        folder = f'{row.directory}/' if row.directory is not None else ''
        items.append(
            Statement(
                row.identifier,
                tuple(f'{folder}{split}-{group}-{pair}-img{side}.png' for side in (0, 1)),
                row.sentence,
                holds=truth == 'true',
                sentence=f'{split}-{group}-{sentence}',
            )
        )
    if not items:
        raise InputError(f'{path} has no statements')
    pictures = images or pictures_near(path.parent, [items[0].images[0]])
    return LanguageTruth(items, 'nlvr2', pictures)
