"""What boxes say about a question: whether things are there, how many, standing how.

Numbers are kept as ranges. A box that is surely one of the things counts for the least and the
most; one that may be (a weak score, an attribute or a relation that boxes cannot show) counts for
the most only. A statement is true or false where the whole range agrees, and undecided elsewhere.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
import itertools

import numpy as np

from vlm_ros import lexicon, spatial
from vlm_ros.grounding.attributes import Opinion
from vlm_ros.grounding.sightings import Presence, Sighting
from vlm_ros.inflection import count_phrase, join_names, plural, singular, with_article
from vlm_ros.language.clauses import Condition, Thing
from vlm_ros.results import Detections

MAX_PAIRED_BOXES = 30
"""Relations are tried between the best boxes only; of the others of a crowd they stay open."""


@dataclass(frozen=True)
class Finding:
    """What boxes say about a statement.

    Attributes:
        truth: Whether it holds; None where boxes cannot tell.
        confidence: How sure that is, in [0, 1]; 0 where boxes cannot tell.
        evidence: The boxes it rests on.
        reason: Why boxes cannot tell; empty where they can.
    """

    truth: bool | None
    confidence: float = 0.0
    evidence: Detections = field(default_factory=Detections)
    reason: str = ''


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
    return _within(low, high, reference)


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


def exists(thing: Thing, condition: Condition, counted: Tally) -> Finding:
    """Say whether as many of a thing as are asked for fulfil a condition."""
    if not counted.known:
        return Finding(None, reason=cannot_recognize([thing.name]))
    truth = _definite_truth(thing, counted) if thing.presupposed else _count_truth(thing, counted)
    if truth is None:
        evidence = joined([counted.sure, counted.undecided, counted.rejected])
        return Finding(None, 0.0, evidence, why_open(thing, condition, counted))
    evidence = counted.sure
    if not truth or thing.high == 0:
        evidence = joined([counted.sure, counted.rejected, counted.sighting.others])
    return Finding(truth, _confidence(truth, thing, counted), evidence)


def _count_truth(thing: Thing, counted: Tally) -> bool | None:
    return _within(counted.low, counted.high, thing)


def _within(low: float, high: float, thing: Thing) -> bool | None:
    """Tell whether a number from `low` to `high` is as many as are spoken of."""
    most = float('inf') if thing.high is None else thing.high
    if low >= thing.low and high <= most:
        return True
    return False if high < thing.low or low > most else None


def _definite_truth(thing: Thing, counted: Tally) -> bool | None:
    """Say whether something holds for `the cup`, `all cups`, `the two cups`, `neither cup`."""
    if thing.high != 0:
        return _of_all(thing, counted) if thing.plural else _of_the_one(counted)
    if thing.plural:
        return _count_truth(thing, counted)
    holds = _of_the_one(counted)
    return None if holds is None else not holds


def _of_the_one(counted: Tally) -> bool | None:
    """Where there are two cups, `the cup` is on the left if both are, and is not if neither is."""
    if len(counted.undecided) or bool(len(counted.sure)) == bool(len(counted.rejected)):
        return None
    return bool(len(counted.sure))


def _of_all(thing: Thing, counted: Tally) -> bool | None:
    if _numbered(thing) and len(counted.sighting.found) < thing.low:
        return None
    if len(counted.rejected):
        # Of three dogs, `both dogs` are nobody knows which two.
        return None if _numbered(thing) and len(counted.sighting.found) > thing.low else False
    return None if len(counted.undecided) or len(counted.contrary) else True


def _numbered(thing: Thing) -> bool:
    """Tell whether it takes a number for granted, as `both dogs` does."""
    return thing.presupposed and thing.low > 1


def _confidence(truth: bool, thing: Thing, counted: Tally) -> float:
    """As sure as the least sure box that the truth hangs on."""
    best = sorted((float(score) for score in counted.sure.scores), reverse=True)
    absence = counted.sighting.absence_confidence
    if thing.presupposed and not (thing.plural and thing.high == 0):
        row = counted.sure if truth is (thing.high != 0) else counted.rejected
        surest = row.scores.min() if truth and thing.plural else row.scores.max()
        return min(counted.certainty, float(surest))
    if not truth and thing.high is not None and len(best) > thing.high:
        return min(counted.certainty, best[thing.high])
    if not truth or not best:
        return min(counted.certainty, absence) if len(counted.rejected) else absence
    if thing.high is None:
        return min(counted.certainty, best[max(thing.low, 1) - 1])
    return min(counted.certainty, absence, best[-1])


def count_confidence(counted: Tally) -> float:
    """Say how sure it is that there are exactly `counted.low`: as sure as the least sure box."""
    if not counted.low:
        absence = counted.sighting.absence_confidence
        return min(counted.certainty, absence) if len(counted.rejected) else absence
    weak = [1.0 - float(score) for score in counted.weak.scores]
    return min([counted.certainty, float(counted.sure.scores.min()), *weak])


def combined(findings: Sequence[Finding], either: bool) -> Finding:
    """Join findings by `and`, or by `or` where `either` is set."""
    truths = [finding.truth for finding in findings]
    truth = spatial.any_of(truths) if either else spatial.all_of(truths)
    if truth is None:
        reason = next(finding.reason for finding in findings if finding.truth is None)
        return Finding(None, 0.0, joined([finding.evidence for finding in findings]), reason)
    # One finding is enough for a yes to `or` and for a no to `and`: the surest. Else all count.
    deciding = [finding for finding in findings if finding.truth is truth]
    pick = max if truth is either else min
    confidence = pick(finding.confidence for finding in deciding)
    shown = deciding if truth else findings
    return Finding(truth, confidence, joined([finding.evidence for finding in shown]))


def cannot_recognize(names: Sequence[str]) -> str:
    """Say that a detector has no way to look for names."""
    return f'cannot tell: this model cannot say whether there is {join_names(list(names), "or")}'


def cannot_describe(thing: Thing, count: int) -> str:
    """Say that a thing is in view and that nobody can tell whether it is as described."""
    if not count:
        return f'no box shows {with_article(thing.name)}'
    it_is = 'they are' if count > 1 else 'it is'
    kind = plural(thing.described) if count > 1 else with_article(thing.described)
    seen = f'there {are(count)} {amount(count, thing.name)} in view'
    return f'{seen}, but this model cannot tell whether {it_is} {kind}'


def why_open(thing: Thing, condition: Condition, counted: Tally) -> str:
    """Say in one line why boxes cannot tell."""
    found = counted.sighting.found
    if not len(found):
        return f'cannot tell: there may be {with_article(thing.name)} in view'
    several = len(found) > 1
    seen = f'there {are(len(found))} {amount(len(found), thing.name)} in view'
    it_is = 'they are' if several else 'it is'
    if not thing.plain:
        return cannot_describe(thing, len(found))
    if _numbered(thing) and len(found) != thing.low:
        return f'{seen}, and {number_word(thing.low)} are spoken of'
    if condition.unchecked:
        doing = condition.unchecked.split(' ', 1)[0]
        finite = doing in lexicon.CERTAIN_VERBS and not lexicon.is_participle(doing)
        who = it_is.split(' ', 1)[0] if finite else it_is
        return f'{seen}, but this model cannot tell whether {who} {condition.unchecked}'
    if thing.presupposed and several and not thing.plural:
        return f'{seen}; it is not clear which is meant'
    if condition.relation is not None:
        return f'{seen}, but boxes cannot tell whether {it_is} {condition.text}'
    if condition.place is not None and len(counted.undecided):
        return f'{seen}, but not clearly {condition.place.text}'
    if thing.plural and thing.presupposed:
        return f'{seen}, and there may be one more of which it does not hold'
    return f'{seen}, and there may be more'


def number_word(count: int) -> str:
    """Say a number in words up to twelve."""
    return count_phrase(count, 'sheep').removesuffix(' sheep')


def amount(count: int, name: str) -> str:
    """Say how many as a sentence does: `a dog`, `two dogs`."""
    return with_article(singular(name)) if count == 1 else count_phrase(count, name)


def are(count: int) -> str:
    """Return the verb that goes with a number of things."""
    return 'are' if count > 1 else 'is'
