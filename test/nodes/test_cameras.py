"""Several cameras on one model: topics, vocabularies, turns, batches."""

from collections import Counter
import threading

import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray, LabelInfo

from vlm_ros.errors import InputError
from vlm_ros.nodes import detector as detector_module
from vlm_ros.nodes.captioner import CaptionerNode
from vlm_ros.nodes.detector import DetectorNode
from vlm_ros.nodes.overlay import OverlayNode
from vlm_ros.nodes.query import QueryNode
from vlm_ros_interfaces.msg import Caption, PerceptionStatus, ResultStatus
from vlm_ros_interfaces.srv import (
    AnswerQuestion,
    DetectObjects,
    SetVocabulary,
)

CAMERAS = ('front', 'left', 'rear')
THREE = {'backend': 'fake', 'cameras': f'[{", ".join(CAMERAS)}]'}
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def names_of(msg):
    return [d.results[0].hypothesis.class_id for d in msg.detections]


def collect(graph, msg_type, topic, qos=100):
    return {camera: graph.collect(msg_type, f'{camera}/{topic}', qos) for camera in CAMERAS}


def show(graph, messages, camera, msg=None):
    return graph.show(messages[camera], msg, f'{camera}/image')


def test_each_camera_has_its_topics_and_one_subscription(graph):
    graph.start(
        DetectorNode,
        CaptionerNode,
        QueryNode,
        OverlayNode,
        detector={**THREE, 'vocabulary': '[lamp]'},
        captioner={**THREE, 'max_rate_hz': '100.0'},
        query=THREE,
        overlay={'cameras': THREE['cameras']},
    )
    detections = collect(graph, Detection2DArray, 'detections')
    statuses = collect(graph, PerceptionStatus, 'detections/status')
    captions = collect(graph, Caption, 'caption')
    overlays = collect(graph, Image, 'overlay')
    labels = collect(graph, LabelInfo, 'vocabulary', LATCHED)
    overlay = graph.nodes[-1]
    graph.spin_until(lambda: all(c._listens for c in overlay._cameras), 'the overlay')
    for camera in CAMERAS:
        msg = graph.stamped()
        msg.header.frame_id = camera
        assert names_of(show(graph, detections, camera, msg)) == ['lamp']
        for messages in (captions, statuses):
            found = graph.spin_until(
                lambda m=messages[camera], h=msg.header: [one for one in m if one.header == h]
            )[0]
            assert found.provenance.camera == camera
        graph.spin_until(lambda c=camera: overlays[c])
        assert overlays[camera][0].header.frame_id == camera
        assert [c.class_name for c in labels[camera][-1].class_map] == ['lamp']
        assert len(graph.client.get_subscriptions_info_by_topic(f'/{camera}/image')) == 1
    assert [len(messages) for messages in detections.values()] == [1, 1, 1]


def test_each_camera_may_have_its_own_vocabulary(graph):
    graph.start(
        DetectorNode,
        detector={**THREE, 'vocabulary': '[lamp]', 'front.vocabulary': '[door, step]'},
    )
    detections = collect(graph, Detection2DArray, 'detections')
    labels = collect(graph, LabelInfo, 'vocabulary', LATCHED)

    def seen():
        return [names_of(show(graph, detections, camera)) for camera in CAMERAS]

    def set_vocabulary(service, *names):
        request = SetVocabulary.Request(vocabulary=list(names))
        return graph.call(SetVocabulary, service, request)

    assert seen() == [['door', 'step'], ['lamp'], ['lamp']]
    assert set_vocabulary('left/set_vocabulary', 'ball').success
    assert seen() == [['door', 'step'], ['ball'], ['lamp']]
    assert set_vocabulary('set_vocabulary', 'cup').success
    assert seen() == [['door', 'step'], ['ball'], ['cup']]
    refused = set_vocabulary('left/set_vocabulary', 'ball', 'Ball')
    assert not refused.success and 'twice' in refused.message
    for camera in ('front', 'left'):
        assert set_vocabulary(f'{camera}/set_vocabulary').success
    assert seen() == [['cup']] * 3
    for camera in CAMERAS:
        assert [c.class_name for c in labels[camera][-1].class_map] == ['cup']


def test_a_camera_at_ten_times_the_rate_starves_no_other(graph):
    graph.start(DetectorNode, detector={**THREE, 'backend_options': 'latency_s=0.05'})
    turns = []
    for camera in CAMERAS:
        graph.client.create_subscription(
            Detection2DArray,
            f'{camera}/detections',
            lambda _, camera=camera: turns.append(camera),
            100,
        )
        graph.connect(f'{camera}/image')
    timers = [
        graph.client.create_timer(
            0.01 if camera == 'front' else 0.1,
            lambda camera=camera: graph.publish(graph.stamped(), f'{camera}/image'),
        )
        for camera in CAMERAS
    ]
    graph.spin_until(lambda: len(turns) >= 45)
    for timer in timers:
        graph.client.destroy_timer(timer)
    counts = Counter(turns)
    assert min(counts.values()) >= 8
    assert max(counts.values()) <= len(turns) - 16


class Batches:
    """Counts the images of each call, and holds the first back until all cameras were shown."""

    def __init__(self, monkeypatch):
        self.sizes = []
        self.gate = threading.Event()
        detect = detector_module.batching.detect

        def note(worker, images, *args, **kwargs):
            self.sizes.append(len(images))
            self.gate.wait(10.0)
            return detect(worker, images, *args, **kwargs)

        monkeypatch.setattr(detector_module.batching, 'detect', note)


@pytest.mark.parametrize(
    ('options', 'bad'), [('max_batch=4', 'left'), ('max_batch=4, oom_above=2', 'none')]
)
def test_waiting_cameras_share_an_inference(graph, monkeypatch, options, bad):
    batches = Batches(monkeypatch)
    graph.start(DetectorNode, detector={**THREE, 'backend_options': options})
    detections = collect(graph, Detection2DArray, 'detections')
    statuses = collect(graph, PerceptionStatus, 'detections/status')
    for camera in CAMERAS:
        graph.connect(f'{camera}/image')
    graph.publish(graph.stamped(), 'front/image')
    graph.spin_until(lambda: batches.sizes)
    newest = {}
    for number in range(3):
        for camera in CAMERAS:
            newest[camera] = graph.stamped(encoding='rgb9' if camera == bad else 'rgb8')
            newest[camera].header.frame_id = f'{camera} {number}'
            graph.publish(newest[camera], f'{camera}/image')
        graph.spin_until(
            lambda n=number: (
                [c.meter.received for c in graph.nodes[0]._cameras] == [n + 2, n + 1, n + 1]
            )
        )
    batches.gate.set()
    for camera in CAMERAS:
        (status,) = graph.spin_until(
            lambda c=camera: [
                s
                for s in statuses[c]
                if s.header == newest[c].header and s.status.code != ResultStatus.TIMEOUT
            ]
        )
        wanted = ResultStatus.FAILED if camera == bad else ResultStatus.OK
        assert status.status.code == wanted
        assert status.frames_dropped == 2
    assert [m.header.frame_id for m in detections['rear']] == ['rear 2']
    assert len(detections['left']) == (bad != 'left'), 'a bad image fails alone'
    assert batches.sizes == [1, 2 if bad == 'left' else 3], 'one turn for all good images'


def test_questions_name_their_camera(graph):
    graph.start(
        DetectorNode,
        QueryNode,
        detector={**THREE, 'vocabulary': '[lamp]', 'left.vocabulary': '[door]'},
        query=THREE,
    )
    detections = collect(graph, Detection2DArray, 'detections')
    for camera in CAMERAS:
        msg = graph.stamped()
        msg.header.frame_id = f'the {camera}'
        show(graph, detections, camera, msg)

    def ask(**fields):
        request = AnswerQuestion.Request(question='Is there a person?', **fields)
        return graph.call(AnswerQuestion, 'answer_question', request)

    for camera in CAMERAS:
        response = ask(camera=camera)
        assert response.status.code == ResultStatus.OK
        assert response.provenance.camera == camera
        assert response.provenance.image_header.frame_id == f'the {camera}'
    for camera, names in (('rear', ['lamp']), ('left', ['door'])):
        response = graph.call(
            DetectObjects, 'detect_objects', DetectObjects.Request(camera=camera)
        )
        assert names_of(response.detections) == names
    response = ask()
    assert response.status.code == ResultStatus.FAILED
    assert response.status.message == "say which camera is meant: 'front', 'left', 'rear'"
    response = ask(camera='back')
    assert response.status.code == ResultStatus.FAILED
    assert response.status.message == (
        "there is no camera 'back'; the cameras are 'front', 'left', 'rear'"
    )
    response = ask(image=graph.stamped())
    assert response.status.code == ResultStatus.OK
    assert response.provenance.camera == '', 'no camera took it'


@pytest.mark.parametrize(
    ('cameras', 'message'),
    [
        ('[front, front]', "'front' is named twice"),
        ('["a/b"]', "'a/b' cannot be part of a topic"),
        ('"front,,rear"', "'' cannot be part of a topic"),
        (f'[{"x" * 60}]', 'at most 50 are taken'),
        (f'[{", ".join(f"c{n}" for n in range(33))}]', 'at most 32'),
    ],
)
def test_bad_camera_names_are_refused_at_the_start(graph, cameras, message):
    with pytest.raises(InputError) as refusal:
        graph.start(DetectorNode, detector={'backend': 'fake', 'cameras': cameras})
    assert message in str(refusal.value)
    assert '\n' not in str(refusal.value)
