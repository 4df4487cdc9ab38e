"""The detector node, through real topics and services."""

import array

import pytest
from rclpy.parameter import Parameter
from rclpy.parameter_client import AsyncParameterClient
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray, LabelInfo

from vlm_ros.nodes.detector import DetectorNode
from vlm_ros.phrases import Vocabulary
from vlm_ros_interfaces.msg import PerceptionStatus, ResultStatus
from vlm_ros_interfaces.srv import SetVocabulary

FAKE = {'backend': 'fake', 'vocabulary': '[person, cup]'}


@pytest.fixture
def detector(graph):
    """Start a detector with the fake backend; returns the graph and its messages."""

    def start(*, active=True, **parameters):
        graph.start(DetectorNode, active=active, detector={**FAKE, **parameters})
        return graph.collect(Detection2DArray, 'detections'), graph.collect(
            PerceptionStatus, 'detections/status'
        )

    return start


def test_detections_carry_the_image_header_and_the_names(graph, detector):
    detections, statuses = detector()
    graph.connect()
    msg = graph.stamped()
    found = graph.show(detections, msg)
    assert found.header == msg.header
    assert [d.results[0].hypothesis.class_id for d in found.detections] == ['person', 'cup']
    assert all(d.header == msg.header for d in found.detections)
    assert all(d.results[0].hypothesis.score == pytest.approx(0.9) for d in found.detections)
    for box in (d.bbox for d in found.detections):
        assert box.center.position.x - box.size_x / 2 >= 0
        assert box.center.position.x + box.size_x / 2 <= msg.width
        assert box.size_x > 0 and box.size_y > 0
    status = graph.spin_until(lambda: [s for s in statuses if s.frames_processed])[0]
    assert status.status.code == ResultStatus.OK
    assert status.header == msg.header
    assert status.provenance.image_header == msg.header
    assert status.provenance.camera == ''
    assert status.provenance.model_id == 'fake'
    assert status.provenance.model_revision
    assert status.provenance.vocabulary_id == Vocabulary(('person', 'cup')).vocabulary_id
    assert status.provenance.age.sec == 0 and status.provenance.age.nanosec > 0
    assert (status.frames_received, status.frames_processed, status.frames_dropped) == (1, 1, 0)


@pytest.mark.parametrize(
    ('vocabulary', 'code', 'message'),
    [
        ('[absent thing]', ResultStatus.NOTHING_FOUND, ''),
        (
            '[unknown thing]',
            ResultStatus.UNSURE,
            'this model cannot say whether there is: unknown thing',
        ),
    ],
)
def test_nothing_found_is_a_message_with_its_reason(graph, detector, vocabulary, code, message):
    detections, statuses = detector(vocabulary=vocabulary)
    found = graph.show(detections)
    assert len(found.detections) == 0
    status = graph.spin_until(lambda: [s for s in statuses if s.frames_processed])[0].status
    assert (status.code, status.message) == (code, message)


BAD_IMAGES = {
    'unknown encoding': {'encoding': 'rgb9'},
    'truncated data': {'data': array.array('B', bytes(100))},
    'zero width': {'width': 0},
    'step smaller than the row': {'step': 10},
    'NaN depth': {
        'encoding': '32FC1',
        'step': 4 * 64,
        'data': array.array('B', array.array('f', [float('nan')] * 64 * 48).tobytes()),
    },
}


@pytest.mark.parametrize('fields', BAD_IMAGES.values(), ids=BAD_IMAGES.keys())
def test_a_bad_image_is_reported_and_the_node_lives_on(graph, detector, fields):
    detections, statuses = detector()
    bad = graph.stamped(**fields)
    status = graph.show(statuses, bad).status
    assert status.code == ResultStatus.FAILED
    assert status.message and '\n' not in status.message
    assert not detections
    good = graph.stamped()
    assert graph.show(detections, good).detections
    assert [d.header for d in detections] == [good.header]


def set_vocabulary(graph, names):
    """Set the parameter as `ros2 param set` does; returns the reason it was refused for."""
    client = AsyncParameterClient(graph.client, 'detector')
    graph.spin_until(client.services_are_ready)
    future = client.set_parameters([Parameter('vocabulary', value=names)])
    graph.spin_until(future.done)
    return future.result().results[0]


def test_a_new_vocabulary_is_used_for_the_next_image(graph, detector):
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    detections, _ = detector()
    labels = graph.collect(LabelInfo, 'vocabulary', latched)
    graph.show(detections)
    assert set_vocabulary(graph, ['dog', 'red chair']).successful
    found = graph.show(detections)
    assert [d.results[0].hypothesis.class_id for d in found.detections] == ['dog', 'red chair']
    announced = graph.spin_until(lambda: len(labels) == 2 and labels[-1])
    assert {c.class_id: c.class_name for c in announced.class_map} == {0: 'dog', 1: 'red chair'}


@pytest.mark.parametrize(
    ('names', 'reason'),
    [
        ([], 'the vocabulary is empty'),
        ([' '], 'blank name'),
        (['dog', 'Dog'], "names 'Dog' twice"),
        ([f'name {n}' for n in range(2000)], 'has 2000 names; at most 1500'),
        (['x' * 1000], 'has 1000 characters; at most 100'),
    ],
)
def test_a_bad_vocabulary_is_refused_and_the_old_one_stays(graph, detector, names, reason):
    detections, _ = detector()
    response = graph.call(SetVocabulary, 'set_vocabulary', SetVocabulary.Request(vocabulary=names))
    assert not response.success
    assert reason in response.message and '\n' not in response.message
    assert response.vocabulary_id == Vocabulary(('person', 'cup')).vocabulary_id
    if names:  # an empty list has no type that a parameter message could carry
        assert reason in set_vocabulary(graph, names).reason
    assert len(graph.show(detections).detections) == 2


@pytest.mark.parametrize('names', [['猫', 'собака'], [f'name {n}' for n in range(1000)]])
def test_any_writing_and_a_thousand_names_are_taken(graph, detector, names):
    detections, _ = detector(max_detections='2000')
    response = graph.call(SetVocabulary, 'set_vocabulary', SetVocabulary.Request(vocabulary=names))
    assert (response.success, response.message) == (True, '')
    assert response.vocabulary_id == Vocabulary(tuple(names)).vocabulary_id
    found = graph.show(detections)
    assert [d.results[0].hypothesis.class_id for d in found.detections] == names


def test_no_result_mixes_two_vocabularies(graph, detector):
    detections, statuses = detector(backend_options='latency_s=0.01')
    names = [('person', 'cup'), ('dog', 'cat', 'horse')]
    for n in range(12):
        request = SetVocabulary.Request(vocabulary=list(names[n % 2]))
        graph.publish(graph.stamped())
        graph.call(SetVocabulary, 'set_vocabulary', request)
        graph.show(detections)
    ids = {Vocabulary(v).vocabulary_id: v for v in names}
    used = set()
    for found in detections:
        status = graph.spin_until(lambda f=found: [s for s in statuses if s.header == f.header])[0]
        used.add(status.provenance.vocabulary_id)
        labels = tuple(d.results[0].hypothesis.class_id for d in found.detections)
        assert labels == ids[status.provenance.vocabulary_id]
    assert used == set(ids)


def test_the_newest_image_wins_and_the_dropped_are_counted(graph, detector):
    detections, statuses = detector(backend_options='latency_s=1.5', max_image_age_s='60.0')
    graph.connect()
    messages = [graph.stamped()]
    graph.publish(messages[0])
    graph.spin_for(0.1)
    for _ in range(10):
        messages.append(graph.stamped())
        graph.publish(messages[-1])
        graph.spin_for(0.01)
    graph.spin_until(lambda: detections and detections[-1].header == messages[-1].header)
    assert len(detections) == 2
    last = graph.spin_until(lambda: [s for s in statuses if s.header == messages[-1].header])[0]
    assert last.frames_received == 11
    assert last.frames_processed == 2
    assert last.frames_dropped == 9


def test_an_image_without_a_stamp_has_no_age(graph, detector):
    _, statuses = detector()
    msg = graph.stamped()
    msg.header.stamp.sec = msg.header.stamp.nanosec = 0
    assert graph.show(statuses, msg).provenance.age.sec == -1


def test_silence_is_explained(graph, detector):
    _, statuses = detector(max_image_age_s='0.5')
    status = graph.spin_until(lambda: statuses)[0]
    assert status.status.code == ResultStatus.NO_IMAGE
    assert status.status.message.startswith('nobody publishes /image; ')
    graph.show(statuses)
    stale = graph.spin_until(
        lambda: [s for s in statuses if s.status.code == ResultStatus.STALE], 'STALE'
    )[0]
    assert 'no image for' in stale.status.message


def test_another_type_of_topic_is_named(graph, detector):
    _, statuses = detector()
    graph.client.create_publisher(LabelInfo, 'image', 1)
    status = graph.spin_until(
        lambda: [s.status for s in statuses if 'vision_msgs/msg/LabelInfo' in s.status.message]
    )[0]
    assert status.code == ResultStatus.NO_IMAGE


@pytest.mark.parametrize(
    ('parameters', 'message'),
    [
        ({'backend': 'fakee'}, "did you mean 'fake'"),
        ({'device': 'cuda:7'}, 'cuda:7'),
        ({'backend_options': 'nonsense=1'}, 'nonsense'),
    ],
)
def test_a_model_that_cannot_be_had_is_reported(graph, detector, parameters, message):
    detections, statuses = detector(active=False, **parameters)
    for _ in range(2):
        statuses.clear()
        status = graph.spin_until(
            lambda: [s.status for s in statuses if message in s.status.message], message
        )[0]
        assert status.code == ResultStatus.FAILED
        assert status.message.startswith('detector is unconfigured: ')
        assert '\n' not in status.message
    assert not detections


def test_missing_weights_say_what_to_run(graph, detector, tmp_path, monkeypatch):
    monkeypatch.setenv('VLM_ROS_CACHE', str(tmp_path))
    _, statuses = detector(active=False, backend='embedded')
    status = graph.spin_until(
        lambda: [s.status for s in statuses if 'unconfigured' in s.status.message]
    )[0]
    assert status.code == ResultStatus.FAILED
    assert 'vlm-ros fetch embedded' in status.message


def test_a_failing_model_does_not_read_as_an_empty_room(graph, detector):
    detections, statuses = detector(backend_options='script=ok fail')
    codes = [graph.show(statuses).status.code for _ in range(4)]
    assert sorted(codes) == [ResultStatus.OK] * 2 + [ResultStatus.FAILED] * 2
    assert len(detections) == 2


def test_at_most_max_detections_are_published(graph, detector):
    detections, _ = detector(max_detections='1')
    assert len(graph.show(detections).detections) == 1


def test_the_subscription_follows_the_publisher(graph, detector):
    detections, _ = detector()
    graph.show(detections)
    info = graph.client.get_subscriptions_info_by_topic('/image')
    assert [i.qos_profile.reliability.name for i in info] == ['RELIABLE']
    assert [i.topic_type for i in info] == ['sensor_msgs/msg/Image']
    assert isinstance(graph.stamped(), Image)
