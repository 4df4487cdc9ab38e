"""Which images a person should look at first."""

from collections.abc import Sequence
from dataclasses import dataclass

from vlm_ros.boxes import iou
from vlm_ros.data.formats.exporting import LOOKED
from vlm_ros.records import DetectionRecord, FrameRecord
from vlm_ros.results import Status

SAME_IOU = 0.5
"""Boxes of one label that overlap as much are one thing; the threshold of Pascal VOC."""


@dataclass(frozen=True)
class Comparison:
    """What two models say of one image.

    Attributes:
        agreed: Of each box of the first, whether the second has it too.
        missing: The boxes that the second has alone.
        disagreement: How much of all boxes only one of them has, in [0, 1].
    """

    agreed: tuple[bool, ...]
    missing: tuple[DetectionRecord, ...]
    disagreement: float


def compare(first: Sequence[DetectionRecord], second: Sequence[DetectionRecord]) -> Comparison:
    """Pair the boxes of two models, the best overlap first, each box once."""
    overlaps = iou([row.xyxy for row in first], [row.xyxy for row in second])
    pairs = sorted(
        (-overlaps[i, j], i, j)
        for i, ours in enumerate(first)
        for j, theirs in enumerate(second)
        if ours.label == theirs.label and overlaps[i, j] >= SAME_IOU
    )
    mine: set[int] = set()
    others: set[int] = set()
    for _, i, j in pairs:
        if i not in mine and j not in others:
            mine.add(i)
            others.add(j)
    total = len(first) + len(second)
    return Comparison(
        tuple(i in mine for i in range(len(first))),
        tuple(row for j, row in enumerate(second) if j not in others),
        (total - 2 * len(mine)) / total if total else 0.0,
    )


def worst_first(record: FrameRecord, comparison: Comparison | None) -> tuple[float, ...]:
    """Return a key that sorts what needs a person most to the front.

    Images that could not be looked at; those where two models disagree, the most first; those with
    the least sure box; those that were not looked for in full; those with nothing in them.
    """
    failed = record.status is not None and record.status not in LOOKED
    lowest = min((row.score for row in record.detections), default=2.0)
    if lowest > 1 and record.status is Status.UNSURE:
        lowest = 1.5
    return (not failed, -(comparison.disagreement if comparison else 0.0), lowest)
