"""The demo, end to end, as a stranger runs it."""

import json
import os
import signal
import subprocess
import sys
import time

import cv2
import pytest
import skimage.data

from vlm_ros.backends import describe

EMBEDDED = next(info for info in describe() if info.name == 'embedded')


def run_demo(*args, timeout_s=180.0):
    """Run the demo to its end."""
    command = [sys.executable, '-m', 'vlm_ros.nodes.demo', *map(str, args)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=timeout_s)


def test_the_demo_sees_answers_and_reports(tmp_path):
    assert not EMBEDDED.missing_weights, 'run: vlm-ros fetch embedded'
    done = run_demo('--output', tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'Summary: all well' in done.stdout
    report = json.loads((tmp_path / 'report.json').read_text())
    assert report['failures'] == []
    assert report['frames_processed'] >= len(report['frames']) > 20
    found = {d['label'] for frame in report['frames'] for d in frame['detections']}
    assert {'person', 'cat', 'coffee cup', 'motorcycle'} <= found
    assert 'elephant' not in found
    for frame in report['frames']:
        assert frame['status'] in ('OK', 'NOTHING_FOUND')
        assert frame['age_s'] > frame['inference_time_s'] > 0
    assert any('person' in c['caption'] for c in report['captions'])
    people, elephant, where = report['answers']
    # On a slow machine the first photograph, with one person, is over before the first question.
    assert (people['status'], people['answer']) in (('OK', '1'), ('OK', '0'))
    assert [d['label'] for d in people['evidence']] == ['person'] * int(people['answer'])
    assert (elephant['status'], elephant['answer']) == ('OK', 'no')
    assert (where['status'], where['answer']) == ('NOT_IN_VIEW', '')
    assert all(a['latency_s'] > 0 for a in report['answers'])
    assert report['versions']['vlm_ros'] and report['versions']['ros_distro']
    assert len(report['pictures']) >= 5
    for name in report['pictures']:
        assert min(cv2.imread(str(tmp_path / name)).shape[:2]) > 200


def test_the_demo_takes_a_source_names_and_questions(tmp_path):
    photo = tmp_path / 'my photo.png'
    cv2.imwrite(str(photo), cv2.cvtColor(skimage.data.chelsea(), cv2.COLOR_RGB2BGR))
    done = run_demo(
        *('--source', photo, '--vocabulary', 'kitty', '--ask', 'Is there a kitty?'),
        *('--seconds', 4, '--output', tmp_path / 'out'),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / 'out' / 'report.json').read_text())
    assert {d['label'] for f in report['frames'] for d in f['detections']} == {'kitty'}
    assert [a['answer'] for a in report['answers']] == ['yes']


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (['--source', '/no/such.mp4'], '/no/such.mp4'),
        (['--vocabulary', ''], 'the vocabulary is empty'),
        (['--backend', 'fakee'], "did you mean 'fake'"),
        (['--seconds', '0'], '--seconds'),
        (['--nonsense'], '--nonsense'),
    ],
)
def test_wrong_arguments_are_one_line_and_exit_code_2(tmp_path, args, message):
    done = run_demo('--output', tmp_path, *args)
    assert done.returncode == 2
    assert message in done.stderr
    assert 'Traceback' not in done.stderr


def test_a_failing_model_fails_the_demo(tmp_path):
    environment = {**os.environ, 'VLM_ROS_CACHE': str(tmp_path / 'empty')}
    done = subprocess.run(
        [sys.executable, '-m', 'vlm_ros.nodes.demo', '--seconds', '3', '--output', str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )
    assert done.returncode == 1
    assert 'Summary: FAILED' in done.stdout
    assert 'vlm-ros fetch embedded' in done.stdout
    assert json.loads((tmp_path / 'report.json').read_text())['failures']


def test_an_interrupt_ends_the_demo_and_its_processes(tmp_path):
    process = subprocess.Popen(
        [
            sys.executable,
            '-m',
            'vlm_ros.nodes.demo',
            '--backend',
            'fake',
            '--output',
            str(tmp_path),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    time.sleep(6.0)
    children = subprocess.run(
        ['ps', '-o', 'pid=', '--ppid', str(process.pid)],
        check=False,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert len(children) == 2
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=5.0)
    assert process.returncode == 130
    assert 'interrupted' in output
    for child in children:
        with pytest.raises(ProcessLookupError):
            os.kill(int(child), 0)
