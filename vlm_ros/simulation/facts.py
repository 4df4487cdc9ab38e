"""What labelled boxes say beyond dispute, to ask about."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import re

import numpy as np

from vlm_ros.boxes import intersection
from vlm_ros.data.formats import TruthBox, TruthImage
from vlm_ros.data.formats.kitti import DONT_CARE

LARGER = 1.8
"""A thing is larger from that many times the area on: boxes are not outlines."""
MAX_COUNT = 12
"""More of a kind are not counted; people miscount them too."""
COVERED = 0.3
"""A box is not asked about where another covers more of it: it may be hidden."""
GAP = 0.02
"""Between the columns of things left and right of each other, as a part of the width."""


@dataclass(frozen=True)
class Clear:
    """A thing that anybody would see.

    Attributes:
        box: Where it is, and what.
        colour: A word; empty where it is not known.
        is_cut: Whether it may go on outside the picture.
    """

    box: TruthBox
    colour: str = ''
    is_cut: bool = False

    @property
    def area(self) -> float:
        """Of the box, in square pixels."""
        left, top, right, bottom = self.box.xyxy
        return (right - left) * (bottom - top)


@dataclass(frozen=True)
class Facts:
    """What is plain about an image.

    Attributes:
        image: The image.
        clear: Things that anybody would see.
        vague: Names of which something is there that not everybody would see, or count.
        absent: Names of which surely nothing is there.
    """

    image: TruthImage
    clear: tuple[Clear, ...]
    vague: frozenset[str]
    absent: tuple[str, ...]

    def of(self, name: str) -> list[Clear]:
        """Return what is clearly of a name."""
        return [thing for thing in self.clear if thing.box.label == name]

    @property
    def present(self) -> tuple[str, ...]:
        """Names of which something is clearly there, in the order of the boxes."""
        return tuple(dict.fromkeys(thing.box.label for thing in self.clear))

    @property
    def counts(self) -> dict[str, int]:
        """How many there are, of the names that can be counted.

        With a van in view that is labelled `delivery car`, nobody can say how many cars there are.
        """
        found = Counter(thing.box.label for thing in self.clear)
        names = {name: _words(name) for name in self.image.labels}
        return {
            name: count
            for name, count in found.items()
            if name not in self.vague
            and count <= MAX_COUNT
            and not any(words & names[name] for other, words in names.items() if other != name)
        }

    @property
    def alone(self) -> list[Clear]:
        """Things that are the only one of their name, so that `the NAME` is that one."""
        return [thing for thing in self.clear if self.counts.get(thing.box.label) == 1]

    def left_right(self) -> list[tuple[Clear, Clear]]:
        """Pairs of single things, the first left of the second beyond dispute."""
        gap = GAP * self.image.width
        return [
            (first, second)
            for first in self.alone
            for second in self.alone
            if first.box.xyxy[2] + gap <= second.box.xyxy[0]
        ]

    def larger(self) -> list[tuple[Clear, Clear]]:
        """Pairs of single things, the first larger than the second beyond dispute."""
        whole = [thing for thing in self.alone if not thing.is_cut]
        return [(a, b) for a in whole for b in whole if a.area >= LARGER * b.area]


def facts_of(
    image: TruthImage,
    labels: Sequence[str],
    *,
    min_side_px: float = 16.0,
    colours: Mapping[int, str] | None = None,
    judged: frozenset[str] | None = None,
    not_exhaustive: frozenset[str] = frozenset(),
) -> Facts:
    """Sort what is labelled in an image into what is plain and what is not.

    A box is not plain where it is smaller than `min_side_px`, marked as difficult or as a crowd,
    or covered by others. A name is absent where nothing is labelled so, unless it shares a word
    with a name that is there: a `sports car` is a car.

    Args:
        image: The image.
        labels: The names of the dataset.
        min_side_px: What is narrower or lower may be overlooked.
        colours: By track id.
        judged: The names whose absence is known; None for all.
        not_exhaustive: The names of which not all things are labelled: they are neither counted
            nor absent. With a region in which nothing counts these are all.
    """
    clear, vague = [], set(not_exhaustive)
    if any(box.label == DONT_CARE and box.crowd for box in image.boxes):
        vague |= set(labels)  # anything may be there
    for box, covered in zip(image.boxes, _covered(image), strict=True):
        left, top, right, bottom = box.xyxy
        is_small = min(right - left, bottom - top) < min_side_px
        if is_small or box.difficult or box.crowd or covered > COVERED:
            vague.add(box.label)
            continue
        is_cut = left < 1 or top < 1 or right > image.width - 1 or bottom > image.height - 1
        colour = (colours or {}).get(box.track_id or 0, '')
        clear.append(Clear(box, colour, is_cut))
    words = {word for label in image.labels for word in _words(label)}
    absent = tuple(
        label
        for label in labels
        if not words & _words(label) and (judged is None or label in judged) and label not in vague
    )
    return Facts(image, tuple(clear), frozenset(vague), absent)


def _covered(image: TruthImage) -> list[float]:
    """Return what part of each box the box that covers it most has."""
    if not image.boxes:
        return []
    boxes = image.xyxy
    shared = np.asarray(intersection(boxes, boxes), np.float64)
    np.fill_diagonal(shared, 0)
    sizes = np.maximum(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1), 1e-9)
    # The one whose lower edge is lower stands before the other, on the ground as in the picture.
    before = boxes[None, :, 3] >= boxes[:, None, 3]
    return [float(part) for part in (shared * before / sizes[:, None]).max(axis=1)]


def spoken(label: str) -> str:
    """Return a label as people say it: `TrafficLight` and `traffic_light` as `traffic light`."""
    return ' '.join(re.sub(r'(?<=[a-z])(?=[A-Z])', ' ', label).replace('_', ' ').lower().split())


def _words(label: str) -> set[str]:
    return set(spoken(label).replace('-', ' ').split())
