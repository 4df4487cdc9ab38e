"""`verify_statement`: one image, a pair, several frames; what is refused and what goes wrong."""

import gc
import threading

import numpy as np
import picture_seer
from picture_seer import BOTH, DOG, EMPTY, looked, PERSON
import pytest

from vlm_ros.nodes.conversions import image_to_msg
from vlm_ros.nodes.image_feed import Frame
from vlm_ros.nodes.query import QueryNode
from vlm_ros.tasks import Ticket
from vlm_ros_interfaces.msg import ResultStatus
from vlm_ros_interfaces.srv import VerifyStatement

SEER = {'backend': 'callable', 'model': picture_seer.__name__, 'max_image_age_s': '15.0'}
PAIR = {'cameras': '[left, right]'}
UNKNOWN, TRUE, FALSE = (
    VerifyStatement.Response.UNKNOWN,
    VerifyStatement.Response.TRUE,
    VerifyStatement.Response.FALSE,
)


class Asked:
    """A query node that is asked about one statement."""

    def __init__(self, graph, **parameters):
        self.graph = graph
        graph.start(QueryNode, query={**SEER, **parameters})

    def picture(self, brightness):
        header = self.graph.stamped().header
        return image_to_msg(np.full((48, 64, 3), brightness, np.uint8), header)

    def show(self, brightness, topic='image'):
        """Show a picture and wait until the node has it."""
        camera = topic.rpartition('/')[0]
        msg = self.picture(brightness)
        self.graph.publish(msg, topic)
        feed = self.graph.nodes[0].feeds[camera]
        self.graph.spin_until(lambda: feed.newest and feed.newest.header == msg.header)
        return msg

    def ask(self, statement='There is a person.', **fields):
        request = VerifyStatement.Request(statement=statement, **fields)
        return self.graph.ask(VerifyStatement, 'verify_statement', request)

    def call(self, statement='There is a person.', **fields):
        future = self.ask(statement, **fields)
        self.graph.spin_until(future.done, 'a response')
        return future.result()

    def show_until_answered(self, future, *pictures):
        """Show pictures one after the other, each once the one before was looked at."""
        shown = []
        feed = self.graph.nodes[0].feeds['']
        for picture in pictures:
            # Who waits for the next image listens besides the node itself.
            self.graph.spin_until(lambda: future.done() or len(feed._listeners) > 1)
            if future.done():
                break
            before = len(looked)
            shown.append(self.show(picture))
            self.graph.spin_until(lambda known=before: len(looked) > known, 'a look')
        self.graph.spin_until(future.done, 'a response')
        return shown


@pytest.fixture
def asked(graph):
    return lambda **parameters: Asked(graph, **parameters)


def names_of(msg):
    return [d.results[0].hypothesis.class_id for d in msg.detections]


@pytest.mark.parametrize(('picture', 'verdict'), [(PERSON, TRUE), (EMPTY, FALSE)])
def test_one_image(asked, picture, verdict):
    query = asked()
    msg = query.show(picture)
    response = query.call()
    assert (response.status.code, response.verdict) == (ResultStatus.OK, verdict)
    assert response.confidence > 0.5
    assert names_of(response.evidence) == ['person'] * (verdict == TRUE)
    assert response.provenance.image_header == msg.header
    assert response.other_evidence.detections == []


def test_what_is_presupposed_and_absent_is_unknown(asked):
    query = asked()
    query.show(PERSON)
    response = query.call('The dog is left of the person.')
    assert (response.status.code, response.verdict) == (ResultStatus.NOT_IN_VIEW, UNKNOWN)
    assert response.confidence == 0.0
    assert 'dog' in response.status.message


@pytest.mark.parametrize(
    ('fields', 'pictures', 'verdict', 'looks'),
    [
        ({'frames': 5}, (PERSON,) * 5, TRUE, 3),
        ({'frames': 5}, (EMPTY, PERSON, EMPTY, PERSON, PERSON), TRUE, 5),
        ({'frames': 3}, (EMPTY,) * 3, FALSE, 2),
        ({'frames': 4, 'agreeing': 4}, (PERSON, PERSON, EMPTY, PERSON), UNKNOWN, 3),
    ],
)
def test_frames_vote_until_they_decide(asked, fields, pictures, verdict, looks):
    query = asked()
    first = query.show(pictures[0])
    future = query.ask(**fields, timeout_s=20.0)
    shown = [first, *query.show_until_answered(future, *pictures[1:], *pictures[-1:] * 9)]
    response = future.result()
    code = ResultStatus.UNSURE if verdict == UNKNOWN else ResultStatus.OK
    assert (response.status.code, response.verdict) == (code, verdict)
    assert response.provenance.image_header in [msg.header for msg in shown[:looks]]
    assert len(shown) == looks, 'no more frames than decide'
    assert names_of(response.evidence) == ['person'] * (verdict == TRUE)
    assert response.evidence.header == response.provenance.image_header


def test_each_frame_votes_once_and_the_deadline_is_kept(asked):
    query = asked()
    query.show(PERSON)
    response = query.call(frames=3, timeout_s=1.0)
    assert (response.status.code, response.verdict) == (ResultStatus.TIMEOUT, UNKNOWN)
    assert '1 of 3 frames were looked at' in response.status.message
    assert query.call().verdict == TRUE


def test_a_frame_that_grew_old_while_it_waited_has_no_vote(graph, asked):
    query = asked()
    is_held, goes_on = threading.Event(), threading.Event()
    graph.nodes[0].worker.submit(lambda: is_held.set() or goes_on.wait(20.0), Ticket())
    assert is_held.wait(20.0)  # or the question, which has a deadline, has its turn before
    query.show(PERSON)
    future = query.ask(frames=3, max_image_age_s=1.5, timeout_s=20.0)
    graph.spin_for(2.0)
    goes_on.set()
    graph.spin_until(future.done, 'a response')
    response = future.result()
    assert (response.status.code, response.verdict) == (ResultStatus.STALE, UNKNOWN)
    assert 'at most 1.5 s are allowed' in response.status.message


def test_a_deactivated_node_lets_go_of_who_waits_for_frames(graph, asked):
    query = asked()
    query.show(PERSON)
    future = query.ask(frames=3, timeout_s=20.0)
    graph.spin_for(0.5)
    assert not future.done()
    assert graph.change_state('query', 'deactivate')
    graph.spin_until(future.done, 'a response')
    assert future.result().status.code == ResultStatus.CANCELLED
    response = query.call(frames=3)
    assert response.status.code == ResultStatus.FAILED
    assert 'query is inactive; activate it' in response.status.message


def test_a_pair_of_cameras(asked):
    query = asked(**PAIR)
    left = query.show(PERSON, 'left/image')
    right = query.show(BOTH, 'right/image')
    pair = {'camera': 'left', 'other_camera': 'right'}
    response = query.call('There is a person in both images.', **pair)
    assert response.status.code == ResultStatus.OK, response.status.message
    assert response.verdict == TRUE
    assert names_of(response.evidence) == ['person']
    assert names_of(response.other_evidence) == ['person']
    assert response.evidence.header == left.header
    assert response.other_evidence.header == right.header
    assert response.provenance.camera == 'left'
    response = query.call('There is a dog in both images.', **pair)
    assert (response.status.code, response.verdict) == (ResultStatus.OK, FALSE)


def test_frames_of_a_pair_are_let_go_of_once_they_were_looked_at(graph, asked):
    query = asked(**PAIR)
    query.show(EMPTY, 'left/image')
    query.show(BOTH, 'right/image')
    future = query.ask(
        'There is a person in both images.', camera='left', other_camera='right', frames=20
    )
    feed = graph.nodes[0].feeds['left']
    for _ in range(8):
        graph.spin_until(lambda: future.done() or len(feed._listeners) > 1, 'waiting')
        query.show(BOTH, 'right/image')
        query.show(EMPTY, 'left/image')
    # Of each camera, those that the node keeps anyway for questions about the last few seconds.
    kept = {id(frame) for recent in graph.nodes[0]._recent.values() for _, frame in recent._frames}
    alive = [o for o in gc.get_objects() if isinstance(o, Frame) and id(o) not in kept]
    assert len(alive) < 8
    assert graph.change_state('query', 'deactivate')
    graph.spin_until(future.done, 'a response')


def test_a_pair_of_images(asked):
    query = asked()
    left, right = query.picture(DOG), query.picture(BOTH)
    response = query.call('There is a dog in both images.', image=left, other_image=right)
    assert (response.status.code, response.verdict) == (ResultStatus.OK, TRUE)
    assert response.other_evidence.header == right.header


def test_both_images_of_a_pair_must_be_young(asked):
    query = asked(**PAIR)
    pair = {'camera': 'left', 'other_camera': 'right', 'max_image_age_s': 2.0}
    query.show(PERSON, 'left/image')
    response = query.call(**pair)
    assert (response.status.code, response.verdict) == (ResultStatus.NO_IMAGE, UNKNOWN)
    assert 'the other camera' in response.status.message
    old = query.picture(PERSON)
    old.header.stamp.sec -= 5
    query.graph.publish(old, 'right/image')
    feed = query.graph.nodes[0].feeds['right']
    query.graph.spin_until(lambda: feed.newest)
    query.show(PERSON, 'left/image')
    response = query.call(**pair)
    assert (response.status.code, response.verdict) == (ResultStatus.STALE, UNKNOWN)
    assert 'at most 2 s are allowed' in response.status.message


@pytest.mark.parametrize(
    ('fields', 'message'),
    [
        ({'statement': ''}, 'the statement is empty'),
        ({'statement': '', 'frames': 3}, 'the statement is empty'),
        ({'statement': '?!.'}, 'has no words'),
        ({'statement': 'x' * 100_000}, '100000 characters'),
        ({'agreeing': 2}, 'more than half of the 1 frames'),
        ({'frames': 4, 'agreeing': 2}, '3 to 4, got 2'),
        ({'frames': 4, 'agreeing': 5}, '3 to 4, got 5'),
        ({'frames': 100_000}, 'frames must be 1 to 1000'),
        ({'frames': 3, 'timeout_s': -1.0}, 'timeout_s must be 0 or more'),
        ({'frames': 3, 'max_image_age_s': float('nan')}, 'max_image_age_s must be 0 or more'),
        ({'camera': 'left', 'other_camera': 'left'}, "are both 'left'; a pair takes two"),
        ({'camera': 'left', 'other_camera': 'rear'}, "no camera 'rear'"),
        ({'camera': 'rear', 'frames': 3}, "no camera 'rear'"),
        ({'camera': '', 'other_camera': 'right'}, 'say which camera is meant'),
    ],
)
def test_a_bad_request_fails_in_one_line(asked, fields, message):
    query = asked(**PAIR)
    query.show(PERSON, 'left/image')
    response = query.call(**{'camera': 'left', **fields})
    assert (response.status.code, response.verdict) == (ResultStatus.FAILED, UNKNOWN)
    assert message in response.status.message
    assert '\n' not in response.status.message and len(response.status.message) < 300
    assert query.call(camera='left').verdict == TRUE


@pytest.mark.parametrize('field', ['image', 'other_image'])
def test_an_image_in_the_request_is_one_frame(asked, field):
    query = asked()
    query.show(PERSON)
    response = query.call(frames=3, **{field: query.picture(PERSON)})
    assert response.status.code == ResultStatus.FAILED
    assert 'leave out frames, or the image' in response.status.message


def test_a_bad_other_image_fails(graph, asked):
    query = asked()
    bad = graph.stamped(encoding='rgb9')
    response = query.call(image=query.picture(PERSON), other_image=bad)
    assert response.status.code == ResultStatus.FAILED
    assert 'rgb9' in response.status.message
