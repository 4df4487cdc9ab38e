"""The worked example, with the fake and the embedded backends."""

import contextlib
from pathlib import Path
import signal
import subprocess
import sys

from py_trees.blackboard import Blackboard
from py_trees.common import Status as LeafStatus
import pytest
from std_msgs.msg import Header, String

from vlm_ros.client import VlmClient
from vlm_ros.data.photographs import samples
from vlm_ros.images import decode_compressed
from vlm_ros.nodes.conversions import detections_to_msg, image_to_msg
from vlm_ros.nodes.query import QueryNode
from vlm_ros.results import Detections, Status
from vlm_ros_interfaces import srv
from vlm_ros_interfaces.msg import ResultStatus

from scripted_server import OK, ScriptedServer  # isort: skip

EXAMPLES = Path(__file__).parents[2] / 'examples'
PLACES = {'kitchen': (1.0, 0.0), 'hall': (4.0, 2.0)}


@pytest.fixture
def patrol(graph, monkeypatch):
    """Return what runs one round of the tree and returns the goals and the reports."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    Blackboard.clear()

    def patrol(places=PLACES):
        from patrol.tree import patrol as make

        goals, reports = [], []
        tree = make(client, places, goals.append, reports.append)

        def tick():
            tree.tick_once()
            return tree.status is not LeafStatus.RUNNING

        graph.spin_until(tick, 'the end of the round')
        assert tree.status is LeafStatus.SUCCESS
        return goals, reports

    with VlmClient(timeout_s=30.0) as client:
        yield patrol
    Blackboard.clear()


def of_the_fake(graph, options):
    parameters = {'backend': 'fake', 'max_image_age_s': '100.0', 'backend_options': options}
    graph.start(QueryNode, query=parameters)
    graph.publish(graph.stamped())
    graph.spin_until(lambda: graph.nodes[0].feeds[''].newest, 'the image')


def test_a_person_of_unknown_posture_is_reported_as_one(graph, patrol):
    of_the_fake(graph, 'scene=person 0.1 0.1 0.5 0.9')
    goals, reports = patrol()
    assert [(g.header.frame_id, g.pose.position.x) for g in goals] == [('map', 1.0), ('map', 4.0)]
    assert [report.partition(': ')[0] for report in reports] == ['kitchen', 'hall']
    for report in reports:
        assert 'a person, posture unknown (' in report


def test_an_empty_scene_is_reported_as_nobody(graph, patrol):
    of_the_fake(graph, 'scene={}')
    assert patrol()[1] == ['kitchen: nobody in view', 'hall: nobody in view']


def test_a_model_that_fails_is_not_reported_as_nobody(graph, patrol):
    of_the_fake(graph, 'script=crash')
    for report in patrol()[1]:
        assert 'could not look: FAILED: ' in report
        assert 'nobody' not in report


def test_no_camera_is_not_reported_as_nobody(graph, patrol):
    graph.start(QueryNode, query={'backend': 'fake'})
    for report in patrol()[1]:
        assert 'could not look: NO_IMAGE: ' in report


PEOPLE = Detections([[0, 0, 5, 5], [5, 0, 9, 9]], [0.5, 0.5], ('person', 'person'))


def test_what_the_answers_say_is_reported(graph, patrol):
    says = {}

    def verify(request, response):
        assert request.statement == 'a person is lying on the floor'
        response.status, response.verdict = says['status'], says['verdict']
        response.confidence = 0.75

    def detect(request, response):
        response.status = says.get('found', OK)
        response.detections = detections_to_msg(PEOPLE, Header())

    services = {
        'verify_statement': (srv.VerifyStatement, verify),
        'detect_objects': (srv.DetectObjects, detect),
    }
    graph.start(lambda shared: ScriptedServer(services))
    unsure = ResultStatus(code=int(Status.UNSURE), message='who knows')
    late = ResultStatus(code=int(Status.TIMEOUT))
    for said, report in (
        ((OK, 1, OK), 'ALARM: a person is lying on the floor (confidence 0.75)'),
        ((OK, 2, OK), '2 people, nobody lying on the floor'),
        ((unsure, 0, OK), '2 people, posture unknown (who knows)'),
        ((late, 0, OK), '2 people, posture unknown (TIMEOUT)'),
        ((unsure, 0, unsure), 'cannot tell: UNSURE: who knows'),
        ((unsure, 0, late), 'could not look: TIMEOUT'),
    ):
        says.update(zip(('status', 'verdict', 'found'), said, strict=True))
        assert patrol(places={'hall': (4.0, 2.0)})[1] == [f'hall: {report}']


def test_real_photographs_are_reported_honestly(graph, patrol):
    graph.start(QueryNode, query={'backend': 'embedded', 'max_image_age_s': '100.0'}, active=False)
    for _ in range(4):  # loading takes its time where others work too
        with contextlib.suppress(AssertionError):
            graph.spin_until(lambda: graph.nodes[0].is_active)
            break
    for name, report in (
        ('astronaut', 'a person, posture unknown ('),
        ('coffee', 'nobody in view'),
    ):
        [(_, path)] = samples(name)
        msg = image_to_msg(decode_compressed(path.read_bytes()), graph.stamped().header)
        graph.publish(msg)
        graph.spin_until(lambda: _is_seen(graph, msg), 'the photograph')  # noqa: B023 - at once
        assert report in patrol(places={'hall': (4.0, 2.0)})[1][0]


def _is_seen(graph, msg):
    newest = graph.nodes[0].feeds[''].newest
    return newest is not None and newest.header == msg.header


def run_patrol(*args):
    return subprocess.Popen(
        [sys.executable, '-m', 'patrol', *args],
        cwd=EXAMPLES,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_program_reports_and_ends_after_its_rounds(graph):
    of_the_fake(graph, 'scene={}')
    process = run_patrol('--rounds', '2', '--ros-args', '-r', '__node:=guard')
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (0, '2 rounds\n'), errors
    for place in PLACES:
        assert errors.count(f'[guard]: {place}: nobody in view\n') == 2, errors


@pytest.mark.parametrize(
    ('option', 'value', 'reason'),
    [
        ('--rounds', '-1', "'-1' is not a number of rounds"),
        ('--period', '0', "'0' is not a number of seconds above 0"),
        ('--timeout', 'nan', "'nan' is not a number of seconds above 0"),
    ],
)
def test_the_program_says_which_argument_is_wrong(capsys, monkeypatch, option, value, reason):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    from patrol.__main__ import main

    with pytest.raises(SystemExit):
        main(['patrol', option, value])
    assert f'argument {option}: {reason}' in capsys.readouterr().err


@pytest.mark.parametrize('script', ['ok', 'hang'])
def test_ctrl_c_ends_the_program_cleanly(graph, script):
    of_the_fake(graph, f'script={script}')
    pending = graph.nodes[0].requests._pending
    process = run_patrol('--timeout', '600')
    reports = graph.collect(String, 'reports')
    graph.spin_until(lambda: pending if script == 'hang' else reports, 'something to interrupt')
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert output.endswith('rounds\n')
    assert all(report.data.partition(': ')[0] in PLACES for report in reports)
    assert 'Traceback' not in errors
