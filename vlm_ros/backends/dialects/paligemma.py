"""How PaliGemma and PaliGemma 2 write boxes.

A box is four of 1024 location tokens, y before x, and its label follows; a semicolon ends it
(arXiv 2407.07726, section 3.2.3). The demo of its authors reads a token as its number divided by
1024, the lower edge of its bin, and so does this (huggingface.co/spaces/big-vision/paligemma,
paligemma_parse.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
import re

from vlm_ros.backends.dialects.names import said_all
from vlm_ros.backends.dialects.spoken import Hearing, read_only_so_much, SpokenBoxes

BINS = (1024.0, 1024.0)
_PIECE = re.compile(
    r'<loc(?P<bin>\d{4})>|(?P<mask><seg\d{3}>)|(?P<end>;|\n)|(?P<stop><eos>|<pad>)'
    r'|(?P<text>[^<;\n]+)|(?P<other><)'
)


def prompt_paligemma(names: Sequence[str]) -> str:
    """Ask for boxes, with the task prefix that the model was trained on."""
    return f'detect {said_all(names, " ; ")}'


def parse_paligemma(
    text: str,
    *,
    resolution_wh: tuple[int, int],
    input_wh: tuple[int, int] | None = None,
    was_cut: bool = False,
) -> SpokenBoxes:
    """Find the boxes of PaliGemma; `input_wh` does not count: the image is stretched to a square.

    The last entry is left out where the model stopped at a limit, because its label may lack its
    end. The tokens of masks are skipped.
    """
    text, is_all = read_only_so_much(text)
    entry = _Entry(Hearing(resolution_wh, BINS))
    ended = False
    for piece in _PIECE.finditer(text):
        if piece['stop']:
            ended = True
        elif piece['end']:
            entry.end()
        elif piece['bin']:
            if entry.label.strip():
                entry.end()
            entry.bins.append(int(piece['bin']))
        elif piece['text']:
            entry.label += piece['text']
    is_cut = was_cut or not is_all or not entry.label.strip()
    is_open = bool(entry.bins) and not ended and is_cut
    if not is_open:
        entry.end()
    return entry.hearing.heard(
        is_complete=is_all and not (was_cut or is_open),
        is_readable='<loc' in text or not text.replace('<eos>', '').strip(),
    )


@dataclass
class _Entry:
    """The entry that is being read."""

    hearing: Hearing
    bins: list[int] = field(default_factory=list)
    label: str = ''

    def end(self) -> None:
        """Take it down, and begin the next one."""
        if len(self.bins) == 4:
            top, left, bottom, right = self.bins
            self.hearing.note(self.label, (left, top, right, bottom))
        elif self.bins:
            label = self.label.strip()[:40]
            self.hearing.reject(f'{label!r} has {len(self.bins)} location tokens, not 4')
        self.bins.clear()
        self.label = ''
