"""Samples of images are scored as faster-coco-eval would score them."""

import numpy as np
import pytest
from test_evaluation_detection import LABELS, random_images

from vlm_ros.evaluation.detection import average_precision
from vlm_ros.evaluation.matches import average_precisions, match, mixed_precisions


@pytest.mark.parametrize('seed', [0, 1])
def test_averages_are_those_of_faster_coco_eval(seed):
    images = random_images(seed)
    score = average_precision(images, LABELS)
    averages = average_precisions(match(images, LABELS))
    assert np.nanmean(averages) == pytest.approx(score.overall.ap, abs=1e-9)
    for number, label in enumerate(LABELS[:3]):
        assert averages[number].mean() == pytest.approx(score.of_label[label].ap, abs=1e-9)
        assert averages[number, 0] == pytest.approx(score.of_label[label].ap50, abs=1e-9)
    assert np.isnan(averages[3]).all()


def without_ties(seed, scores_seed):
    """The same images and boxes for a seed; what is scored alike may be sorted either way."""
    images = random_images(seed)
    rng = np.random.default_rng(scores_seed)
    for image in images:
        image.scores[:] = rng.uniform(0, 1, len(image.scores))
    return images


def test_weights_are_images_that_come_several_times():
    images = without_ties(2, 0)
    drawn = np.random.default_rng(0).integers(0, len(images), len(images))
    weights = np.bincount(drawn, minlength=len(images))
    expected = average_precision([images[i] for i in drawn], LABELS).overall.ap
    averages = average_precisions(match(images, LABELS), weights)
    assert np.nanmean(averages) == pytest.approx(expected, abs=1e-9)


def test_a_mix_of_two_runs_is_scored_as_one():
    first, second = without_ties(3, 1), without_ties(3, 2)
    is_second = np.random.default_rng(1).random(len(first)) < 0.5
    mixed = [b if flag else a for a, b, flag in zip(first, second, is_second, strict=True)]
    matches = match(first, LABELS), match(second, LABELS)
    got = np.nanmean(mixed_precisions(*matches, is_second))
    assert got == pytest.approx(average_precision(mixed, LABELS).overall.ap, abs=1e-9)
    assert got != pytest.approx(np.nanmean(average_precisions(matches[0])), abs=1e-6)
