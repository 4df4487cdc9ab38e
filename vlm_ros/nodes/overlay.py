"""The `overlay` node: the boxes and the caption drawn into the image they are about."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from vlm_ros import drawing
from vlm_ros.nodes import conversions
from vlm_ros.nodes.cameras import CameraParameters, topic_of
from vlm_ros.nodes.image_feed import Frame, ImageFeed
from vlm_ros.nodes.parameters import parameter, Parameters
from vlm_ros.nodes.process import run, until_shutdown
from vlm_ros.nodes.shared import Shared
from vlm_ros.runtime.turns import Consumer
from vlm_ros.runtime.worker import Worker
from vlm_ros.tasks import Ticket
from vlm_ros_interfaces.msg import Caption

_MATCH_PERIOD_S = 0.5


@dataclass(frozen=True)
class OverlayParameters(CameraParameters):
    """Parameters of the `overlay` node."""

    history: int = parameter(
        10,
        'How many images are kept until their detections come; one takes 6 MB at 1080p.',
        bounds=(1, 300),
    )


@dataclass(frozen=True, eq=False)
class _Job:
    """Detections and the image they are about."""

    frame: Frame
    detections: Detection2DArray
    caption: str


class _Camera:
    """One camera's images, and what is known of them."""

    def __init__(
        self,
        node: Node,
        name: str,
        feed: ImageFeed,
        worker: Worker,
        history: Callable[[], int],
    ) -> None:
        self._node = node
        self._feed = feed
        self._listens = False
        self._name = name
        self._worker = worker
        self._history = history
        self._frames: OrderedDict[tuple[int, int], Frame] = OrderedDict()
        self._caption = ''
        self._overlays = node.create_publisher(Image, topic_of(name, 'overlay'), 1)
        self._consumer = Consumer(self._draw, lambda job, error: error, self._publish)
        node.create_subscription(
            Detection2DArray, topic_of(name, 'detections'), self._on_detections, 10
        )
        node.create_subscription(Caption, topic_of(name, 'caption'), self._on_caption, 10)

    def listen_while_watched(self) -> None:
        """Take images only while somebody subscribes to what is drawn."""
        is_watched = self._overlays.get_subscription_count() > 0
        if is_watched and not self._listens:
            self._feed.add_listener(self._take)
        elif self._listens and not is_watched:
            self._feed.remove_listener(self._take)
            self._frames.clear()
        self._listens = is_watched

    def _take(self, frame: Frame) -> None:
        """Keep a frame until its detections come; without a stamp they could be another's."""
        if _key(frame.header.stamp) == (0, 0):
            return
        self._frames[_key(frame.header.stamp)] = frame
        while len(self._frames) > self._history():
            self._frames.popitem(last=False)

    def _on_caption(self, msg: Caption) -> None:
        self._caption = msg.text

    def _on_detections(self, msg: Detection2DArray) -> None:
        frame = self._frames.get(_key(msg.header.stamp))
        if frame is not None:
            self._worker.offer(self._name, _Job(frame, msg, self._caption), self._consumer)

    def _draw(self, jobs: Sequence[_Job], ticket: Ticket) -> list[Image]:
        """Draw; runs on the worker's thread."""
        return [
            conversions.image_to_msg(
                drawing.draw_detections(
                    job.frame.image,
                    conversions.msg_to_detections(job.detections),
                    caption=job.caption,
                ),
                job.frame.header,
            )
            for job in jobs
        ]

    def _publish(self, drawn: Image | Exception) -> None:
        with until_shutdown(self._node):
            if isinstance(drawn, Exception):
                self._node.get_logger().error(f'cannot draw: {drawn}', throttle_duration_sec=5.0)
            else:
                self._overlays.publish(drawn)


class OverlayNode(Node):
    """Publishes images with what was found in them, never boxes on a newer image than their own.

    Looks and draws only while somebody subscribes. With the parameter `cameras`, each name below
    begins with a camera's and a slash.

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
        settings = Parameters(self, OverlayParameters)
        self._worker = Worker('overlay')
        self._worker.submit(drawing.preload, Ticket())
        self._cameras: list[_Camera] = []
        for name in settings.values.camera_names:
            feed = shared.feed(self, topic_of(name, 'image'))
            self._cameras.append(
                _Camera(self, name, feed, self._worker, lambda: settings.values.history)
            )
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_MATCH_PERIOD_S, self._match, clock=clock)

    def _match(self) -> None:
        for camera in self._cameras:
            camera.listen_while_watched()

    def destroy_node(self) -> None:
        """Stop drawing and destroy the node."""
        self._worker.close()
        super().destroy_node()


def _key(stamp: object) -> tuple[int, int]:
    return stamp.sec, stamp.nanosec  # type: ignore[attr-defined]


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(lambda shared: [OverlayNode(shared)], args)
