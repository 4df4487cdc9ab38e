"""Boxes that a model said in words, and the rules that make one of its numbers a box."""

from collections.abc import Sequence
from dataclasses import dataclass, field
import math

MAX_CHARACTERS = 200_000
"""What is read of a text: more than a list of `MAX_BOXES` entries takes."""
MAX_BOXES = 1000
"""Beyond it a model repeats itself: Qwen's cookbook warns of endless loops from 40 to 50 on."""
MAX_REASONS = 20
MAX_LABEL_CHARACTERS = 200
OVERSHOOT = 0.1
"""How far beyond the image a coordinate may lie, as a part of its side, and be clipped. One that
lies farther is a number of another scale (pixels for thousandths), not a box at the edge."""

Corners = tuple[float, float, float, float]


@dataclass(frozen=True)
class SpokenBox:
    """One box of a text.

    Attributes:
        label: What the model calls it, without spaces around it; empty where it does not say.
        xyxy: Pixels of the source image, inside of it, right of left and bottom below top.
        span: Its `(start, end)` characters in `SpokenBoxes.caption`, where the dialect writes
            boxes into a sentence; None elsewhere.
    """

    label: str
    xyxy: Corners
    span: tuple[int, int] | None = None


@dataclass(frozen=True)
class SpokenBoxes:
    """What a text of a model says about boxes.

    Attributes:
        boxes: In the order of the text.
        is_complete: False where the text ends, or was cut, in the middle of something.
        rejected: One line for each thing that looked like a box and is none; the first
            `MAX_REASONS` of them.
        caption: The text without its markup, where the dialect writes boxes into a sentence.
        is_readable: False where the text has nothing of the dialect in it, not even its way to
            say that there is nothing: prose, or a refusal. No boxes then says nothing about the
            image.
    """

    boxes: tuple[SpokenBox, ...] = ()
    is_complete: bool = True
    rejected: tuple[str, ...] = ()
    caption: str = ''
    is_readable: bool = True

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, one a box."""
        return tuple(box.label for box in self.boxes)

    @property
    def xyxy(self) -> list[Corners]:
        """The corners, one a box, in pixels of the source image."""
        return [box.xyxy for box in self.boxes]


@dataclass
class Hearing:
    """Takes down boxes while a text is read.

    Args:
        resolution_wh: Pixels of the source image.
        scale_wh: What the model counts as the width and the height of the image.

    Raises:
        ValueError: One of the sizes is not positive.
    """

    resolution_wh: tuple[int, int]
    scale_wh: tuple[float, float]
    boxes: list[SpokenBox] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    is_full: bool = False

    def __post_init__(self) -> None:
        if min(*self.resolution_wh, *self.scale_wh) <= 0:
            raise ValueError(
                f'sizes must be positive, got {self.resolution_wh} and {self.scale_wh}'
            )

    def note(
        self, label: str, corners: Sequence[float], span: tuple[int, int] | None = None
    ) -> None:
        """Take down a box in the model's own scale, `(x, y)` of two opposite corners.

        The corners may come in either order. A box that overshoots the image a little is clipped;
        one that is no number, far outside, or empty is rejected with its reason.
        """
        if len(self.boxes) >= MAX_BOXES:
            if not self.is_full:
                self.reject(f'there are more than {MAX_BOXES} boxes; the rest is left out')
            self.is_full = True
            return
        label = ' '.join(label[:MAX_LABEL_CHARACTERS].split())
        if not all(math.isfinite(value) for value in corners):
            self.reject(f'{_name(label)} has a coordinate that is no number')
            return
        xs, ys = (self._axis(corners, axis) for axis in (0, 1))
        if xs is None or ys is None:
            said = ', '.join(f'{value:g}' for value in corners)
            self.reject(f'{_name(label)} lies outside of the image: {said}')
        elif xs[0] >= xs[1] or ys[0] >= ys[1]:
            self.reject(f'{_name(label)} has an empty box')
        else:
            self.boxes.append(SpokenBox(label, (xs[0], ys[0], xs[1], ys[1]), span))

    def reject(self, reason: str) -> None:
        """Remember why something is no box."""
        if len(self.rejected) < MAX_REASONS:
            self.rejected.append(reason)

    def heard(
        self, *, is_complete: bool, caption: str = '', is_readable: bool = True
    ) -> SpokenBoxes:
        """Return what was taken down; where all of it was rejected, nothing was readable."""
        return SpokenBoxes(
            tuple(self.boxes),
            is_complete and not self.is_full,
            tuple(self.rejected),
            caption,
            bool(self.boxes) or (is_readable and not self.rejected),
        )

    def _axis(self, corners: Sequence[float], axis: int) -> tuple[float, float] | None:
        low, high = sorted(corners[axis::2])
        scale, size = self.scale_wh[axis], self.resolution_wh[axis]
        if low < -OVERSHOOT * scale or high > (1 + OVERSHOOT) * scale:
            return None
        return max(0.0, low * size / scale), min(float(size), high * size / scale)


def read_only_so_much(text: str) -> tuple[str, bool]:
    """Return the part of a text that is read, and whether that is all of it."""
    return text[:MAX_CHARACTERS], len(text) <= MAX_CHARACTERS


def number(text: str) -> float:
    """Read a coordinate, in time that does not grow with its digits; NaN where it is none."""
    try:
        return float(text) if len(text) <= 40 else math.nan
    except ValueError:
        return math.nan


def _name(label: str) -> str:
    return f'{label[:40]!r}' if label else 'a box without a label'
