"""`vlm-ros evaluate` on real photographs with boxes, in process."""

import contextlib
import io
import json

from evaluated_photographs import (
    evaluate,
    LABELS,
    numbers,
    predicted,
    record,
    results_of,
    written,
)
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
import pytest

from vlm_ros.cli.main import main
from vlm_ros.data.formats import write_kitti, write_voc, write_yolo
from vlm_ros.records import ImageRecord, ReviewRecord, Verdict, write_lines
from vlm_ros.results import Status


def reference(truth, results):
    """The twelve numbers of pycocotools."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(truth))
        evaluator = COCOeval(coco, coco.loadRes(results), 'bbox')
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return evaluator.stats.tolist()


def check_as_reference(overall, stats):
    assert overall['ap']['value'] == pytest.approx(stats[0], abs=1e-6)
    assert overall['ap50']['value'] == pytest.approx(stats[1], abs=1e-6)
    assert overall['ap75'] == pytest.approx(stats[2], abs=1e-6)
    sizes = [-1 if value is None else value for value in overall['ap_of_size'].values()]
    assert sizes == pytest.approx(stats[3:6], abs=1e-6)
    assert list(overall['ar'].values()) == pytest.approx(stats[6:9], abs=1e-6)
    sizes = [-1 if value is None else value for value in overall['ar_of_size'].values()]
    assert sizes == pytest.approx(stats[9:], abs=1e-6)


def test_true_boxes_a_little_out_of_the_image_count_as_for_pycocotools(capsys, tmp_path, truth):
    """Boxes of COCO are rounded, and some overshoot."""
    content = json.loads(truth.read_text())
    for row in content['annotations']:
        left, top, width, height = row['bbox']
        row['bbox'] = [-1.75, top, left + width + 1.75, height]
    truth.write_text(json.dumps(content))
    results = [{**row, 'score': 0.9} for row in content['annotations']]
    own = tmp_path / 'results.json'
    own.write_text(json.dumps(results))
    assert numbers(capsys, own, '--truth', truth)['overall']['ap']['value'] == pytest.approx(1)
    for number, row in enumerate(results):
        left, top, width, height = row['bbox']
        row |= {'bbox': [left, top, width * (0.97 - number / 50), height], 'score': 0.5}
    own.write_text(json.dumps(results))
    check_as_reference(
        numbers(capsys, own, '--truth', truth)['overall'], reference(truth, results)
    )


def test_classes_that_differ_in_case_alone_are_two(capsys, tmp_path, truth):
    content = json.loads(truth.read_text())
    names = {row['name']: row for row in content['categories']}
    names['cup']['name'], names['cat']['name'] = 'Cat', 'cat'
    truth.write_text(json.dumps(content))
    results = tmp_path / 'results.json'
    results.write_text(json.dumps([{**row, 'score': 0.9} for row in content['annotations']]))
    found = numbers(capsys, results, '--truth', truth)
    assert found['overall']['ap']['value'] == pytest.approx(1)
    assert {'Cat', 'cat'} <= set(found['classes'])
    loud = written(tmp_path / 'loud', [record(0, 'chelsea', [('CAT', 0.9, 110, 15, 450, 299)])])
    status, _, err = evaluate(capsys, loud, '--truth', truth)
    assert status == 2
    assert "'CAT', predicted, is no class of the truth" in err


@pytest.mark.parametrize('box', [[10, 10, -3, 4], [10, 10, float('nan'), 4], [0, 0, 1e300, 1e300]])
def test_impossible_results_are_named(capsys, tmp_path, truth, box):
    rows = [{'image_id': 2, 'category_id': 1, 'bbox': box, 'score': 0.5}]
    results = tmp_path / 'results.json'
    results.write_text(json.dumps(rows))
    status, out, err = evaluate(capsys, results, '--truth', truth)
    assert (status, out, err.count('\n')) == (2, '', 1)
    assert f'result 0 of {results}, of image 2: the box' in err
    assert 'correct or remove it' in err


def test_numbers_are_those_of_pycocotools(capsys, tmp_path, truth):
    records = predicted()
    found = numbers(capsys, written(tmp_path / 'run', records), '--truth', truth)
    overall = found['overall']
    check_as_reference(overall, reference(truth, results_of(records, truth)))
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
    # Nor is a region something that is shown.
    for label in LABELS:
        without = [found['classes'][label]['images_without'] for found in (before, after)]
        assert without[0] == without[1] >= 4


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


def test_records_are_told_apart_by_suffix_and_of_one_size(capsys, tmp_path, truth):
    content = json.loads(truth.read_text())
    for image, name in zip(content['images'], ('a.jpg', 'a.png', 'b.jpg'), strict=False):
        image |= {'file_name': name, 'key': ''}
    truth.write_text(json.dumps(content))
    records = [
        entry.model_copy(
            update={'source': image['file_name'], 'key': f'{entry.index}', 'image': size_of(image)}
        )
        for entry, image in zip(predicted(), content['images'], strict=True)
    ]
    run = written(tmp_path / 'run', records)
    assert numbers(capsys, run, '--truth', truth)['coverage']['answered'] == 6
    records[1] = records[1].model_copy(update={'key': '0'})
    write_lines(run / 'annotations.jsonl', records)
    status, _, err = evaluate(capsys, run, '--truth', truth)
    assert (status, 'has two records 0; leave one' in err) == (2, True)
    records[1] = records[1].model_copy(
        update={'key': '1', 'image': ImageRecord(width=40, height=30)}
    )
    write_lines(run / 'annotations.jsonl', records)
    status, _, err = evaluate(capsys, run, '--truth', truth)
    assert (status, 'has a.png at 40×30, and the truth at 600×400' in err) == (2, True)


def size_of(image):
    return ImageRecord(width=image['width'], height=image['height'])


def test_a_truth_without_boxes_or_classes_is_told(capsys, tmp_path, truth_records):
    records = [entry.model_copy(update={'detections': ()}) for entry in truth_records]
    write_voc(records, LABELS, tmp_path / 'voc', images=tmp_path / 'photographs')
    run = written(tmp_path / 'run', predicted())
    found = numbers(capsys, run, '--truth', tmp_path / 'voc', '--threshold', '0')
    assert sum(row['false'] for row in found['classes'].values()) == 12
    (tmp_path / 'voc' / 'labels.txt').unlink()
    status, _, err = evaluate(capsys, run, '--truth', tmp_path / 'voc')
    assert (status, err.count('\n')) == (2, 1)
    assert 'has no labelled box and no list of classes' in err


def test_images_with_nothing_but_unknown_names_count(capsys, tmp_path, truth):
    """A model that does not know a name is UNSURE where it finds nothing; it has looked."""
    records = [
        entry.model_copy(
            update={
                'detections': (),
                'status': Status.UNSURE,
                'unrecognized': ('spoon',),
            }
        )
        for entry in predicted()
    ]
    found = numbers(capsys, written(tmp_path / 'run', records), '--truth', truth)
    assert found['coverage']['answered'] == 6
    assert sum(row['missed'] for row in found['classes'].values()) == 6


def test_images_that_a_person_rejected_are_left_out(capsys, tmp_path, truth):
    records = predicted()
    records[0] = records[0].model_copy(update={'review': ReviewRecord(verdict=Verdict.REJECTED)})
    run = written(tmp_path / 'run', records)
    _, out, err = evaluate(capsys, run, '--truth', truth, '--json')
    assert json.loads(out)['coverage']['failed'] == 1
    assert 'the first was rejected in review' in err


def test_an_annotated_dataset_counts_from_what_it_was_annotated_at(capsys, tmp_path, truth):
    pictures = tmp_path / 'photographs' / 'images' / 'chelsea.png'
    args = ['annotate', str(pictures), '--backend', 'fake', '--vocabulary', 'cat', '-q']
    for name, score, more in (('own', 0.9, []), ('asked', 0.2, ['--score-threshold', '0.1'])):
        main([*args, '-o', str(tmp_path / name), *more])
        boxes = [('cat', score, 110, 15, 450, 299)]
        write_lines(tmp_path / name / 'annotations.jsonl', [record(0, 'chelsea', boxes)])
    capsys.readouterr()
    found = numbers(capsys, tmp_path / 'own', '--truth', truth, '--against', tmp_path / 'asked')
    assert (found['threshold'], found['overall']['recall']['value']) == (0.9, 1)
    counts = [found['comparison']['missed'][name] for name in ('better', 'worse')]
    assert counts == [0, 0]  # each at its own
    found = numbers(capsys, tmp_path / 'asked', '--truth', truth)
    assert (found['threshold'], found['overall']['recall']['value']) == (0.1, 1)


def test_a_class_without_a_name_is_refused(capsys, tmp_path, truth):
    run = written(tmp_path / 'run', predicted())
    content = json.loads(truth.read_text())
    content['categories'][1]['name'] = '  '
    truth.write_text(json.dumps(content))
    status, _, err = evaluate(capsys, run, '--truth', truth)
    assert (status, err.count('\n'), 'has a class with a blank name' in err) == (2, 1, True)


def test_the_one_file_of_a_folder_is_the_truth(capsys, tmp_path, truth):
    run = written(tmp_path / 'run', predicted())
    found = numbers(capsys, run, '--truth', truth.parent.parent)
    assert found['overall'] == numbers(capsys, run, '--truth', truth)['overall']
    assert found['truth'] == str(truth)
    questions = tmp_path / 'questions.jsonl'
    assert main(['questions', str(truth.parent), '-o', str(questions)]) == 0
    lines = [json.loads(line) for line in questions.read_text().splitlines()]
    again = len(lines) - len({(line['image'], line['text']) for line in lines})
    assert f'{again} ask what one of another group asks' in capsys.readouterr().err
    assert again > 0
    (truth.parent / 'instances_val.json').write_text(truth.read_text())
    status, _, err = evaluate(capsys, run, '--truth', truth.parent.parent)
    assert (status, err.count('\n')) == (2, 1)
    assert 'holds 2 files of JSON; name one, such as' in err


@pytest.mark.parametrize('more', [['--model', 'm'], ['--unguarded'], ['--score-threshold', '0']])
def test_what_is_said_of_a_model_needs_one(capsys, tmp_path, truth, more):
    run = written(tmp_path / 'run', predicted())
    status, _, err = evaluate(capsys, run, '--truth', truth, *more)
    assert (status, f'{more[0]} is for a model; give --backend' in err) == (2, True)
