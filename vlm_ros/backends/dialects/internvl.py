"""How the InternVL models write boxes.

`<ref>label</ref><box>[[x1, y1, x2, y2], ...]</box>` in thousandths of the image
(internvl.readthedocs.io, grounding). Asked for JSON, InternVL 3.5 writes Qwen's, in thousandths
too (github.com/OpenGVLab/InternVL issue 1140); both are read.
"""

from collections.abc import Sequence
import re

from vlm_ros.backends.dialects.json_boxes import parse_json_boxes
from vlm_ros.backends.dialects.names import said
from vlm_ros.backends.dialects.qwen import THOUSANDTHS
from vlm_ros.backends.dialects.spoken import Hearing, number, read_only_so_much, SpokenBoxes

_PIECE = re.compile(
    r'<ref>(?P<label>[^<]*)</ref>|<box>(?P<boxes>[^<]*)(?P<closed></box>)?|(?P<text>[^<]+)|<[^<]?'
)
_FOUR = re.compile(r'\[([^\[\]]{0,200})\]')
_LONG_LIST = re.compile(r'\[[^\[\]]{201}')


def prompt_internvl(names: Sequence[str]) -> str:
    """Ask for boxes, in the words of the model's RefCOCO evaluation."""
    marked = ', '.join(f'<ref>{said(name)}</ref>' for name in names)
    regions = 'region this sentence describes' if len(names) == 1 else 'regions of each of these'
    return f'Please provide the bounding box coordinate of the {regions}: {marked}'


def parse_internvl(
    text: str,
    *,
    resolution_wh: tuple[int, int],
    input_wh: tuple[int, int] | None = None,
    was_cut: bool = False,
) -> SpokenBoxes:
    """Find the boxes of InternVL; `input_wh` does not count."""
    text, is_all = read_only_so_much(text)
    if '<box>' not in text:
        return parse_json_boxes(
            text, resolution_wh=resolution_wh, scale_wh=THOUSANDTHS, was_cut=was_cut or not is_all
        )
    hearing = Hearing(resolution_wh, THOUSANDTHS)
    caption, label, span, is_open = '', '', (0, 0), False
    for piece in _PIECE.finditer(text):
        if piece['label'] is not None:
            label = piece['label'].strip()
            start = len(caption) + piece['label'].find(label)
            span = (start, start + len(label))
            caption += piece['label']
        elif piece['boxes'] is not None:
            is_open = piece['closed'] is None
            _note(hearing, label, piece['boxes'], span if label else None, is_open)
        elif piece['text']:
            caption += piece['text']
    return hearing.heard(is_complete=is_all and not (was_cut or is_open), caption=caption)


def _note(
    hearing: Hearing, label: str, boxes: str, span: tuple[int, int] | None, is_open: bool
) -> None:
    found = 0
    for match in _FOUR.finditer(boxes):
        corners = [number(part) for part in match.group(1).split(',')]
        found += 1
        if len(corners) == 4:
            hearing.note(label, corners, span)
        else:
            hearing.reject(f'{label[:40]!r} has a box of {len(corners)} numbers, not 4')
    if not is_open and (_LONG_LIST.search(boxes) or (not found and '[' in boxes)):
        hearing.reject(f'{label[:40]!r} has a box that is not four numbers')
