"""How sure a box is, once both networks have been heard about it.

The box network knows 23 classes and has never seen most of the others, so a fox is a dog to it.
The feature network tells a thousand classes apart but not where they are. What it says of a box's
inside moves the odds that the box is right, as an independent witness's word does.
"""

from collections.abc import Sequence

import numpy as np

from vlm_ros.alignment import evidence
from vlm_ros.backends.embedded.classes import Class
from vlm_ros.backends.embedded.look import Look
from vlm_ros.boxes import FloatArray

MIDPOINT, STEEPNESS = 0.37, 3.0
"""How a raw score of the box network becomes a probability (Platt scaling, 1999): its loss keeps
scores near the middle, and on some fifty photographs boxes that scored 0.37 were right half of the
time and boxes that scored 0.45 nearly always."""
SUREST = 0.9
"""No box is surer than this by its own score."""
WITNESSES = 4
"""A box class needs this many counterparts among the 1000 before their silence speaks against it:
with fewer, the thing may well be of a kind that is not among them."""
NEUTRAL = 0.15
"""Probability of the counterparts that speaks neither for nor against a box: well below one half,
as a part always goes to what surrounds the thing."""
STRONGEST_FOR, STRONGEST_AGAINST = 4.0, 0.4
TRACE = 0.02
"""Probability that any class gets of anything; keeps ratios of next to nothing near 1."""
SMALL = 0.5
"""Below this side, as a fraction of the image, what fills a box is more and more its surroundings,
so that silence means less."""
ANIMAL = 5
"""WordNet's lexicographer file of animals."""


class Witness:
    """What the feature network knows of the box network's classes.

    Args:
        boxed: The box network's classes.
        fine: The feature network's classes.
    """

    def __init__(self, boxed: Sequence[Class], fine: Sequence[Class]) -> None:
        self._counterparts = np.array(
            [[any(own in item.kinds for own in box.synsets) for item in fine] for box in boxed],
            np.float32,
        )
        self._can_deny = self._counterparts.sum(1) >= WITNESSES
        animal = np.array([box.topic == ANIMAL for box in boxed])
        animals = np.array([item.topic == ANIMAL for item in fine])
        # Only animals exclude each other: one animal's fur fills a box, while a person, a chair
        # and a laptop come in one box together.
        self._rivals = (animal[:, None] & animals[None]) * (1 - self._counterparts)

    def weigh(self, seen: Look) -> FloatArray:
        """Return how sure each box's classes are: `(B, 23)` in [0, 1]."""
        support = evidence(seen.box_probabilities, self._counterparts)
        against = evidence(seen.box_probabilities, self._rivals)
        ratio = np.clip((support + TRACE) / NEUTRAL, STRONGEST_AGAINST, STRONGEST_FOR)
        ratio = np.where(self._can_deny, ratio, np.maximum(ratio, 1))
        size = np.sqrt((seen.boxes[:, 2:] - seen.boxes[:, :2]).prod(1))[:, None]
        ratio = np.where(ratio < 1, ratio ** np.clip(size / SMALL, 0, 1), ratio)
        ratio = ratio * np.minimum(1, (support + TRACE) / (against + TRACE))
        scores = np.clip(seen.box_scores, 1e-4, 1 - 1e-4)
        odds = (scores / (1 - scores) * (1 - MIDPOINT) / MIDPOINT) ** STEEPNESS
        odds = np.minimum(odds, SUREST / (1 - SUREST)) * ratio
        weighed: FloatArray = (odds / (1 + odds)).astype(np.float32)
        return weighed
