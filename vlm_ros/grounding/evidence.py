"""What boxes say about a question: whether things are there, how many, standing how.

A statement is true or false where the whole range of a tally agrees, and undecided elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from vlm_ros import spatial
from vlm_ros.grounding.reasons import cannot_recognize, numbered, why_open
from vlm_ros.grounding.tallies import joined, Tally, within
from vlm_ros.language.clauses import Condition, Thing
from vlm_ros.results import Detections


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
    return within(counted.low, counted.high, thing)


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
    if numbered(thing) and len(counted.sighting.found) < thing.low:
        return None
    if len(counted.rejected):
        # Of three dogs, `both dogs` are nobody knows which two.
        return None if numbered(thing) and len(counted.sighting.found) > thing.low else False
    return None if len(counted.undecided) or len(counted.contrary) else True


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
