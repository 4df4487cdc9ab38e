"""Predicted boxes followed through the sequences of the truth, as `annotate --track` does."""

from dataclasses import replace

from vlm_ros.annotation.tracks import tracked
from vlm_ros.data.truths.box_truth import BoxTruth
from vlm_ros.data.truths.predictions import PredictedBox, PredictedImage, PredictedSet
from vlm_ros.errors import InputError
from vlm_ros.records import DetectionRecord, FrameRecord, ImageRecord


def follow(truth: BoxTruth, predicted: PredictedSet) -> PredictedSet:
    """Give boxes the numbers of their tracks, in place of those that they had.

    Raises:
        InputError: The truth does not say which images are of one sequence.
    """
    if not truth.moments:
        raise InputError(
            "--track needs a truth with sequences: KITTI's label_02, or COCO files of this package"
        )
    order = sorted(
        (number for number, moment in enumerate(truth.moments) if moment is not None),
        key=lambda number: _place(truth, number),
    )
    images = list(predicted.images)
    records = (_record(truth, number, predicted.images[number]) for number in order)
    for number, record in zip(order, tracked(records), strict=True):
        boxes = [
            replace(box, track_id=row.track_id)
            for box, row in zip(images[number].boxes, record.detections, strict=True)
        ]
        images[number] = replace(images[number], boxes=tuple(boxes))
    return replace(predicted, images=tuple(images))


def _place(truth: BoxTruth, number: int) -> tuple[str, int]:
    moment = truth.moments[number]
    return ('', 0) if moment is None else (moment.sequence, moment.place)


def _record(truth: BoxTruth, number: int, image: PredictedImage) -> FrameRecord:
    moment, size = truth.moments[number], truth.truth.images[number]
    return FrameRecord(
        key=f'{number:06d}',
        source='' if moment is None else moment.sequence,
        index=number,
        time_s=None if moment is None else moment.time_s,
        image=ImageRecord(width=size.width, height=size.height),
        status=image.status,
        detections=tuple(_row(box) for box in image.boxes),
    )


def _row(box: PredictedBox) -> DetectionRecord:
    return DetectionRecord(label=box.label, score=box.score, xyxy=box.xyxy)
