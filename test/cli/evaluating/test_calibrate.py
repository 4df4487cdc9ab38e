"""`vlm-ros calibrate`: thresholds for the detector."""

import json
import math

from evaluated_photographs import evaluate, LABELS, numbers, predicted, record, results_of, written
import numpy as np
import pytest
import yaml

from vlm_ros.cli.main import main
from vlm_ros.data.formats import write_coco, write_kitti
from vlm_ros.errors import InputError
from vlm_ros.evaluation.calibration import Aim, calibrate
from vlm_ros.evaluation.detection import DetectedImage
from vlm_ros.evaluation.matches import match
from vlm_ros.evaluation.operating import operate
from vlm_ros.nodes.thresholds import Thresholds
from vlm_ros.records import write_lines


def test_calibrate_writes_what_the_detector_reads(capsys, tmp_path, truth):
    run = written(tmp_path / 'run', predicted())
    target = tmp_path / 'thresholds.yaml'
    args = ['calibrate', str(run), '--truth', str(truth), '--output', str(target)]
    status = main([*args])
    err = capsys.readouterr().err
    assert (status, target.exists()) == (2, False)
    assert 'no class has a threshold' in err and 'cat has 1 example, and needs 10' in err
    assert main([*args, '--min-things', '2']) == 1
    assert 'spoon has 1 example,' in capsys.readouterr().err
    value = yaml.safe_load(target.read_text())
    (pair,) = value['/**/detector']['ros__parameters']['score_thresholds']
    name, _, score = pair.partition('=')
    rockets = [b.score for r in predicted() for b in r.detections if b.label == 'rocket']
    assert Thresholds.parse([pair]).of_name == {'rocket': float(score)}
    assert name == 'rocket'
    # Half a step of the records' rounding below, or an example would be lost by it.
    assert min(abs(float(score) + 5e-5 - round(own, 4)) for own in rockets) < 2e-5
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


def test_thresholds_bear_the_names_that_are_looked_for(capsys, tmp_path, truth_records):
    """KITTI's `Pedestrian` is looked for as `person`, which is what the detector knows."""
    pictures, labels = tmp_path / 'photographs', ('Car', 'Pedestrian')
    boxes = {'chelsea': ('Car', 110, 15, 450, 299), 'astronaut': ('Pedestrian', 100, 20, 400, 512)}
    records = [
        record(number, name, [(box[0], 1.0, *box[1:])])
        for number, (name, box) in enumerate(boxes.items())
    ]
    write_kitti(records, labels, tmp_path / 'kitti', images=pictures)
    scene = 'scene="car 0.25 0.05 1 1; person 0.2 0.04 0.78 1"'
    model = ['--backend', 'fake', '--option', scene, '--truth', tmp_path / 'kitti']
    numbers(capsys, *model, '--output', tmp_path / 'run')
    target = tmp_path / 'thresholds.yaml'
    args = [tmp_path / 'run', '--truth', tmp_path / 'kitti', '--min-things', '1']
    assert main(['calibrate', *map(str, args), '--output', str(target)]) == 0
    assert '2 thresholds in' in capsys.readouterr().err
    value = yaml.safe_load(target.read_text())
    pairs = value['/**/detector']['ros__parameters']['score_thresholds']
    assert sorted(Thresholds.parse(pairs).of_name) == ['car', 'person']
    found = numbers(capsys, *model, '--threshold', target)
    assert found['threshold'] == {'Car': 0.89995, 'Pedestrian': 0.89995}
    assert found['classes']['Pedestrian']['right'] == 1
    # Predictions under other names, mapped.
    renamed = [
        own.model_copy(
            update={
                'detections': tuple(
                    box.model_copy(update={'label': box.label.upper() + 'S'})
                    for box in own.detections
                )
            }
        )
        for own in records
    ]
    run = written(tmp_path / 'renamed', renamed)
    pairs = ['--map', 'CARS=Car', '--map', 'PEDESTRIANS=Pedestrian']
    args = [run, '--truth', tmp_path / 'kitti', '--min-things', '1', *pairs]
    assert main(['calibrate', *map(str, args), '--output', str(target)]) == 0
    assert 'PEDESTRIANS=0.99995' in target.read_text()
    capsys.readouterr()
    found = numbers(capsys, run, '--truth', tmp_path / 'kitti', *pairs, '--threshold', target)
    assert found['threshold']['Pedestrian'] == 0.99995


def test_a_class_that_results_never_found_is_told(capsys, tmp_path, truth):
    own = tmp_path / 'results.json'
    rows = [row for row in results_of(predicted(), truth) if row['category_id'] == 1]
    own.write_text(json.dumps(rows))
    target = tmp_path / 'thresholds.yaml'
    args = ['calibrate', str(own), '--truth', str(truth), '--min-things', '1']
    assert main([*args, '--output', str(target)]) == 1
    assert 'rocket was never found; it gets no threshold' in capsys.readouterr().err
    args_of_run = [own, '--truth', truth, '--threshold', target, '--json']
    _, out, err = evaluate(capsys, *args_of_run)
    assert json.loads(out)['threshold']['rocket'] == 0.5
    assert 'has no threshold for cup, person, rocket, spoon; 0.5 is used' in err
    assert "# 'rocket': none, it was never found." in target.read_text()
    own.write_text('[]')
    assert main([*args, '--output', str(target)]) == 2
    assert 'results.json has no boxes' in capsys.readouterr().err
    assert main([*args, '--output', '']) == 2
    assert '--output is empty' in capsys.readouterr().err


def test_a_dataset_without_weak_boxes_is_told(capsys, tmp_path, truth):
    run, target = tmp_path / 'run', tmp_path / 'thresholds.yaml'
    picture = tmp_path / 'photographs' / 'images' / 'chelsea.png'
    args = ['annotate', str(picture), '--backend', 'fake', '--vocabulary', 'cat', '-q']
    for more, is_told in (([], True), (['--score-threshold', '0.05', '--anew'], False)):
        main([*args, '-o', str(run), *more])
        boxes = [('cat', 0.95, 110, 15, 450, 299)]
        write_lines(run / 'annotations.jsonl', [record(0, 'chelsea', boxes)])
        capsys.readouterr()
        told = ['--truth', str(truth), '--min-things', '1', '--output', str(target)]
        assert main(['calibrate', str(run), *told]) == 0
        assert ('holds no box below 0.9' in capsys.readouterr().err) == is_told


def test_odd_names_are_read_back(capsys, tmp_path):
    odd = ('rm\x7f', 'a=b', 'say "no"', '\x1b[31mred', '猫', 'a: b # c')
    boxes = [(name, 0.9, 10 * n, 0, 10 * n + 9, 9) for n, name in enumerate(odd, 1)]
    records = [record(0, 'chelsea', boxes)]
    plain = [(f'name {n}', *box[1:]) for n, box in enumerate(boxes)]
    names = tuple(box[0] for box in plain)
    write_coco([record(0, 'chelsea', plain)], names, tmp_path / 'truth')
    truth = tmp_path / 'truth' / 'annotations' / 'instances_train.json'
    content = json.loads(truth.read_text())
    for row, name in zip(content['categories'], odd, strict=True):
        row['name'] = name
    truth.write_text(json.dumps(content))
    run, target = written(tmp_path / 'run', records), tmp_path / 'thresholds.yaml'
    args = [str(run), '--truth', str(truth), '--min-things', '1', '--output', str(target)]
    assert main(['calibrate', *args]) == 0
    capsys.readouterr()
    _, _, err = evaluate(capsys, run, '--truth', truth, '--map', 'x=y')
    assert '\x1b' not in err and r'\x1b[31mred' in err
    found = numbers(capsys, run, '--truth', truth, '--threshold', target)['threshold']
    assert found == dict.fromkeys(odd, 0.89995)
    value = yaml.safe_load(target.read_text())['/**/detector']['ros__parameters']
    assert set(Thresholds.parse(value['score_thresholds']).of_name) == {n.casefold() for n in odd}
