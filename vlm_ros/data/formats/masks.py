"""Masks as run lengths and as pixels."""

import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vlm_ros.errors import InputError
from vlm_ros.records import MaskRecord


def pixels_of(mask: MaskRecord, size: tuple[int, int], where: str) -> npt.NDArray[np.uint8]:
    """Return the pixels of a mask, `(H, W)` uint8, 1 inside.

    Args:
        mask: The run lengths.
        size: Height and width of its image.
        where: The file and the entry, for the message.

    Raises:
        InputError: The run lengths do not fill the image.
    """
    from faster_coco_eval.core.mask import decode

    if mask.size != size:
        raise InputError(f'{where}: the mask is of {mask.size}, the image of {size}; remove it')
    try:
        return np.ascontiguousarray(decode(to_coco(mask)), np.uint8)
    except ValueError as error:
        raise InputError(f'{where}: the mask is damaged: {error}; remove it') from error


def outlines_of(
    mask: MaskRecord, size: tuple[int, int], where: str
) -> list[npt.NDArray[np.int32]]:
    """Return a line around each part of a mask, through its outermost pixels.

    Args:
        mask: The run lengths; holes are left out.
        size: Height and width of its image.
        where: The file and the entry, for the message.

    Returns:
        `(N, 2)` each: column and row of pixels. In the coordinates of boxes, which count from the
        corner of the first pixel, their middles are half a pixel further.

    Raises:
        InputError: The run lengths do not fill the image.
    """
    pixels = pixels_of(mask, size, where)
    found, _ = cv2.findContours(pixels, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [np.asarray(points.reshape(-1, 2), np.int32) for points in found]


def from_coco(segmentation: Any, size: tuple[int, int], where: str) -> MaskRecord:
    """Return a mask of polygons, of run lengths, or of compressed run lengths.

    Raises:
        InputError: It is damaged.
    """
    from faster_coco_eval.core.mask import frPyObjects, merge

    height, width = size
    outlines = isinstance(segmentation, list)
    if outlines and not all(_is_outline(outline) for outline in segmentation):
        raise InputError(f'{where}: an outline needs three points or more; remove it')
    try:
        if outlines:
            segmentation = merge(frPyObjects(segmentation, height, width))
        elif isinstance(segmentation['counts'], list):
            segmentation = frPyObjects(segmentation, height, width)
    except Exception as error:  # of the compiled part, by what is wrong
        raise InputError(f'{where}: the mask is damaged: {error}; remove it') from error
    rows, columns = segmentation['size']
    counts = segmentation['counts']
    counts = counts.decode() if isinstance(counts, bytes) else counts
    mask = MaskRecord(size=(rows, columns), counts=counts)
    if not outlines:
        pixels_of(mask, size, where)
    return mask


def _is_outline(values: list[float]) -> bool:
    return len(values) >= 6 and len(values) % 2 == 0 and all(map(math.isfinite, values))


def to_coco(mask: MaskRecord) -> dict[str, Any]:
    """Return a mask as COCO has it."""
    return {'size': list(mask.size), 'counts': mask.counts}
