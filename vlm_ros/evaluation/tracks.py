"""Tracks of an annotated dataset held against those of the truth, class by class."""

from collections.abc import Sequence
from dataclasses import dataclass

from vlm_ros.data.truths.boxes import BoxTruth
from vlm_ros.data.truths.predictions import PredictedSet
from vlm_ros.evaluation.naming import Naming
from vlm_ros.evaluation.tracking import track, TrackedFrame, TrackingScore


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

    Frames of one camera of one source are a sequence, in the order of their numbers. All tracked
    boxes count, whatever their score: a tracker has chosen among them. Boxes without a track count
    on neither side.

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
    tracked = [(number, image) for number, image in enumerate(predicted.images) if image.sequence]
    if not any(box.track_id is not None for _, image in tracked for box in image.boxes):
        return {}
    sequences: dict[str, list[int]] = {}
    for number, image in sorted(tracked, key=lambda pair: (pair[1].sequence, pair[1].place)):
        sequences.setdefault(image.sequence, []).append(number)
    found = {}
    for label in labels:
        frames = [
            [_frame(truth, predicted, naming, label, number) for number in numbers]
            for numbers in sequences.values()
        ]
        things = sum(len({key for frame in own for key in frame.truth_ids}) for own in frames)
        if things:
            found[label] = TrackedClass(track(frames), things, len(frames))
    return found


def _frame(
    truth: BoxTruth, predicted: PredictedSet, naming: Naming, label: str, number: int
) -> TrackedFrame:
    true = [
        (box.track_id, box.xyxy)
        for box in truth.truth.images[number].boxes
        if box.label == label and box.track_id is not None and not box.crowd
    ]
    image = predicted.images[number]
    found = [
        (box.track_id, box.xyxy)
        for box in image.boxes
        if naming.pairs[box.label] == label and box.track_id is not None
    ]
    return TrackedFrame(
        [key for key, _ in true],
        [xyxy for _, xyxy in true],
        [key for key, _ in found],
        [xyxy for _, xyxy in found],
        image.status,
    )
