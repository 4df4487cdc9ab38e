"""What the client makes of responses: those of services that keep things, and bad ones."""

import numpy as np
import pytest
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.task import Future
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header
from vision_msgs.msg import Detection2D

from vlm_ros.client import requests, VlmClient
from vlm_ros.nodes import conversions
from vlm_ros.results import Detections, Status, Truth
from vlm_ros_interfaces import srv
from vlm_ros_interfaces.msg import Moment, PhraseGrounding, ResultStatus, StatementState

from scripted_server import OK, ScriptedServer  # isort: skip

STAMP = conversions.ns_to_stamp(5_000_000_001)
CUP = conversions.detections_to_msg(Detections([[1, 2, 5, 8]], [0.5], ('cup',)), Header())


@pytest.fixture
def serve(graph):
    """Start services that answer as said; returns a client and the server."""
    clients = []

    def serve(**services):
        clients.append(VlmClient(timeout_s=15.0))
        graph.start(lambda shared: ScriptedServer(services))
        return clients[0], graph.nodes[0]

    yield serve
    for client in clients:
        client.close()


def filled(found=None, **fields):
    """Return what fills a response with these fields, and with what `found` holds by then."""

    def fill(request, response):
        for name, value in {**(found or {}), **fields}.items():
            setattr(response, name, value)

    return fill


def test_exemplars_are_added_listed_and_removed(serve):
    stamps = [STAMP, STAMP, conversions.ns_to_stamp(None)]
    listing = {'names': ['mug', 'mug', 'hat'], 'exemplar_ids': ['a', 'b', 'c'], 'stamps': stamps}
    client, server = serve(
        add_exemplar=(srv.AddExemplar, filled(status=OK, exemplar_id='b', count=2)),
        list_exemplars=(srv.ListExemplars, filled(status=OK, **listing)),
        remove_exemplars=(srv.RemoveExemplars, filled(status=OK, removed=2)),
    )
    image = np.zeros((20, 30, 3), np.uint8)
    added = client.add_exemplar('mug', image=image, region_xyxy=(1.5, 2, 9.5, 12)).result
    assert (added.name, added.exemplar_id, added.count) == ('mug', 'b', 2)
    request = server.requests[0]
    assert (request.image.width, request.image.height) == (30, 20)
    roi = request.roi
    assert (roi.x_offset, roi.y_offset, roi.width, roi.height) == (1, 2, 9, 10)
    listed = client.list_exemplars().result
    assert [(e.name, e.exemplar_id, e.count) for e in listed] == [
        ('mug', 'a', 2),
        ('mug', 'b', 2),
        ('hat', 'c', 1),
    ]
    assert [e.stamp_ns for e in listed] == [5_000_000_001, 5_000_000_001, None]
    assert client.remove_exemplars('mug', 'a').result == 2
    assert (server.requests[-1].name, server.requests[-1].exemplar_id) == ('mug', 'a')


def test_memories_have_their_stamps_poses_and_pictures(serve):
    import cv2

    green = np.zeros((8, 8, 3), np.uint8)
    green[..., 1] = 200
    jpeg = cv2.imencode('.jpg', green)[1].tobytes()
    moment = Moment(
        header=Header(stamp=STAMP, frame_id='front'), camera='front', score=0.75, labels=['mug']
    )
    moment.picture = CompressedImage(format='jpeg', data=jpeg)
    moment.has_pose = True
    moment.pose.header.frame_id = 'map'
    moment.pose.pose.position.x = 1.5
    bare = Moment(header=Header(stamp=STAMP), score=0.5)
    found = {'status': OK, 'moments': [moment, bare], 'remembered': 7}
    client, server = serve(search_memory=(srv.SearchMemory, filled(found)))
    outcome = client.search_memory('a blue mug', since_ns=1_000_000_002, max_moments=3)
    assert outcome.result.remembered == 7
    first, second = outcome.result.moments
    assert (first.stamp_ns, first.camera, first.score) == (5_000_000_001, 'front', 0.75)
    assert first.labels == ('mug',)
    assert (first.pose.frame_id, first.pose.position_m) == ('map', (1.5, 0.0, 0.0))
    assert first.pose.orientation_xyzw == (0.0, 0.0, 0.0, 1.0)
    assert first.picture.shape == (8, 8, 3)
    assert abs(int(first.picture[4, 4, 1]) - 200) < 10
    assert second.pose is None and second.picture is None
    request = server.requests[0]
    assert (request.since.sec, request.since.nanosec, request.max_moments) == (1, 2, 3)
    assert request.until.sec == request.until.nanosec == 0
    assert request.with_pictures
    nothing = ResultStatus(code=ResultStatus.NOTHING_FOUND, message='no blue mug')
    found |= {'status': nothing, 'moments': []}
    outcome = client.search_memory('a blue mug')
    assert (outcome.status, outcome.result.moments) == (Status.NOTHING_FOUND, ())
    assert outcome.line == 'NOTHING_FOUND: no blue mug'


def test_a_reference_has_its_object_or_the_candidates(serve):
    found = {'status': OK, 'detection': CUP.detections[0], 'confidence': 0.5, 'candidates': CUP}
    client, server = serve(locate_object=(srv.LocateObject, filled(found)))
    outcome = client.locate('the left cup', timeout_s=5.0)
    assert outcome.result.detection.labels == ('cup',)
    assert outcome.result.detection.xyxy.tolist() == [[1, 2, 5, 8]]
    assert outcome.result.candidates.labels == ('cup',)
    assert 0 < server.requests[0].timeout_s <= 5.0
    unsure = ResultStatus(code=ResultStatus.UNSURE, message='two may be meant')
    found |= {'status': unsure, 'detection': Detection2D(), 'confidence': 0.0}
    result = client.locate('the cup').result
    assert (len(result.detection), result.candidates.labels) == (0, ('cup',))
    assert result.message == 'two may be meant'


def test_statements_are_set_and_refusals_said(serve):
    def respond(request, response):
        response.success = len(request.statements) == 1
        response.message = '' if response.success else 'too many'

    client, server = serve(set_statements=(srv.SetStatements, respond))
    outcome = client.set_statements({'door_open': 'the door is open'})
    assert (outcome.status, outcome.result) == (Status.OK, ('door_open',))
    assert list(server.requests[0].statements) == ['door_open: the door is open']
    refused = client.set_statements({'a': 'it is so', 'b': 'it is not so'})
    assert (refused.status, refused.message, refused.result) == (Status.FAILED, 'too many', None)


def test_a_response_that_makes_no_sense_is_failed(serve):
    says = {}
    bad = PhraseGrounding(phrase='cup', start=2, end=5, detections=[3], scores=[0.5])
    client, _ = serve(
        verify_statement=(srv.VerifyStatement, filled(says)),
        ground_phrases=(srv.GroundPhrases, filled(status=OK, groundings=[bad])),
    )
    for fields, message in (
        ({}, 'its status was left unset'),
        ({'status': ResultStatus(code=77)}, '77'),
        ({'status': OK, 'verdict': 9}, '9'),
        ({'status': OK, 'confidence': 7.0}, 'scores must be in [0, 1]'),
        (
            {'status': ResultStatus(code=ResultStatus.UNSURE), 'verdict': 1},
            'TRUE verdict with status UNSURE',
        ),
    ):
        says.clear()
        says.update(fields)
        outcome = client.verify('it is so')
        assert (outcome.status, outcome.result) == (Status.FAILED, None)
        assert outcome.message.startswith('the response cannot be used: ')
        assert message in outcome.message
    outcome = client.ground('a cup')
    assert outcome.status is Status.FAILED and 'outside' in outcome.message


def test_a_pair_and_several_frames_are_asked_for(serve):
    client, server = serve(verify_statement=(srv.VerifyStatement, filled(status=OK, verdict=1)))
    outcome = client.verify(
        'the door is open', camera='left', other_camera='right', frames=5, agreeing=3
    )
    assert outcome.result.truth is Truth.TRUE
    request = server.requests[0]
    assert (request.camera, request.other_camera) == ('left', 'right')
    assert (request.frames, request.agreeing) == (5, 3)


def test_watching_begins_with_what_holds_and_ends_when_closed(serve, graph):
    client, server = serve()
    publisher = server.latch('door_open')
    state = StatementState(name='door_open', status=OK, verdict=StatementState.TRUE, since=STAMP)
    publisher.publish(state)
    seen = []
    watch = client.watch('door_open', seen.append)
    graph.spin_until(lambda: seen, 'what holds')
    assert (seen[0].truth, seen[0].since_ns) == (Truth.TRUE, 5_000_000_001)
    state.status = ResultStatus()  # makes no sense, and ends nothing
    publisher.publish(state)
    state.status, state.verdict = OK, StatementState.FALSE
    publisher.publish(state)
    graph.spin_until(lambda: len(seen) == 2, 'the change')
    assert seen[1].truth is Truth.FALSE
    watch.close()
    watch.close()
    graph.spin_until(lambda: not publisher.get_subscription_count(), 'the end of the watch')


def test_what_may_be_lost_is_sent_once_more_where_that_is_safe(serve):
    # A server that was discovered just now and that does not answer the first of each kind.
    client, server = serve()
    asked = {'verify': 0, 'add': 0}

    def unless_first(kind):
        async def respond(request, response):
            asked[kind] += 1
            if asked[kind] == 1:
                await Future()
            response.status = OK
            return response

        return respond

    for srv_type, name, kind in (
        (srv.VerifyStatement, 'verify_statement', 'verify'),
        (srv.AddExemplar, 'add_exemplar', 'add'),
    ):
        server.create_service(
            srv_type, name, unless_first(kind), callback_group=ReentrantCallbackGroup()
        )
    image = np.zeros((20, 30, 3), np.uint8)
    added = client.send(requests.add_exemplar('mug', image=image, timeout_s=2.0))
    assert client.verify('it is so').status is Status.OK
    assert asked['verify'] == 2
    assert client.wait(added).status is Status.TIMEOUT
    assert asked['add'] == 1
