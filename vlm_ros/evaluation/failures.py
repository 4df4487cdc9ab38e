"""Where a detector went wrong: its surest false alarms, and the largest things it missed."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vlm_ros.evaluation.detection import DetectedImage
from vlm_ros.evaluation.matches import thresholds_of
from vlm_ros.evaluation.overlaps import corners, overlaps
from vlm_ros.evaluation.pairing import Paired
from vlm_ros.evaluation.summary import Summary

NOTHING = '(nothing)'
"""What is confused with a class where there is no box on the other side."""


@dataclass(frozen=True)
class Failure:
    """A box that is wrong, or a thing without one.

    Attributes:
        image: The number of the image.
        label: The class.
        xyxy: Where, in pixels.
        score: Of a false alarm, in [0, 1]; None for a miss.
        area: In square pixels.
    """

    image: int
    label: str
    xyxy: tuple[float, float, float, float]
    score: float | None
    area: float


def false_alarms(summary: Summary, paired: Paired, count: int) -> list[Failure]:
    """Return the best-scored boxes that are on nothing, at the threshold or above."""
    matches = summary.matches
    least = thresholds_of(matches, summary.threshold)[matches.label]
    wrong = ~matches.right[:, summary.overlap] & ~matches.ignored[:, summary.overlap]
    found = []
    for row in np.flatnonzero(wrong & (matches.score >= least))[:count]:
        image, place = int(matches.image[row]), int(matches.row[row])
        xyxy = _box(paired.images[image].xyxy, place)
        label = matches.labels[matches.label[row]]
        found.append(Failure(image, label, xyxy, float(matches.score[row]), _area(xyxy)))
    return found


def misses(summary: Summary, paired: Paired, count: int) -> list[Failure]:
    """Return the largest things without a box at the threshold."""
    matches = summary.matches
    least = thresholds_of(matches, summary.threshold)[matches.label]
    hits = (matches.score >= least) & matches.right[:, summary.overlap]
    thing = matches.thing[:, summary.overlap]
    found_things = set(zip(matches.image[hits].tolist(), thing[hits].tolist(), strict=True))
    found = []
    for number in np.flatnonzero(matches.looked):
        image = paired.images[number]
        rows = zip(image.truth_labels, image.crowds, strict=True)
        for place, (label, is_crowd) in enumerate(rows):
            if not is_crowd and (int(number), place) not in found_things:
                xyxy = _box(image.truth_xyxy, place)
                found.append(Failure(int(number), label, xyxy, None, _area(xyxy)))
    return sorted(found, key=lambda miss: (-miss.area, miss.image, miss.xyxy))[:count]


def confusion(summary: Summary, paired: Paired) -> tuple[tuple[str, ...], npt.NDArray[np.intp]]:
    """Count which class is taken for which, at the threshold.

    Boxes go to the thing they overlap most, of whatever class, best score first.

    Returns:
        The names, `NOTHING` last, and `(1 + L, 1 + L)`: rows are true, columns are predicted.
    """
    labels = paired.labels
    least = dict(zip(labels, thresholds_of(summary.matches, summary.threshold), strict=True))
    numbers = {label: number for number, label in enumerate(labels)}
    table = np.zeros((len(labels) + 1, len(labels) + 1), np.intp)
    for number in np.flatnonzero(summary.matches.looked):
        _confuse(paired.images[number], least, numbers, summary.iou, table)
    return (*labels, NOTHING), table


def _confuse(
    image: DetectedImage,
    least: dict[str, float],
    numbers: dict[str, int],
    iou: float,
    table: npt.NDArray[np.intp],
) -> None:
    nothing = len(numbers)
    singles = [place for place, is_crowd in enumerate(image.crowds) if not is_crowd]
    crowds = [place for place, is_crowd in enumerate(image.crowds) if is_crowd]
    rows = [
        row
        for row in np.argsort(-np.asarray(image.scores, float), kind='stable')
        if image.scores[row] >= least[image.labels[row]] and image.judges(image.labels[row])
    ]
    truth_xyxy = corners(image.truth_xyxy, 'truth')
    xyxy = corners(image.xyxy, 'detections')
    shared = overlaps(xyxy, truth_xyxy)
    free = dict.fromkeys(singles)
    for row in rows:
        # Of two that overlap as much, the one of its own name.
        best = max(
            free,
            key=lambda place: (shared[row, place], image.truth_labels[place] == image.labels[row]),
            default=None,
        )
        if best is not None and shared[row, best] >= iou:
            del free[best]
            table[numbers[image.truth_labels[best]], numbers[image.labels[row]]] += 1
        elif not any(shared[row, place] >= iou for place in crowds):
            table[nothing, numbers[image.labels[row]]] += 1
    for place in free:
        table[numbers[image.truth_labels[place]], nothing] += 1


def _box(xyxy: npt.ArrayLike, place: int) -> tuple[float, float, float, float]:
    left, top, right, bottom = corners(xyxy, 'boxes')[place].tolist()
    return left, top, right, bottom


def _area(xyxy: tuple[float, float, float, float]) -> float:
    return (xyxy[2] - xyxy[0]) * (xyxy[3] - xyxy[1])
