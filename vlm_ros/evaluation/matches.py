"""Which detections are right, once and for all overlaps: what samples of images are scored from.

faster-coco-eval gives the numbers of the whole set; it cannot say what they would be for other
samples of its images, which intervals and tests of two runs need thousands of. The matching here
is COCO's (arXiv 1405.0312), and a test holds its averages to those of faster-coco-eval.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import functools
import itertools

import numpy as np
import numpy.typing as npt

from vlm_ros.evaluation.coverage import LOOKED, Values
from vlm_ros.evaluation.detection import check, DetectedImage, limits_of
from vlm_ros.evaluation.overlaps import areas, corners, intersections, overlaps

OVERLAPS = np.linspace(0.5, 0.95, 10)
"""From which overlap on a box is on a thing; the numbers are those of COCO."""
RECALLS = np.linspace(0.0, 1.0, 101)

Ints = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Matches:
    """Every detection of a test set, best first.

    Attributes:
        labels: The L classes.
        looked: `(I,)`, whether an image was looked at; others have neither detections nor things.
        image: `(D,)`, of each detection the image.
        label: `(D,)`, its class.
        row: `(D,)`, its place in the image.
        score: `(D,)`, in [0, 1].
        thing: `(D, T)`, the true box of its image that it is on, at each of T overlaps; -1 for
            none.
        ignored: `(D, T)`, whether it counts neither way.
        things: `(I, L)`, how many there are to find.
        absent: `(I, L)`, whether the image is known not to show the class.
    """

    labels: tuple[str, ...]
    looked: Flags
    image: Ints
    label: Ints
    row: Ints
    score: Values
    thing: npt.NDArray[np.int32]
    ignored: Flags
    things: Ints
    absent: Flags

    @functools.cached_property
    def rows_of(self) -> tuple[Ints, ...]:
        """Which detections are of each class, best first."""
        order = np.argsort(self.label, kind='stable')
        ends = np.searchsorted(self.label[order], np.arange(len(self.labels) + 1))
        return tuple(order[start:stop] for start, stop in itertools.pairwise(ends))

    @functools.cached_property
    def right(self) -> Flags:
        """Which detections are on a thing, `(D, T)`."""
        found: Flags = (self.thing >= 0) & ~self.ignored
        return found


def match(
    images: Sequence[DetectedImage],
    labels: Sequence[str],
    *,
    overlaps_at: npt.ArrayLike = OVERLAPS,
) -> Matches:
    """Match the detections of a test set.

    Args:
        images: The test set.
        labels: The classes.
        overlaps_at: T of them, each in (0, 1].

    Raises:
        InputError: See `vlm_ros.evaluation.detection.average_precision`.
    """
    numbers = {label: number for number, label in enumerate(labels)}
    looked = np.array([image.status in LOOKED for image in images], bool)
    things = np.zeros((len(images), len(labels)), np.intp)
    absent = np.zeros((len(images), len(labels)), bool)
    least = np.minimum(np.asarray(overlaps_at, float), 1 - 1e-10)
    limit = limits_of(images)[-1]
    parts = []
    for number, image in enumerate(images):
        check(image, labels, number)
        if not looked[number]:
            continue
        shown = set(image.truth_labels) if image.shown is None else image.shown
        absent[number] = [image.judges(label) and label not in shown for label in labels]
        for label, is_crowd in zip(image.truth_labels, image.crowds, strict=True):
            things[number, numbers[label]] += not is_crowd
        sides = _Sides.of(image, numbers)
        for column in np.unique(sides.labels).tolist():
            if image.judges(labels[column]):
                open_ended = labels[column] in image.not_exhaustive
                parts.append((number, column, *_matched(sides, column, open_ended, least, limit)))
    sizes = [len(part[2]) for part in parts]
    which = np.repeat([part[0] for part in parts], sizes).astype(np.intp)
    named = np.repeat([part[1] for part in parts], sizes).astype(np.intp)
    row = np.concatenate([np.zeros(0, np.intp), *(part[2] for part in parts)])
    score = np.concatenate([np.zeros(0), *(part[3] for part in parts)])
    width = len(least)
    thing = np.concatenate([np.zeros((0, width), np.int32), *(part[4] for part in parts)])
    ignored = np.concatenate([np.zeros((0, width), bool), *(part[5] for part in parts)])
    order = np.argsort(-score, kind='stable')
    return Matches(
        tuple(labels),
        looked,
        which[order],
        named[order],
        row[order],
        score[order],
        thing[order],
        ignored[order],
        things,
        absent,
    )


def average_precisions(matches: Matches, weights: npt.ArrayLike | None = None) -> Values:
    """Average precision `(L, T)` of each class at each overlap; NaN without things.

    Args:
        matches: The test set.
        weights: `(I,)`, how often each image counts; once where None.
    """
    weight = np.ones(len(matches.looked)) if weights is None else np.asarray(weights, float)
    things: Values = weight @ matches.things.astype(float)
    return _averages(matches, weight[matches.image], things)


def mixed_precisions(first: Matches, second: Matches, is_second: Flags) -> Values:
    """Average precision `(L, T)` where some images are as the second run has them.

    Args:
        first: A run.
        second: Another over the same images.
        is_second: `(I,)`, for which images the second counts.
    """
    weight = np.concatenate([~is_second[first.image], is_second[second.image]]).astype(float)
    score = np.concatenate([first.score, second.score])
    order = np.argsort(-score, kind='stable')
    both = Matches(
        first.labels,
        first.looked,
        np.concatenate([first.image, second.image])[order],
        np.concatenate([first.label, second.label])[order],
        np.concatenate([first.row, second.row])[order],
        score[order],
        np.concatenate([first.thing, second.thing])[order],
        np.concatenate([first.ignored, second.ignored])[order],
        first.things,
        first.absent,
    )
    return _averages(both, weight[order], first.things.sum(axis=0).astype(float))


def _averages(matches: Matches, weight: Values, things: Values) -> Values:
    found = np.full((len(matches.labels), matches.thing.shape[1]), np.nan)
    right = matches.right
    for number in np.flatnonzero(things > 0):
        rows = matches.rows_of[number]
        own = weight[rows, None]
        hits = np.cumsum(own * right[rows], axis=0)
        counted = np.cumsum(own * ~matches.ignored[rows], axis=0)
        # COCO's: a tiny number keeps what is ignored from dividing by zero.
        precision = hits / (counted + np.spacing(1))
        precision = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
        recall = hits / things[number]
        for column in range(found.shape[1]):
            places = np.searchsorted(recall[:, column], RECALLS, side='left')
            reached = places[places < len(rows)]
            found[number, column] = precision[reached, column].sum() / len(RECALLS)
    return found


@dataclass(frozen=True, eq=False)
class Counts:
    """What each image has at a threshold, `(I, L)` each; see `operating.OperatingPoint`."""

    right: Ints
    false: Ints
    missed: Ints
    alarms: Ints


def counts(
    matches: Matches, threshold: float | Mapping[str, float] = 0.5, overlap: int = 0
) -> Counts:
    """Count what is right in each image.

    Args:
        matches: The test set.
        threshold: Least score of a box that counts, for all classes or for each.
        overlap: Which of the T.
    """
    kept = matches.score >= thresholds_of(matches, threshold)[matches.label]
    right = kept & matches.right[:, overlap]
    false = kept & ~matches.right[:, overlap] & ~matches.ignored[:, overlap]
    hits, wrong = np.zeros_like(matches.things), np.zeros_like(matches.things)
    np.add.at(hits, (matches.image[right], matches.label[right]), 1)
    np.add.at(wrong, (matches.image[false], matches.label[false]), 1)
    return Counts(hits, wrong, matches.things - hits, np.where(matches.absent, wrong, 0))


def thresholds_of(matches: Matches, threshold: float | Mapping[str, float]) -> Values:
    """Return the threshold `(L,)` of each class."""
    if isinstance(threshold, Mapping):
        return np.array([threshold[label] for label in matches.labels], float)
    return np.full(len(matches.labels), float(threshold))


@dataclass(frozen=True, eq=False)
class _Sides:
    """An image as arrays: true boxes and found ones, with the numbers of their classes."""

    truth_xyxy: Values
    truth_labels: Ints
    crowd: Flags
    xyxy: Values
    labels: Ints
    scores: Values

    @classmethod
    def of(cls, image: DetectedImage, numbers: Mapping[str, int]) -> '_Sides':
        return cls(
            corners(image.truth_xyxy, 'truth'),
            np.array([numbers[label] for label in image.truth_labels], np.intp),
            np.array(image.crowds, bool),
            corners(image.xyxy, 'detections'),
            np.array([numbers[label] for label in image.labels], np.intp),
            np.asarray(image.scores, float),
        )


def _matched(
    sides: _Sides, number: int, open_ended: bool, least: Values, limit: int
) -> tuple[Ints, Values, npt.NDArray[np.int32], Flags]:
    """Match the boxes of one class: their rows, best first, scores, things and what is ignored."""
    own = np.flatnonzero(sides.truth_labels == number)
    crowd = sides.crowd[own]
    own, crowd = np.concatenate([own[~crowd], own[crowd]]), np.sort(crowd)
    rows = np.flatnonzero(sides.labels == number)
    scores = sides.scores
    rows = rows[np.argsort(-scores[rows], kind='stable')][:limit]
    thing = np.full((len(rows), len(least)), -1, np.int32)
    ignored = np.full((len(rows), len(least)), open_ended)
    if not len(own):
        return rows, scores[rows], thing, ignored
    truth_xyxy, xyxy = sides.truth_xyxy[own], sides.xyxy[rows]
    shared = overlaps(xyxy, truth_xyxy)
    sizes = areas(xyxy)[:, None]
    inside = intersections(xyxy, truth_xyxy[crowd])
    shared[:, crowd] = np.divide(inside, sizes, out=np.zeros_like(inside), where=sizes > 0)
    singles = int((~crowd).sum())
    free = np.ones((len(least), singles), bool)
    every = np.arange(len(least))
    for row in np.flatnonzero(shared.max(axis=1, initial=0.0) >= least.min()):
        place, reached = _best(np.where(free, shared[row, :singles], -1.0), least)
        thing[row, reached] = own[place[reached]] if singles else -1
        ignored[row, reached] = False
        free[every[reached], place[reached]] = False
        if crowd.any():
            in_crowd = ~reached & (shared[row, singles:].max() >= least)
            thing[row, in_crowd] = own[singles + int(shared[row, singles:].argmax())]
            ignored[row, in_crowd] = True
    return rows, scores[rows], thing, ignored


def _best(shared: Values, least: Values) -> tuple[Ints, Flags]:
    """Return for each overlap the place of the best thing, the later of two, and if it will do."""
    if not shared.shape[1]:
        return np.zeros(len(least), np.intp), np.zeros(len(least), bool)
    place = shared.shape[1] - 1 - shared[:, ::-1].argmax(axis=1)
    return place, shared.max(axis=1) >= least
