"""How two things compare in number or in size, as far as boxes show.

Numbers are compared as ranges, so that a weak box leaves a comparison open that hangs on it.
Sizes are those in the picture: what is near looks larger, and nothing here knows what is near.
"""

from dataclasses import dataclass, field

import numpy as np

from vlm_ros.boxes import FloatArray
from vlm_ros.grounding.evidence import count_confidence
from vlm_ros.grounding.reasons import cannot_recognize
from vlm_ros.grounding.tallies import joined, Tally
from vlm_ros.inflection import count_phrase, plural
from vlm_ros.language.meaning import Comparison
from vlm_ros.results import Detections

CLEARLY = 1.15
"""One size must be this many times another to be the larger one: boxes are no closer than that."""
SIZE_CERTAINTY = 0.75
"""How far the size in the picture shows the size of the thing, as for other relations that are not
plainly seen."""
_ANY = frozenset({1, 0, -1})


@dataclass(frozen=True)
class Compared:
    """What boxes say about a comparison.

    Attributes:
        orders: What may be: 1 for the first is more, -1 for the second is, 0 for they are equal.
        confidence: How sure it is that nothing else is, in [0, 1]; 0 where anything may be.
        evidence: The boxes it rests on.
        reason: Why boxes leave more than one of them open; empty where they do not.
    """

    orders: frozenset[int]
    confidence: float = 0.0
    evidence: Detections = field(default_factory=Detections)
    reason: str = ''

    @property
    def order(self) -> int | None:
        """The only order that may be; None where boxes leave several open."""
        return next(iter(self.orders)) if len(self.orders) == 1 else None

    def holds(self, operator: str) -> bool | None:
        """Tell whether the first thing is `>`, `<` or `==` the second; None for cannot tell."""
        wanted = {'>': 1, '<': -1, '==': 0}[operator]
        if wanted not in self.orders:
            return False
        return True if len(self.orders) == 1 else None


def compare(comparison: Comparison, first: Tally, second: Tally) -> Compared:
    """Compare two things."""
    evidence = joined([first.sure, second.sure])
    if comparison.measure == 'count':
        return _compare_counts(first, second, evidence)
    return _compare_sizes(comparison.measure, first, second, evidence)


def _compare_counts(first: Tally, second: Tally, evidence: Detections) -> Compared:
    if not (first.known and second.known):
        names = [tally.sighting.name for tally in (first, second) if not tally.known]
        return Compared(_ANY, 0.0, evidence, cannot_recognize(names))
    orders = set()
    if first.high > second.low:
        orders.add(1)
    if second.high > first.low:
        orders.add(-1)
    if first.low <= second.high and second.low <= first.high:
        orders.add(0)
    confidence = min(count_confidence(first), count_confidence(second))
    if len(orders) == 1:
        return Compared(frozenset(orders), confidence, evidence)
    return Compared(
        frozenset(orders),
        confidence if len(orders) < len(_ANY) else 0.0,
        joined([evidence, first.undecided, first.weak, second.undecided, second.weak]),
        f'cannot tell: boxes show {_span(first)} and {_span(second)}',
    )


def _span(tally: Tally) -> str:
    name = tally.sighting.name
    if tally.low == tally.high:
        return count_phrase(tally.low, name)
    return f'{tally.low} to {tally.high} {plural(name)}'


def _compare_sizes(measure: str, first: Tally, second: Tally, evidence: Detections) -> Compared:
    sizes = [_sizes(measure, tally.sure.xyxy) for tally in (first, second)]
    if not all(len(each) for each in sizes):
        return Compared(_ANY, 0.0, evidence, 'cannot tell: there is no box of each to compare')
    confidence = SIZE_CERTAINTY * min(float(t.sure.scores.max()) for t in (first, second))
    # Each box of one against each of the other: where `the dog` may be either of two, both.
    if sizes[0].min() >= CLEARLY * sizes[1].max():
        return Compared(frozenset({1}), confidence, evidence)
    if sizes[1].min() >= CLEARLY * sizes[0].max():
        return Compared(frozenset({-1}), confidence, evidence)
    several = max(len(each) for each in sizes) > 1
    reason = 'they differ from box to box' if several else 'they look about the same'
    return Compared(_ANY, 0.0, evidence, f'cannot tell by the {measure} in the picture: {reason}')


def _sizes(measure: str, xyxy: FloatArray) -> FloatArray:
    width, height = xyxy[:, 2] - xyxy[:, 0], xyxy[:, 3] - xyxy[:, 1]
    values = {'width': width, 'height': height}.get(measure, width * height)
    return np.asarray(values, np.float32)
