"""Finding what a vocabulary names in what was seen."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vlm_ros.alignment import evidence
from vlm_ros.backends.embedded.activation import activation_map, box_around_peak
from vlm_ros.backends.embedded.look import Look
from vlm_ros.backends.embedded.words import Readings
from vlm_ros.boxes import area, FloatArray, intersection, iou

SAME_THING_IOU = 0.5
NESTED = 0.7
"""Share of the smaller of two boxes of one name that lies in the other when they are one thing."""
WITNESS_CLASSES = 4
"""A box's class needs this many counterparts among the 1000 before their silence speaks against
it: with fewer, a thing may well be of a kind that is not among them."""
NEUTRAL = 0.15
"""Probability of the counterparts that speaks neither for nor against a box. Of a true box's
surroundings a part always goes to other classes, so this is well below one half."""
STRONGEST_FOR, STRONGEST_AGAINST = 4.0, 0.4
"""Bounds on how far the odds of a box move by what fills it: neither network may overrule the
other alone."""


@dataclass(frozen=True, eq=False)
class Finds:
    """Boxes of one name, best first: `(K, 4)` fractions of the image, `(K,)` scores in [0, 1]."""

    boxes: FloatArray
    scores: FloatArray


class Search:
    """What stands in which network for what.

    Args:
        counterparts: `(23, 1000)` float32, 1 where a feature class is a kind of a box class.
    """

    def __init__(self, counterparts: FloatArray) -> None:
        self._counterparts = counterparts
        self._can_deny = counterparts.sum(1) >= WITNESS_CLASSES

    def confirmed(self, seen: Look) -> FloatArray:
        """Box scores `(B, 23)` after hearing what fills the boxes, as independent witnesses."""
        support = evidence(seen.box_probabilities, self._counterparts)
        ratio = np.clip((support + 0.02) / NEUTRAL, STRONGEST_AGAINST, STRONGEST_FOR)
        ratio = np.where(self._can_deny, ratio, np.maximum(ratio, 1))
        # What fills a small box is mostly its surroundings, so its silence means less.
        size = np.sqrt((seen.boxes[:, 2:] - seen.boxes[:, :2]).prod(1))[:, None]
        ratio = np.where(ratio < 1, ratio ** np.clip(size / 0.5, 0, 1), ratio)
        scores = np.clip(seen.box_scores, 1e-4, 1 - 1e-4)
        odds = scores / (1 - scores) * ratio
        confirmed: FloatArray = odds / (1 + odds)
        return confirmed

    def find(self, seen: Look, readings: Readings, threshold: float) -> list[Finds]:
        """Find every name; the result for one does not depend on the others."""
        classes = self._counterparts.shape[1]
        confirmed = self.confirmed(seen)
        mass = [evidence(lv.probabilities, readings.affinity[:, :classes]) for lv in seen.levels]
        found = []
        for row, affinity in enumerate(readings.affinity):
            boxes = self._from_boxes(seen, confirmed, affinity[classes:], threshold)
            maps = self._from_maps(seen, [m[:, row] for m in mass], affinity[:classes], threshold)
            found.append(_merge(boxes, maps))
        return found

    def _from_boxes(
        self, seen: Look, confirmed: FloatArray, affinity: FloatArray, threshold: float
    ) -> Finds:
        scores = (confirmed * affinity).max(1, initial=0)
        chosen = np.flatnonzero(scores >= threshold)
        return Finds(seen.boxes[chosen], scores[chosen])

    def _from_maps(
        self, seen: Look, mass: Sequence[FloatArray], affinity: FloatArray, threshold: float
    ) -> Finds:
        boxes, scores = [], []
        for level, found in zip(seen.levels, mass, strict=True):
            for index in np.flatnonzero(found >= threshold):
                weights = affinity * level.probabilities[index]
                activation = activation_map(level.logits, weights / weights.sum())
                boxes.append(box_around_peak(activation, tuple(level.windows[index])))
                scores.append(found[index])
        return Finds(np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32))


def _merge(boxes: Finds, maps: Finds) -> Finds:
    """One box a thing: the box network's where it has one, as its edges are the better ones."""
    kept: list[FloatArray] = []
    scores: list[float] = []
    for finds, nested in ((boxes, 0.9), (maps, NESTED)):
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
