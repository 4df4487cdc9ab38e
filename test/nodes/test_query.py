"""The query node, called by real service and action clients."""

import time

from action_msgs.msg import GoalStatus
import pytest
from rclpy.action import ActionClient
from sensor_msgs.msg import RegionOfInterest

from vlm_ros.nodes import conversions
from vlm_ros.nodes.captioner import CaptionerNode
from vlm_ros.nodes.detector import DetectorNode
from vlm_ros.nodes.query import QueryNode
from vlm_ros_interfaces.action import AnswerQuestion as AnswerQuestionAction
from vlm_ros_interfaces.msg import ResultStatus
from vlm_ros_interfaces.srv import (
    AnswerQuestion,
    DescribeImage,
    DetectObjects,
    GroundPhrases,
    VerifyStatement,
)

SERVICES = {
    'answer_question': (AnswerQuestion, {'question': 'Is there a person?'}),
    'verify_statement': (VerifyStatement, {'statement': 'There is a person.'}),
    'ground_phrases': (GroundPhrases, {'text': 'a person with a cup'}),
    'detect_objects': (DetectObjects, {'vocabulary': ['person']}),
    'describe_image': (DescribeImage, {}),
}
EVERY_SERVICE = pytest.mark.parametrize('name', SERVICES)


@pytest.fixture
def query(graph):
    """Start a query node with the fake backend; returns a function that calls a service."""

    def start(**parameters):
        graph.start(QueryNode, query={'backend': 'fake', **parameters})

        def call(name, **fields):
            srv_type, request = SERVICES[name]
            return graph.call(srv_type, name, srv_type.Request(**{**request, **fields}))

        return call

    return start


def names_of(msg):
    return [d.results[0].hypothesis.class_id for d in msg.detections]


def test_a_question_is_answered_with_evidence_and_provenance(graph, query):
    call = query()
    graph.connect()
    msg = graph.stamped()
    graph.publish(msg)
    response = call('answer_question')
    assert response.status.code == ResultStatus.OK
    assert response.answer == 'yes'
    assert response.confidence == pytest.approx(0.9)
    assert names_of(response.evidence) == ['person']
    assert response.evidence.header == msg.header
    assert response.provenance.image_header == msg.header
    assert response.provenance.model_id == 'fake'
    assert response.provenance.camera == ''
    assert response.provenance.age.sec == 0 and response.provenance.age.nanosec > 0


@pytest.mark.parametrize(
    ('question', 'code', 'answer'),
    [
        ('Is there an absentee?', ResultStatus.OK, 'no'),
        ('What colour is the absentee?', ResultStatus.NOT_IN_VIEW, ''),
        ('Is there an unknownium?', ResultStatus.UNSURE, ''),
    ],
)
def test_absence_is_told_apart(graph, query, question, code, answer):
    call = query()
    graph.publish(graph.stamped())
    response = call('answer_question', question=question)
    assert (response.status.code, response.answer) == (code, answer)
    assert (code == ResultStatus.OK) == (not response.status.message)


def test_the_other_services_answer(graph, query):
    call = query()
    msg = graph.stamped()
    graph.publish(msg)
    verdict = call('verify_statement')
    assert (verdict.status.code, verdict.verdict) == (
        ResultStatus.OK,
        VerifyStatement.Response.TRUE,
    )
    assert names_of(verdict.evidence) == ['person']
    grounded = call('ground_phrases')
    assert grounded.status.code == ResultStatus.OK
    text = SERVICES['ground_phrases'][1]['text']
    assert [text[g.start : g.end] for g in grounded.groundings] == ['person', 'cup']
    assert [g.phrase for g in grounded.groundings] == ['person', 'cup']
    for grounding in grounded.groundings:
        assert len(grounding.detections) == len(grounding.scores) == 1
    found = call('detect_objects', vocabulary=['cup', 'absentee'])
    assert (found.status.code, names_of(found.detections)) == (ResultStatus.OK, ['cup'])
    assert found.provenance.vocabulary_id
    caption = call('describe_image')
    assert caption.status.code == ResultStatus.OK
    assert '64 by 48' in caption.caption
    for response in (verdict, grounded, found, caption):
        assert response.provenance.image_header == msg.header


@EVERY_SERVICE
def test_before_any_image_the_answer_is_no_image(query, name):
    response = query()(name)
    assert response.status.code == ResultStatus.NO_IMAGE
    assert response.status.message.startswith('nobody publishes /image; ')
    assert response.provenance.image_header.stamp.sec == 0


@EVERY_SERVICE
def test_an_image_can_come_with_the_request(graph, query, name):
    response = query()(name, image=graph.stamped())
    assert response.status.code == ResultStatus.OK
    assert response.provenance.image_header.frame_id == 'front'


@EVERY_SERVICE
def test_a_bad_image_in_a_request_fails_and_the_node_lives_on(graph, query, name):
    call = query()
    bad = graph.stamped(encoding='rgb9')
    response = call(name, image=bad)
    assert response.status.code == ResultStatus.FAILED
    assert 'rgb9' in response.status.message
    assert call(name, image=graph.stamped()).status.code == ResultStatus.OK


@EVERY_SERVICE
def test_an_unknown_camera_is_refused(graph, query, name):
    response = query()(name, camera='rear')
    assert response.status.code == ResultStatus.FAILED
    assert "no camera 'rear'" in response.status.message


@pytest.mark.parametrize(
    ('name', 'fields', 'message'),
    [
        ('answer_question', {'question': ''}, 'is empty'),
        ('answer_question', {'question': 'x' * 100_000}, 'characters'),
        ('answer_question', {'timeout_s': float('nan')}, 'timeout_s must be 0 or more'),
        ('answer_question', {'timeout_s': -1.0}, 'timeout_s must be 0 or more'),
        ('verify_statement', {'statement': ' '}, 'is empty'),
        ('verify_statement', {'max_image_age_s': -1.0}, 'max_image_age_s must be 0 or more'),
        ('ground_phrases', {'text': ''}, 'empty'),
        ('ground_phrases', {'text': 'x ' * 50_000}, 'characters'),
        ('ground_phrases', {'score_threshold': 2.0}, 'score_threshold must be in [0, 1]'),
        ('detect_objects', {'vocabulary': ['cup', 'cup']}, "names 'cup' twice"),
        ('detect_objects', {'vocabulary': []}, 'no vocabulary'),
    ],
)
def test_a_bad_request_fails_in_one_line(graph, query, name, fields, message):
    call = query()
    graph.publish(graph.stamped())
    response = call(name, **fields)
    assert response.status.code == ResultStatus.FAILED
    assert message in response.status.message
    assert '\n' not in response.status.message and len(response.status.message) < 300
    assert call(name).status.code == ResultStatus.OK


def test_an_old_image_is_stale(graph, query):
    call = query()
    graph.publish(graph.stamped())
    graph.spin_for(0.3)
    response = call('answer_question', max_image_age_s=0.2)
    assert response.status.code == ResultStatus.STALE
    assert 'at most 0.2 s' in response.status.message
    assert response.answer == ''
    assert call('answer_question').status.code == ResultStatus.OK


def test_the_deadline_is_kept_while_the_model_is_busy(graph, query):
    call = query(backend_options='script=hang')
    graph.publish(graph.stamped())
    started_s = time.monotonic()
    response = call('answer_question', timeout_s=0.5)
    assert response.status.code == ResultStatus.TIMEOUT
    assert 0.5 <= time.monotonic() - started_s < 5.0


def test_a_pending_question_holds_up_nothing_else(graph, query):
    call = query(backend_options='script=hang', timeout_s='3.0')
    graph.publish(graph.stamped())
    client = graph.client.create_client(AnswerQuestion, 'answer_question')
    graph.spin_until(client.service_is_ready)
    pending = client.call_async(AnswerQuestion.Request(question='Is there a cup?'))
    graph.spin_for(0.2)
    assert call('answer_question', camera='rear').status.code == ResultStatus.FAILED
    assert not pending.done()
    graph.spin_until(pending.done)
    assert pending.result().status.code == ResultStatus.TIMEOUT


def test_choices_and_region_are_kept_to(graph, query):
    call = query()
    graph.publish(graph.stamped())
    response = call('answer_question', question='How many cups are there?', choices=['1', '2'])
    assert (response.status.code, response.answer) == (ResultStatus.OK, '1')
    box = response.evidence.detections[0].bbox
    left = 0 if box.center.position.x > 32 else 40
    elsewhere = RegionOfInterest(x_offset=left, y_offset=0, width=20, height=48)
    response = call('answer_question', question='Is there a cup?', roi=elsewhere)
    assert response.answer == 'no'


def test_detect_objects_takes_the_detectors_vocabulary(graph):
    fake = {'backend': 'fake'}
    graph.start(
        DetectorNode, QueryNode, detector={**fake, 'vocabulary': '[lamp, door]'}, query=fake
    )

    def response():
        graph.publish(graph.stamped())
        return graph.call(DetectObjects, 'detect_objects', DetectObjects.Request())

    # The announcement has to arrive.
    graph.spin_until(lambda: names_of(response().detections) == ['lamp', 'door'])


def test_nodes_with_the_same_model_share_it(graph):
    fake = {'backend': 'fake'}
    graph.start(DetectorNode, CaptionerNode, QueryNode, detector=fake, captioner=fake, query=fake)
    assert len(graph.shared._workers) == 1
    assert len(graph.shared._feeds) == 1


class ActionCall:
    """One goal of the `answer` action."""

    def __init__(self, graph, **goal):
        self.feedback = []
        self.graph = graph
        client = ActionClient(graph.client, AnswerQuestionAction, 'answer')
        graph.spin_until(client.server_is_ready, 'the action server')
        sent = client.send_goal_async(
            AnswerQuestionAction.Goal(**goal),
            feedback_callback=lambda msg: self.feedback.append(msg.feedback.partial_answer),
        )
        graph.spin_until(sent.done)
        self.handle = sent.result()
        self.pending = self.handle.get_result_async()

    def result(self):
        self.graph.spin_until(self.pending.done, 'a result')
        return self.pending.result()


OPEN_QUESTION = 'Why does the person smile?'


def test_the_action_streams_its_answer(graph, query):
    query(backend_options='latency_s=0.05')
    graph.publish(graph.stamped())
    call = ActionCall(graph, question=OPEN_QUESTION)
    result = call.result()
    assert result.status == GoalStatus.STATUS_SUCCEEDED
    assert result.result.status.code == ResultStatus.OK
    assert len(call.feedback) > 2
    assert all(result.result.answer.startswith(partial) for partial in call.feedback)
    assert call.feedback == sorted(call.feedback, key=len)


def test_a_cancel_stops_the_answer(graph, query):
    call_service = query(backend_options='latency_s=0.3')
    graph.publish(graph.stamped())
    call = ActionCall(graph, question=OPEN_QUESTION, timeout_s=60.0)
    graph.spin_until(lambda: call.feedback, 'a first word')
    graph.spin_until(call.handle.cancel_goal_async().done)
    result = call.result()
    assert result.status == GoalStatus.STATUS_CANCELED
    assert result.result.status.code == ResultStatus.CANCELLED
    said = len(call.feedback)
    graph.spin_for(0.8)
    assert len(call.feedback) <= said + 1
    assert call_service('describe_image', image=graph.stamped()).status.code == ResultStatus.OK


def test_an_action_without_an_image_is_aborted(graph, query):
    query()
    result = ActionCall(graph, question=OPEN_QUESTION).result()
    assert result.status == GoalStatus.STATUS_ABORTED
    assert result.result.status.code == ResultStatus.NO_IMAGE


def test_a_goal_whose_result_no_message_can_carry_is_aborted(graph, query, monkeypatch):
    query()

    def refuse(*_):
        monkeypatch.undo()
        raise OverflowError('no number of a message')

    monkeypatch.setattr(conversions, 'detections_to_msg', refuse)
    result = ActionCall(graph, question=OPEN_QUESTION).result()
    assert result.status == GoalStatus.STATUS_ABORTED
    assert result.result.status.code == ResultStatus.FAILED
    assert 'no number of a message' in result.result.status.message


def test_too_many_requests_are_refused_at_once(graph, query):
    call = query(backend_options='script=hang', timeout_s='5.0', max_image_age_s='60.0')
    msg = graph.stamped()
    graph.publish(msg)
    client = graph.client.create_client(AnswerQuestion, 'answer_question')
    graph.spin_until(client.service_is_ready)
    for _ in range(17):
        client.call_async(AnswerQuestion.Request(question='Is there a cup?'))
        graph.spin_for(0.05)
    response = call('answer_question')
    assert response.status.code == ResultStatus.FAILED
    assert 'requests are waiting' in response.status.message


def test_a_question_that_waited_is_about_the_newest_image_then(graph, query):
    query(backend_options='script=2.0', max_image_age_s='60.0')
    graph.connect()
    timer = graph.client.create_timer(0.05, lambda: graph.publish(graph.stamped()))
    graph.spin_for(0.5)
    request = AnswerQuestion.Request(question='Is there a person?', timeout_s=30.0)
    futures = [graph.ask(AnswerQuestion, 'answer_question', request) for _ in range(3)]
    graph.spin_until(lambda: all(future.done() for future in futures), 'the answers')
    graph.client.destroy_timer(timer)
    older_s = []
    for response in (future.result() for future in futures):
        assert response.status.code == ResultStatus.OK
        provenance = response.provenance
        age_s = provenance.age.sec + provenance.age.nanosec * 1e-9
        inference_s = provenance.inference_time.sec + provenance.inference_time.nanosec * 1e-9
        older_s.append(age_s - inference_s)
    assert max(older_s) < 3.5, 'the last one waited for 4 s'


def test_a_question_that_waited_while_the_camera_died_is_stale(graph, query):
    # The camera lives on for 1.5 s after both are asked, so the first begins on a fresh image,
    # and the second 3 s after that on one that is 1.5 s old at least.
    query(backend_options='script=[0.0, 3.0]', max_image_age_s='1.0')
    camera = graph.client.create_timer(0.05, lambda: graph.publish(graph.stamped()))
    request = AnswerQuestion.Request(question='Is there a person?', timeout_s=30.0)
    while graph.call(AnswerQuestion, 'answer_question', request).status.code != ResultStatus.OK:
        graph.spin_for(0.05)
    futures = [graph.ask(AnswerQuestion, 'answer_question', request) for _ in range(2)]
    graph.spin_for(1.5)
    graph.client.destroy_timer(camera)
    graph.spin_until(lambda: all(future.done() for future in futures), 'the answers')
    codes = sorted(future.result().status.code for future in futures)
    assert codes == [ResultStatus.OK, ResultStatus.STALE]


def test_the_camera_of_an_answer_is_that_of_its_image(graph):
    graph.start(QueryNode, query={'backend': 'fake', 'cameras': '[front]'})
    graph.connect('front/image')
    timer = graph.client.create_timer(0.02, lambda: graph.publish(graph.stamped(), 'front/image'))
    graph.spin_for(0.5)
    request = AnswerQuestion.Request(question='Is there a person?')
    for _ in range(5):
        response = graph.call(AnswerQuestion, 'answer_question', request)
        assert response.provenance.camera == 'front'
    graph.client.destroy_timer(timer)
    given = AnswerQuestion.Request(
        question='Is there a person?', camera='front', image=graph.stamped()
    )
    assert graph.call(AnswerQuestion, 'answer_question', given).provenance.camera == ''
