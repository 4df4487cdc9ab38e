"""Models that are run, and what they followed."""

import json
import os

from evaluated_photographs import evaluate, LABELS, numbers, written
import pytest

from vlm_ros import backends
from vlm_ros.backends.fake import FakeBackend
from vlm_ros.data.formats import write_coco, WRITERS
from vlm_ros.evaluation import running
from vlm_ros.records import DetectionRecord, FrameRecord, ImageRecord
from vlm_ros.results import Status


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
