"""Things that look like a picture, found in what was seen: few-shot, without training.

A picture of a thing is placed by the mean of its cells' features. So is every window of an image,
from the dense passes that were made already, and what points the same way looks alike: the cosine
is a nearest-class-mean classifier over pictures (https://arxiv.org/abs/1703.05175).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from vlm_ros.backends.embedded.features import FeatureExtractor, Level, SCALES_PX
from vlm_ros.backends.embedded.look import Look
from vlm_ros.backends.embedded.search import Finds, LOWEST_THRESHOLD
from vlm_ros.boxes import area, FloatArray, intersection, iou
from vlm_ros.tasks import Image

SIDES = (1, 2, 3, 4, 5, 7, 9, 12, 16, 21, 28)
"""Cells a side of the windows; a step is about a third more, finer than views differ."""
STEP = 3
"""Windows overlap by all but this part of their shorter side."""
MAX_ASPECT = 4.0
SAME_ASPECT = 1.6
"""A window is not more than this times as wide, or as high, as the picture's shape would have it:
of one thing's views few differ by more, and boxes are the better for it."""
VOTING_IOU = 0.3
VOTING_COSINE = 0.03
"""Windows that overlap the best one by that vote on the box, each with a weight that falls by e
when its cosine falls by this; see `search` for boxes of several opinions."""
NESTED = 0.3
"""A box of which this part lies in a better one, or the other way round, shows the same thing."""
SLACK = 0.2
"""How much less a further thing's cosine may be than the best one's: what surrounds a thing that
was found has something of its features."""
MAX_FINDS = 20
COSINES = (0.3, 0.45, 0.6, 1.0)
SCORES = (0.0, 0.4, 0.7, 1.0)
"""What scores cosines make, with straight lines between."""


@dataclass(frozen=True, eq=False)
class Pattern:
    """What a picture looks like.

    Attributes:
        place: `(1280,)` float32 of length 1.
        aspect: Width over height.
    """

    place: FloatArray
    aspect: float


def pattern_of(picture: Image, features: FeatureExtractor) -> Pattern:
    """Place a picture `(H, W, 3)` uint8 RGB of a thing."""
    cells = features.run(picture, SCALES_PX[0]).cells
    mean = cells.mean((0, 1))
    height, width = picture.shape[:2]
    return Pattern(
        np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9), np.float32), width / height
    )


def find_like(
    seen: Look, aspect: float, patterns: Sequence[Sequence[Pattern]], threshold: float
) -> list[Finds]:
    """Find what looks like things that are known by pictures.

    Args:
        seen: What the networks say of an image.
        aspect: The image's width over its height.
        patterns: Of each thing one or more.
        threshold: Leave out what scores less, in [0, 1].

    Returns:
        The finds of each thing; those of one do not depend on the others.
    """
    every = [pattern for of_one in patterns for pattern in of_one]
    looks = [_compare(level, aspect, every) for level in seen.levels]
    windows = np.concatenate([windows for windows, _ in looks])
    cosines = np.concatenate([cosines for _, cosines in looks])
    ends = np.cumsum([len(of_one) for of_one in patterns])[:-1]
    return [_pick(windows, own.max(1), threshold) for own in np.split(cosines, ends, axis=1)]


def _compare(
    level: Level, aspect: float, patterns: Sequence[Pattern]
) -> tuple[FloatArray, FloatArray]:
    """Return a level's windows `(W, 4)`, fractions of the image, and their cosines `(W, P)`."""
    rows, columns, channels = level.cells.shape
    windows, means = _windows(rows, columns)
    sizes = windows[:, 2:] - windows[:, :2]
    shapes = np.log(sizes[:, 0] / sizes[:, 1] * aspect)
    wanted = np.log([pattern.aspect for pattern in patterns])
    # The extremes would have no window at all.
    wanted = np.clip(wanted, shapes.min(), shapes.max())
    fits = np.abs(shapes[:, None] - wanted) <= np.log(SAME_ASPECT)
    used = fits.any(1)
    windows, means, fits = windows[used], means[used], fits[used]
    cells = level.cells.reshape(-1, channels)
    # The length of a mean of cells, from their products with each other: the means themselves,
    # thousands of 1280 numbers, are never made.
    lengths = np.sqrt(np.maximum(((means @ (cells @ cells.T)) * means).sum(1), 1e-9))
    places = np.stack([pattern.place for pattern in patterns])
    cosines = (means @ (cells @ places.T)) / lengths[:, None]
    return windows, np.where(fits, cosines, -1).astype(np.float32)


def _pick(windows: FloatArray, cosines: FloatArray, threshold: float) -> Finds:
    """Return one box a thing: around each peak of the cosine."""
    scores = np.interp(cosines, COSINES, SCORES).astype(np.float32)
    left = np.flatnonzero(scores >= max(threshold, LOWEST_THRESHOLD))
    boxes: list[FloatArray] = []
    found: list[float] = []
    left = left[cosines[left] >= cosines.max() - SLACK]
    while len(left) and len(boxes) < MAX_FINDS:
        peak = left[cosines[left].argmax()]
        box = windows[peak]
        near = iou(box[None], windows)[0] >= VOTING_IOU
        # Else it lies on the slope of a better one, which parts of it remind of the thing.
        if cosines[near].max() <= cosines[peak]:
            weights = np.exp((cosines - cosines[peak]) / VOTING_COSINE) * near
            box = np.asarray((weights[:, None] * windows).sum(0) / weights.sum(), np.float32)
            if not boxes or _shared(box, np.array(boxes)).max() <= NESTED:
                boxes.append(box)
                found.append(float(scores[peak]))
        left = left[(_shared(box, windows[left]) <= NESTED) & (left != peak)]
    return Finds(np.array(boxes, np.float32).reshape(-1, 4), np.array(found, np.float32))


def _shared(box: FloatArray, others: FloatArray) -> FloatArray:
    """Return which part of the smaller of two boxes lies in the other, for `(N, 4)` others."""
    smaller = np.minimum(area(box[None]), area(others))
    return np.asarray(intersection(box[None], others)[0] / np.maximum(smaller, 1e-9), np.float32)


@lru_cache(maxsize=16)
def _windows(rows: int, columns: int) -> tuple[FloatArray, FloatArray]:
    """Windows of a map: `(W, 4)` fractions of it, and `(W, rows * columns)`, how each averages."""
    boxes = [
        (left, top, left + width, top + height)
        for height in _sides(rows)
        for width in _sides(columns)
        if max(height / width, width / height) <= MAX_ASPECT
        for top in _starts(rows, height, min(height, width))
        for left in _starts(columns, width, min(height, width))
    ]
    # A map of one row and many columns.
    boxes = boxes or [(0, 0, columns, rows)]
    means = np.zeros((len(boxes), rows, columns), np.float32)
    for mean, (left, top, right, bottom) in zip(means, boxes, strict=True):
        mean[top:bottom, left:right] = 1 / ((right - left) * (bottom - top))
    scale = np.array([columns, rows] * 2, np.float32)
    return np.array(boxes, np.float32) / scale, means.reshape(len(boxes), -1)


def _sides(cells: int) -> list[int]:
    return [*(side for side in SIDES if side < cells), cells]


def _starts(cells: int, length: int, shorter: int) -> list[int]:
    step = max(1, shorter // STEP)
    return sorted({*range(0, cells - length + 1, step), cells - length})
