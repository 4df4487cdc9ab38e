"""Overlap of boxes in double precision.

A metric turns on whether an overlap reaches a threshold, and its reference implementations compute
in float64; what the models' boxes are compared with elsewhere, `vlm_ros.boxes`, is float32.
"""

import numpy as np
import numpy.typing as npt

from vlm_ros.errors import InputError

Floats = npt.NDArray[np.float64]


def corners(xyxy: npt.ArrayLike, what: str) -> Floats:
    """Return `(N, 4)` float64 corners in pixels; an empty list is `(0, 4)`.

    Raises:
        InputError: They are not four numbers each, not finite, or end before they begin; the
            message begins with `what`.
    """
    boxes = np.asarray(xyxy, np.float64)
    if boxes.size == 0:
        return np.zeros((0, 4))
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise InputError(f'{what}: boxes are (N, 4), left, top, right, bottom; got {boxes.shape}')
    wrong = ~np.isfinite(boxes).all(axis=1) | (boxes[:, 2:] < boxes[:, :2]).any(axis=1)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f'{what}: box {row}, {boxes[row].tolist()}, is impossible; right and bottom are not'
            ' before left and top, and all are finite'
        )
    return boxes


def overlaps(xyxy: npt.ArrayLike, others_xyxy: npt.ArrayLike) -> Floats:
    """Intersection over union `(N, M)` float64 in [0, 1]; 0 where both boxes are empty."""
    shared = intersections(xyxy, others_xyxy)
    union = areas(xyxy)[:, None] + areas(others_xyxy)[None] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def intersections(xyxy: npt.ArrayLike, others_xyxy: npt.ArrayLike) -> Floats:
    """Areas `(N, M)` float64, in square pixels, that N boxes share with M others."""
    boxes = np.asarray(xyxy, np.float64).reshape(-1, 1, 4)
    others = np.asarray(others_xyxy, np.float64).reshape(1, -1, 4)
    begin = np.maximum(boxes[..., :2], others[..., :2])
    sizes = np.clip(np.minimum(boxes[..., 2:], others[..., 2:]) - begin, 0, None)
    product: Floats = sizes[..., 0] * sizes[..., 1]
    return product


def areas(xyxy: npt.ArrayLike) -> Floats:
    """Areas `(N,)` float64 in square pixels."""
    boxes = np.asarray(xyxy, np.float64).reshape(-1, 4)
    product: Floats = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return product
