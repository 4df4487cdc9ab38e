"""The `captioner` node: a sentence about the newest image, now and then."""

from dataclasses import dataclass

from rclpy.node import Node

from vlm_ros.nodes import conversions
from vlm_ros.nodes.image_feed import Frame
from vlm_ros.nodes.looking import look
from vlm_ros.nodes.parameters import ModelParameters, parameter, Parameters
from vlm_ros.nodes.process import run, Shared, until_shutdown
from vlm_ros.results import Provenance
from vlm_ros_interfaces.msg import Caption


@dataclass(frozen=True)
class CaptionerParameters(ModelParameters):
    """Parameters of the `captioner` node."""

    prompt: str = parameter('', 'What the caption should be about, where the model takes one.')
    max_rate_hz: float = parameter(
        1.0, 'Caption at most so many images a second.', bounds=(0.001, 1000.0)
    )


class CaptionerNode(Node):
    """Publishes a caption of the newest image.

    ROS Parameters: see `CaptionerParameters`.

    ROS Subscriptions:
        * **image** (sensor_msgs/Image or CompressedImage): the camera.

    ROS Publishers:
        * **caption** (vlm_ros_interfaces/Caption): the caption, or a status that says why not.
    """

    def __init__(self, shared: Shared) -> None:
        super().__init__('captioner')
        self._settings = Parameters(self, CaptionerParameters)
        given = self._settings.values
        self._next_s = 0.0
        self._captions = self.create_publisher(Caption, 'caption', 10)
        self._worker = shared.model(given)
        shared.feed(self).add_listener(self._on_frame)

    def _on_frame(self, frame: Frame) -> None:
        if frame.received_s >= self._next_s:
            self._next_s = frame.received_s + 1.0 / self._settings.values.max_rate_hz
            self._worker.offer(self.get_fully_qualified_name(), lambda: self._look(frame))

    def _look(self, frame: Frame) -> None:
        """Look at one frame; runs on the worker's thread."""
        values = self._settings.values
        seen = look(
            self._worker,
            frame,
            ('caption',),
            lambda model, image: model.caption(image, prompt=values.prompt),
            Provenance(camera=values.camera),
        )
        provenance = conversions.published_at(seen.provenance, self.get_clock().now().nanoseconds)
        with until_shutdown(self):
            if seen.result is None:
                self.get_logger().error(seen.message, throttle_duration_sec=5.0)
            self._captions.publish(
                conversions.caption_to_msg(seen.result, seen.status, seen.message, provenance)
            )


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(lambda shared: [CaptionerNode(shared)], args)
