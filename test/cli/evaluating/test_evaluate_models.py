"""Models that are run, and what they followed."""

import json
import os
import shutil

from evaluated_photographs import evaluate, LABELS, numbers, written
import pytest

from vlm_ros import backends
from vlm_ros.backends.fake import FakeBackend
from vlm_ros.data.formats import write_coco, write_yolo, WRITERS
from vlm_ros.evaluation import parts
from vlm_ros.records import DetectionRecord, FrameRecord, ImageRecord, read_lines
from vlm_ros.results import Status
from vlm_ros.whole_files import locked


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
    again = numbers(capsys, tmp_path / 'out', '--truth', truth)
    assert (again['overall'], again['threshold']) == (first['overall'], 0.9)
    status, _, err = evaluate(
        capsys, '--backend', 'fake', '--truth', truth, '--output', tmp_path / 'out'
    )
    assert (status, 'other settings' in err) == (2, True)


def test_a_record_says_once_which_names_could_not_be_looked_for(capsys, tmp_path, truth_records):
    labels = [*LABELS, 'unknown thing']
    write_coco(truth_records, labels, tmp_path / 'truth', images=tmp_path / 'photographs')
    truth = tmp_path / 'truth' / 'annotations' / 'instances_train.json'
    out = tmp_path / 'out'
    numbers(capsys, '--backend', 'fake', '--truth', truth, '--output', out)
    found = list(read_lines(out / 'annotations.jsonl', FrameRecord))
    assert found
    assert {(row.unrecognized, row.message) for row in found} == {(('unknown thing',), '')}


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
    monkeypatch.setattr(parts, 'PART_IMAGES', 2)
    args = ['--backend', 'fake', '--truth', truth, '--output', tmp_path / 'out', '--json', '-q']
    for model in (Impatient(4), Impatient(0)):
        monkeypatch.setattr(backends, 'load', lambda *_, own=model, **__: own)
        status, out, _ = evaluate(capsys, *args)
        assert status == (130 if not out else 0)
        there = sorted(path.name for path in (tmp_path / 'out' / 'parts').glob('*.jsonl'))
        assert there == [f'{n:05d}.jsonl' for n in range(1 if status else 3)]
    assert model.calls == 4  # of six images
    assert json.loads(out)['classes']['cat']['right'] == 1


@pytest.mark.parametrize(
    'change',
    [
        ['--iou', '0.33'],
        ['--threshold', '2'],
        ['--threshold', '/nowhere'],
        ['--against', '/nowhere'],
        ['--map', 'cat'],
        ['--map', 'zebra=cat'],
        ['--report', '/proc/report'],
    ],
)
def test_wrong_arguments_are_found_before_a_model_looks(
    capsys, tmp_path, truth, monkeypatch, change
):
    model = Impatient(1)
    monkeypatch.setattr(backends, 'load', lambda *_, **__: model)
    status, out, err = evaluate(capsys, '--backend', 'fake', '--truth', truth, *change)
    assert (status, out, err.count('\n')) == (2, '', 1)
    assert model.calls == 0


def test_other_pictures_of_the_same_names_are_refused(capsys, tmp_path, truth):
    scene = ['--option', 'scene="cat 0.25 0.05 1 1"']
    output = tmp_path / 'out'
    args = ['--backend', 'fake', *scene, '--truth', truth, '--output', output]
    pictures = truth.parents[1] / 'images'
    kept = tmp_path / 'kept'
    shutil.copytree(pictures, kept)
    for path in pictures.iterdir():
        if 'chelsea' not in path.name:
            path.unlink()
    found = numbers(capsys, *args)
    assert found['coverage'] == {'answered': 1, 'abstained': 0, 'failed': 5, 'rate': 0.166667}
    # What failed is tried again, here because the pictures are back.
    shutil.copytree(kept, pictures, dirs_exist_ok=True)
    assert numbers(capsys, *args)['coverage']['answered'] == 6
    # A part that is damaged is made again.
    part = output / 'parts' / '00000.jsonl'
    whole = part.read_bytes()
    part.write_bytes(whole[:-20])
    assert numbers(capsys, *args)['coverage']['answered'] == 6
    assert part.read_bytes() == whole
    for path in kept.iterdir():
        path.write_bytes(b'no picture')
    status, _, err = evaluate(capsys, *args, '--images', kept, '-q')
    assert (status, 'holds what other pictures gave' in err) == (2, True)
    assert part.read_bytes() == whole


class Passing(FakeBackend):
    """Fails at its first call."""

    looked = 0

    def detect(self, *args, **kwargs):
        self.looked += 1
        if self.looked == 1:
            raise RuntimeError('the first is always lost')
        return super().detect(*args, **kwargs)


def test_what_failed_is_tried_again_and_nothing_else(capsys, tmp_path, truth, monkeypatch):
    args = ['--backend', 'fake', '--truth', truth, '--output', tmp_path / 'out']
    for answered, calls in ((5, 6), (5, 1), (6, 1)):
        model = Passing() if answered == 5 else FakeBackend()
        monkeypatch.setattr(backends, 'load', lambda *_, own=model, **__: own)
        assert numbers(capsys, *args)['coverage']['answered'] == answered
        assert getattr(model, 'looked', model.calls) == calls


def test_two_runs_do_not_write_one_folder(capsys, tmp_path, truth):
    args = ['--backend', 'fake', '--truth', truth, '--output', tmp_path / 'out']
    numbers(capsys, *args)
    assert json.loads((tmp_path / 'out' / 'dataset.json').read_text())['version']
    with locked(tmp_path / 'out' / '.evaluate.lock', waits=False):
        status, _, err = evaluate(capsys, *args, '-q')
    assert (status, 'another process is writing' in err) == (2, True)
    (tmp_path / 'other').mkdir()
    (tmp_path / 'other' / 'letter').touch()
    status, _, err = evaluate(capsys, *args[:-1], tmp_path / 'other', '-q')
    assert (status, 'holds no dataset' in err) == (2, True)
    assert [path.name for path in (tmp_path / 'other').iterdir()] == ['letter']


@pytest.mark.parametrize(
    ('names', 'words'),
    [
        ((' cat ', 'tea  cup', 'person', 'rocket', 'spoon'), ''),
        (('traffic_light', 'traffic light', 'person', 'rocket', 'spoon'), 'are the same to look'),
        (('Cat', 'cat', 'person', 'rocket', 'spoon'), 'are the same to look'),
        (('  ', 'cup', 'person', 'rocket', 'spoon'), 'a blank name'),
    ],
)
def test_names_of_the_truth_with_odd_spaces(capsys, truth, names, words):
    content = json.loads(truth.read_text())
    for row, own in zip(content['categories'], names, strict=True):
        row['name'] = own
    truth.write_text(json.dumps(content))
    args = ['--backend', 'fake', '--option', 'scene="tea cup 0.3 0.2 0.7 0.8"', '--truth', truth]
    if words:
        status, _, err = evaluate(capsys, *args)
        assert (status, words in err, err.count('\n')) == (2, True, 1)
    else:
        found = numbers(capsys, *args, '--threshold', '0.5')
        assert found['coverage']['answered'] == 6
        assert found['classes']['tea  cup']['right'] == 1


def test_pictures_of_a_relative_list_are_found(capsys, tmp_path, truth_records, monkeypatch):
    write_yolo(truth_records, LABELS, tmp_path / 'd', images=tmp_path / 'photographs', split='val')
    monkeypatch.chdir(tmp_path.parent)
    truth = f'{tmp_path.name}/d/data.yaml'
    assert numbers(capsys, '--backend', 'fake', '--truth', truth)['coverage']['answered'] == 6


@pytest.mark.parametrize('layout', ['coco', 'voc', 'kitti', 'yolo'])
def test_pictures_are_found_in_every_layout(capsys, tmp_path, truth_records, layout):
    write = WRITERS[layout]
    write(truth_records, LABELS, tmp_path / layout, images=tmp_path / 'photographs')
    path = {'coco': 'coco/annotations/instances_train.json', 'yolo': 'yolo/data.yaml'}
    args = ['--backend', 'fake', '--truth', tmp_path / path.get(layout, layout)]
    assert numbers(capsys, *args)['coverage']['answered'] == 6


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
