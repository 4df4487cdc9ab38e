"""The plain way to put a model on a camera, to compare with.

What most packages do: one node, a subscription that keeps 10 images, `cv_bridge` in its callback,
the model called right there, the detections published, a single-threaded executor. Model, names,
camera, transport profile and messages are the same as those it is compared with.
"""

import argparse
import sys

from cv_bridge import CvBridge
import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from vlm_ros import backends
from vlm_ros.nodes.conversions import detections_to_msg
from vlm_ros.phrases import Vocabulary
from vlm_ros.tasks import Detector


class PlainNode(Node):
    """Detects in every image of its queue, one after the other."""

    def __init__(self, names: str, backend: str, script: str) -> None:
        super().__init__('detector')
        model = backends.load(backend, **({'script': script} if script else {}))
        assert isinstance(model, Detector)
        self._model = model
        self._vocabulary = Vocabulary.parse(names)
        self._bridge = CvBridge()
        self._publisher = self.create_publisher(Detection2DArray, 'detections', 10)
        qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        self.create_subscription(Image, 'image', self._on_image, qos)

    def _on_image(self, msg: Image) -> None:
        image = self._bridge.imgmsg_to_cv2(msg, desired_encoding='rgb8')
        found = self._model.detect(image, self._vocabulary)
        self._publisher.publish(detections_to_msg(found, msg.header))


def main() -> None:
    """Run until the process is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--names', required=True)
    parser.add_argument('--backend', default='embedded')
    parser.add_argument('--script', default='', help="fake's")
    options, _ = parser.parse_known_args()
    rclpy.init(args=sys.argv, signal_handler_options=SignalHandlerOptions.NO)
    rclpy.spin(PlainNode(options.names, options.backend, options.script))


if __name__ == '__main__':
    main()
