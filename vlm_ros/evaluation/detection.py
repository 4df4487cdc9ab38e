"""Named boxes held against the true ones: average precision of COCO, by faster-coco-eval."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vlm_ros.errors import InputError
from vlm_ros.evaluation.coverage import Coverage, LOOKED
from vlm_ros.evaluation.overlaps import areas, corners
from vlm_ros.results import Status

LIMITS = (1, 10, 100)
"""How many of the best boxes of an image and class recall is taken over."""
LIMITS_OF_LVIS = (1, 10, 300)
"""The same where only some names are judged in each image (arXiv 1908.03195)."""
CLASSES_AT_ONCE = 100
"""COCO has 80, LVIS 1203."""
SIZES = ('small', 'medium', 'large')
"""Below 32², up to 96², and above, in square pixels of the true box or mask."""


@dataclass(frozen=True, eq=False)
class DetectedImage:
    """What there is in an image and what was found.

    Attributes:
        truth_xyxy: `(N, 4)` corners in pixels.
        truth_labels: N names.
        xyxy: `(M, 4)` corners in pixels.
        labels: M names.
        scores: `(M,)`, in [0, 1].
        crowd: `(N,)`, whether a true box is around many; what is found there counts neither way.
        areas: `(N,)` square pixels, those of the masks where there are some; else of the boxes.
        status: Whether it was looked at; an image that was not is left out and counted.
        judged: The names whose presence or absence is known; None for all. Detections of other
            names are left out, as LVIS does, which looks for some names in each image only.
        not_exhaustive: Names of which not all things are labelled; what is found besides counts
            neither way.
        shown: The names of what is there; None for all true names, of which some may be of a
            region in which nothing counts.
    """

    truth_xyxy: npt.ArrayLike
    truth_labels: Sequence[str]
    xyxy: npt.ArrayLike
    labels: Sequence[str]
    scores: Sequence[float]
    crowd: Sequence[bool] | None = None
    areas: Sequence[float] | None = None
    status: Status = Status.OK
    judged: frozenset[str] | None = None
    not_exhaustive: frozenset[str] = frozenset()
    shown: frozenset[str] | None = None

    @property
    def crowds(self) -> list[bool]:
        """Whether each true box is around many."""
        if self.crowd is None:
            return [False] * len(self.truth_labels)
        return [bool(flag) for flag in self.crowd]

    def judges(self, label: str) -> bool:
        """Say whether detections of a name count here."""
        return self.judged is None or label in self.judged or label in self.truth_labels


@dataclass(frozen=True)
class Precision:
    """Average precision and recall as COCO defines them, in [0, 1]; NaN without true boxes.

    Attributes:
        ap: Mean over overlaps 0.50 to 0.95.
        ap50: At overlap 0.50.
        ap75: At overlap 0.75.
        ap_of_size: `ap` of small, medium and large things.
        ar: Recall with at most 1, 10 and 100 boxes an image (300 where not all names are judged),
            mean over the overlaps.
        ar_of_size: With the most boxes, of small, medium and large things.
    """

    ap: float
    ap50: float
    ap75: float
    ap_of_size: Mapping[str, float]
    ar: Mapping[int, float]
    ar_of_size: Mapping[str, float]


@dataclass(frozen=True)
class DetectionScore:
    """Average precision over all classes, and of each.

    Attributes:
        overall: The mean over the classes that have true boxes.
        of_label: Of each class.
        truths: How many true boxes each class has, crowds left out.
        coverage: Of images.
    """

    overall: Precision
    of_label: Mapping[str, Precision]
    truths: Mapping[str, int]
    coverage: Coverage


def average_precision(images: Sequence[DetectedImage], labels: Sequence[str]) -> DetectionScore:
    """Score detections as COCO does (arXiv 1405.0312, https://cocodataset.org/#detection-eval).

    Args:
        images: The test set.
        labels: The classes; boxes of other names are an error, not silently dropped.

    Raises:
        InputError: A box is impossible, lists of an image differ in length, a score is not in
            [0, 1], or a name is not one of the labels.
    """
    for number, image in enumerate(images):
        check(image, labels, number)
    coverage = Coverage.of((image.status for image in images), LOOKED)
    looked = [image for image in images if image.status in LOOKED]
    counted = Counter(
        name
        for image in looked
        for name, is_crowd in zip(image.truth_labels, image.crowds, strict=True)
        if not is_crowd
    )
    truths = {label: counted[label] for label in labels}
    table = _in_groups(looked, labels) if looked and labels else None
    limits = limits_of(images)
    of_label = {label: _precision(table, [index], limits) for index, label in enumerate(labels)}
    overall = _precision(table, list(range(len(labels))), limits)
    return DetectionScore(overall, of_label, truths, coverage)


def check(image: DetectedImage, labels: Sequence[str], number: int) -> None:
    """Raise InputError where an image's boxes, names and scores do not fit."""
    truth = corners(image.truth_xyxy, f'the truth of image {number}')
    found = corners(image.xyxy, f'the detections of image {number}')
    crowd = image.truth_labels if image.crowd is None else image.crowd
    sizes = image.truth_labels if image.areas is None else image.areas
    if not len(truth) == len(image.truth_labels) == len(crowd) == len(sizes):
        raise InputError(f'image {number}: every true box needs one name, crowd flag and area')
    if not len(found) == len(image.labels) == len(image.scores):
        raise InputError(f'image {number}: every detection needs one name and one score')
    scores = np.asarray(image.scores, float)
    if not ((scores >= 0) & (scores <= 1)).all():
        raise InputError(f'image {number}: scores have to be in [0, 1]')
    unknown = sorted({*image.truth_labels, *image.labels} - set(labels))
    if unknown:
        raise InputError(
            f'image {number}: {unknown[0]!r} is not one of the labels; map its name, or add it'
        )


def _in_groups(
    images: Sequence[DetectedImage], labels: Sequence[str]
) -> dict[str, npt.NDArray[np.float64]]:
    """Return COCO's tables; memory goes with images times the classes that are looked at at once.

    Classes have nothing to do with each other, nor do images without a box of them.
    """
    is_style_of_lvis = any(image.not_exhaustive for image in images)
    limits = limits_of(images)
    parts = []
    for first in range(0, len(labels), CLASSES_AT_ONCE):
        own = set(labels[first : first + CLASSES_AT_ONCE])
        shown = [i for i in images if not own.isdisjoint((*i.truth_labels, *i.labels))]
        # An image without boxes, where there is none with, gives tables of the right shape.
        group = labels[first : first + CLASSES_AT_ONCE]
        parts.append(_evaluated(shown or images[:1], group, limits, is_style_of_lvis))
    return {
        name: np.concatenate([np.asarray(part[name]) for part in parts], axis=axis)
        for name, axis in (('precision', 2), ('recall', 1))
    }


def _evaluated(
    images: Sequence[DetectedImage],
    labels: Sequence[str],
    limits: tuple[int, int, int],
    is_style_of_lvis: bool,
) -> Any:
    """Return COCO's tables: precision (overlap, recall, class, size, boxes), recall likewise."""
    from faster_coco_eval import COCO, COCOeval_faster

    numbers = {label: index for index, label in enumerate(labels, 1)}
    truths, found = _entries(images, numbers)
    coco = COCO(
        {
            'info': {},
            'images': [
                {
                    'id': image_id,
                    'neg_category_ids': [numbers[name] for name in labels if image.judges(name)],
                    'not_exhaustive_category_ids': [
                        numbers[name] for name in image.not_exhaustive if name in numbers
                    ],
                }
                for image_id, image in enumerate(images, 1)
            ],
            # Of three groups of classes LVIS has means; they are taken elsewhere.
            'categories': [
                {'id': number, 'name': name, 'frequency': 'f'} for name, number in numbers.items()
            ],
            'annotations': truths,
        }
    )
    evaluator = COCOeval_faster(
        coco,
        coco.loadRes(found),
        iouType='bbox',
        lvis_style=is_style_of_lvis,
    )
    evaluator.params.maxDets = list(limits)
    evaluator.evaluate()
    evaluator.accumulate()
    return evaluator.eval


def _entries(
    images: Sequence[DetectedImage], numbers: Mapping[str, int]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the true boxes and the detections of some classes, as COCO has them."""
    truths: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for image_id, image in enumerate(images, 1):
        boxes = corners(image.truth_xyxy, 'truth')
        sizes = areas(boxes) if image.areas is None else image.areas
        rows = zip(boxes, image.truth_labels, image.crowds, sizes, strict=True)
        for box, label, crowd, size in rows:
            if label not in numbers:
                continue
            truths.append(
                {
                    'id': len(truths) + 1,
                    'image_id': image_id,
                    'category_id': numbers[label],
                    'bbox': _xywh(box),
                    'area': float(size),
                    'iscrowd': int(crowd),
                }
            )
        boxes = corners(image.xyxy, 'detections')
        for box, label, score in zip(boxes, image.labels, image.scores, strict=True):
            if label not in numbers or not image.judges(label):
                continue
            row = {'image_id': image_id, 'category_id': numbers[label], 'bbox': _xywh(box)}
            found.append({**row, 'score': float(score)})
    return truths, found


def limits_of(images: Sequence[DetectedImage]) -> tuple[int, int, int]:
    """Return how many of the best boxes of an image and class recall is taken over."""
    return LIMITS if all(image.judged is None for image in images) else LIMITS_OF_LVIS


def _xywh(box: npt.NDArray[np.float64]) -> list[float]:
    left, top, right, bottom = box.tolist()
    return [left, top, right - left, bottom - top]


def _precision(table: Any, classes: list[int], limits: tuple[int, int, int]) -> Precision:
    nan = float('nan')
    if table is None:
        nothing = dict.fromkeys(SIZES, nan)
        return Precision(nan, nan, nan, nothing, dict.fromkeys(limits, nan), nothing)
    precision = np.asarray(table['precision'])[:, :, classes]
    recall = np.asarray(table['recall'])[:, classes]
    return Precision(
        ap=_mean(precision[..., 0, -1]),
        ap50=_mean(precision[0, ..., 0, -1]),
        ap75=_mean(precision[5, ..., 0, -1]),
        ap_of_size={s: _mean(precision[..., i, -1]) for i, s in enumerate(SIZES, 1)},
        ar={limit: _mean(recall[..., 0, i]) for i, limit in enumerate(limits)},
        ar_of_size={s: _mean(recall[..., i, -1]) for i, s in enumerate(SIZES, 1)},
    )


def _mean(table: npt.NDArray[np.float64]) -> float:
    """Return the mean of what there is; COCO writes -1 where there is nothing to find."""
    known = table[table > -1]
    return float(known.mean()) if known.size else float('nan')
