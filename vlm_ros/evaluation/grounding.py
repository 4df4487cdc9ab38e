"""Phrases and expressions that are pointed at with boxes: Flickr30k Entities, RefCOCO."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
import math

import numpy as np
import numpy.typing as npt

from vlm_ros.errors import InputError
from vlm_ros.evaluation.coverage import ANSWERED, check_lengths, Score, Values
from vlm_ros.evaluation.overlaps import corners, overlaps
from vlm_ros.results import Status

HIT_IOU = 0.5
"""Overlap from which on a box points at the right thing, in both data sets."""


@dataclass(frozen=True, eq=False)
class Pointing:
    """Where a model sees what a phrase names.

    Attributes:
        xyxy: `(K, 4)` corners in pixels, best first; none is an answer, and a wrong one.
        status: OK or NOTHING_FOUND for an answer, UNSURE or NOT_IN_VIEW for an abstention,
            anything else for a failure.
    """

    xyxy: npt.ArrayLike = field(default_factory=lambda: np.zeros((0, 4)))
    status: Status = Status.OK


def recall_at(
    pointings: Sequence[Pointing],
    boxes: Sequence[npt.ArrayLike],
    *,
    k: Sequence[int] = (1, 5, 10),
    iou: float = HIT_IOU,
) -> Mapping[int, Score]:
    """Score phrases as phrase grounding on Flickr30k Entities does (arXiv 1505.04870).

    The protocol is that of any box, as MDETR calls it (arXiv 2104.12763): a phrase is found at k
    when one of its k best boxes overlaps one of its true boxes by `iou` or more. The other one,
    merged boxes, is had by giving one true box, the smallest around all (`merge`).

    Args:
        pointings: One for each of N phrases.
        boxes: For each phrase its true boxes, `(M, 4)` corners in pixels, M at least 1.
        k: How many of the best boxes are looked at.
        iou: In (0, 1].

    Returns:
        For each k the part of the phrases that was found; the upper bound, any of all boxes, is
        had with a large k.

    Raises:
        InputError: The lengths differ, a phrase has no true box (Flickr30k Entities leaves those
            out), or a box is impossible.
    """
    check_lengths(pointings=pointings, boxes=boxes)
    ranks = np.array(
        [
            _rank_of_hit(pointing, given, iou, number)
            for number, (pointing, given) in enumerate(zip(pointings, boxes, strict=True))
        ],
        float,
    )
    statuses = [pointing.status for pointing in pointings]
    return {limit: Score.of((ranks <= limit).astype(float), statuses) for limit in k}


def accuracy(
    pointings: Sequence[Pointing], boxes: npt.ArrayLike, *, iou: float = HIT_IOU
) -> Score:
    """Score referring expressions as RefCOCO, RefCOCO+ and RefCOCOg do (arXiv 1608.00272).

    Args:
        pointings: One for each of N expressions; their first box counts.
        boxes: `(N, 4)`, the one thing that each expression means.
        iou: In (0, 1]; 0.5 gives Acc@0.5.

    Raises:
        InputError: The lengths differ, or a box is impossible.
    """
    truth = corners(boxes, 'the truth')
    return recall_at(pointings, list(truth[:, None]), k=(1,), iou=iou)[1]


def best_overlaps(pointings: Sequence[Pointing], boxes: npt.ArrayLike) -> Values:
    """Overlap `(N,)` of each first box with the true one, in [0, 1]; NaN where not answered.

    Raises:
        InputError: The lengths differ, or a box is impossible.
    """
    truth = corners(boxes, 'the truth')
    check_lengths(pointings=pointings, boxes=list(truth))
    values = np.full(len(pointings), math.nan)
    for number, pointing in enumerate(pointings):
        if pointing.status in ANSWERED:
            found = corners(pointing.xyxy, f'prediction {number}')[:1]
            values[number] = overlaps(found, truth[number : number + 1]).max(initial=0)
    return values


def merge(boxes: npt.ArrayLike) -> Values:
    """Return the smallest box `(1, 4)` around all of `(M, 4)`, M at least 1."""
    given = corners(boxes, 'the boxes to merge')
    around: Values = np.concatenate([given[:, :2].min(0), given[:, 2:].max(0)])[None]
    return around


def _rank_of_hit(pointing: Pointing, boxes: npt.ArrayLike, iou: float, number: int) -> float:
    """Return the place, from 1, of the first box that hits; infinite where none does."""
    truth = corners(boxes, f'the truth of phrase {number}')
    if not len(truth):
        raise InputError(f'phrase {number} has no true box; leave it out')
    found = corners(pointing.xyxy, f'prediction {number}')
    hits = np.flatnonzero((overlaps(found, truth) >= iou).any(axis=1))
    return float(hits[0] + 1) if len(hits) else math.inf
