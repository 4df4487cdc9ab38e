"""`vlm-ros evaluate` and `calibrate` on real photographs with boxes, in process."""

import contextlib
import importlib.util
import io
import json
import math
import os
from pathlib import Path
import re
import shutil

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
import pytest
import yaml

from vlm_ros import backends
from vlm_ros.backends.fake import FakeBackend
from vlm_ros.cli.main import main
from vlm_ros.data.formats import write_coco, write_kitti, write_voc, write_yolo, WRITERS
from vlm_ros.data.photographs import SAMPLES
from vlm_ros.errors import InputError
from vlm_ros.evaluation import running
from vlm_ros.evaluation.calibration import Aim, calibrate
from vlm_ros.evaluation.detection import DetectedImage
from vlm_ros.evaluation.matches import match
from vlm_ros.evaluation.operating import operate
from vlm_ros.records import DetectionRecord, FrameRecord, ImageRecord, write_lines
from vlm_ros.results import Status

SIZES = {
    'chelsea': (451, 300),
    'coffee': (600, 400),
    'rocket': (640, 427),
    'astronaut': (512, 512),
    'china': (640, 427),
    'flower': (640, 427),
}
TRUTH = {
    'chelsea': [('cat', 110, 15, 450, 299)],
    'coffee': [('cup', 180, 90, 440, 310), ('spoon', 380, 40, 560, 330)],
    'rocket': [('rocket', 300, 60, 350, 340)],
    'astronaut': [('person', 100, 20, 400, 512), ('rocket', 400, 20, 500, 300)],
    'china': [],
    'flower': [],
}
LABELS = ('cat', 'cup', 'person', 'rocket', 'spoon')


def photograph(name):
    package, file = SAMPLES[name]
    home = Path(importlib.util.find_spec(package).submodule_search_locations[0])
    return home / file


def record(index, name, boxes, status=None, **more):
    width, height = SIZES[name]
    rows = tuple(
        DetectionRecord(label=label, score=score, xyxy=xyxy) for label, score, *xyxy in boxes
    )
    return FrameRecord(
        key=f'photo-{name}',
        source=f'{name}{photograph(name).suffix}',
        index=index,
        image=ImageRecord(
            file=f'images/{name}{photograph(name).suffix}', width=width, height=height
        ),
        status=status or (Status.OK if rows else Status.NOTHING_FOUND),
        detections=rows,
        **more,
    )


@pytest.fixture
def truth_records(tmp_path):
    folder = tmp_path / 'photographs' / 'images'
    folder.mkdir(parents=True)
    for name in SIZES:
        shutil.copy(photograph(name), folder)
    return [
        record(i, name, [(label, 1.0, *xyxy) for label, *xyxy in TRUTH[name]])
        for i, name in enumerate(SIZES)
    ]


def predicted(seed=0, drop=(), noise=0.04):
    """The true boxes, moved, with scores, and a false one in each image."""
    rng = np.random.default_rng(seed)
    records = []
    for index, (name, boxes) in enumerate(TRUTH.items()):
        found = []
        for label, *xyxy in boxes:
            left, top, right, bottom = xyxy
            size = np.tile([right - left, bottom - top], 2)
            moved = np.array(xyxy) + rng.normal(0, noise, 4) * size
            if label not in drop:
                found.append((label, float(rng.uniform(0.4, 0.95)), *moved))
        label = LABELS[index % len(LABELS)]
        found.append((label, float(rng.uniform(0.1, 0.7)), 5, 5, 60, 50))
        records.append(record(index, name, found))
    return records


def written(path, records):
    path.mkdir()
    write_lines(path / 'annotations.jsonl', records)
    return path


@pytest.fixture
def truth(tmp_path, truth_records):
    write_coco(truth_records, LABELS, tmp_path / 'truth', images=tmp_path / 'photographs')
    return tmp_path / 'truth' / 'annotations' / 'instances_train.json'


def evaluate(capsys, *args):
    status = main(['evaluate', *map(str, args), '--resamples', '40'])
    out, err = capsys.readouterr()
    return status, out, err


def numbers(capsys, *args):
    status, out, err = evaluate(capsys, *args, '--json', '-q')
    assert (status, err) == (0, '')
    return json.loads(out)


def results_of(records, truth):
    content = json.loads(truth.read_text())
    ids = {Path(image['file_name']).stem: image['id'] for image in content['images']}
    labels = {category['name']: category['id'] for category in content['categories']}
    rows = []
    for entry in records:
        for box in entry.detections:
            left, top, right, bottom = box.xyxy
            rows.append(
                {
                    'image_id': ids[f'photo-{Path(entry.source).stem}'],
                    'category_id': labels[box.label],
                    'bbox': [left, top, right - left, bottom - top],
                    'score': box.score,
                }
            )
    return rows


def test_numbers_are_those_of_pycocotools(capsys, tmp_path, truth):
    records = predicted()
    found = numbers(capsys, written(tmp_path / 'run', records), '--truth', truth)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(truth))
        evaluator = COCOeval(coco, coco.loadRes(results_of(records, truth)), 'bbox')
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    overall = found['overall']
    assert overall['ap']['value'] == pytest.approx(evaluator.stats[0], abs=1e-6)
    assert overall['ap50']['value'] == pytest.approx(evaluator.stats[1], abs=1e-6)
    assert overall['ap75'] == pytest.approx(evaluator.stats[2], abs=1e-6)
    assert list(overall['ar'].values()) == pytest.approx(evaluator.stats[6:9].tolist(), abs=1e-6)
    assert 0.3 < overall['ap']['value'] < 1
    assert overall['ap']['low'] <= overall['ap']['value'] <= overall['ap']['high']
    assert found['coverage'] == {'answered': 6, 'abstained': 0, 'failed': 0, 'rate': 1.0}
    strong = sum(box.score >= 0.5 for entry in records for box in entry.detections)
    classes = found['classes'].values()
    assert sum(row['right'] + row['false'] for row in classes) == strong
    assert sum(row['things'] for row in classes) == 6


def test_all_kinds_of_predictions_and_truth_agree(capsys, tmp_path, truth, truth_records):
    records = predicted()
    run = written(tmp_path / 'run', records)
    expected = numbers(capsys, run, '--truth', truth)
    results = tmp_path / 'results.json'
    results.write_text(json.dumps(results_of(records, truth)))
    by_results = numbers(capsys, results, '--truth', truth)
    assert by_results['overall'] == expected['overall']
    pictures = tmp_path / 'photographs'
    write_voc(truth_records, LABELS, tmp_path / 'voc', images=pictures)
    write_kitti(truth_records, LABELS, tmp_path / 'kitti', images=pictures)
    write_yolo(truth_records, LABELS, tmp_path / 'yolo', images=pictures, split='val')
    for path, layout in (('voc', 'voc'), ('kitti', 'kitti'), ('yolo/data.yaml', 'yolo')):
        found = numbers(capsys, run, '--truth', tmp_path / path)
        assert found['layout'] == layout
        for label in LABELS:
            ours, theirs = found['classes'][label], expected['classes'][label]
            assert (ours['right'], ours['false']) == (theirs['right'], theirs['false'])
        assert found['overall']['ap50']['value'] == pytest.approx(
            expected['overall']['ap50']['value'], abs=1e-4
        )


def test_people_get_tables_and_notes(capsys, tmp_path, truth):
    records = [*predicted()[:4], record(4, 'china', [], Status.FAILED, message='it broke')]
    status, out, err = evaluate(capsys, written(tmp_path / 'run', records), '--truth', truth)
    assert status == 0
    for words in ('AP50', 'recall', 'medium', 'person', 'false alarms per image'):
        assert words in out
    assert '4 of 6 images answered, 2 failed or missing' in out
    assert 'note: 2 images were not looked at; the first it broke' in err


def test_another_run_is_compared_on_the_same_images(capsys, tmp_path, truth):
    good = written(tmp_path / 'good', predicted())
    bad = written(tmp_path / 'bad', predicted(drop=('person', 'rocket', 'cat'), noise=0.2))
    found = numbers(capsys, good, '--truth', truth, '--against', bad)['comparison']
    own = numbers(capsys, good, '--truth', truth)['overall']['ap50']['value']
    other = numbers(capsys, bad, '--truth', truth)['overall']['ap50']['value']
    assert found['ap50']['value'] == pytest.approx(own - other, abs=1e-6)
    assert own > other
    assert 0 < found['ap50']['p_value'] < 1
    assert found['missed']['better'] > found['missed']['worse']
    same = numbers(capsys, good, '--truth', truth, '--against', good)['comparison']
    assert (same['ap50']['value'], same['ap50']['p_value']) == (0, 1)


def test_report_is_one_file_with_pictures_and_the_same_again(capsys, tmp_path, truth):
    run = written(tmp_path / 'run', predicted(drop=('spoon',)))
    contents = []
    for name in ('one', 'two'):
        target = tmp_path / name
        args = [run, '--truth', truth, '--report', target, '--threshold', '0.3']
        assert evaluate(capsys, *args)[0] == 0
        assert [path.name for path in target.iterdir()] == ['index.html']
        contents.append((target / 'index.html').read_text())
    page = contents[0]
    assert contents[1] == page
    assert page.count('<svg') == 3
    assert page.count('data:image/jpeg;base64,') >= 3
    assert 'Largest misses' in page and 'spoon: photo-coffee.png' in page
    assert not re.search(r'(src|href)="https?:', page)
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_odd_names_are_shown_as_they_are(capsys, tmp_path):
    odd = ('<script>alert(1)</script> & $x_1$', '猫', '_hidden', '[/red]')
    boxes = [(label, 0.9, 10 * n, 0, 10 * n + 9, 9) for n, label in enumerate(odd, 1)]
    records = [record(0, 'chelsea', boxes)]
    write_coco(records, odd, tmp_path / 'truth')
    truth = tmp_path / 'truth' / 'annotations' / 'instances_train.json'
    run = written(tmp_path / 'run', records)
    status, out, _ = evaluate(capsys, run, '--truth', truth, '--report', tmp_path / 'report')
    assert status == 0
    assert '[/red]' in out
    page = (tmp_path / 'report' / 'index.html').read_text()
    assert '<script' not in page
    assert page.count('&lt;script&gt;') >= 3
    assert '猫' in page and '>hidden<' in page and '$x_1$' in page


def test_names_of_known_sets_are_mapped_and_others_have_to_be(capsys, tmp_path, truth_records):
    """BDD's `rider` is a cyclist of KITTI; a `spaceship` is of neither."""
    boxes = {
        'chelsea': [('Car', 110, 15, 450, 299)],
        'astronaut': [('Pedestrian', 100, 20, 400, 512)],
    }
    truths = [
        record(i, name, [(label, 1.0, *xyxy) for label, *xyxy in rows])
        for i, (name, rows) in enumerate(boxes.items())
    ]
    write_kitti(truths, ('Car', 'Pedestrian'), tmp_path / 'kitti', images=tmp_path / 'photographs')
    found = [
        record(0, 'chelsea', [('car', 0.9, 110, 15, 450, 299)]),
        record(
            1,
            'astronaut',
            [('person', 0.9, 100, 20, 400, 512), ('traffic light', 0.8, 0, 0, 9, 9)],
        ),
    ]
    run = written(tmp_path / 'run', found)
    status, out, err = evaluate(capsys, run, '--truth', tmp_path / 'kitti', '--json')
    assert status == 0
    assert 'person = Pedestrian' in err
    assert 'traffic light' in err
    assert json.loads(out)['overall']['ap']['value'] == pytest.approx(1)
    odd = written(
        tmp_path / 'odd', [record(0, 'chelsea', [('spaceship', 0.9, 110, 15, 450, 299)])]
    )
    status, out, err = evaluate(capsys, odd, '--truth', tmp_path / 'kitti')
    assert (status, out, err.count('\n')) == (2, '', 1)
    assert "'spaceship'" in err and 'Car, Pedestrian' in err and '--map' in err
    status, out, _ = evaluate(
        capsys, odd, '--truth', tmp_path / 'kitti', '--map', 'spaceship=Car', '--json', '-q'
    )
    assert json.loads(out)['classes']['Car']['right'] == 1


def test_a_backend_is_run_and_goes_on_where_it_stopped(capsys, tmp_path, truth):
    scene = 'scene="cat 0.25 0.05 1 1; rocket 0.47 0.14 0.55 0.8"'
    args = ['--backend', 'fake', '--option', scene, '--truth', truth, '--output', tmp_path / 'out']
    first = numbers(capsys, *args)
    assert first['classes']['cat']['right'] == 1
    assert first['classes']['rocket']['right'] == 1
    assert first['classes']['cat']['alarms_per_image']['value'] == 1
    assert first['threshold'] == 0.9  # the fake's own
    (tmp_path / 'out' / 'annotations.jsonl').unlink()
    part = tmp_path / 'out' / 'parts' / '00000.jsonl'
    stamp = os.stat(part).st_mtime_ns
    assert numbers(capsys, *args)['overall'] == first['overall']
    assert os.stat(part).st_mtime_ns == stamp
    again = numbers(capsys, tmp_path / 'out', '--truth', truth, '--threshold', '0.9')
    assert again['overall'] == first['overall']
    status, _, err = evaluate(
        capsys, '--backend', 'fake', '--truth', truth, '--output', tmp_path / 'out'
    )
    assert (status, 'other settings' in err) == (2, True)


class Impatient(FakeBackend):
    """Is interrupted at one of its calls."""

    def __init__(self, interrupted_at):
        super().__init__(scene={'cat': [(0.25, 0.05, 1, 1)]})
        self._interrupted_at = interrupted_at

    def detect(self, *args, **kwargs):
        if self.calls + 1 == self._interrupted_at:
            raise KeyboardInterrupt
        return super().detect(*args, **kwargs)


def test_an_interrupted_run_loses_no_whole_part(capsys, tmp_path, truth, monkeypatch):
    monkeypatch.setattr(running, 'PART_IMAGES', 2)
    args = ['--backend', 'fake', '--truth', truth, '--output', tmp_path / 'out', '--json', '-q']
    for model in (Impatient(4), Impatient(0)):
        monkeypatch.setattr(backends, 'load', lambda *_, own=model, **__: own)
        status, out, _ = evaluate(capsys, *args)
        assert status == (130 if not out else 0)
        there = sorted(path.name for path in (tmp_path / 'out' / 'parts').iterdir())
        assert there == [f'{n:05d}.jsonl' for n in range(1 if status else 3)]
    assert model.calls == 4  # of six images
    assert json.loads(out)['classes']['cat']['right'] == 1


def test_regions_that_do_not_count_hold_for_every_class(capsys, tmp_path, truth_records):
    write_kitti(truth_records, LABELS, tmp_path / 'kitti', images=tmp_path / 'photographs')
    path = tmp_path / 'kitti' / 'label_2' / 'photo-china.txt'
    region = 'DontCare -1 -1 -10 0.00 0.00 100.00 100.00 -1 -1 -1 -1000 -1000 -1000 -10'
    args = [written(tmp_path / 'run', predicted()), '--truth', tmp_path / 'kitti']
    before = numbers(capsys, *args, '--threshold', '0')
    path.write_text(region + '\n')
    after = numbers(capsys, *args, '--threshold', '0')
    false = [sum(row['false'] for row in found['classes'].values()) for found in (before, after)]
    assert false == [6, 5]
    assert list(after['classes']) == list(LABELS)


def test_classes_nobody_looked_for_are_told_and_left_out(capsys, tmp_path, truth):
    run = written(tmp_path / 'run', [r for r in predicted() if r])
    manifest = {
        'format': 1,
        'version': '',
        'plan': {},
        'plan_id': 'x',
        'vocabulary': list(LABELS[:4]),
    }
    (run / 'dataset.json').write_text(json.dumps(manifest))
    write_lines(run / 'annotations.jsonl', predicted(drop=('spoon',))[:4])
    _, out, err = evaluate(capsys, run, '--truth', truth, '--json')
    found = json.loads(out)
    assert found['not_looked_for'] == ['spoon']
    assert list(found['classes']) == list(LABELS[:4])
    assert '1 classes were not looked for and are left out: spoon' in err
    everything = numbers(capsys, run, '--truth', truth, '--all-classes')
    assert everything['classes']['spoon']['missed'] == 1


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (lambda args, tmp: args.remove('--truth') or args.pop(), 'required: --truth'),
        (lambda args, tmp: args.append('--backend') or args.append('fake'), 'one of them'),
        (lambda args, tmp: args.append('--iou') or args.append('0.52'), 'overlap 0.52 is none of'),
        (lambda args, tmp: args.append('--threshold') or args.append('2'), 'from 0 to 1'),
        (lambda args, tmp: args.append('--map') or args.append('cat'), 'PREDICTED=TRUE'),
        (lambda args, tmp: args.append('--map') or args.append('cat=dog'), "no class 'dog'"),
        (lambda args, tmp: args.append('--format') or args.append('coc'), 'no layout'),
        (lambda args, tmp: args.__setitem__(0, str(tmp)), 'no annotations.jsonl'),
        (lambda args, tmp: args.__setitem__(2, str(tmp)), 'none of the layouts'),
        (lambda args, tmp: args.__setitem__(2, str(tmp / 'x')), 'there is no file or folder'),
    ],
)
def test_bad_input_is_one_line(capsys, tmp_path, truth, change, words):
    args = [str(written(tmp_path / 'run', predicted())), '--truth', str(truth)]
    change(args, tmp_path)
    try:
        status, out, err = evaluate(capsys, *args)
    except SystemExit as exit_:
        status, (out, err) = exit_.code, capsys.readouterr()
    assert (status, out, err.count('\n')) == (2, '', 1)
    assert words in err


def test_other_images_and_damaged_files_are_told(capsys, tmp_path, truth):
    other = record(0, 'china', []).model_copy(
        update={'key': 'x', 'source': 'y.png', 'image': ImageRecord(width=1, height=1)}
    )
    status, _, err = evaluate(capsys, written(tmp_path / 'other', [other]), '--truth', truth)
    assert status == 2 and 'of other images than the truth' in err
    run = written(tmp_path / 'run', predicted())
    whole = (run / 'annotations.jsonl').read_bytes()
    (run / 'annotations.jsonl').write_bytes(whole[: len(whole) // 2])
    status, _, err = evaluate(capsys, run, '--truth', truth)
    assert status == 2 and 'line 3' in err
    results = tmp_path / 'results.json'
    results.write_text(
        json.dumps([{'image_id': 1, 'category_id': 99, 'bbox': [0, 0, 1, 1], 'score': 1}])
    )
    status, _, err = evaluate(capsys, results, '--truth', truth)
    assert status == 2 and 'category 99' in err


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


def moving(found):
    """Two cameras of a drive, ten frames each; a car moves to the right and is 1, or as found."""
    records = []
    for topic in ('/front', '/rear'):
        for index in range(10):
            left = 20 + 10 * index
            box = DetectionRecord(
                label='car',
                score=0.9,
                xyxy=(left, 50, left + 60, 90),
                track_id=found(topic, index),
            )
            records.append(
                FrameRecord(
                    key=f'drive{topic[1:]}-{index:06d}',
                    source='drive',
                    topic=topic,
                    index=index,
                    time_s=index / 10,
                    image=ImageRecord(width=320, height=240),
                    status=Status.OK,
                    detections=(box,),
                )
            )
    return records


def test_tracks_are_scored_camera_by_camera(capsys, tmp_path):
    write_coco(moving(lambda topic, index: 1), ('car',), tmp_path / 'truth')
    truth = tmp_path / 'truth' / 'annotations' / 'instances_train.json'
    # The rear camera's car changes its number half-way; cameras share none.
    run = written(
        tmp_path / 'run',
        moving(lambda topic, index: 5 if topic == '/front' else 7 + (index >= 5)),
    )
    car = numbers(capsys, run, '--truth', truth)['tracks']['car']
    assert (car['things'], car['sequences'], car['identity_switches']) == (2, 2, 1)
    assert car['det_a'] == 1
    assert car['idf1'] == pytest.approx(2 * 15 / (20 + 20))
    assert car['mota'] == pytest.approx(1 - 1 / 20)
    _, out, _ = evaluate(capsys, run, '--truth', truth, '-q')
    assert 'HOTA' in out
    plain = written(tmp_path / 'plain', moving(lambda topic, index: None))
    assert numbers(capsys, plain, '--truth', truth)['tracks'] == {}


@pytest.mark.parametrize('layout', ['coco', 'voc', 'kitti', 'yolo'])
def test_pictures_are_found_in_every_layout(capsys, tmp_path, truth_records, layout):
    write = WRITERS[layout]
    write(truth_records, LABELS, tmp_path / layout, images=tmp_path / 'photographs')
    path = {'coco': 'coco/annotations/instances_train.json', 'yolo': 'yolo/data.yaml'}
    args = ['--backend', 'fake', '--truth', tmp_path / path.get(layout, layout)]
    assert numbers(capsys, *args)['coverage']['answered'] == 6


def test_nothing_looked_at_is_no_number(capsys, tmp_path, truth):
    records = [record(0, 'chelsea', [], Status.FAILED, message='no memory')]
    run = written(tmp_path / 'run', records)
    args = [run, '--truth', truth, '--report', tmp_path / 'report']
    status, out, err = evaluate(capsys, *args, '--json')
    assert status == 1
    assert json.loads(out)['overall']['ap']['value'] is None
    assert '6 images were not looked at; the first no memory' in err
    assert '0 of 6 images answered' in (tmp_path / 'report' / 'index.html').read_text()
