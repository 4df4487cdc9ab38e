"""How two things compare in number or in size, as far as boxes show.

Numbers are compared as ranges, so that a weak box leaves a comparison open that hangs on it.
Sizes are those in the picture: what is near looks larger, and nothing here knows what is near.
"""

from dataclasses import dataclass, field

import numpy as np

from vlm_ros.boxes import FloatArray
from vlm_ros.grounding.evidence import count_confidence, joined, Tally
from vlm_ros.grounding.meaning import Comparison
from vlm_ros.results import Detections

CLEARLY = 1.15
"""One size must be this many times another to be the larger one: boxes are no closer than that."""
SIZE_CERTAINTY = 0.75
"""How far the size in the picture shows the size of the thing, as for other relations that are not
plainly seen."""


@dataclass(frozen=True)
class Compared:
    """What boxes say about a comparison.

    Attributes:
        order: 1 where the first is more, -1 where the second is, 0 where they are equal; None
            where boxes cannot tell.
        confidence: How sure that is, in [0, 1]; 0 where boxes cannot tell.
        evidence: The boxes it rests on.
        reason: Why boxes cannot tell.
    """

    order: int | None
    confidence: float = 0.0
    evidence: Detections = field(default_factory=Detections)
    reason: str = ''

    def holds(self, operator: str) -> bool | None:
        """Tell whether the first thing is `>`, `<` or `==` the second; None for cannot tell."""
        if self.order is None:
            return None
        return self.order == {'>': 1, '<': -1, '==': 0}[operator]


def compare(comparison: Comparison, first: Tally, second: Tally) -> Compared:
    """Compare two things."""
    evidence = joined([first.sure, second.sure])
    if comparison.measure == 'count':
        return _compare_counts(first, second, evidence)
    return _compare_sizes(comparison.measure, first, second, evidence)


def _compare_counts(first: Tally, second: Tally, evidence: Detections) -> Compared:
    confidence = min(count_confidence(first), count_confidence(second))
    if first.low > second.high:
        return Compared(1, confidence, evidence)
    if second.low > first.high:
        return Compared(-1, confidence, evidence)
    if first.low == first.high == second.low == second.high:
        return Compared(0, confidence, evidence)
    return Compared(
        None,
        0.0,
        joined([evidence, first.undecided, first.weak, second.undecided, second.weak]),
        f'cannot tell: boxes show {_span(first)} and {_span(second)}',
    )


def _span(tally: Tally) -> str:
    name = tally.sighting.name
    least = f'{tally.low} of {name}' if tally.low == tally.high else f'at least {tally.low}'
    return least if tally.low == tally.high else f'{least} of {name}'


def _compare_sizes(measure: str, first: Tally, second: Tally, evidence: Detections) -> Compared:
    sizes = [_sizes(measure, tally.sure.xyxy) for tally in (first, second)]
    if not all(len(each) for each in sizes):
        return Compared(None, 0.0, evidence, 'cannot tell: there is no box of each to compare')
    confidence = SIZE_CERTAINTY * min(float(t.sure.scores.max()) for t in (first, second))
    # Each box of one against each of the other: where `the dog` may be either of two, both.
    if sizes[0].min() >= CLEARLY * sizes[1].max():
        return Compared(1, confidence, evidence)
    if sizes[1].min() >= CLEARLY * sizes[0].max():
        return Compared(-1, confidence, evidence)
    several = max(len(each) for each in sizes) > 1
    reason = 'they differ from box to box' if several else 'they look about the same'
    return Compared(None, 0.0, evidence, f'cannot tell by the {measure} in the picture: {reason}')


def _sizes(measure: str, xyxy: FloatArray) -> FloatArray:
    width, height = xyxy[:, 2] - xyxy[:, 0], xyxy[:, 3] - xyxy[:, 1]
    values = {'width': width, 'height': height}.get(measure, width * height)
    return np.asarray(values, np.float32)
