"""Boxes from class activation maps (https://arxiv.org/abs/1512.04150)."""

import cv2
import numpy as np

from vlm_ros.boxes import FloatArray

LEVEL = 0.2
"""Share of a map's peak that still belongs to the thing: the paper's."""
UPSAMPLING = 8
"""Steps a cell is divided into before the map is cut, for edges finer than a cell of 32 pixels."""


def box_around_peak(activation: FloatArray, window: tuple[int, int, int, int]) -> FloatArray:
    """Return the box of what lies around the peak in a window: `(4,)` xyxy, fractions of the map.

    The thing may reach beyond the window.

    Args:
        activation: `(rows, columns)`.
        window: `left top right bottom` in cells, end exclusive.
    """
    rows, columns = activation.shape
    size = (columns * UPSAMPLING, rows * UPSAMPLING)
    fine = cv2.resize(activation, size, interpolation=cv2.INTER_CUBIC)
    left, top, right, bottom = (int(edge) * UPSAMPLING for edge in window)
    inside = fine[top:bottom, left:right]
    y, x = np.unravel_index(int(inside.argmax()), inside.shape)
    above = (fine >= LEVEL * inside.max()).astype(np.uint8)
    _count, parts, stats, _centres = cv2.connectedComponentsWithStats(above)
    x0, y0, width, height = stats[parts[top + y, left + x], :4]
    box = np.array([x0, y0, x0 + width, y0 + height], np.float32)
    return np.asarray(box / np.array(size * 2, np.float32), np.float32)
