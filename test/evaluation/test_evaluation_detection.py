import contextlib
import io
import math

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
import pytest

from vlm_ros.errors import InputError
from vlm_ros.evaluation import detection
from vlm_ros.evaluation.detection import average_precision, DetectedImage, SIZES
from vlm_ros.evaluation.operating import operate
from vlm_ros.results import Status

LABELS = ('car', 'person', 'tree', 'unicorn')


def random_images(seed, count=25):
    rng = np.random.default_rng(seed)
    images = []
    for index in range(count):
        many = 0 if index % 6 == 0 else int(rng.integers(1, 8))
        sizes = rng.choice([12.0, 50.0, 150.0], (many, 1)) * rng.uniform(0.7, 1.3, (many, 2))
        start = rng.uniform(0, 300, (many, 2))
        truth = np.concatenate([start, start + sizes], axis=1)
        names = [LABELS[i] for i in rng.integers(0, 3, many)]
        moved = truth + rng.normal(0, 0.1, truth.shape) * np.tile(sizes, 2)
        moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2])
        extra = rng.uniform(0, 200, (4, 2))
        found = np.concatenate([moved, np.concatenate([extra, extra + 40], axis=1)])
        labels = [*names, *(LABELS[i] for i in rng.integers(0, 4, 4))]
        scores = rng.choice(np.linspace(0.05, 0.95, 10), len(found))  # with ties
        if index % 7 == 0:
            found, labels, scores = np.zeros((0, 4)), [], np.zeros(0)
        images.append(
            DetectedImage(
                truth,
                names,
                found,
                labels,
                scores,
                crowd=rng.random(many) < 0.2,
                areas=sizes.prod(axis=1) * 0.7,
            )
        )
    return images


def reference(images, label_ids=None):
    """What pycocotools makes of the same."""
    truths, found = [], []
    for number, image in enumerate(images, 1):
        rows = zip(image.truth_xyxy, image.truth_labels, image.crowd, image.areas, strict=True)
        for (x, y, right, bottom), label, crowd, area in rows:
            truths.append(
                {
                    'id': len(truths) + 1,
                    'image_id': number,
                    'category_id': LABELS.index(label) + 1,
                    'bbox': [x, y, right - x, bottom - y],
                    'iscrowd': int(crowd),
                    'area': area,
                }
            )
        for (x, y, right, bottom), label, score in zip(
            image.xyxy, image.labels, image.scores, strict=True
        ):
            found.append(
                {
                    'image_id': number,
                    'category_id': LABELS.index(label) + 1,
                    'bbox': [x, y, right - x, bottom - y],
                    'score': score,
                }
            )
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            'info': {},
            'images': [{'id': number} for number in range(1, len(images) + 1)],
            'annotations': truths,
            'categories': [{'id': i, 'name': name} for i, name in enumerate(LABELS, 1)],
        }
        coco.createIndex()
        evaluator = COCOeval(coco, coco.loadRes(found), 'bbox')
        if label_ids:
            evaluator.params.catIds = label_ids
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return evaluator


def flat(score):
    return [
        score.ap,
        score.ap50,
        score.ap75,
        *(score.ap_of_size[size] for size in SIZES),
        *(score.ar[limit] for limit in (1, 10, 100)),
        *(score.ar_of_size[size] for size in SIZES),
    ]


@pytest.mark.parametrize('seed', [0, 1, 2])
def test_average_precision_is_that_of_pycocotools(seed):
    images = random_images(seed)
    score = average_precision(images, LABELS)
    np.testing.assert_allclose(flat(score.overall), reference(images).stats, rtol=0, atol=1e-6)
    assert 0.1 < score.overall.ap < 0.9
    for number, label in enumerate(LABELS[:3], 1):
        expected = reference(images, [number]).stats
        got = np.nan_to_num(flat(score.of_label[label]), nan=-1)
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)
    assert score.truths['unicorn'] == 0
    assert math.isnan(score.of_label['unicorn'].ap)


@pytest.mark.parametrize('seed', [3, 4])
def test_counts_at_a_threshold_are_those_of_pycocotools(seed):
    images = random_images(seed)
    evaluator = reference(images)
    score = operate(images, LABELS, threshold=0.4)
    for number, label in enumerate(LABELS, 1):
        right = false = missed = 0
        for item in evaluator.evalImgs:
            if item is None or item['category_id'] != number:
                continue
            if item['aRng'] != [0, 1e10]:
                continue
            strong = np.asarray(item['dtScores']) >= 0.4
            matched = item['dtMatches'][0] > 0
            ignored = item['dtIgnore'][0] > 0
            right += int((strong & matched & ~ignored).sum())
            false += int((strong & ~matched & ~ignored).sum())
            missed += int((np.asarray(item['gtIgnore']) == 0).sum())
        point = score.of_label[label]
        assert (point.right, point.false, point.missed) == (right, false, missed - right)
    assert score.overall.right == sum(point.right for point in score.of_label.values()) > 0


def test_false_alarms_are_counted_where_the_thing_is_not():
    box, other = [10, 10, 50, 50], [60, 60, 90, 90]
    images = [
        DetectedImage([box], ['car'], [box, other], ['car', 'car'], [0.9, 0.8]),
        DetectedImage([], [], [box, other], ['car', 'car'], [0.9, 0.3]),
        DetectedImage([], [], [], [], []),
        DetectedImage([], [], [box], ['car'], [0.9], status=Status.FAILED),
        DetectedImage([box], ['car'], [], [], [], status=Status.UNSURE),
    ]
    score = operate(images, ['car'], threshold=0.5)
    point = score.of_label['car']
    # Who is unsure looked, and found none.
    assert (point.right, point.false, point.missed) == (1, 2, 1)
    assert point.precision == pytest.approx(1 / 3)
    assert point.recall == 1 / 2
    assert point.f1 == pytest.approx(2 * 1 / (2 * 1 + 2 + 1))
    assert (point.alarms, point.images_without, point.images_alarmed) == (1, 2, 1)
    assert point.alarms_per_image == 0.5
    assert (score.coverage.answered, score.coverage.abstained, score.coverage.failed) == (4, 0, 1)
    assert operate(images, ['car'], threshold={'car': 0.2}).overall.alarms == 2


def test_images_that_were_not_looked_at_change_nothing_but_the_coverage():
    images = random_images(5)
    lost = [
        DetectedImage([[0, 0, 9, 9]], ['car'], [], [], [], status=Status.FAILED),
        *images,
    ]
    all_seen, some = average_precision(images, LABELS), average_precision(lost, LABELS)
    assert flat(some.overall) == flat(all_seen.overall)
    assert (some.coverage.failed, some.coverage.rate) == (1, pytest.approx(25 / 26))


def test_nothing_looked_at_is_no_number():
    images = [DetectedImage([], [], [], [], [], status=Status.FAILED)]
    assert all(math.isnan(value) for value in flat(average_precision(images, LABELS).overall))


@pytest.mark.parametrize(
    ('image', 'words'),
    [
        (
            DetectedImage([[9, 0, 1, 5]], ['car'], [], [], []),
            'truth of image 0: box 0.*impossible',
        ),
        (DetectedImage([], [], [[0, 0, 1, math.nan]], ['car'], [0.5]), 'detections of image 0'),
        (DetectedImage([], [], [[0, 0, 1, 1]], ['dog'], [0.5]), "'dog' is not one of the labels"),
        (DetectedImage([], [], [[0, 0, 1, 1]], ['car'], [1.5]), r'in \[0, 1\]'),
        (DetectedImage([[0, 0, 1, 1]], [], [], [], []), 'needs one name'),
    ],
)
def test_bad_images_are_named(image, words):
    with pytest.raises(InputError, match=words):
        average_precision([image], LABELS)


@pytest.mark.parametrize('size', [1, 2])
def test_classes_looked_at_in_groups_change_nothing(monkeypatch, size):
    images = random_images(7)
    expected = average_precision(images, LABELS)
    monkeypatch.setattr(detection, 'CLASSES_AT_ONCE', size)
    found = average_precision(images, LABELS)
    np.testing.assert_array_equal(flat(found.overall), flat(expected.overall))
    for label in LABELS:
        np.testing.assert_array_equal(flat(found.of_label[label]), flat(expected.of_label[label]))
