"""Managed nodes: states while a model loads, refusals, retries, memory, many transitions."""

import os
import random

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition, TransitionEvent
import psutil
import pytest
from rclpy.action import ActionClient
from rclpy.parameter import Parameter
from rclpy.parameter_client import AsyncParameterClient
from vision_msgs.msg import Detection2DArray

from vlm_ros.backends.fake import loading
from vlm_ros.nodes import managed
from vlm_ros.nodes.captioner import CaptionerNode
from vlm_ros.nodes.detector import DetectorNode
from vlm_ros.nodes.query import QueryNode
from vlm_ros_interfaces.action import AnswerQuestion as AnswerQuestionAction
from vlm_ros_interfaces.msg import Caption, PerceptionStatus, ResultStatus
from vlm_ros_interfaces.srv import AnswerQuestion, DetectObjects

FAKE = {'backend': 'fake'}
MANUAL = {**FAKE, 'autostart': 'false'}
CONFIGURE, CLEANUP, ACTIVATE, DEACTIVATE = (
    Transition.TRANSITION_CONFIGURE,
    Transition.TRANSITION_CLEANUP,
    Transition.TRANSITION_ACTIVATE,
    Transition.TRANSITION_DEACTIVATE,
)
SHUTDOWN = {
    'unconfigured': Transition.TRANSITION_UNCONFIGURED_SHUTDOWN,
    'inactive': Transition.TRANSITION_INACTIVE_SHUTDOWN,
    'active': Transition.TRANSITION_ACTIVE_SHUTDOWN,
}
WAY_TO = {'unconfigured': (), 'inactive': (CONFIGURE,), 'active': (CONFIGURE, ACTIVATE)}
QUESTION = AnswerQuestion.Request(question='Is there a person?')


@pytest.fixture(autouse=True)
def fresh_loads():
    """Count failing loads anew."""
    loading.forget_failures()


def set_parameters(graph, node, **values):
    """Set parameters as `ros2 param set` does; returns the results."""
    client = AsyncParameterClient(graph.client, node)
    graph.spin_until(client.services_are_ready)
    future = client.set_parameters([Parameter(n, value=v) for n, v in values.items()])
    graph.spin_until(future.done)
    return future.result().results


def lifecycle_report(messages, node='detector'):
    """Return what a node said last of its lifecycle on /diagnostics."""
    said = [s for m in messages for s in m.status if s.name == f'{node}: lifecycle']
    return said[-1] if said else None


def detect(graph, detections):
    """Have an image looked at; returns the names found."""
    found = graph.show(detections)
    return [d.results[0].hypothesis.class_id for d in found.detections]


def test_everything_answers_while_a_model_loads(graph):
    slow = {**MANUAL, 'backend_options': 'load_s=2'}
    graph.start(DetectorNode, QueryNode, active=False, detector=slow, query=FAKE)
    events = graph.collect(TransitionEvent, 'detector/transition_event')
    statuses = graph.collect(PerceptionStatus, 'detections/status')
    diagnostics = graph.collect(DiagnosticArray, '/diagnostics')
    graph.spin_until(lambda: graph.nodes[1].is_active)
    request = managed.ChangeState.Request(transition=Transition(id=CONFIGURE))
    configured = graph.ask(managed.ChangeState, 'detector/change_state', request)
    graph.spin_until(lambda: graph.state_of('detector') == 'configuring')
    assert set_parameters(graph, 'detector', vocabulary=['lamp'])[0].successful
    response = graph.call(AnswerQuestion, 'answer_question', QUESTION)
    assert response.status.code == ResultStatus.NO_IMAGE
    graph.spin_until(
        lambda: [s for s in statuses if 'detector is loading fake' in s.status.message]
    )
    graph.spin_until(lambda: (r := lifecycle_report(diagnostics)) and 'loading fake' in r.message)
    assert not configured.done()
    graph.spin_until(configured.done)
    assert configured.result().success
    assert graph.state_of('detector') == 'inactive'
    assert graph.change_state('detector', 'activate')
    graph.spin_until(lambda: len(events) == 4)
    assert [(e.start_state.label, e.goal_state.label) for e in events] == [
        ('unconfigured', 'configuring'),
        ('configuring', 'inactive'),
        ('inactive', 'activating'),
        ('activating', 'active'),
    ]
    assert detect(graph, graph.collect(Detection2DArray, 'detections')) == ['lamp']


@pytest.mark.parametrize(
    ('parameters', 'reason'),
    [
        ({'backend': 'nothing_like_it'}, "no backend 'nothing_like_it'"),
        ({'backend_options': 'load_fails=1'}, 'failed to load on purpose, 1 of 1'),
    ],
)
def test_a_failed_configure_says_why_everywhere(graph, parameters, reason, capfd):
    graph.start(DetectorNode, QueryNode, active=False, detector=MANUAL, query=MANUAL)
    statuses = graph.collect(PerceptionStatus, 'detections/status')
    diagnostics = graph.collect(DiagnosticArray, '/diagnostics')
    for node in ('detector', 'query'):
        loading.forget_failures()
        set_parameters(graph, node, **parameters)
        assert not graph.change_state(node, CONFIGURE)
        assert graph.state_of(node) == 'unconfigured'
    response = graph.call(AnswerQuestion, 'answer_question', QUESTION)
    assert response.status.code == ResultStatus.FAILED
    for said in (
        response.status.message,
        graph.spin_until(lambda: [s for s in statuses if reason in s.status.message])[
            0
        ].status.message,
    ):
        assert reason in said and '\n' not in said
    for node in ('detector', 'query'):
        report = graph.spin_until(
            lambda node=node: (
                (r := lifecycle_report(diagnostics, node)) and reason in r.message and r
            )
        )
        assert report.level == DiagnosticStatus.ERROR
    assert reason in capfd.readouterr().err
    for node in ('detector', 'query'):
        set_parameters(graph, node, backend='fake', backend_options='')
        assert graph.change_state(node, CONFIGURE)
        assert graph.change_state(node, ACTIVATE)
    detections = graph.collect(Detection2DArray, 'detections')
    assert detect(graph, detections)


def test_autostart_tries_again(graph, monkeypatch):
    monkeypatch.setattr(managed, '_FIRST_RETRY_S', 0.3)
    graph.start(DetectorNode, active=False, detector={**FAKE, 'backend_options': 'load_fails=2'})
    statuses = graph.collect(PerceptionStatus, 'detections/status')
    graph.spin_until(lambda: graph.nodes[0].is_active)
    assert detect(graph, graph.collect(Detection2DArray, 'detections'))
    assert graph.nodes[0].trouble == ''
    graph.spin_until(lambda: statuses[-1].status.code == ResultStatus.OK)


def test_autostart_gives_way_to_a_manager(graph, monkeypatch):
    monkeypatch.setattr(managed, '_FIRST_RETRY_S', 1.0)
    graph.start(DetectorNode, active=False, detector={**FAKE, 'backend_options': 'load_fails=1'})
    graph.spin_until(lambda: graph.nodes[0].trouble)
    assert graph.change_state('detector', CONFIGURE)
    assert graph.change_state('detector', CLEANUP)
    graph.spin_for(1.5)
    assert graph.state_of('detector') == 'unconfigured'


def test_without_autostart_a_manager_is_waited_for(graph):
    graph.start(DetectorNode, QueryNode, active=False, detector=MANUAL, query=MANUAL)
    statuses = graph.collect(PerceptionStatus, 'detections/status')
    graph.spin_until(lambda: len(statuses) >= 2)
    assert {s.status.code for s in statuses} == {ResultStatus.FAILED}
    assert statuses[-1].status.message == ('detector is unconfigured; configure and activate it')
    response = graph.call(AnswerQuestion, 'answer_question', QUESTION)
    assert response.status.code == ResultStatus.FAILED
    assert response.status.message == 'query is unconfigured; configure and activate it'
    assert graph.change_state('query', CONFIGURE)
    image = graph.stamped()
    request = AnswerQuestion.Request(question='Is there a person?', image=image)
    response = graph.call(AnswerQuestion, 'answer_question', request)
    assert response.status.code == ResultStatus.FAILED
    assert response.status.message == 'query is inactive; activate it'
    assert graph.change_state('query', ACTIVATE)
    response = graph.call(AnswerQuestion, 'answer_question', request)
    assert response.status.code == ResultStatus.OK


IMPOSSIBLE = [ACTIVATE, DEACTIVATE, CLEANUP, 0, 8, 10, 30, 60, 97, 98, 99, 255, 'nonsense', '猫']


def test_impossible_transitions_are_refused_and_the_node_lives_on(graph):
    graph.start(DetectorNode, active=False, detector=MANUAL)
    for transition in IMPOSSIBLE:
        assert not graph.change_state('detector', transition), transition
        assert graph.state_of('detector') == 'unconfigured'
    for transition in (CONFIGURE, ACTIVATE):
        assert graph.change_state('detector', transition)
        assert not graph.change_state('detector', transition)
    assert detect(graph, graph.collect(Detection2DArray, 'detections'))


# What rcl calls the ends of a transition: only the node itself may say how its own went.
@pytest.mark.parametrize('meddling', [CONFIGURE, 10, 11, 12, 'transition_success', 5])
def test_nobody_can_meddle_with_a_transition_that_is_going_on(graph, meddling):
    slow = {**MANUAL, 'backend_options': 'load_s=0.7'}
    graph.start(DetectorNode, active=False, detector=slow)
    graph.state_of('detector')
    request = managed.ChangeState.Request(transition=Transition(id=CONFIGURE))
    configured = graph.ask(managed.ChangeState, 'detector/change_state', request)
    graph.spin_until(lambda: graph.state_of('detector') == 'configuring')
    assert not graph.change_state('detector', meddling)
    assert not configured.done()
    assert graph.state_of('detector') == 'configuring'
    graph.spin_until(configured.done)
    assert configured.result().success
    assert graph.change_state('detector', ACTIVATE)


def test_deactivation_ends_publications_and_requests(graph):
    slow = {**FAKE, 'backend_options': 'script=0.4'}
    nodes = (DetectorNode, CaptionerNode, QueryNode)
    captioner = {**slow, 'model': 'second', 'max_rate_hz': '50.0'}
    graph.start(*nodes, detector=slow, captioner=captioner, query={**slow, 'model': 'third'})
    detections = graph.collect(Detection2DArray, 'detections')
    captions = graph.collect(Caption, 'caption')
    graph.connect()
    camera = graph.client.create_timer(0.03, lambda: graph.publish(graph.stamped()))
    graph.spin_until(lambda: detections and captions)
    asked = [graph.ask(AnswerQuestion, 'answer_question', QUESTION) for _ in range(3)]
    client = ActionClient(graph.client, AnswerQuestionAction, 'answer')
    graph.spin_until(client.server_is_ready)
    goal = client.send_goal_async(AnswerQuestionAction.Goal(question='Why does he smile?'))
    graph.spin_until(goal.done)
    result = goal.result().get_result_async()
    for node in ('detector', 'captioner', 'query'):
        assert graph.change_state(node, DEACTIVATE)
    seen = len(detections), len(captions)
    for future in (*asked, result):
        graph.spin_until(future.done)
    codes = [future.result().status.code for future in asked]
    codes.append(result.result().result.status.code)
    assert set(codes) <= {ResultStatus.CANCELLED, ResultStatus.OK}
    assert codes.count(ResultStatus.CANCELLED) >= 3
    response = graph.call(AnswerQuestion, 'answer_question', QUESTION)
    assert response.status.code == ResultStatus.FAILED
    assert 'inactive' in response.status.message
    graph.spin_for(1.0)
    assert (len(detections), len(captions)) == seen
    for node in ('detector', 'captioner', 'query'):
        assert graph.change_state(node, ACTIVATE)
    graph.spin_until(lambda: (len(detections), len(captions)) > seen)
    graph.client.destroy_timer(camera)
    client.destroy()


def test_a_result_of_before_does_not_come_after_a_new_start(graph):
    slow = {**FAKE, 'backend_options': 'script=0.8 ok...'}
    graph.start(DetectorNode, detector=slow)
    detections = graph.collect(Detection2DArray, 'detections')
    statuses = graph.collect(PerceptionStatus, 'detections/status')
    before = graph.stamped()
    graph.publish(before)
    graph.spin_for(0.2)
    assert graph.change_state('detector', DEACTIVATE)
    assert graph.change_state('detector', ACTIVATE)
    after = graph.show(statuses)
    graph.spin_until(lambda: detections)
    graph.spin_for(0.5)
    assert [d.header for d in detections] == [after.header]
    counts = statuses[-1]
    assert counts.frames_processed <= counts.frames_received


def resident_mb():
    return psutil.Process(os.getpid()).memory_info().rss / 1e6


def test_cleanup_returns_memory_and_another_model_can_be_had(graph):
    large = {**FAKE, 'backend_options': 'memory_mb=200'}
    graph.start(DetectorNode, QueryNode, detector=large, query=large)
    detections = graph.collect(Detection2DArray, 'detections')
    statuses = graph.collect(PerceptionStatus, 'detections/status')
    assert detect(graph, detections)
    loaded_mb = resident_mb()
    for node in ('detector', 'query'):
        assert graph.change_state(node, DEACTIVATE)
    assert graph.change_state('detector', CLEANUP)
    assert resident_mb() > loaded_mb - 100, 'the query node still uses the model'
    assert graph.change_state('query', ACTIVATE)
    request = AnswerQuestion.Request(question='Is there a person?', image=graph.stamped())
    response = graph.call(AnswerQuestion, 'answer_question', request)
    assert response.status.code == ResultStatus.OK
    assert graph.change_state('query', DEACTIVATE)
    assert graph.change_state('query', CLEANUP)
    assert resident_mb() < loaded_mb - 150
    set_parameters(graph, 'detector', model='other', backend_options='')
    assert graph.change_state('detector', CONFIGURE)
    assert graph.change_state('detector', ACTIVATE)
    assert detect(graph, detections)
    status = graph.spin_until(lambda: [s for s in statuses if s.header == detections[-1].header])
    assert status[0].provenance.model_id == 'fake:other'


def test_configuring_again_and_again_leaves_nothing_behind(graph):
    graph.start(DetectorNode, QueryNode, detector=FAKE, query=FAKE)
    worker = graph.nodes[1].worker
    for _ in range(5):
        for transition in (DEACTIVATE, CLEANUP, CONFIGURE, ACTIVATE):
            assert graph.change_state('detector', transition)
    assert graph.nodes[0].worker is worker
    assert len(worker._warm_ups) == 2


@pytest.mark.parametrize('state', WAY_TO)
def test_a_node_can_be_shut_down_from_every_state(graph, state):
    graph.start(DetectorNode, QueryNode, active=False, detector=MANUAL, query=FAKE)
    for transition in WAY_TO[state]:
        assert graph.change_state('detector', transition)
    assert graph.change_state('detector', SHUTDOWN[state])
    assert graph.state_of('detector') == 'finalized'
    for transition in (CONFIGURE, ACTIVATE, *SHUTDOWN.values(), 'shutdown'):
        assert not graph.change_state('detector', transition)
    statuses = graph.collect(PerceptionStatus, 'detections/status')
    status = graph.spin_until(lambda: statuses)[0].status
    assert status.message == 'detector is finalized; restart it'
    graph.spin_until(lambda: graph.nodes[1].is_active)
    request = AnswerQuestion.Request(question='Is there a person?', image=graph.stamped())
    response = graph.call(AnswerQuestion, 'answer_question', request)
    assert response.status.code == ResultStatus.OK


def test_200_random_transitions_under_load(graph):
    """After each the node says where it is and, where that is active, does its work."""
    rng = random.Random(3)
    nodes = ('detector', 'query')
    graph.start(
        DetectorNode,
        QueryNode,
        CaptionerNode,
        detector={**FAKE, 'vocabulary': '[lamp, door]'},
        query=FAKE,
        captioner={**FAKE, 'max_rate_hz': '30.0'},
    )
    detections = graph.collect(Detection2DArray, 'detections', 1)
    graph.connect()
    questions = []
    image = graph.stamped()

    def load():
        graph.publish(graph.stamped())
        if len(questions) < 500:
            questions.append(
                graph.ask(DetectObjects, 'detect_objects', DetectObjects.Request(image=image))
            )

    camera = graph.client.create_timer(0.025, load)
    request = AnswerQuestion.Request(question='Is there a lamp?', image=image)
    expected = {
        ('unconfigured', CONFIGURE): 'inactive',
        ('inactive', ACTIVATE): 'active',
        ('active', DEACTIVATE): 'inactive',
        ('inactive', CLEANUP): 'unconfigured',
    }
    states = dict.fromkeys(nodes, 'active')
    for _ in range(200):
        node = rng.choice(nodes)
        transition = rng.choice((CONFIGURE, ACTIVATE, ACTIVATE, DEACTIVATE, CLEANUP))
        goal = expected.get((states[node], transition))
        assert graph.change_state(node, transition) == (goal is not None)
        states[node] = goal or states[node]
        assert graph.state_of(node) == states[node]
        if states['detector'] == 'active':
            detections.clear()
            found = graph.spin_until(lambda: detections)[-1]
            names = [d.results[0].hypothesis.class_id for d in found.detections]
            assert names == ['lamp', 'door']
        response = graph.call(AnswerQuestion, 'answer_question', request)
        if states['query'] == 'active':
            assert (response.status.code, response.answer) == (ResultStatus.OK, 'yes')
        else:
            assert response.status.code == ResultStatus.FAILED
            assert f'query is {states["query"]}' in response.status.message
    graph.client.destroy_timer(camera)
    graph.spin_until(lambda: all(future.done() for future in questions))
    assert {future.result().status.code for future in questions} <= {
        ResultStatus.OK,
        ResultStatus.FAILED,
        ResultStatus.CANCELLED,
    }
