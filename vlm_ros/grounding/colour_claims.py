"""Colours that a model says things have, held against their pixels."""

from collections.abc import Sequence

from vlm_ros.grounding import colours
from vlm_ros.inflection import join_names
from vlm_ros.language.wording import plain_text
from vlm_ros.results import Detections
from vlm_ros.spatial import Box
from vlm_ros.tasks import Image

MAX_BOXES = 4
"""Of more boxes than this pixels are not looked at: each costs tens of milliseconds."""


def colours_in(text: str) -> tuple[str, ...]:
    """Return the colour words of a text; none where it denies one, as in `not red`."""
    words = plain_text(text).split()
    if 'not' in words:
        return ()
    return tuple(word for word in words if colours.terms_meant(word))


def object_to(
    image: Image,
    boxes: Detections,
    said: Sequence[str],
    *,
    affirmed: bool = True,
    every: bool = False,
) -> str:
    """Say what pixels have against a colour that something is said to have, or not to have.

    Args:
        image: `(H, W, 3)` uint8 RGB.
        boxes: What may be meant.
        said: Colour words, all of which are said of it.
        affirmed: Whether it is said to have them.
        every: Whether that is said of all of the boxes rather than of one of them.

    Returns:
        One line; empty where pixels do not clearly show otherwise.
    """
    if not said or not 0 < len(boxes) <= MAX_BOXES:
        return ''
    looks = [_look(image, box, said) for box in boxes.xyxy]
    against = [truth is not None and truth is not affirmed for truth, _ in looks]
    # One box is enough against what is said of all, or against there being none.
    if not (any(against) if every is affirmed else all(against)):
        return ''
    index = against.index(True)
    return f'by its pixels the {boxes.labels[index]} looks {looks[index][1]}'


def _look(image: Image, box: Box, said: Sequence[str]) -> tuple[bool | None, str]:
    """Tell whether pixels show the colours, and what they show instead."""
    parts = colours.shares(image, box)
    truths = {colours.is_coloured(parts, word)[0] for word in said}
    text = colours.dominant(parts) or f'not {join_names(list(said), "or")}'
    if truths == {False}:
        return False, text
    return (True, text) if truths == {True} else (None, text)
