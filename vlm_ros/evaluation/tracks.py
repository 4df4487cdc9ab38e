"""Tracks of an annotated dataset held against those of the truth, class by class."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vlm_ros.data.formats import TruthBox
from vlm_ros.data.formats.kitti import DONT_CARE
from vlm_ros.data.truths.box_truth import BoxTruth, Moment
from vlm_ros.data.truths.predictions import PredictedSet
from vlm_ros.errors import InputError
from vlm_ros.evaluation.naming import Naming
from vlm_ros.evaluation.overlaps import areas, corners, Floats, intersections, overlaps
from vlm_ros.evaluation.tracking import track, TrackedFrame, TrackingScore

MATCHED = 0.5
"""From this overlap on a box is on a thing that does not count."""


@dataclass(frozen=True)
class TrackedClass:
    """The tracks of one class.

    Attributes:
        score: The numbers.
        things: How many tracks the truth has.
        sequences: Of how many cameras.
    """

    score: TrackingScore
    things: int
    sequences: int


def evaluate_tracks(
    truth: BoxTruth, predicted: PredictedSet, naming: Naming, labels: Sequence[str]
) -> dict[str, TrackedClass]:
    """Score the tracks of each class that has tracks in the truth.

    Frames of one camera of one source are a sequence, in the order of their numbers; what the
    truth says of that comes first. All tracked boxes count, whatever their score: a tracker has
    chosen among them. Boxes without a track count on neither side, nor do things that are
    difficult, nor what is on these or in regions in which nothing counts.

    Args:
        truth: The truth.
        predicted: Of its images.
        naming: What the predictions' names are called in the truth.
        labels: The classes.

    Returns:
        By class; empty where one of the two has no tracks.

    Raises:
        InputError: A track is twice in a frame.
    """
    moments = moments_of(truth, predicted)
    tracked = [number for number, moment in enumerate(moments) if moment is not None]
    if not any(
        box.track_id is not None for number in tracked for box in predicted.images[number].boxes
    ):
        return {}
    sequences: dict[str, list[tuple[int, int]]] = {}
    for number in tracked:
        moment = moments[number]
        if moment is not None:
            sequences.setdefault(moment.sequence, []).append((moment.place, number))
    found = {}
    for label in labels:
        frames = [
            [_frame(truth, predicted, naming, label, number) for _, number in sorted(places)]
            for _, places in sorted(sequences.items())
        ]
        things = sum(len({key for frame in own for key in frame.truth_ids}) for own in frames)
        if things:
            found[label] = TrackedClass(track(frames), things, len(frames))
    return found


def moments_of(truth: BoxTruth, predicted: PredictedSet) -> list[Moment | None]:
    """Return where each image stands in its camera's sequence; None for a photograph."""
    if truth.moments:
        return list(truth.moments)
    return [
        Moment(image.sequence, image.place, 0.0) if image.sequence else None
        for image in predicted.images
    ]


def _frame(
    truth: BoxTruth, predicted: PredictedSet, naming: Naming, label: str, number: int
) -> TrackedFrame:
    image = truth.truth.images[number]
    written = truth.as_written[number] if truth.as_written else [box.xyxy for box in image.boxes]
    rows = list(zip(image.boxes, written, strict=True))
    near = truth.lenient.get(label, frozenset())
    own = [
        (box if box.label == label else replace(box, difficult=True), xyxy)
        for box, xyxy in rows
        if (box.label == label or box.label in near) and not box.crowd
    ]
    regions = [xyxy for box, xyxy in rows if box.crowd and box.label in (label, DONT_CARE)]
    given = [
        (box.track_id, box.xyxy)
        for box in predicted.images[number].boxes
        if naming.pairs[box.label] == label and box.track_id is not None
    ]
    kept = _counted(
        own, corners(regions, 'regions'), corners([xyxy for _, xyxy in given], 'tracks'),
        truth.min_tracked_height_px,
    )  # fmt: skip
    found = [row for row, counts in zip(given, kept, strict=True) if counts]
    true = [
        (box.track_id, xyxy) for box, xyxy in own if box.track_id is not None and not box.difficult
    ]
    for what, ids in (('truth', true), ('predictions', found)):
        keys = [key for key, _ in ids]
        if len(set(keys)) < len(keys):
            twice = next(key for key in keys if keys.count(key) > 1)
            raise InputError(f'the {what} of {image.file or image.key} have {label} {twice} twice')
    return TrackedFrame(
        [key for key, _ in true if key is not None],
        [xyxy for _, xyxy in true],
        [key for key, _ in found if key is not None],
        [xyxy for _, xyxy in found],
        predicted.images[number].status,
    )


def _counted(
    own: Sequence[tuple[TruthBox, tuple[float, float, float, float]]],
    regions: Floats,
    found: Floats,
    min_height_px: float,
) -> list[bool]:
    """Say which predicted boxes count, by the rule of KITTI's tracking benchmark.

    Boxes are matched with all things first, so that none is taken for one on a difficult thing
    that is on another. Of those on nothing, the low ones and those in a region do not count.
    """
    from scipy.optimize import linear_sum_assignment

    shared = overlaps(corners([xyxy for _, xyxy in own], 'truth'), found)
    shared[shared < MATCHED - np.finfo(float).eps] = 0
    rows, columns = linear_sum_assignment(-shared)
    thing = {
        int(column): own[row][0]
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
        if shared[row, column] > 0
    }
    inside = intersections(found, regions) / np.maximum(areas(found), 1e-9)[:, None]
    is_ignored = (inside > MATCHED + np.finfo(float).eps).any(axis=1)
    is_ignored |= found[:, 3] - found[:, 1] <= min_height_px * (min_height_px > 0)
    return [
        not thing[column].difficult if column in thing else not is_ignored[column]
        for column in range(len(found))
    ]
