"""What a labelled dataset says, whatever the files it was read from."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
import math
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from vlm_ros.errors import InputError
from vlm_ros.records import MaskRecord

TOLERANCE_PX = 2.0
"""A box that reaches this far out of its image is clipped: coordinates are rounded when they are
written, and counted from 0 by some programs and from 1 by others. Further out it is a fault."""

Box = tuple[float, float, float, float]
_GZIP = b'\x1f\x8b'
_N = TypeVar('_N', int, float)


@dataclass(frozen=True)
class TruthBox:
    """One labelled box.

    Attributes:
        label: What it shows.
        xyxy: Where, in pixels of the image; right and bottom exclusive.
        difficult: Whether a miss should not count.
        crowd: Whether it covers a region in which nothing counts, neither hits nor misses.
        score: Of a prediction; None where there is none.
        track_id: The thing's number; None where there is none.
        mask: Its pixels; None where there are none.
    """

    label: str
    xyxy: Box
    difficult: bool = False
    crowd: bool = False
    score: float | None = None
    track_id: int | None = None
    mask: MaskRecord | None = None


@dataclass(frozen=True, eq=False)
class TruthImage:
    """The labelled boxes of one image.

    Attributes:
        key: What tells the image from the others of the dataset: the file's name without its
            suffix, or what the dataset itself gives.
        file: The picture: below the dataset's folder of images, or a path.
        width: In pixels.
        height: In pixels.
        boxes: What is labelled, in the order of the file.
    """

    key: str
    file: str
    width: int
    height: int
    boxes: tuple[TruthBox, ...] = ()

    @property
    def xyxy(self) -> npt.NDArray[np.float32]:
        """The boxes, `(N, 4)` float32 in pixels of the image."""
        return np.array([box.xyxy for box in self.boxes], np.float32).reshape(-1, 4)

    @property
    def labels(self) -> tuple[str, ...]:
        """What each of the N boxes shows."""
        return tuple(box.label for box in self.boxes)

    @property
    def difficult(self) -> npt.NDArray[np.bool_]:
        """Which boxes may be missed, `(N,)`."""
        return np.array([box.difficult for box in self.boxes], bool)

    @property
    def crowd(self) -> npt.NDArray[np.bool_]:
        """Which boxes cover regions in which nothing counts, `(N,)`."""
        return np.array([box.crowd for box in self.boxes], bool)


@dataclass(frozen=True, eq=False)
class TruthSet:
    """A labelled dataset.

    Attributes:
        images: In the order of the files.
        labels: The names of its classes, in the order of their numbers.
        clipped: How many boxes reached a little out of their image.
    """

    images: tuple[TruthImage, ...]
    labels: tuple[str, ...]
    clipped: int = 0


@dataclass
class Fitting:
    """Holds boxes against their images, and counts those that were clipped.

    Attributes:
        tolerance_px: How far a box may reach out of its image.
        clipped: How many did.
    """

    tolerance_px: float = TOLERANCE_PX
    clipped: int = field(default=0, init=False)

    def fit(self, xyxy: Sequence[float], width: int, height: int, where: str) -> Box:
        """Return a box inside its image.

        Args:
            xyxy: In pixels, right and bottom exclusive.
            width: Of the image.
            height: Of the image.
            where: The file and the entry, for the message.

        Raises:
            InputError: It is not finite, ends before it begins, or reaches too far out.
        """
        left, top, right, bottom = (float(edge) for edge in xyxy)
        shown = f'[{left:g}, {top:g}, {right:g}, {bottom:g}]'
        if not all(math.isfinite(edge) for edge in (left, top, right, bottom)):
            raise InputError(f'{where}: the box {shown} is not finite; correct or remove it')
        if right < left or bottom < top:
            raise InputError(
                f'{where}: the box {shown} (left, top, right, bottom) ends before it begins; '
                'correct or remove it'
            )
        out = max(-left, -top, right - width, bottom - height, left - width, top - height)
        if out > self.tolerance_px:
            raise InputError(
                f'{where}: the box {shown} reaches {out:g} pixels out of the image of '
                f'{width}×{height}; correct it, or allow more than {self.tolerance_px:g}'
            )
        inside = (
            min(max(left, 0.0), width),
            min(max(top, 0.0), height),
            min(max(right, 0.0), width),
            min(max(bottom, 0.0), height),
        )
        emptied = inside[2] == inside[0] and right > left
        if emptied or (inside[3] == inside[1] and bottom > top):
            raise InputError(
                f'{where}: the box {shown} is outside the image of {width}×{height}; correct or '
                'remove it'
            )
        self.clipped += inside != (left, top, right, bottom)
        return inside


def in_score_range(score: float, where: str) -> float:
    """Return a score in [0, 1].

    Raises:
        InputError: It is not one.
    """
    if not 0.0 <= score <= 1.0:
        raise InputError(f'{where}: the score {score:g} is not in [0, 1]')
    return score


def numbers(words: Iterable[str], where: str) -> list[float]:
    """Read words as numbers.

    Raises:
        InputError: One is none; the message names it.
    """
    return [_parsed(float, word, where) for word in words]


def whole_number(word: str, where: str) -> int:
    """Read a word as a whole number.

    Raises:
        InputError: It is none.
    """
    return _parsed(int, word, where)


def lines(path: Path) -> list[str]:
    """Return the lines of a text file.

    Raises:
        InputError: It is missing or no text.
    """
    return content(path).splitlines()


def content(path: Path) -> str:
    """Return a text file.

    Raises:
        InputError: It is missing or no text.
    """
    try:
        return path.read_text('utf-8-sig')  # editors of Windows mark the beginning
    except FileNotFoundError as error:
        raise InputError(f'{path} is missing') from error
    except UnicodeDecodeError as error:
        if error.object[:2] == _GZIP:
            raise InputError(f'{path} is compressed; unpack it first') from error
        raise InputError(f'{path} is not UTF-8 text; is it the right file?') from error
    except OSError as error:
        raise InputError(f'{path} cannot be read: {error.strerror or error}') from error


def _parsed(kind: Callable[[str], _N], word: str, where: str) -> _N:
    try:
        return kind(word)
    except ValueError as error:
        raise InputError(f'{where}: {word!r} is not a number') from error
