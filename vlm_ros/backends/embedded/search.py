"""Finding what a vocabulary names in what was seen."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vlm_ros.alignment import evidence
from vlm_ros.backends.embedded.activation import box_around_peak
from vlm_ros.backends.embedded.look import Look
from vlm_ros.backends.embedded.words import Readings
from vlm_ros.boxes import area, FloatArray, intersection, iou

SAME_THING_IOU = 0.5
NESTED_BOX, NESTED_MAP = 0.9, 0.7
"""Share of the smaller of two boxes of one name that lies in the other when they are one thing: a
person may stand before another, but an activation map has no edges to tell parts from things."""
FUSED_IOU = 0.2
"""Boxes of the two passes that overlap less are different things."""

LOWEST_THRESHOLD = 0.02
"""What scores less is left out even where all is asked for: anything scores a little anywhere."""
SUSPICION = 0.2
"""Probability of a relative from which on a thing may be there that cannot be told from it."""


@dataclass(frozen=True, eq=False)
class Finds:
    """Boxes of one name, best first: `(K, 4)` fractions of the image, `(K,)` scores in [0, 1]."""

    boxes: FloatArray
    scores: FloatArray


NOTHING = Finds(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))


def find(seen: Look, box_scores: FloatArray, readings: Readings, threshold: float) -> list[Finds]:
    """Find every name; the result for one does not depend on the others.

    Args:
        seen: What the networks say.
        box_scores: `(B, 23)` in [0, 1], how sure each box's classes are.
        readings: The vocabulary; its first affinities are the 1000 classes', then the boxes'.
        threshold: Leave out what scores less.
    """
    classes = seen.box_probabilities.shape[1]
    fine, boxed = readings.affinity[:, :classes], readings.affinity[:, classes:]
    threshold = max(threshold, LOWEST_THRESHOLD)
    masses = [evidence(level.probabilities, fine) for level in seen.levels]
    mapped = np.max([mass.max(0) for mass in masses], axis=0) >= threshold
    found = [NOTHING] * len(readings.affinity)
    for row in np.flatnonzero(mapped | boxed.any(1)):
        boxes = _from_boxes(seen.boxes, box_scores * boxed[row], threshold)
        maps = _from_maps(seen, [mass[:, row] for mass in masses], fine[row], threshold)
        found[row] = _merge(boxes, maps)
    return found


def cannot_tell(seen: Look, box_scores: FloatArray, readings: Readings) -> npt.NDArray[np.bool_]:
    """Tell of each name, `(N,)`, whether nothing is known of it in this image.

    That is so where there is no way to look for it, and where a relative is seen that it might be.
    """
    classes = seen.box_probabilities.shape[1]
    fine, boxed = readings.relatives[:, :classes], readings.relatives[:, classes:]
    suspected = (box_scores @ boxed.T).max(0, initial=0) >= SUSPICION
    for level in seen.levels:
        suspected |= evidence(level.probabilities, fine).max(0) >= SUSPICION
    return np.asarray(~readings.recognized | suspected, np.bool_)


def _from_boxes(boxes: FloatArray, scores: FloatArray, threshold: float) -> Finds:
    best = scores.max(1, initial=0)
    chosen = np.flatnonzero(best >= threshold)
    return Finds(boxes[chosen], best[chosen])


def _from_maps(
    seen: Look, masses: list[FloatArray], affinity: FloatArray, threshold: float
) -> Finds:
    """Box every window that is sure enough; the other pass helps to place the box."""
    boxes: list[FloatArray] = []
    scores: list[float] = []
    for own, mass in enumerate(masses):
        for index in map(int, np.flatnonzero(mass >= threshold)):
            box = _activation_box(seen, own, index, affinity)
            boxes.append(_fuse(seen, masses, affinity, own, float(mass[index]), box))
            scores.append(float(mass[index]))
    return Finds(np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32))


def _fuse(
    seen: Look,
    masses: list[FloatArray],
    affinity: FloatArray,
    own: int,
    weight: float,
    box: FloatArray,
) -> FloatArray:
    """Average a box with the other pass's for the same thing, weighted by how sure each is.

    A coarse map's boxes come out large and a fine one's may hold a part only; what is in between
    is right more often than either, as with the boxes of several models
    (https://arxiv.org/abs/1910.13302).
    """
    other = 1 - own
    level, mass = seen.levels[other], masses[other]
    rows, columns = level.cells.shape[:2]
    centre = (box[:2] + box[2:]) / 2 * np.array([columns, rows], np.float32)
    holds = np.all((level.windows[:, :2] <= centre) & (centre <= level.windows[:, 2:]), axis=1)
    index = int(np.where(holds, mass, -1).argmax())
    if mass[index] <= 0:
        return box
    second = _activation_box(seen, other, index, affinity)
    if iou(box[None], second[None])[0, 0] < FUSED_IOU:
        return box
    weights = np.array([weight, mass[index]], np.float32) ** 2
    fused = (weights[0] * box + weights[1] * second) / weights.sum()
    return np.asarray(fused, np.float32)


def _activation_box(seen: Look, level: int, window: int, affinity: FloatArray) -> FloatArray:
    chosen = seen.levels[level]
    shares = affinity * chosen.probabilities[window]
    activation = chosen.activation(shares / shares.sum())
    left, top, right, bottom = (int(edge) for edge in chosen.windows[window])
    return box_around_peak(activation, (left, top, right, bottom))


def _merge(boxes: Finds, maps: Finds) -> Finds:
    """One box a thing: the box network's where it has one, as its edges are the better ones."""
    kept: list[FloatArray] = []
    scores: list[float] = []
    for finds, nested in ((boxes, NESTED_BOX), (maps, NESTED_MAP)):
        for index in np.argsort(-finds.scores, kind='stable'):
            box = finds.boxes[index]
            if kept and _is_one_thing(box, np.array(kept), nested):
                continue
            kept.append(box)
            scores.append(float(finds.scores[index]))
    order = np.argsort(-np.array(scores, np.float32), kind='stable')
    return Finds(
        np.array(kept, np.float32).reshape(-1, 4)[order], np.array(scores, np.float32)[order]
    )


def _is_one_thing(box: FloatArray, others: FloatArray, nested: float) -> bool:
    overlap = iou(box[None], others)[0]
    smaller = np.minimum(area(box[None]), area(others))
    inside = intersection(box[None], others)[0] / np.maximum(smaller, 1e-9)
    return bool(np.any((overlap > SAME_THING_IOU) | (inside > nested)))
