"""What models write about boxes, read: text in, boxes in pixels of the source image out.

Every family has a way of its own to write a box, a *dialect*: tokens or JSON, y or x first, in
pixels, thousandths, bins or patches. There is one module for each. Reading never fails: what
cannot be read is in `SpokenBoxes.rejected`, with the reason, and a text that breaks off gives the
boxes that it finished. It takes linear time, and no more than `MAX_CHARACTERS` are read.

The dialects of `DIALECTS` share one signature, so that a backend can take them by name. Florence-2
and Kosmos-2, which only their own backends speak, have their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from vlm_ros.backends.dialects import gemma, internvl, paligemma, plain, qwen
from vlm_ros.backends.dialects.florence2 import (
    parse_florence2,
    prompt_florence2_detect,
    prompt_florence2_ground,
)
from vlm_ros.backends.dialects.kosmos2 import (
    parse_kosmos2,
    prompt_kosmos2,
    prompt_kosmos2_caption,
)
from vlm_ros.backends.dialects.names import detections_of, find_span, Names
from vlm_ros.backends.dialects.spoken import SpokenBox, SpokenBoxes

__all__ = [
    'DIALECTS',
    'Dialect',
    'Names',
    'SpokenBox',
    'SpokenBoxes',
    'detections_of',
    'dialect_of',
    'find_span',
    'parse_florence2',
    'parse_kosmos2',
    'prompt_florence2_detect',
    'prompt_florence2_ground',
    'prompt_kosmos2',
    'prompt_kosmos2_caption',
]


class Prompt(Protocol):
    """Puts a search for names into a model's words."""

    def __call__(self, names: Sequence[str], /) -> str:
        """Return the text that stands behind the image."""


class Parse(Protocol):
    """Reads a model's answer to such a prompt."""

    def __call__(
        self,
        text: str,
        /,
        *,
        resolution_wh: tuple[int, int],
        input_wh: tuple[int, int] | None = None,
        was_cut: bool = False,
    ) -> SpokenBoxes:
        """Return the boxes of the text.

        Args:
            text: What the model said.
            resolution_wh: Pixels of the source image, which the boxes come back in.
            input_wh: Pixels of the image as the model got it; None where that is the source
                image. Counts only for dialects in pixels (`uses_pixels`).
            was_cut: Whether the model stopped at a limit, which makes the text incomplete.

        Raises:
            ValueError: A size is not positive.
        """


@dataclass(frozen=True)
class Dialect:
    """A way to write boxes.

    Attributes:
        name: As in `DIALECTS`.
        prompt: Asks for the boxes of names.
        parse: Reads the answer.
        uses_pixels: Whether the numbers are pixels of the image as the model got it.
    """

    name: str
    prompt: Prompt
    parse: Parse
    uses_pixels: bool = False


DIALECTS = {
    dialect.name: dialect
    for dialect in (
        Dialect('json', plain.prompt_thousandths, plain.parse_thousandths),
        Dialect('json_unit', plain.prompt_unit, plain.parse_unit),
        Dialect('json_pixels', plain.prompt_pixels, plain.parse_pixels, uses_pixels=True),
        Dialect('qwen2', qwen.prompt_qwen2, qwen.parse_qwen2),
        Dialect('qwen2.5', qwen.prompt_qwen25, qwen.parse_qwen25, uses_pixels=True),
        Dialect('qwen3', qwen.prompt_qwen3, qwen.parse_qwen3),
        Dialect('paligemma', paligemma.prompt_paligemma, paligemma.parse_paligemma),
        Dialect('internvl', internvl.prompt_internvl, internvl.parse_internvl),
        Dialect('gemma', gemma.prompt_gemma, gemma.parse_gemma),
    )
}

# What stands in a model's name, as hubs and servers spell it; the first that fits counts.
_SPOKEN_BY = (
    ('llava', 'json'),  # some of them are called after the language model inside
    ('qwen25', 'qwen2.5'),
    ('qwen2vl', 'qwen2'),
    ('qwen', 'qwen3'),
    ('internvl', 'internvl'),
    ('paligemma', 'paligemma'),
    ('gemma', 'gemma'),
    ('gemini', 'gemma'),
)


def dialect_of(model: str) -> Dialect:
    """Return the dialect that a model of some name speaks; `json` where that is not known."""
    plain_name = ''.join(character for character in model.lower() if character.isalnum())
    return DIALECTS[next((name for part, name in _SPOKEN_BY if part in plain_name), 'json')]
