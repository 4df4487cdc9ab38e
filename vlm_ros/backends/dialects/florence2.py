"""How Florence-2 writes boxes: a label and four of 1000 location tokens, x first.

Read as `Florence2PostProcessor` of transformers reads it: a token stands for the middle of its
bin, and pixels are rounded down. Three things differ, on purpose: a label keeps letters that are
not ASCII, corners are put in order, and an empty box is rejected.
"""

import re

from vlm_ros.backends.dialects.names import said
from vlm_ros.backends.dialects.spoken import Hearing, read_only_so_much, SpokenBoxes

BINS = 1000
DETECT_TASK = '<OPEN_VOCABULARY_DETECTION>'
GROUND_TASK = '<CAPTION_TO_PHRASE_GROUNDING>'
_SILENT = re.compile(r'</?s>|<pad>')
_PIECE = re.compile(r'<loc_(?P<bin>\d{1,9})>|(?P<text>[^<]+)|(?P<other><)')


def prompt_florence2_detect(name: str) -> str:
    """Ask for the boxes of one thing; the processor of Florence-2 puts the task into words."""
    return DETECT_TASK + said(name)


def prompt_florence2_ground(text: str) -> str:
    """Ask for the boxes of every phrase of a sentence."""
    return GROUND_TASK + said(text)


def parse_florence2(
    text: str,
    *,
    resolution_wh: tuple[int, int],
    was_cut: bool = False,
    ignored: frozenset[str] = frozenset(),
) -> SpokenBoxes:
    """Find the boxes of detection, of dense captions and of phrase grounding.

    Args:
        text: What the model said, decoded with its special tokens.
        resolution_wh: Pixels of the source image.
        was_cut: Whether the model stopped at a limit.
        ignored: Phrases that name nothing, such as `the image`: for phrase grounding, the
            `banned_grounding_tokens` of the processor's post-processor.
    """
    text, is_all = read_only_so_much(text)
    hearing = Hearing(resolution_wh, resolution_wh)
    bins: list[int] = []
    label, rest = '', 0

    def end_run() -> None:
        nonlocal label, rest
        rest = len(bins) % 4 if bins else rest
        if bins and not label:
            hearing.reject('a box without a label')
        elif len(bins) < 4 and bins:
            hearing.reject(f'{label[:40]!r} has {len(bins)} location tokens, not 4')
        elif label not in ignored:
            for first in range(0, len(bins) - 3, 4):
                hearing.note(label, _pixels(bins[first : first + 4], resolution_wh))
        if bins:
            label = ''
        bins.clear()

    for piece in _PIECE.finditer(_SILENT.sub('', text)):
        if piece['bin']:
            bins.append(int(piece['bin']))
            continue
        end_run()
        label, rest = (piece['text'] or '').strip(), 0
    end_run()
    ends_inside = bool(label or rest)  # a label that waits for its box, or a box for its rest
    return hearing.heard(is_complete=is_all and not (was_cut or ends_inside))


def _pixels(bins: list[int], resolution_wh: tuple[int, int]) -> list[float]:
    return [
        float(int((value + 0.5) * (resolution_wh[index % 2] / BINS)))
        for index, value in enumerate(bins)
    ]
