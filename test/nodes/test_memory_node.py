"""The memory node, searched by a real client."""

import math
import sys
import threading
import time
import types

from builtin_interfaces.msg import Time
import cv2
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import Point, PoseStamped, Quaternion
import numpy as np
import pytest
from rclpy.qos import qos_profile_sensor_data
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from vlm_ros import backends
from vlm_ros.data.photographs import samples
from vlm_ros.data.scene_memory import SceneMemory
from vlm_ros.errors import StorageError
from vlm_ros.images import decode_compressed
from vlm_ros.nodes.conversions import detections_to_msg, image_to_msg, ns_to_stamp
from vlm_ros.nodes.keeper import Keeper
from vlm_ros.nodes.memory import MemoryNode
from vlm_ros.results import Detections
from vlm_ros_interfaces.msg import ResultStatus
from vlm_ros_interfaces.srv import SearchMemory

COLOURS = {'red': (250, 10, 10), 'green': (10, 250, 10), 'blue': (10, 10, 250)}
RGB = np.eye(3, dtype=np.float32)


class ColourModel:
    """Places images by their mean colour, and texts by the colour they name."""

    device = 'cpu'

    def __init__(self, model_id='colours'):
        self.model_id = model_id
        self.model_revision = '1'

    def encode_images(self, images, *, ticket=None):
        means = np.stack([image.mean((0, 1)) for image in images]) + 1
        return (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)

    def encode_texts(self, texts, *, ticket=None):
        rows = [[text.count(name) for name in COLOURS] for text in texts]
        # A text without a colour lies anywhere.
        rows = [
            row if any(row) else [len(text), ord(text[0]) % 7, 3]
            for row, text in zip(rows, texts, strict=True)
        ]
        places = np.array(rows, np.float32)
        return places / np.linalg.norm(places, axis=1, keepdims=True)

    def close(self):
        pass


@pytest.fixture
def remembering(graph, monkeypatch, tmp_path):
    """Start a memory of colours; returns functions that show it an image and that search it."""
    monkeypatch.setattr(backends, 'load', lambda name, **_: ColourModel(name))

    def start(active=True, **parameters):
        defaults = {
            'backend': 'colours',
            'file': str(tmp_path / 'memory.sqlite'),
            'max_rate_hz': '1000.0',
        }
        graph.start(MemoryNode, active=active, memory={**defaults, **parameters})
        return graph.nodes[0]

    return start


def picture(name, sec, camera=''):
    image = np.full((48, 64, 3), COLOURS[name], np.uint8)
    return image_to_msg(image, Header(stamp=Time(sec=sec), frame_id=f'{camera}_optical'))


def again(graph, act, done, what):
    """Do something, and again each second: a reader that is found late misses the first."""
    last_s = -np.inf

    def step():
        nonlocal last_s
        if time.monotonic() - last_s > 1:
            last_s = time.monotonic()
            act()
        return done()

    return graph.spin_until(step, what)


def show(graph, msg, done, what, topic='image'):
    graph.connect(topic)
    again(graph, lambda: graph.publish(msg, topic), done, what)


def see(graph, node, name, sec, camera=''):
    """Show an image until it is remembered."""
    wanted = node._keeper.remembered + 1
    msg = picture(name, sec, camera)
    topic = f'{camera}/image' if camera else 'image'
    show(graph, msg, lambda: node._keeper.remembered == wanted, 'remembering', topic)
    return msg


def counts(node):
    """What became of the images of the only camera."""
    return node._meters[''].snapshot()


def search(graph, text, **fields):
    return graph.call(SearchMemory, 'search_memory', SearchMemory.Request(text=text, **fields))


def seconds(response):
    return [moment.header.stamp.sec for moment in response.moments]


def test_the_best_moment_comes_back_with_its_picture(graph, remembering):
    node = remembering()
    for sec, name in enumerate(COLOURS, start=1):
        msg = see(graph, node, name, sec)
    response = search(graph, 'something blue', min_score=0.5)
    assert (response.status.code, response.status.message) == (ResultStatus.OK, '')
    assert response.remembered == 3
    best = response.moments[0]
    assert best.header == msg.header
    assert 0.8 < best.score <= 1.0
    assert best.camera == '' and not best.has_pose and list(best.labels) == []
    assert best.picture.format == 'jpeg' and best.picture.header == msg.header
    shown = decode_compressed(best.picture.data)
    assert shown.shape == (48, 64, 3) and shown[20, 20, 2] > 200
    bare = search(graph, 'something blue', with_pictures=False, max_moments=1, min_score=0.01)
    assert len(bare.moments) == 1 and len(bare.moments[0].picture.data) == 0


def test_the_file_is_in_the_data_folder_and_named_after_the_node(
    graph, monkeypatch, remembering, tmp_path
):
    monkeypatch.setenv('VLM_ROS_DATA', str(tmp_path))
    node = remembering(file="''")
    see(graph, node, 'red', 1)
    assert (tmp_path / 'scene_memory' / 'memory.sqlite').is_file()


def test_what_is_not_there_is_not_found(graph, remembering):
    node = remembering()
    empty = search(graph, 'red')
    assert empty.status.code == ResultStatus.NOTHING_FOUND
    assert empty.status.message == 'nothing is remembered yet'
    see(graph, node, 'blue', 1)
    response = search(graph, 'red')
    assert (response.status.code, list(response.moments)) == (ResultStatus.NOTHING_FOUND, [])
    assert response.status.message == 'of 1 moments none scores 0.9 or more'
    assert response.remembered == 1


def test_cameras_and_times_filter(graph, remembering):
    node = remembering(cameras='front, rear')
    see(graph, node, 'red', 10, 'front')
    see(graph, node, 'green', 20, 'front')
    see(graph, node, 'red', 30, 'rear')
    everything = {'min_score': 0.001}
    assert sorted(seconds(search(graph, 'red', camera='front', **everything))) == [10, 20]
    assert seconds(search(graph, 'red', camera='rear', **everything)) == [30]
    late = search(graph, 'green', since=Time(sec=15), until=Time(sec=25), **everything)
    assert seconds(late) == [20]
    never = search(graph, 'green', since=Time(sec=50))
    assert never.status.message == 'of 3 moments none of this camera and time scores 0.9 or more'
    unknown = search(graph, 'red', camera='roof')
    assert unknown.status.code == ResultStatus.FAILED
    assert unknown.status.message == "no camera is called 'roof'; there are 'front', 'rear'"


@pytest.mark.parametrize(
    ('fields', 'says'),
    [
        ({'text': ''}, 'the text is empty'),
        ({'text': '?!'}, 'the text has no words'),
        ({'text': 'mug ' * 25_000}, 'the text has 100000 characters; at most'),
        ({'since': Time(sec=2), 'until': Time(sec=1)}, 'since (2.000 s) is after until'),
        ({'camera': 'x' * 500}, 'no camera is called'),
        ({'min_score': 1.5}, 'min_score must be in [0, 1]'),
        ({'min_score': float('nan')}, 'min_score must be in [0, 1]'),
        ({'max_moments': 4_000_000_000}, 'max_moments is 4000000000; at most 100'),
    ],
)
def test_bad_requests_are_refused_in_one_line(graph, remembering, fields, says):
    remembering()
    response = search(graph, **{'text': 'red', **fields})
    assert response.status.code == ResultStatus.FAILED
    assert response.status.message.startswith(says)
    assert search(graph, 'red').status.code == ResultStatus.NOTHING_FOUND


def test_a_view_that_does_not_change_is_one_moment(graph, remembering):
    node = remembering()
    see(graph, node, 'red', 1)
    seen = counts(node).processed
    show(graph, picture('red', 2), lambda: counts(node).processed > seen, 'a look')
    see(graph, node, 'green', 3)
    assert search(graph, 'red', min_score=0.01).remembered == 2


def test_images_that_cannot_be_read_cost_only_themselves(graph, remembering):
    node = remembering()
    bad = graph.stamped(encoding='rgb9')
    show(graph, bad, lambda: 'rgb9' in counts(node).failure, 'the failure')
    see(graph, node, 'red', 1)


def test_the_rate_is_kept(graph, remembering):
    node = remembering(max_rate_hz='0.01')
    see(graph, node, 'red', 1)
    show(graph, picture('green', 2), lambda: counts(node).dropped, 'the drop')
    assert search(graph, 'green', min_score=0.01).remembered == 1


@pytest.mark.parametrize('first', ['image', 'detections'])
def test_labels_come_from_the_detections_of_the_very_image(graph, remembering, first):
    node = remembering()
    publisher = graph.client.create_publisher(type(_found(1)), 'detections', 10)
    graph.spin_until(publisher.get_subscription_count, 'a connection')

    def publish():
        publisher.publish(_found(6.99, 'before'))
        publisher.publish(_found(7))
        publisher.publish(_found(7.01, 'after'))
        publisher.publish(_found(8, 'after'))

    def detect():
        again(graph, publish, lambda: 8 in _labelled(node), 'labels')

    if first == 'detections':
        detect()
    see(graph, node, 'red', 7)
    if first == 'image':
        detect()

    def labels():
        return list(search(graph, 'red').moments[0].labels)

    graph.spin_until(lambda: labels() == ['cup', 'table'], 'labels of the moment')


def test_a_moment_whose_image_nobody_looked_at_has_no_labels(graph, remembering):
    node = remembering()
    publisher = graph.client.create_publisher(Detection2DArray, 'detections', 10)
    graph.spin_until(publisher.get_subscription_count, 'a connection')
    near = _found(7.1, 'another image')
    again(graph, lambda: publisher.publish(near), lambda: 7.1 in _labelled(node), 'labels')
    see(graph, node, 'red', 7)
    assert list(search(graph, 'red').moments[0].labels) == []


def test_boxes_and_names_of_others_may_be_anything(graph, remembering):
    node = remembering()
    publisher = graph.client.create_publisher(Detection2DArray, 'detections', 10)
    graph.spin_until(publisher.get_subscription_count, 'a connection')
    odd = _found(7, 'x' * 100_000, '', 'cup', 'cup', *map(str, range(500)))
    for detection in odd.detections:
        detection.bbox.size_x = math.nan
        detection.results[0].hypothesis.score = 7.0
    odd.detections[5].results.clear()
    again(graph, lambda: publisher.publish(odd), lambda: 7 in _labelled(node), 'labels')
    see(graph, node, 'red', 7)
    labels = list(search(graph, 'red').moments[0].labels)
    assert labels[:3] == ['cup', '0', '2'] and len(labels) == 100


def test_a_stamp_beyond_all_others_harms_no_search(graph, remembering):
    node = remembering()
    see(graph, node, 'red', 7)
    far = picture('green', 2**31 - 1)
    far.header.stamp.nanosec = 2**32 - 1
    show(graph, far, lambda: node._keeper.remembered == 2, 'remembering')
    response = search(graph, 'red', min_score=0.001)
    assert response.status.code == ResultStatus.OK, response.status.message
    assert sorted(seconds(response)) == [7, 2**31 - 1]


def test_a_keeper_behind_a_slow_disk_may_be_ended_twice():
    opened, goes_on = threading.Event(), threading.Event()

    class Memory:
        cameras = ()
        is_closed = False

        def __len__(self):
            return 0

        def close(self):
            assert goes_on.wait(20.0)
            self.is_closed = True

    memory = Memory()
    keeper = Keeper(pytest.fail)
    keeper.open(lambda: memory).add_done_callback(lambda _: opened.set())
    assert opened.wait(20.0)
    keeper.end()
    keeper.end()
    goes_on.set()
    keeper._thread.shutdown()
    assert memory.is_closed


def _labelled(node):
    return {stamp_ns / 10**9 for stamp_ns, _ in node._keeper._labels.get('', ())}


def _found(at_s, *names):
    names = names or ('cup', 'table', 'cup')
    boxes = np.tile(np.array([[1, 2, 30, 40]], np.float32), (len(names), 1))
    detections = Detections(boxes, np.ones(len(names), np.float32), names)
    return detections_to_msg(detections, Header(stamp=ns_to_stamp(round(at_s * 1e9))))


def test_the_pose_nearest_in_time_is_remembered(graph, remembering):
    node = remembering()
    publisher = graph.client.create_publisher(PoseStamped, 'pose', 10)
    graph.spin_until(publisher.get_subscription_count, 'a connection')

    def publish():
        for sec in (1, 7, 20):
            pose = PoseStamped(header=Header(stamp=Time(sec=sec), frame_id='map'))
            pose.pose.position = Point(x=float(sec), y=-2.0, z=0.5)
            pose.pose.orientation = Quaternion(z=0.6, w=0.8)
            publisher.publish(pose)

    again(graph, publish, lambda: len(node._poses._published['']) >= 3, 'the poses')
    see(graph, node, 'red', 7)
    see(graph, node, 'green', 12)
    [red] = search(graph, 'red', max_moments=1).moments
    assert red.has_pose
    assert red.pose.header == Header(stamp=Time(sec=7), frame_id='map')
    assert red.pose.pose.position == Point(x=7.0, y=-2.0, z=0.5)
    assert red.pose.pose.orientation == Quaternion(z=0.6, w=0.8)
    [green] = search(graph, 'green', max_moments=1).moments
    assert not green.has_pose


def test_poses_that_are_sent_with_best_effort_are_heard(graph, remembering):
    node = remembering()
    publisher = graph.client.create_publisher(PoseStamped, 'pose', qos_profile_sensor_data)
    pose = PoseStamped(header=Header(stamp=Time(sec=7), frame_id='map'))
    again(graph, lambda: publisher.publish(pose), lambda: node._poses._published[''], 'the pose')


def test_without_tf2_a_pose_frame_is_refused(graph, monkeypatch, remembering):
    monkeypatch.setitem(sys.modules, 'tf2_ros', None)
    remembering(active=False, pose_frame='map', autostart='false')
    assert not graph.change_state('memory', 'configure')
    assert "pose_frame 'map' needs tf2_ros" in graph.nodes[0].trouble


def test_with_tf2_the_pose_is_looked_up(graph, monkeypatch, remembering):
    # What tf2_ros is asked, and what becomes of its answers; tf2 itself is not installed here.
    asked = []

    class Refusal(Exception):  # noqa: N818
        pass

    class Buffer:
        def lookup_transform(self, target, source, at):
            asked.append((target, source, at.nanoseconds // 10**9))
            if len(asked) > 1:
                raise Refusal('too early')
            translation = Point(x=4.0, y=5.0, z=6.0)
            transform = types.SimpleNamespace(translation=translation, rotation=Quaternion(w=1.0))
            return types.SimpleNamespace(transform=transform)

    tf2 = types.SimpleNamespace(
        Buffer=Buffer, TransformListener=lambda *_: None, TransformException=Refusal
    )
    monkeypatch.setitem(sys.modules, 'tf2_ros', tf2)
    node = remembering(pose_frame='map')
    see(graph, node, 'red', 5)
    see(graph, node, 'green', 6)
    assert asked == [('map', '_optical', 5), ('map', '_optical', 6)]
    [red] = search(graph, 'red', max_moments=1).moments
    assert red.has_pose and red.pose.header.frame_id == 'map'
    assert red.pose.pose.position == Point(x=4.0, y=5.0, z=6.0)
    assert not search(graph, 'green', max_moments=1).moments[0].has_pose
    see(graph, node, 'blue', -5)
    assert not search(graph, 'blue', max_moments=1).moments[0].has_pose


def test_while_inactive_nothing_is_remembered_or_found(graph, remembering):
    node = remembering()
    see(graph, node, 'red', 1)
    assert graph.change_state('memory', 'deactivate')
    graph._cameras['image'].publish(picture('green', 2))
    refused = search(graph, 'red')
    assert refused.status.code == ResultStatus.FAILED
    assert refused.status.message == 'memory is inactive; activate it'
    for transition in ('cleanup', 'configure', 'activate'):
        assert graph.change_state('memory', transition)
    graph.disconnect()
    response = search(graph, 'red', min_score=0.01)
    assert seconds(response) == [1]
    see(graph, node, 'blue', 3)


def test_another_models_memory_is_refused_until_it_is_reset(graph, remembering, tmp_path):
    node = remembering()
    see(graph, node, 'red', 1)
    for transition in ('deactivate', 'cleanup'):
        assert graph.change_state('memory', transition)
    node.settings.set(backend='other')
    assert not graph.change_state('memory', 'configure')
    assert 'holds what colours 1 saw' in node.trouble
    assert 'use another file, or reset it' in node.trouble
    node.settings.set(reset=True)
    assert graph.change_state('memory', 'configure')
    assert graph.change_state('memory', 'activate')
    assert not node.settings.values.reset
    assert search(graph, 'red').status.message == 'nothing is remembered yet'
    assert len(list(tmp_path.glob('memory.sqlite.old-*'))) > 0


def test_a_full_disk_is_said_and_what_is_remembered_is_found(graph, monkeypatch, remembering):
    node = remembering()
    diagnostics = graph.collect(DiagnosticArray, '/diagnostics')
    see(graph, node, 'red', 1)
    add = SceneMemory.add

    def fail(*_):
        raise StorageError('database or disk is full')

    monkeypatch.setattr(SceneMemory, 'add', fail)

    def told():
        return [s for m in diagnostics for s in m.status if 'disk is full' in s.message]

    show(graph, picture('green', 2), told, 'a report')
    assert told()[0].level == b'\x02'
    response = search(graph, 'red')
    assert (response.status.message, seconds(response)) == ('', [1])
    monkeypatch.setattr(SceneMemory, 'add', add)
    see(graph, node, 'blue', 3)
    assert node._keeper.trouble == ''


def test_a_disk_that_hangs_keeps_nobody_waiting(graph, monkeypatch, remembering):
    node = remembering(timeout_s='1.0')
    see(graph, node, 'red', 1)
    add, hangs = SceneMemory.add, [True]

    def hang(*args):
        until_s = time.monotonic() + 20
        while hangs and time.monotonic() < until_s:
            time.sleep(0.01)
        return add(*args)

    monkeypatch.setattr(SceneMemory, 'add', hang)
    seen = counts(node).processed
    show(graph, picture('green', 2), lambda: counts(node).processed > seen, 'a look')
    assert search(graph, 'red').status.code == ResultStatus.TIMEOUT
    assert graph.state_of('memory') == 'active'
    seen = counts(node).processed
    show(graph, picture('blue', 3), lambda: counts(node).processed > seen, 'a look')
    hangs.clear()
    graph.spin_until(lambda: node._keeper.remembered == 3, 'what waited')
    graph.spin_until(
        lambda: seconds(search(graph, 'blue', min_score=0.01, max_moments=1)) == [3], 'an answer'
    )


def test_a_disk_that_hangs_does_not_hold_up_a_transition(graph, monkeypatch, remembering):
    node = remembering(timeout_s='0.5')
    add, goes_on = SceneMemory.add, threading.Event()

    def hang(*args):
        goes_on.wait(60.0)
        return add(*args)

    monkeypatch.setattr(SceneMemory, 'add', hang)
    show(graph, picture('green', 2), lambda: counts(node).processed, 'a look')
    for transition in ('deactivate', 'cleanup'):
        assert graph.change_state('memory', transition)
    assert graph.state_of('memory') == 'unconfigured'
    goes_on.set()
    for transition in ('configure', 'activate'):
        assert graph.change_state('memory', transition)
    assert search(graph, 'green').remembered == 1


@pytest.fixture
def embedded(monkeypatch):
    """The real model, ready: what is tested here is not how long it takes to load."""
    model = backends.load('embedded')
    model.encode_images([np.zeros((48, 64, 3), np.uint8)])
    monkeypatch.setattr(backends, 'load', lambda *_, **__: model)


@pytest.mark.usefixtures('embedded')
def test_real_photographs_are_found_again_after_a_restart(graph, tmp_path):
    parameters = {'file': str(tmp_path / 'memory.sqlite'), 'max_rate_hz': '1000.0'}
    graph.start(MemoryNode, memory=parameters)
    [node] = graph.nodes
    photographs = samples('')
    for number, (name, path) in enumerate(photographs, start=1):
        image = decode_compressed(path.read_bytes())
        small = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        msg = image_to_msg(small, Header(stamp=Time(sec=number), frame_id=name))
        show(graph, msg, lambda number=number: node._keeper.remembered == number, name)
    for transition in ('deactivate', 'cleanup', 'configure', 'activate'):
        assert graph.change_state('memory', transition)
    for text, name in (
        ('a cat', 'chelsea'),
        ('a cup of coffee', 'coffee'),
        ('motorbike', 'motorcycle'),
        ('a flower', 'flower'),
        ('a person', 'astronaut'),
    ):
        response = search(graph, text, min_score=0.5)
        assert response.status.message == '', text
        assert response.moments[0].header.frame_id == f'sample:{name}', text
        assert decode_compressed(response.moments[0].picture.data).max() > 100
        assert response.remembered == len(photographs)
    assert search(graph, 'a piano').status.code == ResultStatus.NOTHING_FOUND
