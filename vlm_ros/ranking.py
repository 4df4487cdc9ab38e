"""Things in an order: from the left, by size, by distance.

Boxes are measured to a few pixels only, and they show a picture, not a space. So two of them
stand in an order only where they differ clearly; near ties are nobody's first.
"""

from collections.abc import Callable, Sequence
import enum
import re

import numpy as np
import numpy.typing as npt

from vlm_ros.boxes import FloatArray
from vlm_ros.spatial import Box

SIZE_MARGIN = 1.15
"""How many times as large one must be: boxes of one object vary by as much at an IoU of 0.87."""
PLAIN_MARGIN = 1.5
"""How many times as large `the big one` must be: `big` is said of what is plainly so."""
PLACE_MARGIN = 0.15
"""How far apart centres must be, as a part of the smaller side of the two."""


class Order(enum.Enum):
    """What things are ordered by; the value says it in words."""

    ANY = 'in an order that is not said'
    LEFT = 'from the left'
    RIGHT = 'from the right'
    TOP = 'from the top'
    BOTTOM = 'from the bottom'
    LARGEST = 'by size'
    SMALLEST = 'by size, the smallest first'
    LARGE = 'by size, where that differs plainly'
    SMALL = 'by size, the smallest first, where that differs plainly'
    TALLEST = 'by height'
    SHORTEST = 'by height, the shortest first'
    WIDEST = 'by width'
    NARROWEST = 'by width, the narrowest first'
    NEAREST = 'by distance'
    FARTHEST = 'by distance, the farthest first'


SIDES = {'left': Order.LEFT, 'right': Order.RIGHT, 'top': Order.TOP, 'bottom': Order.BOTTOM}
"""What is counted from each side."""
OPPOSITE = {
    Order.LEFT: Order.RIGHT,
    Order.RIGHT: Order.LEFT,
    Order.TOP: Order.BOTTOM,
    Order.BOTTOM: Order.TOP,
}
_ORDINALS = {
    word: number
    for number, word in enumerate(
        'first second third fourth fifth sixth seventh eighth ninth tenth'.split(), 1
    )
}
LAST = -1
"""The number of the last one."""
SUPERLATIVES = {
    word: order
    for order, words in {
        Order.LEFT: 'leftmost left-most',
        Order.RIGHT: 'rightmost right-most',
        Order.TOP: 'topmost uppermost highest top-most',
        Order.BOTTOM: 'bottommost lowermost lowest bottom-most',
        Order.LARGEST: 'largest biggest larger bigger',
        Order.SMALLEST: 'smallest littlest tiniest smaller',
        Order.TALLEST: 'tallest taller',
        Order.SHORTEST: 'shortest shorter',
        Order.WIDEST: 'widest broadest wider',
        Order.NARROWEST: 'narrowest thinnest narrower',
        Order.NEAREST: 'nearest closest nearer closer',
        Order.FARTHEST: 'farthest furthest remotest',
        Order.LARGE: 'big large huge giant',
        Order.SMALL: 'small little tiny mini',
    }.items()
    for word in words.split()
}
"""The words that ask for the first in an order."""


def ordinal(word: str) -> int | None:
    """Return the number of a word such as `second` or `2nd`, `LAST` for `last`."""
    if word == 'last':
        return LAST
    match = re.match(r'^(\d{1,3})(?:st|nd|rd|th)$', word)
    return int(match[1]) if match else _ORDINALS.get(word)


_CERTAIN = frozenset({Order.LEFT, Order.RIGHT, Order.TOP, Order.BOTTOM})


def certainty(order: Order) -> float:
    """Say how far an order of boxes is one of things, in [0, 1]."""
    return 1.0 if order in _CERTAIN else 0.75


class Ranking:
    """Boxes in an order.

    Args:
        order: Of what. Distances from the camera, which is where there is no reference, are not
            to be had from boxes: what stands lower in the picture is likely nearer, no more.
        xyxy: `(N, 4)` boxes.
        reference: `(4,)`, from which distances are measured.
    """

    def __init__(self, order: Order, xyxy: FloatArray, reference: Box | None = None) -> None:
        self._decidable = order is not Order.ANY and (
            reference is not None or order not in (Order.NEAREST, Order.FARTHEST)
        )
        self.keys, self._margins = _measured(order, xyxy, reference)

    def before(self, one: int, other: int) -> bool | None:
        """Tell whether one comes before another; None where they are too close to tell."""
        if not self._decidable:
            return None
        lead = float(self.keys[other] - self.keys[one])
        margin = float(min(self._margins[one], self._margins[other]))
        return True if lead > margin else False if lead < -margin else None

    def chosen(self, truths: Sequence[bool | None], number: int) -> list[bool | None]:
        """Say of each box whether it is the one of that number.

        Args:
            truths: Whether each box is in the row at all; None for maybe.
            number: 1 for the first, 0 for the one in the middle, -1 for the last.
        """
        row = [i for i, truth in enumerate(truths) if truth is not False]
        sure = [i for i in row if truths[i]]
        # How many come before it, for each number of things that there may be in the row.
        places = {_place(number, count) for count in range(len(sure), len(row) + 1)}
        possible = [i for i in row if self._can_be(i, row, truths, places)]
        found: list[bool | None] = [None if i in possible else False for i in range(len(truths))]
        certain = len(places) == 1 and None not in places and number <= len(sure)
        if len(possible) == 1 and certain and truths[possible[0]]:
            found[possible[0]] = True
        return found

    def _can_be(
        self, one: int, row: Sequence[int], truths: Sequence[bool | None], places: set[int | None]
    ) -> bool:
        others = [i for i in row if i != one]
        ahead = [self.before(i, one) for i in others]
        least = sum(bool(value and truths[i]) for i, value in zip(others, ahead, strict=True))
        most = sum(value is not False for value in ahead)
        return any(place is None or least <= place <= most for place in places)


def _place(number: int, count: int) -> int | None:
    """Return how many come before the one of a number; None where there is no such one."""
    if number == 0:
        return count // 2 if count % 2 else None
    return count - 1 if number < 0 else number - 1


_Numbers = npt.NDArray[np.float64]
_Measure = Callable[[_Numbers], _Numbers]
_SIZES: dict[Order, tuple[_Measure, float]] = {
    Order.LARGEST: (lambda sides: sides[:, 0] * sides[:, 1], SIZE_MARGIN),
    Order.LARGE: (lambda sides: sides[:, 0] * sides[:, 1], PLAIN_MARGIN),
    Order.TALLEST: (lambda sides: sides[:, 1], SIZE_MARGIN),
    Order.WIDEST: (lambda sides: sides[:, 0], SIZE_MARGIN),
}
_REVERSED = {
    Order.SMALLEST: Order.LARGEST,
    Order.SMALL: Order.LARGE,
    Order.SHORTEST: Order.TALLEST,
    Order.NARROWEST: Order.WIDEST,
    Order.RIGHT: Order.LEFT,
    Order.BOTTOM: Order.TOP,
    Order.FARTHEST: Order.NEAREST,
}


def _measured(order: Order, xyxy: FloatArray, reference: Box | None) -> tuple[_Numbers, _Numbers]:
    """Return a key for each box, the first has the least, and by how much keys must differ."""
    if order in _REVERSED:
        keys, margins = _measured(_REVERSED[order], xyxy, reference)
        return -keys, margins
    boxes: _Numbers = xyxy.astype(np.float64).reshape(-1, 4)
    sides: _Numbers = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-6)
    if order in _SIZES:
        measure, margin = _SIZES[order]
        return -np.log(measure(sides)), np.full(len(boxes), np.log(margin))
    if order is Order.NEAREST:
        if reference is None:
            return -boxes[:, 3], np.zeros(len(boxes))
        beyond = np.maximum(boxes[:, :2] - reference[2:], reference[:2] - boxes[:, 2:])
        gaps = np.maximum(0.0, beyond)
        return np.hypot(*gaps.T), PLACE_MARGIN * np.hypot(*sides.T)
    axis = 1 if order is Order.TOP else 0
    return (boxes[:, axis] + boxes[:, axis + 2]) / 2, PLACE_MARGIN * sides[:, axis]
