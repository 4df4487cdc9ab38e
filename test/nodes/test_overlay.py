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
