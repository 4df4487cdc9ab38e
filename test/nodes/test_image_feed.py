"""Which topic and which reliability the nodes follow."""

import cv2
import numpy as np
import pytest
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import Detection2DArray

from vlm_ros.nodes.detector import DetectorNode

RELIABILITIES = (ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT)


def start(graph):
    graph.start(DetectorNode, detector={'backend': 'fake', 'vocabulary': '[cup]'})
    return graph.collect(Detection2DArray, 'detections')


def camera(graph, msg_type, topic, reliability):
    qos = QoSProfile(depth=1, reliability=reliability)
    publisher = graph.client.create_publisher(msg_type, topic, qos)
    graph.spin_until(publisher.get_subscription_count, f'a subscription of {topic}')
    return publisher


@pytest.mark.parametrize('topic', ['image', 'image/compressed'])
@pytest.mark.parametrize('extension', ['.jpg', '.png'])
def test_compressed_images_are_taken_where_there_are_no_others(graph, topic, extension):
    detections = start(graph)
    publisher = camera(graph, CompressedImage, topic, ReliabilityPolicy.RELIABLE)
    msg = CompressedImage(header=graph.stamped().header, format=f'{extension[1:]}')
    msg.data.frombytes(cv2.imencode(extension, np.full((48, 64, 3), 128, np.uint8))[1].tobytes())
    publisher.publish(msg)
    found = graph.spin_until(lambda: detections)[0]
    assert found.header == msg.header
    assert len(found.detections) == 1


@pytest.mark.parametrize(
    'reliability', [ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT]
)
def test_the_reliability_is_that_of_the_camera(graph, reliability):
    detections = start(graph)
    publisher = camera(graph, Image, 'image', reliability)

    def offered():
        infos = graph.client.get_subscriptions_info_by_topic('/image')
        return [info.qos_profile.reliability for info in infos] == [reliability]

    graph.spin_until(offered, f'a {reliability.name} subscription')
    graph.spin_until(publisher.get_subscription_count)
    graph.spin_for(0.2)
    publisher.publish(graph.stamped())
    graph.spin_until(lambda: detections)


def test_a_camera_that_comes_back_with_another_reliability_is_followed(graph):
    detections = start(graph)
    for reliability in RELIABILITIES:
        publisher = camera(graph, Image, 'image', reliability)
        detections.clear()
        graph.spin_until(
            lambda p=publisher: p.publish(graph.stamped()) or detections, 'a detection'
        )
        graph.client.destroy_publisher(publisher)
