"""Detections at one threshold, as a robot uses them: right, missed, and false alarms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vlm_ros.evaluation.coverage import Coverage, LOOKED, ratio
from vlm_ros.evaluation.detection import DetectedImage
from vlm_ros.evaluation.matches import Counts, counts, match, Matches


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
    matches = match(images, labels, overlaps_at=(iou,))
    coverage = Coverage.of((image.status for image in images), LOOKED)
    return points(matches, counts(matches, threshold), coverage)


def points(matches: Matches, counted: Counts, coverage: Coverage) -> OperatingScore:
    """Add up what each image has.

    Args:
        matches: The test set.
        counted: At a threshold, of the same.
        coverage: Of images.
    """
    of_label = {
        label: OperatingPoint(
            right=int(counted.right[:, number].sum()),
            false=int(counted.false[:, number].sum()),
            missed=int(counted.missed[:, number].sum()),
            alarms=int(counted.alarms[:, number].sum()),
            images_without=int(matches.absent[:, number].sum()),
            images_alarmed=int((counted.alarms[:, number] > 0).sum()),
        )
        for number, label in enumerate(matches.labels)
    }
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
