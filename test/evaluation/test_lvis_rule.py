"""Sets in which only some names are judged in each image, as in LVIS (arXiv 1908.03195)."""

import math

import numpy as np
import pytest
from test_evaluation_detection import LABELS, random_images

from vlm_ros.evaluation.detection import average_precision, DetectedImage
from vlm_ros.evaluation.matches import average_precisions, match
from vlm_ros.evaluation.operating import operate

BOX, OTHER = [10, 10, 110, 110], [200, 200, 260, 260]


def test_what_nobody_judged_counts_neither_way():
    """The second image was not searched for cats: what is found there is left out."""
    images = [
        DetectedImage([BOX], ['cat'], [BOX], ['cat'], [0.5], judged=frozenset()),
        DetectedImage([], [], [BOX], ['cat'], [0.9], judged=frozenset({'cup'})),
    ]
    assert average_precision(images, ['cat', 'cup']).overall.ap == pytest.approx(1)
    point = operate(images, ['cat', 'cup']).of_label['cat']
    assert (point.right, point.false, point.alarms, point.images_without) == (1, 0, 0, 0)
    searched = [images[0], DetectedImage([], [], [BOX], ['cat'], [0.9], judged=frozenset({'cat'}))]
    assert average_precision(searched, ['cat']).overall.ap == pytest.approx(0.5, abs=1e-6)
    assert operate(searched, ['cat']).of_label['cat'].alarms == 1


def test_more_of_what_was_not_labelled_throughout_is_no_fault():
    images = [
        DetectedImage(
            [BOX], ['cat'], [OTHER, BOX], ['cat', 'cat'], [0.9, 0.8],
            judged=frozenset(), not_exhaustive=not_exhaustive,
        )
        for not_exhaustive in (frozenset({'cat'}), frozenset())
    ]  # fmt: skip
    for image, expected in zip(images, (1, 0.5), strict=True):
        assert average_precision([image], ['cat']).overall.ap == pytest.approx(expected, abs=1e-6)
        assert np.nanmean(average_precisions(match([image], ['cat']))) == pytest.approx(expected)
    assert operate(images[:1], ['cat']).overall.false == 0


@pytest.mark.parametrize(
    ('seed', 'reference'),
    [(0, 0.32369695485373157), (1, 0.3101832368529669)],  # AP by LVIS's own package, lvis 0.5.3
)
def test_averages_are_those_of_the_reference(seed, reference):
    rng = np.random.default_rng(seed)
    images = [
        DetectedImage(
            image.truth_xyxy,
            image.truth_labels,
            image.xyxy,
            image.labels,
            image.scores,
            areas=image.areas,
            judged=frozenset(label for label in LABELS if rng.random() < 0.5),
            not_exhaustive=frozenset(label for label in LABELS if rng.random() < 0.3),
        )
        for image in random_images(seed)
    ]
    score = average_precision(images, LABELS)
    averages = average_precisions(match(images, LABELS))
    assert score.overall.ap == pytest.approx(reference, abs=1e-6)
    assert list(score.overall.ar) == [1, 10, 300]
    for number, label in enumerate(LABELS[:3]):
        assert averages[number].mean() == pytest.approx(score.of_label[label].ap, abs=1e-9)
    assert math.isnan(score.of_label['unicorn'].ap)
