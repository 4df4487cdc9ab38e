"""Where the names of boxes go, so that none hides another or leaves the image.

supervision's own smart positions push names apart and then back into the image, where they cover
each other again; near an edge that is the usual case.
"""

import numpy as np

from vlm_ros.boxes import FloatArray, intersection, xywh_to_xyxy


def place_names(
    xyxy: FloatArray, sizes_wh: FloatArray, resolution_wh: tuple[int, int]
) -> FloatArray:
    """Find a place for the name of each box.

    Each takes the first place free of the names before it: above the box's corners, within them,
    below them, then further down the left edge. Where there is none, the least covered.

    Args:
        xyxy: `(N, 4)` boxes inside the image, those whose names matter most first.
        sizes_wh: `(N, 2)` of the names, in pixels.
        resolution_wh: Of the part of the image that names may cover.

    Returns:
        `(N, 4)` `xyxy` of the names; inside that part as far as they fit into it.
    """
    placed = np.zeros((len(xyxy), 4), np.float32)
    for index, (box, size_wh) in enumerate(zip(xyxy, sizes_wh, strict=True)):
        places = _places(box, size_wh, resolution_wh)
        covered = intersection(places, placed[:index]).sum(axis=1)
        placed[index] = places[int(covered.argmin())]
    return placed


def _places(box: FloatArray, size_wh: FloatArray, resolution_wh: tuple[int, int]) -> FloatArray:
    """Return `(M, 4)` `xyxy` candidates, best first."""
    left, top, right, bottom = box.tolist()
    width, height = size_wh.tolist()
    corners = [
        (x, y) for y in (top - height, top, bottom, bottom - height) for x in (left, right - width)
    ]
    steps = np.arange(resolution_wh[1] // max(1.0, height))
    down = [(left, (top + step * height) % resolution_wh[1]) for step in steps]
    top_left = np.array(corners + down, np.float32)
    last = np.maximum(np.array(resolution_wh, np.float32) - size_wh, 0)
    top_left = np.clip(top_left, 0, last)
    return xywh_to_xyxy(np.hstack([top_left, np.broadcast_to(size_wh, top_left.shape)]))
