"""Boxes of models that have no dialect of their own: JSON, in the scale that the prompt asks for.

Whole thousandths are asked for by default: a digit of a decimal fraction is a token of its own to
most models, and which size an image has after a server resized it, they do not know.
"""

from collections.abc import Sequence

from vlm_ros.backends.dialects.json_boxes import parse_json_boxes
from vlm_ros.backends.dialects.names import said_all
from vlm_ros.backends.dialects.qwen import THOUSANDTHS
from vlm_ros.backends.dialects.spoken import SpokenBoxes


def prompt_thousandths(names: Sequence[str]) -> str:
    """Ask for boxes in thousandths of the image."""
    return _prompt(names, 'integers from 0 to 1000, relative to the width and height of the image')


def prompt_unit(names: Sequence[str]) -> str:
    """Ask for boxes as fractions of the image."""
    return _prompt(names, 'numbers from 0 to 1, relative to the width and height of the image')


def prompt_pixels(names: Sequence[str]) -> str:
    """Ask for boxes in pixels of the image that the model gets."""
    return _prompt(names, 'integers in pixels of the image')


def parse_thousandths(
    text: str,
    *,
    resolution_wh: tuple[int, int],
    input_wh: tuple[int, int] | None = None,
    was_cut: bool = False,
) -> SpokenBoxes:
    """Find boxes in thousandths; `input_wh` does not count."""
    return parse_json_boxes(
        text, resolution_wh=resolution_wh, scale_wh=THOUSANDTHS, was_cut=was_cut
    )


def parse_unit(
    text: str,
    *,
    resolution_wh: tuple[int, int],
    input_wh: tuple[int, int] | None = None,
    was_cut: bool = False,
) -> SpokenBoxes:
    """Find boxes in fractions; `input_wh` does not count."""
    return parse_json_boxes(
        text, resolution_wh=resolution_wh, scale_wh=(1.0, 1.0), was_cut=was_cut
    )


def parse_pixels(
    text: str,
    *,
    resolution_wh: tuple[int, int],
    input_wh: tuple[int, int] | None = None,
    was_cut: bool = False,
) -> SpokenBoxes:
    """Find boxes in pixels of the image that the model got, `input_wh`; None for the source."""
    return parse_json_boxes(
        text, resolution_wh=resolution_wh, scale_wh=input_wh or resolution_wh, was_cut=was_cut
    )


def _prompt(names: Sequence[str], scale: str) -> str:
    return (
        f'Find every one of these in the image: {said_all(names)}. Answer with JSON only: a list '
        'with one entry for each thing, {"label": its name from the list above, "box": '
        f'[left, top, right, bottom]}}, with {scale}. What is not in the image gets no entry; if '
        'nothing is, answer [].'
    )
