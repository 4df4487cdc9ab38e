"""How Florence-2 writes boxes: a label and four of 1000 location tokens, x first.

Read as `Florence2PostProcessor` of transformers reads it: a token stands for the middle of its
bin, and pixels are rounded down. Three things differ, on purpose: a label keeps letters that are
not ASCII, corners are put in order, and an empty box is rejected.
"""

from dataclasses import dataclass, field
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
    run = _Run(Hearing(resolution_wh, resolution_wh), ignored)
    for piece in _PIECE.finditer(_SILENT.sub('', text)):
        if piece['bin']:
            run.bins.append(int(piece['bin']))
            continue
        run.end()
        run.label, run.rest = (piece['text'] or '').strip(), 0
    run.end()
    ends_inside = bool(run.label or run.rest)  # a label without its box, or a box without its rest
    return run.hearing.heard(is_complete=is_all and not (was_cut or ends_inside))


@dataclass
class _Run:
    """A label and the location tokens behind it, while they are being read."""

    hearing: Hearing
    ignored: frozenset[str]
    bins: list[int] = field(default_factory=list)
    label: str = ''
    rest: int = 0

    def end(self) -> None:
        """Take it down."""
        bins, self.bins = self.bins, []
        if not bins:
            return
        label, self.label = self.label, ''
        self.rest = len(bins) % 4
        if not label:
            self.hearing.reject('a box without a label')
        elif len(bins) < 4:
            self.hearing.reject(f'{label[:40]!r} has {len(bins)} location tokens, not 4')
        elif label not in self.ignored:
            for first in range(0, len(bins) - 3, 4):
                corners = _pixels(bins[first : first + 4], self.hearing.resolution_wh)
                self.hearing.note(label, corners)


def _pixels(bins: list[int], resolution_wh: tuple[int, int]) -> list[float]:
    return [
        float(int((value + 0.5) * (resolution_wh[index % 2] / BINS)))
        for index, value in enumerate(bins)
    ]
