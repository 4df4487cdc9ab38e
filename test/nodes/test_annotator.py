"""The annotator node, through real topics: live cameras become a dataset like any other."""

import json
import os
from pathlib import Path
import subprocess
import sys
import threading

import cv2
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage
from skimage import data
from std_msgs.msg import Header

from vlm_ros.annotation import live
from vlm_ros.errors import InputError
from vlm_ros.nodes.annotator import AnnotatorNode
from vlm_ros.nodes.annotator_parameters import AnnotatorParameters
from vlm_ros.nodes.conversions import image_to_msg, ns_to_stamp
from vlm_ros.records import FrameRecord, Manifest, read_lines
from vlm_ros.results import Status
from vlm_ros.review import write_page

PHOTO = np.ascontiguousarray(data.astronaut()[:96, :128])
START_NS = 1_700_000_000_000_000_000
FAKE = {'backend': 'fake', 'vocabulary': '[person, dog]'}


def header(number):
    return Header(stamp=ns_to_stamp(START_NS + number * 100_000_000), frame_id='front')


def view(number):
    return np.ascontiguousarray(np.roll(PHOTO, 4 * number, axis=1))


def raw(number, **fields):
    msg = image_to_msg(view(number), header(number))
    for name, value in fields.items():
        setattr(msg, name, value)
    return msg


def compressed(number):
    content = cv2.imencode('.png', view(number)[..., ::-1])[1]
    return CompressedImage(header=header(number), format='png', data=content.tobytes())


def records(folder):
    return list(read_lines(folder / 'annotations.jsonl', FrameRecord))


def manifest(folder):
    return Manifest.model_validate_json((folder / 'dataset.json').read_bytes())


class Annotator:
    """The node on a folder; shows it images until each is looked at."""

    def __init__(self, graph, folder):
        self.graph = graph
        self.folder = folder

    def start(self, *, active=True, **parameters):
        values = {**FAKE, 'output': str(self.folder), **parameters}
        values = {name: value for name, value in values.items() if value is not None}
        self.graph.start(AnnotatorNode, active=active, annotator=values)
        (self.node,) = self.graph.nodes

    def show(self, *messages, topic='image'):
        for msg in messages:
            before = self.looked_at
            self.graph.publish(msg, topic)
            self.graph.spin_until(lambda before=before: self.looked_at > before, 'a look')

    @property
    def looked_at(self):
        return sum(meter.processed + meter.dropped for meter in self.node._meters.values())

    def finish(self):
        assert self.graph.change_state('annotator', 'deactivate')


@pytest.fixture
def annotator(graph, tmp_path):
    return Annotator(graph, tmp_path / 'dataset')


def test_images_become_records_pictures_and_exports(graph, annotator):
    annotator.start(formats='"coco, mcap"', track='true')
    annotator.show(*(raw(number) for number in range(3)))
    annotator.finish()
    found = records(annotator.folder)
    assert [row.index for row in found] == [0, 1, 2]
    assert [row.time_s for row in found] == [0.0, 0.1, 0.2]
    assert [row.stamp_ns for row in found] == [START_NS + n * 100_000_000 for n in range(3)]
    assert {(row.source, row.topic, row.status) for row in found} == {
        ('/image#1', '/image', Status.OK)
    }
    assert {box.label for row in found for box in row.detections} == {'person', 'dog'}
    assert {box.track_id for box in found[-1].detections} == {1, 2}
    for number, row in enumerate(found):
        kept = cv2.imread(str(annotator.folder / row.image.file))[..., ::-1]
        assert kept.shape[:2] == (row.image.height, row.image.width)
        assert np.abs(kept.astype(int) - view(number)).mean() < 3
    made = manifest(annotator.folder)
    assert [(row.source, row.topics, row.frames) for row in made.sources] == [
        ('/image#1', ('/image',), 3)
    ]
    assert (made.skipped, [row.task for row in made.models]) == ((), ['detector'])
    coco = next((annotator.folder / 'exports' / 'coco').rglob('*.json'))
    assert len(json.loads(coco.read_text())['images']) == 3
    assert (annotator.folder / 'exports' / 'mcap' / 'annotated.mcap').stat().st_size > 1000
    write_page(annotator.folder, annotator.folder / 'review.html')
    assert found[2].key in (annotator.folder / 'review.html').read_text()


def test_several_cameras_raw_and_compressed_go_into_one_dataset(graph, annotator):
    annotator.start(cameras='front, rear')
    for number in range(2):
        annotator.show(raw(number), topic='front/image')
        annotator.show(compressed(number), topic='rear/image/compressed')
    annotator.finish()
    found = records(annotator.folder)
    assert [(row.topic, row.index) for row in found] == [
        ('/front/image', 0),
        ('/rear/image', 0),
        ('/front/image', 1),
        ('/rear/image', 1),
    ]
    assert len({row.key for row in found}) == 4
    assert [row.source for row in manifest(annotator.folder).sources] == [
        '/front/image#1',
        '/rear/image#1',
    ]


def test_a_second_run_appends_and_annotates_no_image_twice(graph, annotator):
    annotator.start(formats='[coco, mcap]')
    annotator.show(raw(0), raw(1))
    annotator.finish()
    assert graph.change_state('annotator', 'activate')
    annotator.show(raw(1), raw(2), raw(3))
    annotator.finish()
    found = records(annotator.folder)
    assert [(row.source, row.index, row.time_s) for row in found] == [
        ('/image#1', 0, 0.0),
        ('/image#1', 1, 0.1),
        ('/image#2', 0, 0.0),
        ('/image#2', 1, 0.1),
    ]
    assert len({row.key for row in found}) == 4
    assert sorted(path.name for path in (annotator.folder / 'parts').glob('*[0-9].jsonl')) == [
        '00000.jsonl',
        '00001.jsonl',
    ]
    coco = next((annotator.folder / 'exports' / 'coco').rglob('*.json'))
    assert len(json.loads(coco.read_text())['images']) == 4


def test_what_cannot_be_read_and_a_silent_camera_are_listed(graph, annotator):
    annotator.start(cameras='front, rear')
    diagnostics = graph.collect(DiagnosticArray, '/diagnostics')
    annotator.show(raw(0, encoding='rgb9'), raw(1, encoding='rgb9'), raw(2), topic='front/image')
    graph.spin_until(
        lambda: any(
            status.name == 'annotator: rear' and '/rear/image' in status.message
            for msg in diagnostics
            for status in msg.status
        ),
        'a report of the silent camera',
    )
    annotator.finish()
    assert [(row.topic, row.index) for row in records(annotator.folder)] == [('/front/image', 2)]
    unread, silent = manifest(annotator.folder).skipped
    assert unread.name == 'image 0 of /front/image#1 (and 1 more)'
    assert 'rgb9' in unread.reason
    assert silent.name == '/rear/image#1'
    assert '/rear/image' in silent.reason


def test_a_camera_of_which_nothing_comes_is_told_once_and_in_the_end(graph, annotator, capfd):
    annotator.start(cameras='front, rear', max_image_age_s='0.1')
    annotator.show(raw(0), topic='front/image')
    told = []

    def warnings():
        told.extend(line for line in capfd.readouterr().err.splitlines() if 'WARN' in line)
        return any('nobody publishes /rear/image' in line for line in told)

    graph.spin_until(warnings, 'a warning')
    graph.spin_for(1.2)
    annotator.finish()
    said = capfd.readouterr().err
    assert 'nobody publishes /rear/image' not in said
    assert f'1 images in {annotator.folder}' in said
    assert 'no image came of /rear/image\n' in said


def test_images_that_a_busy_model_lets_go_by_are_counted(graph, annotator):
    annotator.start(backend_options='latency_s=0.3')
    for number in range(10):
        graph.publish(raw(number))
        graph.spin_for(0.02)
    graph.spin_until(lambda: annotator.looked_at == 10, 'a look at each')
    annotator.finish()
    found = records(annotator.folder)
    (source,) = manifest(annotator.folder).sources
    assert found[-1].index == 9, 'the newest frame wins'
    assert source.dropped > 0
    assert source.frames == len(found)
    assert source.frames + source.dropped == 10


def test_another_plan_is_refused_and_the_node_lives_on_saying_so(graph, annotator):
    annotator.start()
    annotator.show(raw(0))
    annotator.finish()
    assert graph.change_state('annotator', 'cleanup')
    before = records(annotator.folder)
    annotator.node.settings.set(vocabulary=['cat'])
    diagnostics = graph.collect(DiagnosticArray, '/diagnostics')
    assert not graph.change_state('annotator', 'configure')
    told = graph.spin_until(
        lambda: next(
            (
                status
                for msg in diagnostics
                for status in msg.status
                if status.name == 'annotator: lifecycle' and status.level == DiagnosticStatus.ERROR
            ),
            None,
        ),
        'an error',
    )
    assert 'another plan, which differs in vocabulary' in told.message
    assert told.message.endswith('choose another folder, or remove this one')
    assert annotator.node._worker is None, 'no model is loaded for it'
    assert records(annotator.folder) == before
    annotator.node.settings.set(vocabulary=['person', 'dog'])
    assert graph.change_state('annotator', 'configure')
    assert graph.change_state('annotator', 'activate')


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        ({'output': '""'}, 'there is no output'),
        ({'vocabulary': '""'}, 'there is nothing to annotate'),
        ({'labels': 'kitti'}, 'give a label_set or a vocabulary, not both'),
        ({'labels': 'kiti', 'vocabulary': '""'}, "'kiti'"),
        ({'formats': 'cocoa'}, "there is no format 'cocoa'"),
        ({'formats': 'mcap', 'images': 'none'}, 'images:=jpeg'),
        ({'plan': '/nowhere/plan.yaml'}, 'the plan /nowhere/plan.yaml cannot be read'),
        ({'backend': 'fakee'}, "'fakee'"),
        ({'output': '/proc/dataset'}, '/proc/dataset'),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(graph, annotator, given, message):
    annotator.start(active=False, **given)
    graph.spin_until(
        lambda: annotator.node.trouble and annotator.node.state == 'unconfigured', 'the reason'
    )
    trouble = annotator.node.trouble
    assert message in trouble
    assert '\n' not in trouble


def test_the_plan_of_recordings_serves_live_cameras(graph, annotator, tmp_path):
    plan = tmp_path / 'plan.yaml'
    plan.write_text(
        'sources: [drive/]\ntopics: [/front]\nlabel_set: kitti\ncaption: true\n'
        'images: png\nsampling: {every: 2}\nbackend: {name: fake, options: {latency_s: 0.01}}\n'
    )
    annotator.start(plan=str(plan), backend=None, vocabulary=None)
    annotator.show(*(raw(number) for number in range(3)))
    annotator.finish()
    found = records(annotator.folder)
    assert [row.index for row in found] == [0, 2]
    assert all(row.caption.text for row in found)
    assert Path(found[0].image.file).suffix == '.png'
    assert 'Pedestrian' in manifest(annotator.folder).vocabulary


def test_a_folder_that_cannot_be_written_costs_only_what_came_meanwhile(
    graph, annotator, monkeypatch
):
    annotator.start(part_s='1.0')
    annotator.show(raw(0))
    opened = os.open

    def full(path, *args, **more):
        if str(annotator.folder / 'images') in str(path):
            raise OSError(28, 'No space left on device')
        return opened(path, *args, **more)

    monkeypatch.setattr(os, 'open', full)
    diagnostics = graph.collect(DiagnosticArray, '/diagnostics')
    annotator.show(raw(1), raw(2))

    def dataset_level():
        return [
            (status.level, status.message)
            for msg in diagnostics
            for status in msg.status
            if status.name == 'annotator: dataset'
        ]

    graph.spin_until(
        lambda: any(
            level == DiagnosticStatus.ERROR and 'No space left' in message
            for level, message in dataset_level()
        ),
        'an error',
    )
    monkeypatch.undo()
    diagnostics.clear()
    annotator.show(raw(3))
    graph.spin_until(
        lambda: any(level == DiagnosticStatus.OK for level, _ in dataset_level()), 'an end to it'
    )
    annotator.finish()
    assert [row.index for row in records(annotator.folder)] == [0, 3]
    (skipped,) = manifest(annotator.folder).skipped
    assert skipped.name == 'image 1 of /image#1 (and 1 more)'
    assert 'No space left' in skipped.reason


def test_parts_are_written_while_it_runs_and_the_rest_when_the_process_ends(
    graph, annotator, capfd
):
    annotator.start(part_s='1.0')
    annotator.show(raw(0))
    part = annotator.folder / 'parts' / '00000.jsonl'
    graph.spin_until(part.exists, 'a part')
    assert not (annotator.folder / 'annotations.jsonl').exists()
    said = ''

    def is_told():
        nonlocal said
        said += capfd.readouterr().err
        return f'1 images in {annotator.folder}\n' in said

    graph.spin_until(is_told, 'a line about it')
    assert f'images go to {annotator.folder}\n' in said
    annotator.show(raw(1))
    graph.stop()
    assert [row.index for row in records(annotator.folder)] == [0, 1]


@pytest.fixture
def slow_merge(monkeypatch):
    """Merging waits for this event."""
    may_go_on = threading.Event()
    merge = live.merge

    def slow(*args, **more):
        may_go_on.wait(10.0)
        return merge(*args, **more)

    monkeypatch.setattr(live, 'merge', slow)
    yield may_go_on
    may_go_on.set()


def test_a_transition_waits_no_longer_than_it_may(graph, annotator, slow_merge):
    annotator.start(finish_timeout_s='0.2')
    annotator.show(raw(0))
    annotator.finish()
    assert graph.state_of('annotator') == 'inactive'
    assert not (annotator.folder / 'annotations.jsonl').exists()
    slow_merge.set()
    assert graph.change_state('annotator', 'cleanup')
    assert [row.index for row in records(annotator.folder)] == [0]


def test_a_process_that_ends_waits_no_longer_than_it_may(graph, annotator, slow_merge, capfd):
    annotator.start(finish_timeout_s='0.2')
    annotator.show(raw(0))
    graph.stop()
    assert 'the next start with the same plan completes it' in capfd.readouterr().err
    assert (annotator.folder / 'parts' / '00000.jsonl').exists()
    assert not (annotator.folder / 'annotations.jsonl').exists()


def test_an_image_that_the_model_does_not_come_back_from_is_listed(graph, annotator):
    annotator.start(backend_options='script=ok stuck:2', watchdog_s='0.05')
    annotator.show(raw(0), raw(1))
    annotator.finish()
    assert [row.index for row in records(annotator.folder)] == [0]
    (skipped,) = manifest(annotator.folder).skipped
    assert skipped.name == 'image 1 of /image#1'
    assert 'did not come back' in skipped.reason


def test_a_fallback_is_refused():
    with pytest.raises(InputError, match='leave fallback out'):
        AnnotatorParameters(fallback=('fake',))


def test_real_photographs_are_annotated_by_the_embedded_model(graph, annotator):
    annotator.start(active=False, backend='embedded', vocabulary='[person, cat, cup]')
    graph.spin_until(lambda: annotator.node.state == 'active', 'loading')
    photographs = {'astronaut': 'person', 'chelsea': 'cat', 'coffee': 'cup'}
    for number, name in enumerate(photographs):
        annotator.show(image_to_msg(np.ascontiguousarray(getattr(data, name)()), header(number)))
    annotator.finish()
    best = [row.detections[0].label for row in records(annotator.folder)]
    assert best == list(photographs.values())


def test_a_killed_process_loses_its_open_part_alone(graph, tmp_path):
    folder = tmp_path / 'dataset'
    graph.start()

    def start():
        options = {**FAKE, 'output': str(folder), 'part_s': '1.0'}
        command = [sys.executable, '-m', 'vlm_ros.nodes.annotator', '--ros-args']
        command += ['-p', 'rate_hz:=1.0']
        for name, value in options.items():
            command += ['-p', f'{name}:={value}']
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    first = start()
    try:
        graph.publish(raw(0))
        graph.spin_until((folder / 'parts' / '00000.jsonl').exists, 'a part')
    finally:
        first.kill()
        first.communicate()
    graph.disconnect()
    second = start()
    try:

        def is_shown():
            graph.publish(raw(1))  # the connection found may be that of the killed process
            return len(list((folder / 'images').iterdir())) == 2

        graph.spin_until(is_shown, 'a picture')
        assert len(records(folder)) == 1
        second.terminate()
        _, said = second.communicate(timeout=20)
    finally:
        second.kill()
        second.wait()
    assert second.returncode == 0
    assert f'2 images in {folder}' in said
    assert 'Traceback' not in said
    assert '-p rate_hz is ignored' in said
    assert 'did you mean max_rate_hz?' in said
    assert [row.source for row in records(folder)] == ['/image#1', '/image#2']
