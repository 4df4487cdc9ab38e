"""Box arithmetic on `(N, 4)` arrays.

Formats: `xyxy` (left, top, right, bottom), `xywh` (left, top, width, height), `cxcywh` (centre,
width, height). Pixels, origin at the top left, right and bottom edges exclusive. Every function
returns new float32 arrays and accepts `N = 0`.
"""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


def xyxy_to_xywh(xyxy: npt.ArrayLike) -> FloatArray:
    """Convert `(N, 4)` corners to top-left corner and size."""
    boxes = _boxes(xyxy)
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def xywh_to_xyxy(xywh: npt.ArrayLike) -> FloatArray:
    """Convert `(N, 4)` top-left corner and size to corners."""
    boxes = _boxes(xywh)
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def xyxy_to_cxcywh(xyxy: npt.ArrayLike) -> FloatArray:
    """Convert `(N, 4)` corners to centre and size."""
    boxes = _boxes(xyxy)
    return np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], axis=1)


def cxcywh_to_xyxy(cxcywh: npt.ArrayLike) -> FloatArray:
    """Convert `(N, 4)` centre and size to corners."""
    boxes = _boxes(cxcywh)
    half = boxes[:, 2:] / 2
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)


def clip_xyxy(xyxy: npt.ArrayLike, resolution_wh: tuple[int, int]) -> FloatArray:
    """Clip `(N, 4)` corners to an image of `resolution_wh` pixels."""
    width, height = resolution_wh
    clipped: FloatArray = np.clip(
        _boxes(xyxy), 0, np.array([width, height, width, height], np.float32)
    )
    return clipped


def area(xyxy: npt.ArrayLike) -> FloatArray:
    """Areas `(N,)` in square pixels; 0 where a box is empty or inside out."""
    boxes = _boxes(xyxy)
    sizes: FloatArray = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None)
    return sizes[:, 0] * sizes[:, 1]


def intersection(xyxy: npt.ArrayLike, others_xyxy: npt.ArrayLike) -> FloatArray:
    """Areas `(N, M)` that each of N boxes shares with each of M, in square pixels."""
    boxes, others = _boxes(xyxy)[:, None], _boxes(others_xyxy)[None]
    top_left = np.maximum(boxes[..., :2], others[..., :2])
    bottom_right = np.minimum(boxes[..., 2:], others[..., 2:])
    sizes: FloatArray = np.clip(bottom_right - top_left, 0, None)
    return sizes[..., 0] * sizes[..., 1]


def iou(xyxy: npt.ArrayLike, others_xyxy: npt.ArrayLike) -> FloatArray:
    """Intersection over union `(N, M)` in [0, 1]; 0 where both boxes are empty."""
    shared = intersection(xyxy, others_xyxy)
    union = area(xyxy)[:, None] + area(others_xyxy)[None] - shared
    overlap: FloatArray = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlap


def non_max_suppression(
    xyxy: npt.ArrayLike, scores: npt.ArrayLike, iou_threshold: float
) -> npt.NDArray[np.intp]:
    """Indices `(K,)` of the boxes to keep, best score first.

    Greedy: a box goes when a better one overlaps it by more than `iou_threshold`. For one class
    at a time; equal scores keep the earlier box, so the result does not depend on the platform.
    """
    order = np.argsort(-np.asarray(scores, np.float32), kind='stable')
    overlaps = iou(xyxy, xyxy) > iou_threshold
    kept: list[int] = []
    for index in order:
        if not overlaps[index, kept].any():
            kept.append(int(index))
    return np.array(kept, np.intp)


def class_wise_non_max_suppression(
    xyxy: npt.ArrayLike,
    scores: npt.ArrayLike,
    classes: npt.ArrayLike,
    iou_threshold: float,
    *,
    max_per_class: int = 300,
) -> npt.NDArray[np.intp]:
    """Indices `(K,)` of the boxes to keep, best score first; boxes of two classes never compete.

    Args:
        xyxy: `(N, 4)` corners.
        scores: `(N,)`.
        classes: `(N,)` integers.
        iou_threshold: As for `non_max_suppression`; from 1 on all boxes stay.
        max_per_class: How many of the best boxes of a class are held against each other; the
            others go. Detectors of the DETR kind make hundreds, one for every patch or query.
    """
    values, kinds = np.asarray(scores, np.float32), np.asarray(classes)
    order = np.argsort(-values, kind='stable')
    if iou_threshold >= 1 or not len(order):
        return order
    boxes = _boxes(xyxy)
    kept = []
    for kind in np.unique(kinds):
        own = order[kinds[order] == kind][:max_per_class]
        kept.append(own[non_max_suppression(boxes[own], values[own], iou_threshold)])
    survivors = np.sort(np.concatenate(kept))
    return survivors[np.argsort(-values[survivors], kind='stable')]


def _boxes(boxes: npt.ArrayLike) -> FloatArray:
    array = np.asarray(boxes, np.float32)
    if array.size == 0:
        return np.zeros((0, 4), np.float32)
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f'boxes must have shape (N, 4), got {array.shape}')
    return array
