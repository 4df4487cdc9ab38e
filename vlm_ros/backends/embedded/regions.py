"""How well given boxes go with names, from a look that was made already."""

import numpy as np

from vlm_ros.alignment import evidence
from vlm_ros.backends.embedded.look import Look, what_fills
from vlm_ros.backends.embedded.words import Readings
from vlm_ros.boxes import FloatArray, iou

SAME_BOX_IOU = 0.5
"""A box of the box network that overlaps a region by this speaks for it: the overlap from which on
PASCAL VOC counts a detection as right (https://doi.org/10.1007/s11263-009-0275-4)."""


def match(
    seen: Look, box_scores: FloatArray, readings: Readings, regions: FloatArray
) -> FloatArray:
    """Return how far each region stands for each name, `(R, N)` float32 in [0, 1].

    Args:
        seen: What the networks say.
        box_scores: `(B, 23)` in [0, 1], how sure each box's classes are.
        readings: The names.
        regions: `(R, 4)` xyxy, fractions of the image.
    """
    classes = seen.box_probabilities.shape[1]
    fine, boxed = readings.affinity[:, :classes], readings.affinity[:, classes:]
    filled = evidence(what_fills(regions, seen.levels), fine)
    if not len(seen.boxes):
        return filled
    overlaps = np.where(iou(regions, seen.boxes) >= SAME_BOX_IOU, 1, 0)[:, :, None]
    named = (box_scores[:, :, None] * boxed.T[None]).max(1)
    return np.asarray(np.maximum(filled, (overlaps * named[None]).max(1)), np.float32)
