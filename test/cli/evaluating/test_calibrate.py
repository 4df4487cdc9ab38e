"""`vlm-ros calibrate`: thresholds for the detector."""

import math

from evaluated_photographs import LABELS, numbers, predicted, written
import numpy as np
import pytest
import yaml

from vlm_ros.cli.main import main
from vlm_ros.errors import InputError
from vlm_ros.evaluation.calibration import Aim, calibrate
from vlm_ros.evaluation.detection import DetectedImage
from vlm_ros.evaluation.matches import match
from vlm_ros.evaluation.operating import operate
from vlm_ros.nodes.thresholds import Thresholds


def test_calibrate_writes_what_the_detector_reads(capsys, tmp_path, truth):
    run = written(tmp_path / 'run', predicted())
    target = tmp_path / 'thresholds.yaml'
    args = ['calibrate', str(run), '--truth', str(truth), '--output', str(target)]
    status = main([*args])
    err = capsys.readouterr().err
    assert (status, target.exists()) == (2, False)
    assert 'no class has a threshold' in err and 'has 1 examples, and needs 10' in err
    assert main([*args, '--min-things', '2']) == 1
    assert 'spoon has 1 examples' in capsys.readouterr().err
    value = yaml.safe_load(target.read_text())
    (pair,) = value['/**/detector']['ros__parameters']['score_thresholds']
    name, _, score = pair.partition('=')
    rockets = [b.score for r in predicted() for b in r.detections if b.label == 'rocket']
    assert Thresholds.parse([pair]).of_name == {'rocket': float(score)}
    assert name == 'rocket' and float(score) in [round(score, 4) for score in rockets]
    assert '2 examples; too few images for an interval' in target.read_text()
    text = target.read_text()
    main([*args, '--min-things', '2'])
    assert target.read_text() == text
    assert main([*args, '--min-things', '1', '-q']) == 0
    capsys.readouterr()
    found = numbers(capsys, run, '--truth', truth, '--threshold', target)
    assert set(found['threshold']) == set(LABELS)
    plain = numbers(capsys, run, '--truth', truth)
    assert found['overall']['f1']['value'] >= plain['overall']['f1']['value']


def test_thresholds_keep_what_they_promise(tmp_path):
    """Sixty images of one class: the aim is held against a count of every threshold there is."""
    rng = np.random.default_rng(5)
    images = []
    for _ in range(60):
        shows = rng.random() < 0.7
        boxes = [[10, 10, 110, 110]] * shows + [[200, 200, 240, 240]] * int(rng.integers(0, 3))
        scores = [rng.beta(4, 2)] * shows + list(rng.beta(2, 4, len(boxes) - shows))
        truth = [[12, 10, 110, 112]] * shows
        labels = ['cat'] * len(boxes)
        images.append(DetectedImage(truth, ['cat'] * shows, boxes, labels, scores))
    matches = match(images, ['cat'])
    every = {
        score: operate(images, ['cat'], threshold=score).overall
        for score in matches.score.tolist()
    }
    best = calibrate(matches, Aim.parse('f1'))['cat']
    assert every[best.threshold.value].f1 == max(point.f1 for point in every.values())
    assert best.threshold.low <= best.threshold.value <= best.threshold.high
    precise = calibrate(matches, Aim.parse('precision=0.9'))['cat']
    good = [score for score, point in every.items() if point.precision >= 0.9]
    assert precise.threshold.value == min(good)
    assert precise.precision == every[min(good)].precision
    found = calibrate(matches, Aim.parse('recall=0.8'))['cat']
    assert found.threshold.value == max(s for s, point in every.items() if point.recall >= 0.8)
    never = calibrate(match(images[:20], ['cat']), Aim.parse('recall=1'), least_things=99)['cat']
    assert 'needs 99' in never.reason and math.isnan(never.threshold.value)
    for words in ('precision', 'recall=2', 'f1=0.5', 'precision=.'):
        with pytest.raises(InputError, match='write f1'):
            Aim.parse(words)
