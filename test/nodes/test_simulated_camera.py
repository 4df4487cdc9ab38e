"""A simulator's camera on ROS topics, as CARLA's bridge sends it, and the detector there."""

import array
from pathlib import Path
import sys

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray
import yaml

from vlm_ros import backends
from vlm_ros.boxes import iou
from vlm_ros.images import raw
from vlm_ros.nodes.conversions import detections_to_msg, msg_to_detections, ns_to_stamp
from vlm_ros.nodes.detector import DetectorNode
from vlm_ros.results import Detections
from vlm_ros.simulation.carla import CameraTopics, ENCODING
from vlm_ros.vocabularies import named

sys.path.append(str(Path(__file__).parents[1] / 'simulation'))

import oracle
from recording import shots_of, START_NS
from world import needs_drawing

pytestmark = needs_drawing


@pytest.fixture(scope='module')
def shots():
    found = shots_of(3, 3)
    for shot in found:
        oracle.learn(shot.image, shot.boxes())
    return found


def header_of(shot):
    return Header(stamp=ns_to_stamp(START_NS + round(shot.time_s * 1e9)), frame_id='rgb_front')


def as_raw(shot):
    height, width = shot.image.shape[:2]
    pixels = array.array('B')
    pixels.frombytes(raw.encode(shot.image, ENCODING))
    return Image(
        header=header_of(shot), height=height, width=width, encoding=ENCODING, step=4 * width,
        data=pixels,
    )  # fmt: skip


def as_compressed(shot):
    done, content = cv2.imencode('.png', shot.image[..., ::-1])
    assert done
    data = array.array('B')
    data.frombytes(content.tobytes())
    return CompressedImage(header=header_of(shot), format='bgr8; png compressed bgr8', data=data)


def truth_of(shot):
    boxes = shot.boxes()
    return Detections(
        np.array([box.xyxy for box in boxes], np.float32),
        np.ones(len(boxes), np.float32),
        tuple(box.label for box in boxes),
    )


@pytest.mark.parametrize(
    ('topic', 'make'), [('image', as_raw), ('image/compressed', as_compressed)]
)
def test_an_oracle_in_the_node_tells_the_truth_beside(graph, shots, topic, make):
    graph.start(
        DetectorNode,
        detector={
            'backend': 'callable',
            'model': 'oracle:detect',
            'vocabulary': '[cube, ball, can, cat, cup]',
        },
    )
    detections = graph.collect(Detection2DArray, 'detections')
    truths = graph.client.create_publisher(Detection2DArray, 'truth', 10)
    received = graph.collect(Detection2DArray, 'truth')
    for shot in shots:
        truths.publish(detections_to_msg(truth_of(shot), header_of(shot)))
        found = graph.show(detections, make(shot), topic)
        told = graph.spin_until(
            lambda found=found: next((m for m in received if m.header == found.header), None)
        )
        found, told = msg_to_detections(found), msg_to_detections(told)
        assert sorted(found.labels) == sorted(told.labels)
        for label, box in zip(found.labels, found.xyxy, strict=True):
            same = told.xyxy[[name == label for name in told.labels]]
            assert iou(box[None], same).max() > 0.99


@pytest.mark.parametrize(('backend', 'names'), [('fake', {'cube', 'cat'}), ('embedded', {'cat'})])
def test_models_look_at_the_simulated_camera(graph, shots, backend, names):
    backends.load(backend).close()  # imports its libraries, which takes long once
    graph.start(DetectorNode, detector={'backend': backend, 'vocabulary': '[cube, cat]'})
    detections = graph.collect(Detection2DArray, 'detections')
    found = [msg_to_detections(graph.show(detections, as_raw(shot))) for shot in shots]
    assert {label for one in found for label in one.labels} >= names
    if backend == 'embedded':
        truth = [box.xyxy for box in shots[-1].boxes() if box.label == 'cat']
        cats = found[-1].xyxy[[label == 'cat' for label in found[-1].labels]]
        assert iou(np.array(truth, np.float32), cats).max() > 0.5


def test_the_parameters_for_carla_fit_its_bridge(graph, shots):
    file = Path(__file__).parents[2] / 'config' / 'carla.yaml'
    own = yaml.safe_load(file.read_text('utf-8'))
    values = own['/**/detector']['ros__parameters']
    assert set(values['vocabulary']) == set(named('carla').prompts())
    names = f'[{", ".join(values["vocabulary"])}]'
    graph.start(
        DetectorNode,
        detector={'backend': 'fake', 'cameras': values['cameras'], 'vocabulary': names},
    )
    # In the namespace /carla/ROLE this is the bridge's topic.
    topics = CameraTopics('ego_vehicle', values['cameras'])
    assert topics.image == f'/carla/ego_vehicle/{values["cameras"]}/image'
    detections = graph.collect(Detection2DArray, f'{values["cameras"]}/detections')
    found = graph.show(detections, as_raw(shots[0]), f'{values["cameras"]}/image')
    assert {row.results[0].hypothesis.class_id for row in found.detections} >= {'car', 'person'}
    cameras = {block['ros__parameters']['cameras'] for block in own.values()}
    assert cameras == {values['cameras']}
