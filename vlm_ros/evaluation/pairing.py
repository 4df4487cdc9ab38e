"""Predictions and truth of the same images, put side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

from vlm_ros.data.formats import TruthImage
from vlm_ros.data.formats.kitti import DONT_CARE
from vlm_ros.data.truths.box_truth import BoxTruth
from vlm_ros.data.truths.predictions import PredictedImage, PredictedSet
from vlm_ros.errors import VocabularyError
from vlm_ros.evaluation.detection import DetectedImage
from vlm_ros.evaluation.naming import Naming


@dataclass(frozen=True)
class Paired:
    """What detections are scored from.

    Attributes:
        labels: The classes that are scored.
        images: One for each image of the truth.
        not_looked_for: Classes of the truth that are left out, because nobody looked for them.
        left_out: How many predicted boxes are left out, because the truth has no such class.
        unrecognized: Names that a model could not look for in some image; their things count as
            missed.
    """

    labels: tuple[str, ...]
    images: tuple[DetectedImage, ...]
    not_looked_for: tuple[str, ...]
    left_out: int
    unrecognized: tuple[str, ...]


def pair(
    truth: BoxTruth, predicted: PredictedSet, naming: Naming, *, all_classes: bool = False
) -> Paired:
    """Put predictions beside the truth.

    Args:
        truth: The truth.
        predicted: Of its images.
        naming: What the predictions' names are called in the truth.
        all_classes: Whether classes that nobody looked for are scored, too.

    Raises:
        VocabularyError: No class is left.
    """
    known = [label for label in truth.truth.labels if label != DONT_CARE]
    sought = {naming.pairs[label] for label in predicted.vocabulary}
    labels = [
        label for label in known if all_classes or not predicted.vocabulary or label in sought
    ]
    if not labels:
        raise VocabularyError(
            f'nobody looked for any of {", ".join(known)}; say what they are called with --map'
        )
    images = tuple(
        _image(truth, number, image, predicted.images[number], naming, labels)
        for number, image in enumerate(truth.truth.images)
    )
    return Paired(
        tuple(labels),
        images,
        tuple(label for label in known if label not in labels),
        sum(naming.pairs[box.label] is None for image in predicted.images for box in image.boxes),
        tuple(sorted({name for image in predicted.images for name in image.unrecognized})),
    )


def _image(
    truth: BoxTruth,
    number: int,
    image: TruthImage,
    predicted: PredictedImage,
    naming: Naming,
    labels: Sequence[str],
) -> DetectedImage:
    known = truth.areas[number] if truth.areas else None
    boxes = truth.as_written[number] if truth.as_written else [box.xyxy for box in image.boxes]
    rows = []
    for place, (box, xyxy) in enumerate(zip(image.boxes, boxes, strict=True)):
        left, top, right, bottom = xyxy
        area = known[place] if known is not None else (right - left) * (bottom - top)
        # A region in which nothing counts is one for every class.
        for label in labels if box.label == DONT_CARE and box.crowd else [box.label]:
            if label in labels:
                rows.append((xyxy, label, box.crowd or box.difficult, area))
    named = [(naming.pairs[box.label], box) for box in predicted.boxes]
    found = [(label, box) for label, box in named if label in labels]
    judged = truth.judged[number] if truth.judged else None
    if judged is not None:
        judged |= {label for label in image.labels if label in labels}
    return DetectedImage(
        truth_xyxy=[row[0] for row in rows],
        truth_labels=[row[1] for row in rows],
        xyxy=[box.xyxy for _, box in found],
        labels=[str(label) for label, _ in found],
        scores=[box.score for _, box in found],
        crowd=[row[2] for row in rows],
        areas=[row[3] for row in rows],
        status=predicted.status,
        shown=frozenset(box.label for box in image.boxes if box.label != DONT_CARE),
        judged=judged,
        not_exhaustive=truth.not_exhaustive[number] if truth.not_exhaustive else frozenset(),
    )
