"""The `overlay` node: the boxes and the caption drawn into the image they are about."""

from collections import OrderedDict
from dataclasses import dataclass

from rclpy.node import Node
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from vlm_ros import drawing
from vlm_ros.errors import VlmRosError
from vlm_ros.nodes import conversions
from vlm_ros.nodes.image_feed import Frame
from vlm_ros.nodes.parameters import parameter, Parameters
from vlm_ros.nodes.process import run, Shared, until_shutdown
from vlm_ros.tasks import Ticket
from vlm_ros.worker import Worker
from vlm_ros_interfaces.msg import Caption


@dataclass(frozen=True)
class OverlayParameters:
    """Parameters of the `overlay` node."""

    history: int = parameter(
        10,
        'How many images are kept until their detections come; one takes 6 MB at 1080p.',
        bounds=(1, 300),
    )


class OverlayNode(Node):
    """Publishes images with what was found in them, never boxes on a newer image than their own.

    Draws only while somebody subscribes.

    ROS Parameters: see `OverlayParameters`.

    ROS Subscriptions:
        * **image** (sensor_msgs/Image or CompressedImage): the camera.
        * **detections** (vision_msgs/Detection2DArray): the boxes.
        * **caption** (vlm_ros_interfaces/Caption): the newest is written below.

    ROS Publishers:
        * **overlay** (sensor_msgs/Image, rgb8): the drawn image, with the source image's header.
    """

    def __init__(self, shared: Shared) -> None:
        super().__init__('overlay')
        self._settings = Parameters(self, OverlayParameters)
        self._frames: OrderedDict[tuple[int, int], Frame] = OrderedDict()
        self._caption = ''
        self._overlays = self.create_publisher(Image, 'overlay', 1)
        self._worker = Worker('overlay')
        self._worker.submit(drawing.preload, Ticket())
        shared.feed(self).add_listener(self._on_frame)
        self.create_subscription(Detection2DArray, 'detections', self._on_detections, 10)
        self.create_subscription(Caption, 'caption', self._on_caption, 10)

    def destroy_node(self) -> None:
        """Stop drawing and destroy the node."""
        self._worker.close()
        super().destroy_node()

    def _on_frame(self, frame: Frame) -> None:
        self._frames[_key(frame.header.stamp)] = frame
        while len(self._frames) > self._settings.values.history:
            self._frames.popitem(last=False)

    def _on_caption(self, msg: Caption) -> None:
        self._caption = msg.text

    def _on_detections(self, msg: Detection2DArray) -> None:
        frame = self._frames.get(_key(msg.header.stamp))
        if frame is not None and self._overlays.get_subscription_count():
            self._worker.offer('overlay', lambda: self._draw(frame, msg))

    def _draw(self, frame: Frame, msg: Detection2DArray) -> None:
        """Draw and publish; runs on the worker's thread."""
        try:
            detections = conversions.msg_to_detections(msg)
            drawn = drawing.draw_detections(frame.image, detections, caption=self._caption)
        except (VlmRosError, ValueError) as error:
            self.get_logger().error(f'cannot draw: {error}', throttle_duration_sec=5.0)
            return
        with until_shutdown(self):
            self._overlays.publish(conversions.image_to_msg(drawn, frame.header))


def _key(stamp: object) -> tuple[int, int]:
    return stamp.sec, stamp.nanosec  # type: ignore[attr-defined]


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(lambda shared: [OverlayNode(shared)], args)
