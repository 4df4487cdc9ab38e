"""The overlay node, through real topics."""

import numpy as np
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from vlm_ros.nodes.conversions import detections_to_msg, msg_to_image
from vlm_ros.nodes.detector import DetectorNode
from vlm_ros.nodes.overlay import OverlayNode
from vlm_ros.results import Detections


def test_boxes_are_drawn_into_their_own_image(graph):
    graph.start(DetectorNode, OverlayNode, detector={'backend': 'fake', 'vocabulary': '[cup]'})
    overlays = graph.collect(Image, 'overlay')
    graph.spin_until(lambda: graph.nodes[1]._cameras[0]._listens, 'the overlay')
    msg = graph.stamped()
    overlay = graph.show(overlays, msg)
    assert overlay.header == msg.header
    assert overlay.encoding == 'rgb8'
    drawn, plain = msg_to_image(overlay), msg_to_image(msg)
    assert drawn.shape[1] == plain.shape[1]
    assert not np.array_equal(drawn[: plain.shape[0]], plain)


def test_detections_of_an_image_that_never_came_draw_nothing(graph):
    graph.start(OverlayNode)
    overlays = graph.collect(Image, 'overlay')
    publisher = graph.client.create_publisher(Detection2DArray, 'detections', 1)
    graph.spin_until(publisher.get_subscription_count)
    graph.publish(graph.stamped())
    publisher.publish(detections_to_msg(Detections(), graph.stamped().header))
    graph.spin_for(0.5)
    assert not overlays


def test_images_without_a_stamp_are_not_mixed_up(graph):
    graph.start(DetectorNode, OverlayNode, detector={'backend': 'fake', 'vocabulary': '[cup]'})
    overlays = graph.collect(Image, 'overlay')
    graph.spin_until(lambda: graph.nodes[1]._cameras[0]._listens, 'the overlay')
    unstamped = graph.stamped()
    unstamped.header.stamp.sec = unstamped.header.stamp.nanosec = 0
    graph.publish(unstamped)
    graph.spin_for(0.5)
    stamped = graph.stamped()
    graph.show(overlays, stamped)
    assert [overlay.header for overlay in overlays] == [stamped.header]


def test_nobody_watches_so_nobody_reads_the_camera(graph):
    graph.start(OverlayNode)
    camera = graph.client.create_publisher(Image, 'image', 1)
    graph.spin_for(1.5)
    assert camera.get_subscription_count() == 0
    overlays = graph.client.create_subscription(Image, 'overlay', lambda msg: None, 1)
    graph.spin_until(camera.get_subscription_count, 'a subscription')
    graph.client.destroy_subscription(overlays)
    graph.spin_until(lambda: camera.get_subscription_count() == 0, 'the end of it')
