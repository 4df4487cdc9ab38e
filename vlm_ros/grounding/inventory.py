"""What is in view, out of a list of names to look for."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from vlm_ros import boxes
from vlm_ros.grounding.reasons import amount
from vlm_ros.grounding.sightings import Observer
from vlm_ros.grounding.tallies import fulfils, joined, Judged, Sightings
from vlm_ros.inflection import join_names
from vlm_ros.language.clauses import Condition
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Detections

SAME_OBJECT_IOU = 0.7
"""Boxes of different names that overlap by this are one object under two names."""

EVERYDAY = Vocabulary.parse(
    'person, dog, cat, bird, horse, cow, sheep, car, truck, bus, bicycle, motorcycle, train, boat,'
    ' airplane, traffic light, stop sign, fire hydrant, bench, chair, sofa, bed, table, desk,'
    ' door, window, shelf, cabinet, television, laptop, keyboard, computer mouse, phone, book,'
    ' clock, lamp, bottle, cup, bowl, plate, knife, fork, spoon, bag, backpack, suitcase, box,'
    ' pallet, forklift, traffic cone, ladder, fire extinguisher, bin, umbrella, hat, shoe, ball,'
    ' toy, plant, flower, tree, apple, banana, bread, refrigerator, oven, sink, toilet, robot,'
    ' tool'
)
"""What to look for when a question leaves it open: things that robots often meet."""


class Around(NamedTuple):
    """What a look around found, each object once, the surest first.

    Attributes:
        sure: What surely fulfils the condition.
        possible: What may.
        failing: What does not.
        looked_for: How many of the names the detector could look for.
    """

    sure: Detections
    possible: Detections
    failing: Detections
    looked_for: int

    @property
    def reason(self) -> str:
        """Why nothing sure was found, in one line."""
        if len(self.possible):
            return f'cannot tell: boxes cannot show that about {list_things(self.possible)}'
        if not self.looked_for:
            return 'cannot tell: this model cannot say whether there is what is asked for'
        names = 'names' if self.looked_for > 1 else 'name'
        return f'cannot tell: found none of the {self.looked_for} {names} looked for'


def look_around(
    observer: Observer,
    names: Iterable[str],
    condition: Condition,
    sightings: Sightings,
    judged: Judged,
) -> Around:
    """Find what fulfils a condition; what the condition refers to is not among it."""
    references = [sightings[thing.name].found for thing in condition.references]
    referred = {thing.name.casefold() for thing in condition.references}
    wanted = [name for name in names if name.casefold() not in referred]
    found = observer.find(wanted)
    looked_for = len(wanted) - len(found.unrecognized)
    found = found[boxes.non_max_suppression(found.xyxy, found.scores, SAME_OBJECT_IOU)]
    if references:
        overlaps = boxes.iou(found.xyxy, joined(references).xyxy)
        found = found[~(overlaps > SAME_OBJECT_IOU).any(axis=1)]
    opinions = judged(found, condition.attributes) if condition.attributes else ()
    values = [
        fulfils(
            box,
            condition,
            sightings,
            observer.resolution_wh,
            opinions[index].truth if opinions else None,
        )
        for index, box in enumerate(found.xyxy)
    ]
    sure = found[np.array([value is True for value in values], bool)]
    possible = found[np.array([value is None for value in values], bool)]
    failing = found[np.array([value is False for value in values], bool)]
    return Around(sure, possible, failing, looked_for)


def list_things(detections: Detections) -> str:
    """Name what was detected as a sentence does: `two people and a dog`."""
    counts = Counter(detections.labels)
    return join_names([amount(count, name) for name, count in counts.items()])
