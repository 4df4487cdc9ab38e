"""All numbers of a run of a detector, with how sure they are, and two runs compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
import math
from typing import Any
import warnings

import numpy as np
import numpy.typing as npt

from vlm_ros.errors import InputError
from vlm_ros.evaluation.coverage import Values
from vlm_ros.evaluation.detection import average_precision, DetectedImage, DetectionScore
from vlm_ros.evaluation.intervals import compare, Comparison, Interval, LEVEL, SEED
from vlm_ros.evaluation.matches import (
    average_precisions,
    Counts,
    counts,
    match,
    Matches,
    mixed_precisions,
    OVERLAPS,
)
from vlm_ros.evaluation.operating import OperatingScore, points

RESAMPLES = 500
"""Fewer than for means: an average precision takes longer."""
MIN_IMAGES = 5
"""A class that fewer images show has no interval: samples of so few are too much alike."""
NUMBERS = ('ap', 'ap50', 'precision', 'recall', 'f1', 'alarms_per_image')
"""What has an interval."""


@dataclass(frozen=True, eq=False)
class Summary:
    """A run.

    Attributes:
        score: Average precision and recall.
        operating: What the threshold gives.
        intervals: `NUMBERS` over all classes.
        intervals_of: `NUMBERS` of each class.
        threshold: Least score that counts in `operating`; for all classes, or for each.
        iou: Least overlap that counts in `operating`.
        matches: Which detection is right.
        counted: What each image has at the threshold.
    """

    score: DetectionScore
    operating: OperatingScore
    intervals: Mapping[str, Interval]
    intervals_of: Mapping[str, Mapping[str, Interval]]
    threshold: float | Mapping[str, float]
    iou: float
    matches: Matches
    counted: Counts

    @property
    def present(self) -> tuple[str, ...]:
        """The classes that have things or boxes; of the others there is nothing to tell."""
        boxes = set(self.matches.label.tolist())
        return tuple(
            label
            for number, label in enumerate(self.matches.labels)
            if number in boxes or self.score.truths[label]
        )

    @property
    def overlap(self) -> int:
        """The place of `iou` among the overlaps."""
        return overlap_of(self.iou)


def summarize(
    images: Sequence[DetectedImage],
    labels: Sequence[str],
    *,
    threshold: float | Mapping[str, float] = 0.5,
    iou: float = 0.5,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Summary:
    """Score a run; intervals are percentile bootstraps over the images that were looked at.

    Args:
        images: The test set.
        labels: The classes.
        threshold: Least score of a box that counts as an alarm, for all classes or for each.
        iou: One of `matches.OVERLAPS`, from which on a box is on a thing.
        resamples: How often the images are drawn anew.
        seed: The same gives the same.

    Raises:
        InputError: See `average_precision`; or the overlap is none of these.
    """
    score = average_precision(images, labels)
    matches = match(images, labels)
    counted = counts(matches, threshold, overlap_of(iou))
    operating = points(matches, counted, score.coverage)
    drawn = _drawn(matches, resamples, seed)
    samples = [_numbers(matches, counted, weights) for weights in drawn]
    own = _numbers(matches, counted, matches.looked.astype(float))
    items = int(matches.looked.sum())
    showing = [items, *(matches.things > 0).sum(axis=0).tolist()]
    columns = {}
    for name in NUMBERS:
        table = np.array([sample[name] for sample in samples]).reshape(-1, 1 + len(labels))
        columns[name] = [
            _quantiles(
                float(value),
                table[:, place] if showing[place] >= MIN_IMAGES else table[:0, 0],
                items,
            )
            for place, value in enumerate(own[name])
        ]
    return Summary(
        score,
        operating,
        {name: rows[0] for name, rows in columns.items()},
        {
            label: {name: rows[number] for name, rows in columns.items()}
            for number, label in enumerate(labels, 1)
        },
        threshold,
        iou,
        matches,
        counted,
    )


@dataclass(frozen=True)
class RunComparison:
    """Two runs over the images that both looked at.

    Attributes:
        differences: Of `ap` and `ap50`, second less first, with paired bootstraps.
        p_values: How likely at least such a difference is where the runs are alike: images are
            exchanged between the runs at random (Noreen 1989; https://aclanthology.org/P18-1128).
        missed: Things missed in each image; fewer are better.
        false: False boxes in each image; fewer are better.
        images: How many images.
        left_out: How many only one of the runs looked at, or none.
    """

    differences: Mapping[str, Interval]
    p_values: Mapping[str, float]
    missed: Comparison
    false: Comparison
    images: int
    left_out: int


def compare_runs(
    first: Sequence[DetectedImage],
    second: Sequence[DetectedImage],
    labels: Sequence[str],
    *,
    threshold: float | Mapping[str, float] = 0.5,
    first_threshold: float | Mapping[str, float] | None = None,
    iou: float = 0.5,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> RunComparison:
    """Compare two runs image by image.

    Args:
        first: The run that the other is held against.
        second: The other, of the same images in the same order.
        labels: The classes of both.
        threshold: As for `summarize`.
        first_threshold: That of the first; None for the same.
        iou: As for `summarize`.
        resamples: How often images are drawn anew, and exchanged.
        seed: The same gives the same.

    Raises:
        InputError: The runs are not of the same images, or share none that both looked at.
    """
    if len(first) != len(second):
        raise InputError(f'runs of {len(first)} and {len(second)} images cannot be compared')
    one, other = match(first, labels), match(second, labels)
    both = np.flatnonzero(one.looked & other.looked)
    if not both.size:
        raise InputError('there is no image that both runs looked at; nothing can be compared')
    one = match([first[i] for i in both], labels)
    other = match([second[i] for i in both], labels)
    own = _ap(average_precisions(other)) - _ap(average_precisions(one))
    drawn = [
        _ap(average_precisions(other, weights)) - _ap(average_precisions(one, weights))
        for weights in _drawn(one, resamples, seed)
    ]
    generator = np.random.default_rng(seed)
    exchanged = []
    for _ in range(resamples):
        is_second = generator.random(len(both)) < 0.5
        exchanged.append(
            _ap(mixed_precisions(one, other, ~is_second))
            - _ap(mixed_precisions(one, other, is_second))
        )
    as_large = (np.abs(exchanged) >= np.abs(own) - 1e-12).sum(axis=0)
    p_values = np.where(np.isnan(own), np.nan, (as_large + 1) / (resamples + 1))
    samples = np.array(drawn).reshape(-1, 2)
    first_at = threshold if first_threshold is None else first_threshold
    at = [
        counts(run, least, overlap_of(iou)) for run, least in ((one, first_at), (other, threshold))
    ]
    return RunComparison(
        {
            name: _quantiles(float(own[i]), samples[:, i], len(both))
            for i, name in enumerate(('ap', 'ap50'))
        },
        {name: float(p_values[i]) for i, name in enumerate(('ap', 'ap50'))},
        _fewer(at[0].missed, at[1].missed, seed),
        _fewer(at[0].false, at[1].false, seed),
        len(both),
        len(first) - len(both),
    )


def _fewer(first: npt.NDArray[Any], second: npt.NDArray[Any], seed: int) -> Comparison:
    """Compare mistakes, images by classes: an image with fewer is better."""
    found = compare(first.sum(axis=1), second.sum(axis=1), seed=seed)
    return replace(found, better=found.worse, worse=found.better)


def overlap_of(iou: float) -> int:
    """Return the place of an overlap among `matches.OVERLAPS`.

    Raises:
        InputError: It is none of them.
    """
    near = np.flatnonzero(np.isclose(OVERLAPS, iou))
    if not near.size:
        told = ', '.join(f'{overlap:.2f}' for overlap in OVERLAPS)
        raise InputError(f'the overlap {iou:g} is none of {told}')
    return int(near[0])


def _ap(averages: Values) -> Values:
    return np.array([_mean(averages), _mean(averages[:, 0])])


def _drawn(matches: Matches, resamples: int, seed: int) -> list[Values]:
    if resamples < 0:
        raise InputError(f'there are {resamples} resamples; take 0 or more')
    generator = np.random.default_rng(seed)
    looked = np.flatnonzero(matches.looked)
    if len(looked) < 2:
        return []
    size = len(matches.looked)
    return [
        np.bincount(generator.choice(looked, len(looked)), minlength=size).astype(float)
        for _ in range(resamples)
    ]


def _numbers(matches: Matches, counted: Counts, weights: Values) -> dict[str, Values]:
    """Return `NUMBERS`, each `(1 + L,)`: of all classes, then of each."""
    averages = average_precisions(matches, weights)
    right, false, missed, alarms, without = (
        np.concatenate([[row.sum()], row])
        for row in (
            weights @ table
            for table in (
                counted.right,
                counted.false,
                counted.missed,
                counted.alarms,
                matches.absent,
            )
        )
    )
    with np.errstate(invalid='ignore', divide='ignore'):
        return {
            'ap': np.concatenate([[_mean(averages)], averages.mean(axis=1)]),
            'ap50': np.concatenate([[_mean(averages[:, 0])], averages[:, 0]]),
            'precision': right / (right + false),
            'recall': right / (right + missed),
            'f1': 2 * right / (2 * right + false + missed),
            'alarms_per_image': alarms / without,
        }


def _mean(table: Values) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', RuntimeWarning)
        return float(np.nanmean(table)) if table.size else math.nan


def _quantiles(value: float, drawn: Values, items: int) -> Interval:
    drawn = drawn[~np.isnan(drawn)]
    if math.isnan(value) or not drawn.size:
        return Interval(value, math.nan, math.nan, LEVEL, items)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, float(low), float(high), LEVEL, items)
