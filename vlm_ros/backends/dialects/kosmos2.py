"""How Kosmos-2 writes boxes: into its sentence, as two of 32 x 32 patches behind a phrase.

Read as `clean_text_and_extract_entities_with_bboxes` of transformers reads it: the box goes from
the middle of the first patch to the middle of the second, or to their outer edges where the two
share a row or a column.
"""

import re

from vlm_ros.backends.dialects.names import said
from vlm_ros.backends.dialects.spoken import Hearing, read_only_so_much, SpokenBoxes

PATCHES = 32
_OBJECT = r'<object>(?P<boxes>(?:<patch_index_\d{1,9}>|</delimiter_of_multi_objects/>)*)'
_PIECE = re.compile(
    rf'<phrase>(?P<phrase>[^<]*)</phrase>|{_OBJECT}(?P<closed></object>)?'
    r'|(?P<tag><[^<>\n]{0,60}>)|(?P<text>[^<]+|<)'
)
_INDEX = re.compile(r'<patch_index_(\d+)>')
_DELIMITER = '</delimiter_of_multi_objects/>'


def prompt_kosmos2(phrase: str) -> str:
    """Ask for the boxes of one phrase."""
    return f'<grounding><phrase> {said(phrase)}</phrase>'


def prompt_kosmos2_caption(start: str = 'An image of') -> str:
    """Ask for a sentence with boxes, beginning with some words."""
    return f'<grounding>{said(start)}'


def parse_kosmos2(
    text: str, *, resolution_wh: tuple[int, int], was_cut: bool = False
) -> SpokenBoxes:
    """Find the boxes, and the sentence without its markup.

    A phrase with several boxes comes several times, with the same span. A box without a phrase
    has an empty label.
    """
    text, is_all = read_only_so_much(text)
    hearing = Hearing(resolution_wh, (1.0, 1.0))
    indent = len(_plain(text)) - len(_plain(text).lstrip())
    length, is_open = 0, False
    label, span = '', None
    for piece in _PIECE.finditer(text):
        if piece['boxes'] is not None:
            is_open = piece['closed'] is None
            if not is_open:
                _note(hearing, label, piece['boxes'], span)
            label, span = '', None
            continue
        label, span = '', None
        if (phrase := piece['phrase']) is not None:
            label = phrase.strip()
            start = length + len(phrase) - len(phrase.lstrip()) - indent
            span = (start, start + len(label)) if label else None
        length += len(phrase or piece['text'] or '')
    caption = _plain(text).strip()
    return hearing.heard(is_complete=is_all and not (was_cut or is_open), caption=caption)


def _plain(text: str) -> str:
    return ''.join(piece['phrase'] or piece['text'] or '' for piece in _PIECE.finditer(text))


def _note(hearing: Hearing, label: str, boxes: str, span: tuple[int, int] | None) -> None:
    for pair in boxes.split(_DELIMITER):
        indices = [int(index) for index in _INDEX.findall(pair)]
        if len(indices) != 2 or max(indices) >= PATCHES**2:
            hearing.reject(f'{label[:40]!r} has a box that is not two patches of {PATCHES**2}')
        else:
            hearing.note(label, _corners(*indices), span)


def _corners(first: int, second: int) -> tuple[float, float, float, float]:
    (top, left), (bottom, right) = divmod(first, PATCHES), divmod(second, PATCHES)
    shares_side = left == right or top == bottom
    start, end = (0.0, 1.0) if shares_side else (0.5, 0.5)
    return (
        (left + start) / PATCHES,
        (top + start) / PATCHES,
        (right + end) / PATCHES,
        (bottom + end) / PATCHES,
    )
