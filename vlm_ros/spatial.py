"""Where boxes lie in the picture and how they lie to each other, in words.

A box shows a position in the picture, not in space. So each test answers True, False or, where a
flat box cannot tell, None: left and right are plain, `on` and `under` are judged by how supports
look from a usual camera height, and depth (`behind`, `in front of`) is never decided. All boxes
are `xyxy`, in pixels of one image, y downwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
import enum

import numpy as np
import numpy.typing as npt

Box = npt.NDArray[np.float32]
"""One box, `(4,)`: left, top, right, bottom in pixels."""


class Relation(enum.Enum):
    """How one thing stands to another; the value says it in words."""

    LEFT_OF = 'left of'
    RIGHT_OF = 'right of'
    ABOVE = 'above'
    BELOW = 'below'
    ON = 'on'
    UNDER = 'under'
    IN = 'in'
    NEAR = 'next to'
    BETWEEN = 'between'
    BEHIND = 'behind'
    IN_FRONT_OF = 'in front of'
    WITH = 'with'


CERTAINTY = {
    Relation.LEFT_OF: 1.0,
    Relation.RIGHT_OF: 1.0,
    Relation.ABOVE: 0.9,
    Relation.BELOW: 0.9,
    Relation.BETWEEN: 0.9,
}
"""How far a relation between boxes shows the relation between things; 0.75 for the others."""
OTHER_CERTAINTY = 0.75


@dataclass(frozen=True)
class Place:
    """A part of the picture: a column, a row, or both.

    Attributes:
        column: `left`, `centre`, `right`, or empty for any.
        row: `top`, `middle`, `bottom`, or empty for any.
    """

    column: str = ''
    row: str = ''

    @property
    def text(self) -> str:
        """Where that is, as in `the dog is in the upper left`."""
        if self.column in ('left', 'right') and self.row in ('top', 'bottom'):
            return f'in the {"upper" if self.row == "top" else "lower"} {self.column}'
        if self.column in ('left', 'right'):
            return f'on the {self.column}'
        if self.row in ('top', 'bottom'):
            return f'at the {self.row}'
        return 'in the centre'

    def holds(self, box: Box, resolution_wh: tuple[int, int]) -> bool | None:
        """Tell whether a box lies in this part; None near the border of it."""
        column, row = _fractions(box, resolution_wh)
        return all_of([_within(self.column, column), _within(self.row, row)])


def place_of(box: Box, resolution_wh: tuple[int, int]) -> Place:
    """Return the cell of a three-by-three grid that the box's centre is in."""
    column, row = _fractions(box, resolution_wh)
    return Place(
        ('left', 'centre', 'right')[min(2, int(column * 3))],
        ('top', 'middle', 'bottom')[min(2, int(row * 3))],
    )


_COLUMNS = {'left': 'left', 'left-hand': 'left', 'right': 'right', 'right-hand': 'right'}
_ROWS = {'top': 'top', 'upper': 'top', 'bottom': 'bottom', 'lower': 'bottom'}
_CENTRE = ('middle', 'center', 'centre', 'central')


def place_named(words: Sequence[str]) -> Place | None:
    """Return the place that words such as `upper`, `left` name together; None if they do not."""
    column = row = ''
    for word in words:
        if word in _COLUMNS and not column:
            column = _COLUMNS[word]
        elif word in _ROWS and not row:
            row = _ROWS[word]
        elif word not in _CENTRE:
            return None
    if not words:
        return None
    centred = any(word in _CENTRE for word in words)
    return Place(column or ('centre' if centred else ''), row or ('middle' if centred else ''))


def holds(relation: Relation, box: Box, others: Sequence[Box]) -> bool | None:
    """Tell whether a box stands in a relation to others (two for `BETWEEN`, else one)."""
    if relation is Relation.BETWEEN:
        return _between(box, *others) if len(others) == 2 else None
    test = _TESTS.get(relation)
    return test(box, others[0]) if test is not None and len(others) == 1 else None


def all_of(values: Sequence[bool | None]) -> bool | None:
    """Join by `and`: False if one is, True if all are, None where that is not known."""
    if False in values:
        return False
    return None if None in values else True


def any_of(values: Sequence[bool | None]) -> bool | None:
    """Join by `or`: True if one is, False if none is, None where that is not known."""
    if True in values:
        return True
    return None if None in values else False


def unanimous(values: Sequence[bool | None]) -> bool | None:
    """Return what all the values are; None where there are none or they differ."""
    return values[0] if values and all(value is values[0] for value in values) else None


def _fractions(box: Box, resolution_wh: tuple[int, int]) -> tuple[float, float]:
    width, height = resolution_wh
    return float(box[0] + box[2]) / (2 * width), float(box[1] + box[3]) / (2 * height)


def _within(part: str, fraction: float) -> bool | None:
    """Tell whether a centre at a fraction of the side lies in a part of it; None between parts."""
    if not part:
        return True
    if part in ('centre', 'middle'):
        off_centre = abs(fraction - 0.5)
        return True if off_centre <= 1 / 6 else False if off_centre >= 0.25 else None
    from_edge = fraction if part in ('left', 'top') else 1 - fraction
    return True if from_edge <= 0.4 else False if from_edge >= 0.5 else None


def _before(low: float, high: float, other_low: float, other_high: float) -> bool | None:
    """Tell whether an interval comes before another; None where they mostly share a place."""
    centre, other_centre = (low + high) / 2, (other_low + other_high) / 2
    if centre >= other_centre:
        return False
    return True if centre <= other_low or high <= other_centre else None


def _left_of(box: Box, other: Box) -> bool | None:
    return _before(box[0], box[2], other[0], other[2])


def _right_of(box: Box, other: Box) -> bool | None:
    return _before(-box[2], -box[0], -other[2], -other[0])


def _above(box: Box, other: Box) -> bool | None:
    higher = _before(box[1], box[3], other[1], other[3])
    # Higher up without sharing a column may only be farther away.
    return None if higher and _shared(box, other, 0) <= 0 else higher


def _below(box: Box, other: Box) -> bool | None:
    lower = _before(-box[3], -box[1], -other[3], -other[1])
    return None if lower and _shared(box, other, 0) <= 0 else lower


def _on(box: Box, other: Box) -> bool | None:
    height, other_height = _size(box, 1), _size(other, 1)
    if _overlap(other, box) >= 0.95:
        return None  # `on the phone`: what is held lies in the box of who has it
    if _shared(box, other, 0) <= 0 or box[1] >= other[3] or box[3] < other[1] - 0.5 * height:
        return False
    if box[3] > other[3] + 0.5 * other_height:
        return False  # what ends far below a thing does not rest on it
    supported = _shared(box, other, 0) >= 0.6 * _size(box, 0)
    # What rests on a thing ends within the upper part of its box; taller than it, it may as well
    # stand behind.
    rests = other[1] - 0.1 * height <= box[3] <= other[1] + 0.8 * other_height
    smaller = height <= other_height and _size(box, 0) <= _size(other, 0)
    return True if supported and rests and smaller else None


def _under(box: Box, other: Box) -> bool | None:
    if _shared(box, other, 0) <= 0 or (box[1] + box[3]) <= (other[1] + other[3]):
        return False
    covered = _shared(box, other, 0) >= 0.8 * _size(box, 0)
    other_height = _size(other, 1)
    # Farther down than the feet of the thing above, it stands in front.
    inside = box[1] >= other[1] + 0.3 * other_height and box[3] <= other[3] + 0.1 * other_height
    return True if covered and inside else None


def _in(box: Box, other: Box) -> bool | None:
    # A box within a box may as well lie before it: inside is never certain, outside is. A person
    # is in a helmet though its box is the smaller one.
    return None if _holds_most_of(box, other) or _overlap(box, other) >= 0.3 else False


def _near(box: Box, other: Box) -> bool | None:
    gap = float(np.hypot(max(0.0, -_shared(box, other, 0)), max(0.0, -_shared(box, other, 1))))
    sizes = [float(np.hypot(_size(one, 0), _size(one, 1))) for one in (box, other)]
    if gap > 2 * max(sizes):
        return False
    # Boxes of very different size are at different depths, however close in the picture.
    return True if gap <= 0.5 * min(sizes) and max(sizes) <= 4 * min(sizes) else None


def _between(box: Box, first: Box, second: Box) -> bool | None:
    for test in (_left_of, _above):
        sides = [(test(first, box), test(box, second)), (test(second, box), test(box, first))]
        if any(all_of(side) for side in sides):
            return True
    outside = [(side(box, first), side(box, second)) for side in (_left_of, _right_of)]
    return False if any(all_of(side) for side in outside) else None


def _holds_most_of(box: Box, other: Box) -> bool:
    return _overlap(other, box) >= 0.5


def _overlap(box: Box, other: Box) -> float:
    """Part of a box that lies in another."""
    area = max(_size(box, 0) * _size(box, 1), 1e-6)
    return max(0.0, _shared(box, other, 0)) * max(0.0, _shared(box, other, 1)) / area


def _shared(box: Box, other: Box, axis: int) -> float:
    """Pixels that two boxes share along an axis; negative for the gap between them."""
    return float(min(box[axis + 2], other[axis + 2]) - max(box[axis], other[axis]))


def _size(box: Box, axis: int) -> float:
    return float(box[axis + 2] - box[axis])


_TESTS = {
    Relation.LEFT_OF: _left_of,
    Relation.RIGHT_OF: _right_of,
    Relation.ABOVE: _above,
    Relation.BELOW: _below,
    Relation.ON: _on,
    Relation.UNDER: _under,
    Relation.IN: _in,
    Relation.NEAR: _near,
}
