"""How the Qwen vision-language models write boxes.

Qwen2-VL writes tokens, with coordinates in thousandths of the image. Qwen2.5-VL writes JSON with
pixels of the image as the processor resized it (github.com/QwenLM/Qwen3-VL issue 733: no special
tokens are used for grounding). Qwen3-VL, and Qwen3.5 after it, write the same JSON in thousandths
again (cookbooks/2d_grounding.ipynb of that repository: "relative coordinates ranging from 0 to
1000").
"""

from collections.abc import Sequence
import re

from vlm_ros.backends.dialects.json_boxes import parse_json_boxes
from vlm_ros.backends.dialects.names import said, said_all
from vlm_ros.backends.dialects.spoken import Hearing, number, read_only_so_much, SpokenBoxes

THOUSANDTHS = (1000.0, 1000.0)
_NUMBER = r'\s{0,3}(-?[\d.]{1,40})\s{0,3}'
_POINT = rf'\({_NUMBER},{_NUMBER}\)'
# Decoded without special tokens, only the numbers in their parentheses are left of a box.
_PIECE = re.compile(
    rf"""
      (?P<box>   {_POINT}\s{{0,3}},?\s{{0,3}}{_POINT} )
    | (?P<tag>   <\|(?:object_ref_start|object_ref_end|box_start|box_end|im_end|endoftext)\|> )
    | (?P<text>  [^<(]+ )
    | (?P<other> [<(] )
    """,
    re.VERBOSE,
)


def prompt_qwen2(names: Sequence[str]) -> str:
    """Ask Qwen2-VL for boxes; the wording that a name with its tokens is marked by is its own."""
    marked = (f'<|object_ref_start|>{said(name)}<|object_ref_end|>' for name in names)
    return f'Find {", ".join(marked)} in the image.'


def prompt_qwen25(names: Sequence[str]) -> str:
    """Ask Qwen2.5-VL for boxes, in the words of its cookbook."""
    return (
        f'Outline the position of each {said_all(names)} and output all the coordinates in JSON '
        'format, with "bbox_2d" and "label".'
    )


def prompt_qwen3(names: Sequence[str]) -> str:
    """Ask Qwen3-VL for boxes, in the words of its cookbook; names that are not there may be."""
    return (
        'Locate every instance that belongs to the following categories: '
        f'"{said_all(names)}". Report bbox coordinates in JSON format.'
    )


def parse_qwen2(
    text: str,
    *,
    resolution_wh: tuple[int, int],
    input_wh: tuple[int, int] | None = None,
    was_cut: bool = False,
) -> SpokenBoxes:
    """Find the boxes of Qwen2-VL; `input_wh` does not count."""
    text, is_all = read_only_so_much(text)
    hearing = Hearing(resolution_wh, THOUSANDTHS)
    caption, label, span, in_box = '', '', (0, 0), False
    for piece in _PIECE.finditer(text):
        if piece['box']:
            corners = [number(value) for value in piece.groups()[1:5]]
            hearing.note(label, corners, span if label else None)
            in_box = False
        elif piece['tag']:
            if piece['tag'] == '<|box_end|>' and in_box:
                hearing.reject(f'{label[:40]!r} has a box that is not two points')
            in_box = piece['tag'] == '<|box_start|>'
            label = '' if piece['tag'] == '<|object_ref_start|>' else label
        elif not in_box and (words := piece.group().strip(' ,;\n\t')):
            label = words
            start = len(caption) + piece.group().index(words)
            span = (start, start + len(words))
            caption += piece.group()
        elif not in_box:
            caption += piece.group()
    return hearing.heard(
        is_complete=is_all and not (was_cut or in_box), caption=caption, is_readable=False
    )


def parse_qwen25(
    text: str,
    *,
    resolution_wh: tuple[int, int],
    input_wh: tuple[int, int] | None = None,
    was_cut: bool = False,
) -> SpokenBoxes:
    """Find the boxes of Qwen2.5-VL.

    Args:
        text: What the model said.
        resolution_wh: Pixels of the source image.
        input_wh: Pixels of the image as the model got it, which its numbers are of; None where
            that is the source image.
        was_cut: Whether the model stopped at a limit.
    """
    width, height = input_wh or resolution_wh
    return parse_json_boxes(
        text, resolution_wh=resolution_wh, scale_wh=(width, height), was_cut=was_cut
    )


def parse_qwen3(
    text: str,
    *,
    resolution_wh: tuple[int, int],
    input_wh: tuple[int, int] | None = None,
    was_cut: bool = False,
) -> SpokenBoxes:
    """Find the boxes of Qwen3-VL and Qwen3.5; `input_wh` does not count."""
    return parse_json_boxes(
        text, resolution_wh=resolution_wh, scale_wh=THOUSANDTHS, was_cut=was_cut
    )
