"""Detections at one threshold, as a robot uses them: right, missed, and false alarms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vlm_ros.evaluation.coverage import ANSWERED, Coverage, ratio
from vlm_ros.evaluation.detection import check, DetectedImage
from vlm_ros.evaluation.overlaps import areas, corners, intersections, overlaps


@dataclass(frozen=True)
class OperatingPoint:
    """What a threshold gives; rates are in [0, 1], and NaN where there is nothing to divide by.

    Attributes:
        right: Boxes on a true one.
        false: Boxes on none.
        missed: True boxes without one.
        alarms: Boxes in images that do not show the class.
        images_without: Those images.
        images_alarmed: How many of those have a box.
    """

    right: int
    false: int
    missed: int
    alarms: int
    images_without: int
    images_alarmed: int

    @property
    def precision(self) -> float:
        """The part of the boxes that is right."""
        return ratio(self.right, self.right + self.false)

    @property
    def recall(self) -> float:
        """The part of the true boxes that was found."""
        return ratio(self.right, self.right + self.missed)

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return ratio(2 * self.right, 2 * self.right + self.false + self.missed)

    @property
    def alarms_per_image(self) -> float:
        """Boxes for each image that does not show the class; not bounded by 1."""
        return ratio(self.alarms, self.images_without)


@dataclass(frozen=True)
class OperatingScore:
    """Each class at its threshold, and all together.

    Attributes:
        overall: Sums over the classes; an image counts once for each class it does not show.
        of_label: Of each class.
        coverage: Of images.
    """

    overall: OperatingPoint
    of_label: Mapping[str, OperatingPoint]
    coverage: Coverage


def operate(
    images: Sequence[DetectedImage],
    labels: Sequence[str],
    *,
    threshold: float | Mapping[str, float] = 0.5,
    iou: float = 0.5,
) -> OperatingScore:
    """Count what is right at a threshold, matching as COCO does, best score first.

    Args:
        images: The test set.
        labels: The classes.
        threshold: Least score of a box that counts, in [0, 1], for all classes or for each.
        iou: Overlap from which on a box is on a true one, in (0, 1].

    Raises:
        InputError: See `vlm_ros.evaluation.detection.average_precision`.
    """
    for number, image in enumerate(images):
        check(image, labels, number)
    looked = [image for image in images if image.status in ANSWERED]
    of_label = {}
    for label in labels:
        least = threshold[label] if isinstance(threshold, Mapping) else threshold
        of_label[label] = total([_counted(image, label, least, iou) for image in looked])
    coverage = Coverage.of(image.status for image in images)
    return OperatingScore(total(list(of_label.values())), of_label, coverage)


def total(points: Sequence[OperatingPoint]) -> OperatingPoint:
    """Add counts up."""
    return OperatingPoint(
        right=sum(point.right for point in points),
        false=sum(point.false for point in points),
        missed=sum(point.missed for point in points),
        alarms=sum(point.alarms for point in points),
        images_without=sum(point.images_without for point in points),
        images_alarmed=sum(point.images_alarmed for point in points),
    )


def _counted(image: DetectedImage, label: str, threshold: float, iou: float) -> OperatingPoint:
    own = np.array([name == label for name in image.truth_labels], bool)
    crowd = np.zeros(len(own), bool) if image.crowd is None else np.asarray(image.crowd, bool)
    truth_xyxy = corners(image.truth_xyxy, 'truth')
    scores = np.asarray(image.scores, float)
    named = np.array([name == label for name in image.labels], bool)
    rows = np.flatnonzero(named & (scores >= threshold))
    rows = rows[np.argsort(-scores[rows], kind='stable')]
    xyxy = corners(image.xyxy, 'detections')[rows]
    single = truth_xyxy[own & ~crowd]
    hits = _matched(overlaps(xyxy, single), iou)
    in_crowd = _inside(xyxy, truth_xyxy[own & crowd]) >= iou
    right = int(hits.sum())
    false = int((~hits & ~in_crowd).sum())
    absent = not own.any()
    return OperatingPoint(
        right=right,
        false=false,
        missed=len(single) - right,
        alarms=false if absent else 0,
        images_without=int(absent),
        images_alarmed=int(absent and false > 0),
    )


def _matched(shared: npt.NDArray[np.float64], iou: float) -> npt.NDArray[np.bool_]:
    """Give each box, best first, the true one that is left and overlaps most; the later of two."""
    hits = np.zeros(len(shared), bool)
    left = np.ones(shared.shape[1], bool)
    for row in range(len(shared)):
        free = np.where(left, shared[row], -1.0)
        if free.size and free.max() >= iou:
            hits[row] = True
            left[len(free) - 1 - int(free[::-1].argmax())] = False
    return hits


def _inside(
    xyxy: npt.NDArray[np.float64], crowd: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the largest part of each box that lies in one crowd."""
    sizes = areas(xyxy)[:, None]
    shared = intersections(xyxy, crowd)
    parts = np.divide(shared, sizes, out=np.zeros_like(shared), where=sizes > 0)
    largest: npt.NDArray[np.float64] = parts.max(axis=1, initial=0.0)
    return largest
