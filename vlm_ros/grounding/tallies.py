"""The boxes of a thing, counted by what is said of it.

Numbers are kept as ranges. A box that is surely one of the things counts for the least and the
most; one that may be (a weak score, an attribute or a relation that boxes cannot show) counts for
the most only.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
import itertools

import numpy as np

from vlm_ros import spatial
from vlm_ros.grounding.attributes import Opinion
from vlm_ros.grounding.sightings import Presence, Sighting
from vlm_ros.language.clauses import Condition, Thing
from vlm_ros.results import Detections

MAX_PAIRED_BOXES = 30
"""Relations are tried between the best boxes only; of the others of a crowd they stay open."""


@dataclass(frozen=True)
class Tally:
    """The boxes of one thing, by whether a condition holds for them.

    Attributes:
        sure: Boxes that fulfil it.
        undecided: Boxes of which nobody can tell.
        rejected: Boxes that do not.
        weak: Boxes that may be the thing at all, and may fulfil it.
        contrary: Boxes that may be the thing at all, and may not fulfil it.
        certainty: How far the condition's test can be trusted, in [0, 1].
        sighting: The look that all of them come from.
    """

    sure: Detections
    undecided: Detections
    rejected: Detections
    weak: Detections
    contrary: Detections
    certainty: float
    sighting: Sighting

    @property
    def known(self) -> bool:
        """Whether the thing could be looked for."""
        return self.sighting.presence is not Presence.UNRECOGNIZED

    @property
    def low(self) -> int:
        """The least number there can be."""
        return len(self.sure)

    @property
    def high(self) -> float:
        """The greatest number there can be."""
        if not self.known:
            return float('inf')
        return len(self.sure) + len(self.undecided) + len(self.weak)


Sightings = Mapping[str, Sighting]
Judged = Callable[[Detections, Sequence[str]], Sequence[Opinion]]
"""Says of each box whether it has all of some attributes."""


def joined(parts: Sequence[Detections]) -> Detections:
    """Put detections together, each box once."""
    rows: dict[tuple[str, bytes], tuple[spatial.Box, float]] = {}
    for part in parts:
        for xyxy, score, label in zip(part.xyxy, part.scores, part.labels, strict=True):
            rows.setdefault((label, xyxy.tobytes()), (xyxy, score))
    return Detections(
        np.array([xyxy for xyxy, _ in rows.values()], np.float32).reshape(-1, 4),
        np.array([score for _, score in rows.values()], np.float32),
        tuple(label for label, _ in rows),
    )


def tally(
    thing: Thing,
    condition: Condition,
    sightings: Sightings,
    resolution_wh: tuple[int, int],
    judged: Judged | None = None,
) -> Tally:
    """Sort the boxes of a thing by whether they fulfil a condition.

    Args:
        thing: What is looked at.
        condition: What is said of it.
        sightings: The looks for all names.
        resolution_wh: The image's size in pixels.
        judged: Says of each box whether attributes hold; without it nobody can tell.
    """
    sighting = sightings[thing.name]
    found = _best_first(sighting.found)
    opinions = [Opinion()] * len(found)
    if judged is not None and condition.attributes and len(found):
        opinions = list(judged(found, condition.attributes))
    values = [
        spatial.all_of(
            [
                thing.plain or None,
                fulfils(box, condition, sightings, resolution_wh, opinion.truth)
                if condition.relation is None or index < MAX_PAIRED_BOXES
                else None,
            ]
        )
        for index, (box, opinion) in enumerate(zip(found.xyxy, opinions, strict=True))
    ]
    trust = [opinion.confidence for opinion in opinions if opinion.truth is not None]
    doubtful = _best_first(sighting.doubtful)
    doubts = [
        fulfils(box, condition, sightings, resolution_wh)
        if condition.relation is None or index < MAX_PAIRED_BOXES
        else None
        for index, box in enumerate(doubtful.xyxy)
    ]
    return Tally(
        sure=found[np.array([value is True for value in values], bool)],
        undecided=found[np.array([value is None for value in values], bool)],
        rejected=found[np.array([value is False for value in values], bool)],
        weak=doubtful[np.array([doubt is not False for doubt in doubts], bool)],
        contrary=doubtful[np.array([doubt is not True for doubt in doubts], bool)],
        certainty=min([_certainty(condition, sightings), *trust]),
        sighting=sighting,
    )


def _best_first(detections: Detections) -> Detections:
    return detections[np.argsort(-detections.scores, kind='stable')]


def _paired(detections: Detections) -> Detections:
    return _best_first(detections)[:MAX_PAIRED_BOXES]


def _certainty(condition: Condition, sightings: Sightings) -> float:
    certainty = 1.0
    if condition.relation is not None:
        certainty = spatial.CERTAINTY.get(condition.relation, spatial.OTHER_CERTAINTY)
    for reference in condition.references:
        sighting = sightings[reference.name]
        if len(sighting.found):
            certainty = min(certainty, float(sighting.found.scores.max()))
        elif sighting.presence is Presence.ABSENT:
            certainty = min(certainty, sighting.absence_confidence)
    return certainty


def fulfils(
    box: spatial.Box,
    condition: Condition,
    sightings: Sightings,
    resolution_wh: tuple[int, int],
    has_attributes: bool | None = None,
) -> bool | None:
    """Tell whether a box fulfils a condition; None where nobody can tell.

    Args:
        box: Of the thing that the condition is about.
        condition: What is said of it.
        sightings: The looks for all names.
        resolution_wh: The image's size in pixels.
        has_attributes: Whether it has the condition's attributes.
    """
    values: list[bool | None] = []
    if condition.place is not None:
        values.append(condition.place.holds(box, resolution_wh))
    if condition.relation is not None:
        values.append(_stands(box, condition, sightings))
    if condition.attributes:
        values.append(has_attributes)
    elif condition.unchecked:
        # A hat that is not in view is not worn; one that is may be worn or not.
        needed = [thing for thing in condition.references if not thing.bare]
        missing = [sightings[thing.name].presence is Presence.ABSENT for thing in needed]
        values.append(False if any(missing) else None)
    value = spatial.all_of(values)
    return not value if condition.negated and value is not None else value


def _stands(box: spatial.Box, condition: Condition, sightings: Sightings) -> bool | None:
    assert condition.relation is not None
    if condition.relation is spatial.Relation.BETWEEN:
        return _stands_between(box, condition.references, sightings)
    return spatial.all_of(
        [
            _stands_to(box, condition.relation, reference, sightings[reference.name])
            for reference in condition.references
        ]
    )


def _stands_to(
    box: spatial.Box, relation: spatial.Relation, reference: Thing, sighting: Sighting
) -> bool | None:
    others = [other for other in _paired(sighting.found).xyxy if not np.array_equal(other, box)]
    values = [spatial.holds(relation, box, [other]) for other in others]
    if len(sighting.found) > MAX_PAIRED_BOXES:
        values.append(None)
    if reference.presupposed:
        value = spatial.unanimous(values) if len(others) >= reference.low else None
    else:
        weak = [
            None if spatial.holds(relation, box, [other]) is not False else False
            for other in sighting.doubtful.xyxy
        ]
        # `on fire` is no relation to a fire.
        no_thing = reference.bare and sighting.presence is Presence.ABSENT
        unseen = [None] if no_thing or sighting.presence is Presence.UNRECOGNIZED else []
        value = _as_many([*values, *weak], reference, endless=bool(unseen))
    return None if value and not reference.plain else value


def _as_many(values: Sequence[bool | None], reference: Thing, *, endless: bool) -> bool | None:
    """Tell whether it stands so to as many as are spoken of: `next to two cats`."""
    low = values.count(True)
    high = float('inf') if endless else low + values.count(None)
    return within(low, high, reference)


def _stands_between(
    box: spatial.Box, references: Sequence[Thing], sightings: Sightings
) -> bool | None:
    rows = [list(_paired(sightings[reference.name].found).xyxy) for reference in references]
    if len(rows) == 1 and references[0].plural:
        pairs = list(itertools.combinations(rows[0], 2))
    elif len(rows) == 2:
        pairs = list(itertools.product(*rows))
    else:
        return None
    values = [spatial.holds(spatial.Relation.BETWEEN, box, pair) for pair in pairs]
    value = spatial.unanimous(values)
    return None if value and not all(reference.plain for reference in references) else value


def within(low: float, high: float, thing: Thing) -> bool | None:
    """Tell whether a number from `low` to `high` is as many as are spoken of."""
    most = float('inf') if thing.high is None else thing.high
    if low >= thing.low and high <= most:
        return True
    return False if high < thing.low or low > most else None
