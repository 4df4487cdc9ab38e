"""Where in an image something looks like a picture, by one place in space for each region.

There are no region proposals here that know no classes, so windows of the picture's own shape are
laid over the image in some sizes, as detectors did before they proposed regions
(https://doi.org/10.1023/B:VISI.0000013087.49260.fb).
"""

from collections.abc import Sequence

import numpy as np

from vlm_ros.boxes import class_wise_non_max_suppression, FloatArray

SIZES = (1.0, 0.7, 0.5, 0.35)
"""Of the largest window that fits; a factor of the square root of 2 between them, so that some
window of a thing's shape overlaps it by half."""
OVERLAP = 0.5
"""Of a window with the next, along each side."""
ASPECT_STEP = 0.5
"""Shapes whose logarithms round to the same multiple of this share windows."""
MAX_ASPECT = 4.0
MAX_WINDOWS = 300
"""Of one shape; in a long image small ones are left out."""
SAME_THING_IOU = 0.3
"""Windows that overlap by more show one thing; half a window aside is 1/3."""


def shape_of(height: int, width: int) -> float:
    """Return the rounded aspect, width over height, of a picture."""
    limit = np.log(MAX_ASPECT)
    aspect = np.clip(np.log(width / height), -limit, limit)
    return float(np.exp(np.round(aspect / ASPECT_STEP) * ASPECT_STEP))


def windows_of(resolution_wh: tuple[int, int], aspect: float) -> FloatArray:
    """Return windows `(W, 4)` of a shape, xyxy in pixels of an image of that resolution."""
    width, height = resolution_wh
    largest = min(width, height * aspect)
    windows: list[tuple[float, float, float, float]] = []
    for size in SIZES:
        wide, high = size * largest, size * largest / aspect
        rows, columns = _starts(height, high), _starts(width, wide)
        if windows and len(windows) + len(rows) * len(columns) > MAX_WINDOWS:
            break
        windows += [(left, top, left + wide, top + high) for top in rows for left in columns]
    return np.array(windows, np.float32)


def pick(
    windows: FloatArray, likenesses: FloatArray, names: Sequence[str], threshold: float
) -> tuple[FloatArray, FloatArray, tuple[str, ...]]:
    """Return boxes, scores and labels of the best windows, one a thing and name.

    Args:
        windows: `(W, 4)`.
        likenesses: `(W, N)`, of each window to each name; -1 where it is not of its shape.
        names: N names.
        threshold: Leave out what is less.
    """
    rows, columns = np.nonzero(likenesses >= max(threshold, 0.0))
    scores = likenesses[rows, columns]
    kept = class_wise_non_max_suppression(windows[rows], scores, columns, SAME_THING_IOU)
    return (
        windows[rows[kept]],
        np.clip(scores[kept], 0, 1),
        tuple(names[column] for column in columns[kept]),
    )


def _starts(length: float, window: float) -> list[float]:
    count = 1 + int(np.ceil(max(0.0, length - window) / (window * (1 - OVERLAP)) - 1e-6))
    count = min(count, MAX_WINDOWS)
    return [float(start) for start in np.linspace(0, max(0.0, length - window), count)]
