"""Models, cameras and clients that fail: the node says so, another takes over, it goes on."""

from functools import partial
from itertools import pairwise
import os
import signal
import subprocess
import sys
import time

from action_msgs.msg import GoalStatus
import pytest
from rclpy.action import ActionClient
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from vlm_ros.backends.fake import loading
from vlm_ros.nodes import shared
from vlm_ros.nodes.detector import DetectorNode
from vlm_ros.nodes.query import QueryNode
from vlm_ros.runtime import model_worker
from vlm_ros.runtime.candidates import Patience
from vlm_ros_interfaces.action import AnswerQuestion as AnswerQuestionAction
from vlm_ros_interfaces.msg import PerceptionStatus, ResultStatus
from vlm_ros_interfaces.srv import AnswerQuestion

FAKE = {'backend': 'fake'}


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Give models up, and try them again, sooner."""
    loading.forget_failures()
    monkeypatch.setattr(model_worker, 'GRACE_S', 0.1)
    monkeypatch.setattr(
        shared, 'Patience', lambda **given: Patience(first_retry_s=0.5, failures=2, **given)
    )


def question(graph, **fields):
    fields = {'question': 'Is there a person?', 'image': graph.stamped(), **fields}
    return AnswerQuestion.Request(**fields)


def ask(graph, **fields):
    return graph.call(AnswerQuestion, 'answer_question', question(graph, **fields))


def show_until(graph, statuses, done):
    """Show images until one has a status that `done` accepts."""
    until_s = time.monotonic() + 20.0
    while time.monotonic() < until_s:
        status = graph.show(statuses)
        if done(status):
            return status
    raise AssertionError([s.status for s in statuses[-5:]])


@pytest.mark.parametrize('fault', ['fail', 'crash', 'oom', 'hang', 'stuck:1'])
def test_another_model_takes_over_and_the_better_one_comes_back(graph, fault):
    """The better one has its script anew when it is loaded again."""
    graph.start(
        DetectorNode,
        detector={
            **FAKE,
            'backend_options': f'script=ok*2 {fault}*2 ok...',
            'fallback': '["fake model=second"]',
            'watchdog_s': '0.2',
        },
    )
    statuses = graph.collect(PerceptionStatus, 'detections/status')
    assert graph.show(statuses).provenance.model_id == 'fake'
    failed = show_until(graph, statuses, lambda s: s.status.code == ResultStatus.FAILED)
    assert failed.status.message and '\n' not in failed.status.message
    second = show_until(graph, statuses, lambda s: s.status.code == ResultStatus.OK)
    if second.provenance.model_id == 'fake':
        second = show_until(graph, statuses, lambda s: s.provenance.model_id == 'fake:second')
    assert second.status.code == ResultStatus.OK
    show_until(graph, statuses, lambda s: s.provenance.model_id == 'fake')
    codes = {s.status.code for s in statuses if s.provenance.model_id}
    assert codes <= {ResultStatus.OK, ResultStatus.FAILED}


def test_a_model_that_hangs_is_never_silent(graph):
    graph.start(
        DetectorNode,
        detector={**FAKE, 'backend_options': 'script=ok*10 0.5 fail hang', 'watchdog_s': '3.0'},
    )
    statuses = []
    graph.client.create_subscription(
        PerceptionStatus,
        'detections/status',
        lambda msg: statuses.append((time.monotonic(), msg.status)),
        100,
    )
    graph.connect()
    camera = graph.client.create_timer(0.05, lambda: graph.publish(graph.stamped()))
    graph.spin_until(lambda: any('longer than 3 s' in s.message for _, s in statuses))
    begun = len(statuses)
    graph.spin_until(lambda: any(s.code == ResultStatus.OK for _, s in statuses[begun:]))
    graph.client.destroy_timer(camera)
    times = [when for when, _ in statuses]
    # Nothing for as long as an image may be old, and then once a second.
    assert max(b - a for a, b in pairwise(times)) < 5.0
    reasons = {s.message for _, s in statuses if s.code == ResultStatus.TIMEOUT}
    assert any('has not finished with an image for' in reason for reason in reasons)
    assert all(s.message for _, s in statuses if s.code != ResultStatus.OK)


def test_requests_time_out_while_the_model_hangs(graph):
    graph.start(QueryNode, query={**FAKE, 'backend_options': 'script=stuck:3 ok...'})
    began_s = time.monotonic()
    futures = [
        graph.ask(AnswerQuestion, 'answer_question', question(graph, timeout_s=0.5))
        for _ in range(5)
    ]
    graph.spin_until(lambda: all(future.done() for future in futures))
    assert time.monotonic() - began_s < 0.5 + 1.0
    assert {f.result().status.code for f in futures} == {ResultStatus.TIMEOUT}
    assert ask(graph, timeout_s=10.0).status.code == ResultStatus.OK


def send_goal(graph, client, feedback=None, **fields):
    request = AnswerQuestionAction.Goal(
        question='Why does the person smile?', image=graph.stamped(), **fields
    )
    sent = client.send_goal_async(
        request, feedback_callback=lambda msg: feedback is not None and feedback.append(msg)
    )
    graph.spin_until(sent.done)
    return sent.result()


def test_a_cancel_stops_what_runs_and_what_waits_never_starts(graph):
    graph.start(QueryNode, query={**FAKE, 'backend_options': 'latency_s=0.3'})
    model = graph.nodes[0].worker.model
    client = ActionClient(graph.client, AnswerQuestionAction, 'answer')
    graph.spin_until(client.server_is_ready)
    said, waiting_said = [], []
    running = send_goal(graph, client, said, timeout_s=60.0)
    results = [running.get_result_async()]
    graph.spin_until(lambda: said)
    waiting = send_goal(graph, client, waiting_said, timeout_s=60.0)
    results.append(waiting.get_result_async())
    calls, said_before = model.calls, len(said)
    for goal in (waiting, running):
        graph.spin_until(goal.cancel_goal_async().done)
    for result in results:
        graph.spin_until(result.done)
        assert result.result().status == GoalStatus.STATUS_CANCELED
        assert result.result().result.status.code == ResultStatus.CANCELLED
    graph.spin_for(1.0)
    assert len(said) <= said_before + 2, 'the word it was at, and one on its way'
    assert not waiting_said
    assert model.calls == calls, 'neither starts another step'
    assert ask(graph).status.code == ResultStatus.OK
    client.destroy()


def is_known(graph, client):
    """Whether the server answers a client; Fast DDS loses what it asks too early."""
    future = client.call_async(AnswerQuestion.Request(timeout_s=-1.0))
    until_s = time.monotonic() + 1.0
    while not future.done() and time.monotonic() < until_s:
        graph.spin_for(0.01)
    return future.done()


def test_a_full_queue_answers_at_once_and_everybody_once(graph):
    """30 clients, a queue of 4, a model that takes its time."""
    graph.start(
        QueryNode, query={**FAKE, 'backend_options': 'script=0.1', 'max_waiting_requests': '4'}
    )
    # Every client is sent everybody's answers, and with the default QoS it keeps the last ten.
    qos = QoSProfile(depth=100)
    clients = [
        graph.client.create_client(AnswerQuestion, 'answer_question', qos_profile=qos)
        for _ in range(30)
    ]
    graph.spin_until(lambda: all(client.service_is_ready() for client in clients))
    for client in clients:
        graph.spin_until(partial(is_known, graph, client))
    answers = []
    for client in clients:
        client.call_async(question(graph)).add_done_callback(answers.append)
    graph.spin_until(lambda: len(answers) == 30)
    graph.spin_for(0.5)
    assert len(answers) == 30
    codes = [future.result().status.code for future in answers]
    assert codes.count(ResultStatus.OK) >= 4
    refused = [f.result().status for f in answers if f.result().status.code != ResultStatus.OK]
    assert len(refused) >= 20
    assert all('4 requests are waiting' in status.message for status in refused)


def test_a_poisoned_frame_among_good_ones_costs_itself(graph):
    graph.start(
        DetectorNode,
        detector={
            **FAKE,
            'backend_options': 'script=ok crash ok fail ok oom',
            'watchdog_s': '5.0',
        },
    )
    statuses = graph.collect(PerceptionStatus, 'detections/status')
    codes = [graph.show(statuses).status.code for _ in range(12)]
    assert codes == [ResultStatus.OK, ResultStatus.FAILED] * 6
    assert {s.provenance.model_id for s in statuses if s.status.code == ResultStatus.OK} == {
        'fake'
    }


def test_slow_cameras_are_no_fault_of_the_model(graph):
    """A result holds until the next image, or until it is too old."""
    graph.start(DetectorNode, detector={**FAKE, 'max_image_age_s': '2.5'})
    statuses = graph.collect(PerceptionStatus, 'detections/status')
    assert graph.show(statuses).status.code == ResultStatus.OK
    graph.spin_until(lambda: [s for s in statuses if s.status.code == ResultStatus.STALE])
    assert not [s for s in statuses if s.status.code == ResultStatus.TIMEOUT]


CLIENT = """
import sys, rclpy
from sensor_msgs.msg import Image
from vlm_ros_interfaces.srv import AnswerQuestion
rclpy.init()
node = rclpy.create_node('doomed')
client = node.create_client(AnswerQuestion, 'answer_question')
client.wait_for_service()
while not node.count_services('/answer_question'):
    rclpy.spin_once(node, timeout_sec=0.1)
image = Image(height=2, width=2, encoding='rgb8', step=6, data=bytes(12))
while True:
    future = client.call_async(
        AnswerQuestion.Request(question='Is there a person?', image=image, timeout_s=30.0)
    )
    print('asked', flush=True)
    rclpy.spin_until_future_complete(node, future, timeout_sec=1.0)
"""
CAMERA = """
import rclpy
from sensor_msgs.msg import Image
rclpy.init()
node = rclpy.create_node('camera')
publisher = node.create_publisher(Image, 'image', 1)

def publish():
    msg = Image(height=2, width=2, encoding='rgb8', step=6, data=bytes(12))
    msg.header.stamp = node.get_clock().now().to_msg()
    msg.header.frame_id = FRAME
    publisher.publish(msg)

node.create_timer(0.05, publish)
print('publishing', flush=True)
rclpy.spin(node)
"""


@pytest.fixture
def process():
    """Run Python in processes of their own; what is left of them is ended after the test."""
    processes = []

    def start(code):
        processes.append(
            subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, text=True)
        )
        assert processes[-1].stdout.readline()
        return processes[-1]

    yield start
    for one in processes:
        one.kill()
        one.wait()
        one.stdout.close()


def kill(one):
    """End a process without a goodbye to anybody."""
    os.kill(one.pid, signal.SIGKILL)
    one.wait()


def test_a_client_that_is_killed_in_mid_request_costs_nobody_else(graph, process):
    graph.start(QueryNode, query={**FAKE, 'backend_options': 'script=0.5'})
    for _ in range(2):
        client = process(CLIENT)
        model = graph.nodes[0].worker.model
        calls = model.calls
        graph.spin_until(lambda m=model, c=calls: m.calls > c)
        kill(client)
    assert ask(graph).status.code == ResultStatus.OK


def test_a_camera_that_is_killed_and_started_again_is_followed(graph, process):
    recent = {**FAKE, 'max_image_age_s': '1.0'}
    graph.start(DetectorNode, QueryNode, detector=recent, query=recent)
    detections = graph.collect(Detection2DArray, 'detections')
    statuses = graph.collect(PerceptionStatus, 'detections/status')
    for frame in ('first', 'second'):
        camera = process(f'FRAME = {frame!r}\n{CAMERA}')
        graph.spin_until(lambda f=frame: [d for d in detections if d.header.frame_id == f])
        response = ask(graph, image=Image())
        assert response.status.code == ResultStatus.OK
        assert response.provenance.image_header.frame_id == frame
        kill(camera)
        statuses.clear()
        graph.spin_until(
            lambda: [s for s in statuses if s.status.code == ResultStatus.STALE], 'STALE'
        )
        assert ask(graph, image=Image()).status.code == ResultStatus.STALE
