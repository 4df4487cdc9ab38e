"""`vlm-ros annotate`: real photographs, a bag and a video become datasets and other formats."""

import argparse
import io
import json
import os
from pathlib import Path
import re
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import psutil
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores
from skimage import data
import yaml

from vlm_ros.annotation.plan import AnnotationPlan
from vlm_ros.annotation.tags import TAGS
from vlm_ros.annotation.tally import Progress
from vlm_ros.cli import progress
from vlm_ros.cli.annotate import add_arguments, FORMATS, LABEL_SETS
from vlm_ros.cli.main import main
from vlm_ros.data.bags import Bag
from vlm_ros.data.formats import datasets, read_coco, read_kitti, read_voc, read_yolo
from vlm_ros.records import FrameRecord, read_lines, Verdict
from vlm_ros.records.reviews import append_reviews, ReviewLine
from vlm_ros.vocabularies import names

STORE = get_typestore(Stores.ROS2_JAZZY)
CompressedImage = STORE.types['sensor_msgs/msg/CompressedImage']
Header = STORE.types['std_msgs/msg/Header']
Time = STORE.types['builtin_interfaces/msg/Time']
PHOTO = np.ascontiguousarray(data.astronaut()[:96, :128])
START_NS = 1_700_000_000_000_000_000
FAKE = ['--backend', 'fake', '--quiet']


def drive(path, count=12, damaged=()):
    """Two cameras at 10 Hz."""
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        kind = CompressedImage.__msgtype__
        connections = [
            writer.add_connection(topic, kind, typestore=STORE) for topic in ('/front', '/rear')
        ]
        for index in range(count):
            stamp_ns = START_NS + index * 100_000_000
            header = Header(stamp=Time(*divmod(stamp_ns, 1_000_000_000)), frame_id='camera')
            view = np.roll(PHOTO, 4 * index, axis=1)
            content = cv2.imencode('.png', view[..., ::-1])[1]
            if index in damaged:
                content = content[:100]
            msg = CompressedImage(header, 'png', content)
            for connection in connections:
                writer.write(connection, stamp_ns, STORE.serialize_cdr(msg, kind))
    return path


def run(capsys, *args):
    status = main(['annotate', *map(str, args)])
    out, err = capsys.readouterr()
    assert out == ''
    return status, err


def records(folder):
    return list(read_lines(folder / 'annotations.jsonl', FrameRecord))


def everything(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


def test_the_choices_are_those_there_are():
    assert set(FORMATS) == set(datasets.FORMATS)
    assert set(LABEL_SETS) == set(names())


def test_the_page_says_what_is_there():
    page = (Path(__file__).parents[2] / 'docs' / 'annotate.md').read_text()
    # Of live topics, which are another command's, it has a section of its own.
    page = re.sub(r'## Live topics\n.*?(?=\n## |\Z)', '', page, flags=re.DOTALL)
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    options = {option for action in parser._actions for option in action.option_strings}
    assert set(re.findall(r'--[a-z][a-z-]+', page)) - {'--head', '--frames'} == {
        option for option in options if option.startswith('--')
    } - {'--help', '--quiet'}
    (plan,) = re.findall(r'```yaml\n(.*?)```', page, re.DOTALL)
    assert AnnotationPlan.model_validate(yaml.safe_load(plan)).jobs() == ('boxes', 'masks')


def test_a_bag_becomes_a_dataset_in_every_format(capsys, tmp_path):
    out = tmp_path / 'out'
    args = [drive(tmp_path / 'drive'), '-o', out, '--backend', 'fake', '--labels', 'kitti']
    args += ['--topic', 'front', '--rate', 5, '--images', 'png', '--format', 'coco,yolo,voc']
    args += ['--format', 'kitti', '--caption', '--question', 'is there a car?', '--track']
    status, err = run(capsys, *args)
    assert status == 0
    last, exports = err.splitlines()
    assert re.fullmatch(
        rf'vlm-ros: 6 images in {out}, 36 boxes in 6 images, 6 tracks, [\d.]+ a second', last
    )
    assert exports == f'vlm-ros: exports in {out}/exports: coco, yolo, voc, kitti'
    found = records(out)
    assert [(row.topic, row.index) for row in found] == [('/front', i) for i in range(0, 12, 2)]
    boxes = sum(len(row.detections) for row in found)
    assert boxes == 6 * 6
    exports = out / 'exports'
    for truth in (
        read_coco(
            exports / 'coco/annotations/instances_train.json', images=exports / 'coco/images'
        ),
        read_yolo(exports / 'yolo/data.yaml'),
        read_voc(exports / 'voc'),
        read_kitti(exports / 'kitti'),
    ):
        assert sum(len(image.boxes) for image in truth.images) == boxes
    assert found[-1].answers[0].answer == 'yes'
    assert found[-1].detections[0].track_id
    before = everything(out)
    status, err = run(capsys, *args)
    assert status == 0
    assert err.splitlines()[:2] == [
        'vlm-ros: going on: 1 of 1 chunks, about 6 images, are done already',
        f'vlm-ros: 6 images in {out}, 6 of them from before, 36 boxes in 6 images, 6 tracks',
    ]
    assert everything(out) == before


def test_what_people_said_is_in_the_next_run_and_its_exports(capsys, tmp_path):
    out = tmp_path / 'out'
    args = [drive(tmp_path / 'drive', count=3), '--topic', '/rear', '-o', out, *FAKE]
    args += ['--vocabulary', 'cat, dog', '--track', '--images', 'png']
    assert run(capsys, *args) == (0, '')
    first, second, third = records(out)
    cat, dog = first.detections
    rejected = ReviewLine(
        key=first.key, box=0, found=cat.label, xyxy=cat.xyxy, verdict=Verdict.REJECTED
    )
    renamed = ReviewLine(
        key=first.key, box=1, found=dog.label, verdict=Verdict.ACCEPTED, label='fox'
    )
    append_reviews(out, [rejected, renamed, ReviewLine(key=third.key, verdict=Verdict.REJECTED)])
    before = records(out)
    assert run(capsys, *args, '--format', 'coco,mcap') == (0, '')
    assert records(out)[1] == before[1] == second
    assert [box.review and box.review.verdict for box in records(out)[0].detections] == [
        Verdict.REJECTED,
        Verdict.ACCEPTED,
    ]
    coco = out / 'exports/coco'
    coco = read_coco(coco / 'annotations/instances_train.json', images=coco / 'images')
    assert [[box.label for box in image.boxes] for image in coco.images] == [
        ['fox'],
        [box.label for box in second.detections],
    ]
    # A box that is another one by now is not the one that was looked at.
    append_reviews(out, [ReviewLine(key=second.key, box=0, found='car', verdict='rejected')])
    status, err = run(capsys, *args)
    assert status == 2
    assert f'the review of box 0 of {second.key} does not fit any more: the box was a car' in err
    assert records(out)[1] == second


@pytest.mark.parametrize('images', ['jpeg', 'none'])
def test_a_dataset_becomes_a_bag_for_foxglove(capsys, tmp_path, images):
    bag = drive(tmp_path / 'drive', count=3, damaged=(1,))
    out = tmp_path / 'out'
    args = [bag, 'sample:coffee', '-o', out, *FAKE, '--caption', '--images', images]
    status, err = run(capsys, *args, '--format', 'mcap')
    assert (status, err.count('\n')) == (2, 1)
    assert 'message 1 of /front' in err
    with Bag(out / 'exports/mcap/annotated.mcap') as written:
        topics = sorted((topic.name, topic.count) for topic in written.topics)
        pictures = [frame.image for frame in written]
    assert topics == [('/front/compressed', 2), ('/images/compressed', 1), ('/rear/compressed', 2)]
    assert {picture.shape for picture in pictures} == {(96, 128, 3), (400, 600, 3)}


def test_a_plan_file_and_the_options_over_it(capsys, tmp_path):
    plan = tmp_path / 'plan.yaml'
    sources = [str(drive(tmp_path / 'drive'))]
    plan.write_text(
        yaml.safe_dump(
            {
                'sources': sources,
                'label_set': 'kitti',
                'sampling': {'every': 3, 'stop_s': 1.0},
                'backend': {'name': 'fake', 'options': {'max_batch': 2}},
                'backends': {'caption': {'name': 'fake', 'model': 'talker'}},
                'caption': True,
            }
        )
    )
    args = ['--plan', plan, '-o', tmp_path / 'out', '--quiet', '--topic', '/rear']
    assert run(capsys, *args, '--vocabulary', 'car, bus', '--option', 'oom_above=1') == (0, '')
    made = json.loads((tmp_path / 'out' / 'dataset.json').read_bytes())
    assert made['plan']['backend'] == {
        'name': 'fake',
        'model': '',
        'device': 'cpu',
        'options': {'max_batch': 2, 'oom_above': 1},
    }
    assert made['vocabulary'] == ['car', 'bus']
    assert [model['model_id'] for model in made['models']] == ['fake', 'fake:talker']
    assert [row.index for row in records(tmp_path / 'out')] == [0, 3, 6, 9]


def test_another_backend_for_one_thing_has_its_own_options(capsys, tmp_path):
    args = ['sample:chelsea', '-o', tmp_path / 'out', *FAKE, '--vocabulary', 'cat', '--caption']
    args += ['--use', 'boxes=fake:finder', '--option', 'boxes.scene=cat 0 0 1 0.5']
    assert run(capsys, *args) == (0, '')
    (record,) = records(tmp_path / 'out')
    assert record.detections[0].xyxy == (0, 0, 451, 150)
    assert record.caption.text
    made = json.loads((tmp_path / 'out' / 'dataset.json').read_bytes())
    assert [model['model_id'] for model in made['models']] == ['fake:finder', 'fake']


def test_what_ends_a_run_is_its_status(capsys, tmp_path):
    photos = ['sample:chelsea', 'sample:coffee']
    args = [*photos, *FAKE, '--vocabulary']
    assert run(capsys, *args, 'absent cat', '-o', tmp_path / 'a') == (1, '')
    status, err = run(capsys, *args, 'cat', '-o', tmp_path / 'b', '--option', 'script=ok fail')
    assert status == 3
    assert 'coffee' in err
    assert 'failed on purpose' in err
    assert len(records(tmp_path / 'b')) == 2
    bag = drive(tmp_path / 'drive', damaged=(2, 5))
    status, err = run(capsys, bag, *FAKE, '--vocabulary', 'cat', '-o', tmp_path / 'c')
    assert status == 2
    assert 'message 2 of /front' in err
    assert err.count('\n') == 1
    assert len(records(tmp_path / 'c')) == 20
    skipped = json.loads((tmp_path / 'c' / 'dataset.json').read_bytes())['skipped']
    assert len(skipped) == 4


@pytest.mark.parametrize(
    ('args', 'status', 'message'),
    [
        (['sample:'], 2, 'there is nothing to annotate'),
        (['--caption'], 2, 'there is no source'),
        (['sample:', '--caption', '--track'], 2, 'tracks need boxes'),
        (['sample:', '--caption', '--masks'], 2, 'masks need boxes'),
        (['nowhere.mcap', '--caption'], 2, 'there is no file or folder nowhere.mcap'),
        (['sample:', '--caption', '--format', 'coco'], 2, 'the format coco holds boxes'),
        (['sample:', '--vocabulary', 'per\u200bson', '--format', 'coco'], 2, 'cannot be written'),
        (['sample:', '--vocabulary', 'DontCare', '--format', 'kitti'], 2, 'rename the class'),
        (['http://a/b.mp4', '--caption', '--format', 'mcap'], 2, 'keep them with --images jpeg'),
        (['sample:', '--vocabulary', 'cat', '--masks'], 3, "'fake' cannot segment"),
        (['sample:', '--tags', 'driving'], 3, 'name one that can: --use tags=BACKEND'),
        (['sample:', '--tags', 'drivng'], 2, "there are no tags 'drivng'"),
        (['sample:', '--caption', '--use', 'mask=sam'], 2, 'with one of boxes, masks'),
        (['sample:', '--caption', '--use', 'caption=fak'], 3, "did you mean 'fake'"),
        (['sample:', '--caption', '--option', 'masks.a=1'], 2, 'nothing is named for masks'),
        (['sample:', '--caption', '--plan', 'no.yaml'], 2, 'the plan no.yaml cannot be read'),
        (
            ['sample:', '--caption', '--start', '3', '--stop', '2'],
            2,
            'ends, at 2 s, before it begins',
        ),
        (['sample:chelsea', '--topic', 'a', '--caption'], 2, 'topics are those of bags'),
    ],
)
def test_what_cannot_be_done_is_one_line_and_writes_nothing(
    capsys, tmp_path, args, status, message
):
    found, err = run(capsys, *args, *FAKE, '-o', tmp_path / 'out')
    assert (found, err.count('\n')) == (status, 1)
    assert message in err
    assert not (tmp_path / 'out').exists()


def test_another_plan_is_refused_with_what_differs_before_models_are_loaded(capsys, tmp_path):
    args = ['sample:chelsea', '--vocabulary', 'cat', '-o', tmp_path / 'out', *FAKE]
    assert run(capsys, *args, '--rate', 2) == (0, '')
    before = everything(tmp_path / 'out')
    broken = ['--option', 'nonsense=1']
    status, err = run(capsys, *args, '--rate', 4, '--images', 'jpeg', *broken)
    assert (status, err.count('\n')) == (2, 1)
    assert (
        'differs in sampling.rate_hz (2.0, now 4.0), images (nothing, now "jpeg"), '
        'backend.options.nonsense (nothing, now 1); choose another folder, or remove what is '
        'there and begin anew (vlm-ros annotate --anew)'
    ) in err
    assert everything(tmp_path / 'out') == before


def test_a_run_without_anything_to_do_loads_no_model(capsys, tmp_path, monkeypatch):
    args = ['sample:chelsea', '--vocabulary', 'cat', '-o', tmp_path / 'out', *FAKE]
    assert run(capsys, *args) == (0, '')
    before = everything(tmp_path / 'out')
    monkeypatch.setattr('vlm_ros.backends.load', None)
    assert run(capsys, *args) == (0, '')
    assert everything(tmp_path / 'out') == before
    # What a backend cannot do is known without it.
    status, err = run(capsys, 'sample:', '--tags', 'driving', '-o', tmp_path / 'tags')
    assert (status, err.count('\n')) == (3, 1)
    assert "the backend 'embedded' cannot classify" in err


def test_the_manifest_says_which_cameras_were_read(capsys, tmp_path):
    bag = drive(tmp_path / 'drive', count=4, damaged=(1,))
    args = [bag, 'sample:coffee', '-o', tmp_path / 'out', *FAKE, '--caption']
    assert run(capsys, *args)[0] == 2
    made = json.loads((tmp_path / 'out' / 'dataset.json').read_bytes())
    assert [row['topics'] for row in made['sources']] == [['/front', '/rear'], []]
    assert [row['topic_frames'] for row in made['sources']] == [{'/front': 3, '/rear': 3}, {}]
    assert [row['frames'] for row in made['sources']] == [6, 1]


def test_a_folder_of_bags_names_how_to_give_them(capsys, tmp_path):
    many = tmp_path / 'many'
    many.mkdir()
    drive(many / 'one', count=1)
    status, err = run(capsys, many, '-o', tmp_path / 'out', *FAKE, '--caption')
    assert (status, err) == (
        2,
        f'vlm-ros: error: the folder {many} holds bags; name them: {many}/*\n',
    )


def test_a_misspelt_option_is_one_line_that_names_the_help_of_the_verb(capsys):
    with pytest.raises(SystemExit) as ended:
        main(['annotate', 'sample:', '-o', 'out', '--tracks'])
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        'vlm-ros: error: unrecognized arguments: --tracks (did you mean --track?); '
        'see vlm-ros annotate --help\n'
    )


def test_the_end_says_what_is_not_there(capsys, tmp_path):
    args = ['sample:chelsea', '--backend', 'fake', '-o']
    wanted = ['--vocabulary', 'cat, unknown dog', '--rate', 2, '--format', 'yolo,mcap']
    wanted += ['--question', 'is it raining?', '--question', 'is there a cat?']
    status, err = run(capsys, *args, tmp_path / 'out', *wanted)
    assert status == 0
    total, *notes = err.splitlines()
    assert ' 1 box in 1 image, ' in total
    # Nothing of how to ask without evidence, for this command cannot.
    assert notes == [
        'vlm-ros: photographs have no time: --rate, --start and --stop leave none of them out',
        'vlm-ros: not known to fake in any image: unknown dog',
        (
            "vlm-ros: not answered in any image: 'is it raining?': the answer was 'no', but no "
            'box supports it'
        ),
        f'vlm-ros: exports in {tmp_path}/out/exports: yolo, mcap',
        (
            'vlm-ros: yolo: without pictures, which training needs; annotate with --images jpeg '
            'into another folder for them'
        ),
    ]
    bag = drive(tmp_path / 'drive', count=4)
    late = [bag, '-o', tmp_path / 'late', '--backend', 'fake', '--caption', '--start', 100]
    status, err = run(capsys, *late)
    assert status == 1
    assert err.splitlines() == [
        f'vlm-ros: 0 images in {tmp_path}/late',
        (
            'vlm-ros: no image is between --start and --stop, in seconds from the beginning of a '
            'source'
        ),
    ]


def test_plans_and_tags_of_odd_content(capsys, tmp_path):
    file = tmp_path / 'file.yaml'
    for content, message in (
        ('speed: fast', "has 'speed', which is none of sources"),
        ('- a', 'should have lines'),
        ('a: [', 'is not YAML'),
        ('caption: perhaps', 'caption: Input should be a valid boolean'),
        ('sampling: 3', 'sampling should have names and values'),
        ('sampling: &a [1]', 'sampling should have names and values, not a list'),
        ('questions: why', 'it should be a list, such as questions: [why]'),
        ('sampling: {speed: 3}', "has 'sampling.speed', which is none of every, rate_hz"),
        ('backends: {boxes: {nme: a}}', "has 'backends.boxes.nme', which is none of name"),
        ('sampling: {stop_s: .inf}', 'sampling.stop_s: '),
        ('questions: [why, why]', 'a question is asked twice'),
        ('[' * 5000, 'is nested too deeply'),
    ):
        file.write_text(content)
        status, err = run(capsys, 'sample:', '--plan', file, *FAKE, '-o', tmp_path / 'out')
        assert (status, err.count('\n')) == (2, 1)
        assert message in err
    for content in ('weather: [rain]', 'weather', 'weather: {a: b}', ''):
        file.write_text(content)
        status, err = run(capsys, 'sample:', '--tags', file, *FAKE, '-o', tmp_path / 'out')
        assert (status, err.count('\n')) == (2, 1)
    assert all(len(set(group)) > 1 for tags in TAGS.values() for group in tags.values())


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_bar_says_rate_time_left_and_what_was_skipped(monkeypatch):
    shown = Terminal()
    monkeypatch.setattr(sys, 'stderr', shown)
    monkeypatch.setattr(progress, '_SHOWN_AFTER_S', 0)
    monkeypatch.setattr(progress, '_REFRESHED_EVERY_S', 0)
    monkeypatch.setenv('COLUMNS', '100')
    with progress.AnnotationProgress(quiet=False) as tell:
        for done in range(20, 60):
            tell(Progress(done, 80, 20, 2, 8, done - 20, 1, 3, int(done > 40)))
            time.sleep(0.01)
        tell._bar.refresh()
    text = shown.getvalue()
    assert 'reading sources' in text
    assert 'going on: 2 of 8 chunks, about 20 images, are done already' in text
    assert text.count('a worker ended') == 1
    assert '59/80' in text
    assert re.search(r'[1-9]\d\.\d/s', text)
    assert re.search(r'0:00:0\d', text)
    assert '1 failed  3 skipped' in text
    quiet = Terminal()
    monkeypatch.setattr(sys, 'stderr', quiet)
    with progress.AnnotationProgress(quiet=True) as tell:
        tell(Progress(20, 80, 20, 2, 8, 0, 0, 0, 0))
    assert quiet.getvalue() == ''


def test_ctrl_c_leaves_whole_parts_and_the_same_command_goes_on(capsys, tmp_path):
    args = [drive(tmp_path / 'drive', count=30), '--vocabulary', 'car', '--backend', 'fake']
    args += ['--chunk', 10, '--images', 'jpeg', '--option', 'latency_s=0.05', '-o']
    command = [sys.executable, '-m', 'vlm_ros.cli', 'annotate', *map(str, args)]
    process = subprocess.Popen(
        [*command, str(tmp_path / 'cut')],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until_s = time.monotonic() + 60
    while not (tmp_path / 'cut/parts/00001.jsonl').exists() and time.monotonic() < until_s:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert 'the same command goes on from there' in err
    assert err.count('\n') == 1
    assert not (tmp_path / 'cut' / 'annotations.jsonl').exists()
    status, err = run(capsys, *args, tmp_path / 'cut')
    assert status == 0
    assert 'going on: ' in err
    assert run(capsys, *args, tmp_path / 'whole')[0] == 0
    assert everything(tmp_path / 'cut') == everything(tmp_path / 'whole')


def test_ctrl_c_while_workers_load_is_one_line_and_leaves_nobody(tmp_path):
    args = [drive(tmp_path / 'drive', count=30), '--vocabulary', 'car', '--backend', 'fake']
    args += ['--chunk', 10, '--workers', 2, '-o', tmp_path / 'out']
    process = subprocess.Popen(
        [sys.executable, '-m', 'vlm_ros.cli', 'annotate', *map(str, args)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    workers = []
    until_s = time.monotonic() + 60
    while len(workers) < 2 and time.monotonic() < until_s:
        workers = [
            child
            for child in psutil.Process(process.pid).children()
            if 'spawn_main' in ' '.join(child.cmdline())
        ]
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    # A shell says 130 for either.
    assert process.returncode in (130, -signal.SIGINT)
    assert err.count('\n') == 1
    assert 'interrupted' in err
    assert not any(worker.is_running() for worker in workers)


@pytest.mark.parametrize('workers', [1, 2])
def test_a_full_disk_is_one_line_and_the_same_command_goes_on(capsys, tmp_path, workers):
    args = [drive(tmp_path / 'drive', count=8), '--vocabulary', 'car', '--backend', 'fake']
    args += ['--chunk', 4, '--images', 'png', '--workers', workers, '--quiet', '-o']
    program = (
        'import resource, sys\nfrom vlm_ros.cli.main import main\n'
        'resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, resource.RLIM_INFINITY))\n'
        'if __name__ == "__main__": sys.exit(main())'
    )
    script = tmp_path / 'full.py'
    script.write_text(program)
    command = [sys.executable, str(script), 'annotate', *map(str, args), str(tmp_path / 'full')]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stderr.count('\n')) == (2, 1)
    assert 'cannot be written: File too large; make room or choose another' in done.stderr
    assert not list((tmp_path / 'full').rglob('.*.part'))
    assert run(capsys, *args, tmp_path / 'full') == (0, '')
    assert run(capsys, *args, tmp_path / 'whole') == (0, '')
    assert everything(tmp_path / 'full') == everything(tmp_path / 'whole')
