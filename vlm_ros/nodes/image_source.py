"""The `image_source` node: a photograph, a folder, a video or a stream as a camera topic."""

from dataclasses import dataclass
import sys
import threading
import time

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from vlm_ros.data.media import Frame, open_media
from vlm_ros.errors import VlmRosError
from vlm_ros.nodes import conversions
from vlm_ros.nodes.parameters import parameter, Parameters
from vlm_ros.nodes.process import run, until_shutdown

_DEFAULT_RATE_HZ = 10.0


@dataclass(frozen=True)
class ImageSourceParameters:
    """Parameters of the `image_source` node."""

    source: str = parameter(
        'sample:',
        'A photograph, a folder of them, a video, a webcam index, an RTSP or HTTP address, or '
        'sample: for the photographs that come with the package.',
        read_only=True,
    )
    loop: bool = parameter(True, 'Start again at the end.', read_only=True)
    rate_hz: float = parameter(
        0.0, "Images a second; 0 for the source's own rate, or 10.", bounds=(0.0, 1000.0)
    )
    repeat_s: float = parameter(
        0.0, 'Show each photograph for so many seconds, at the rate.', bounds=(0.0, 3600.0)
    )
    frame_id: str = parameter('camera', 'The frame in the headers.', read_only=True)
    reliability: str = parameter(
        'reliable',
        'What the publisher offers; a reliable one also serves best-effort subscribers.',
        read_only=True,
        choices=('reliable', 'best_effort'),
    )


class ImageSourceNode(Node):
    """Publishes images as a camera does, each stamped when it is published.

    ROS Parameters: see `ImageSourceParameters`.

    ROS Publishers:
        * **image** (sensor_msgs/Image, rgb8): the images.
        * **camera_info** (sensor_msgs/CameraInfo): their size; uncalibrated, so K is zero.
    """

    def __init__(self) -> None:
        super().__init__('image_source')
        self._settings = Parameters(self, ImageSourceParameters)
        reliability = ReliabilityPolicy[self._settings.values.reliability.upper()]
        self._images = self.create_publisher(
            Image, 'image', QoSProfile(depth=1, reliability=reliability)
        )
        self._infos = self.create_publisher(
            CameraInfo, 'camera_info', QoSProfile(depth=1, reliability=reliability)
        )
        self._stopping = threading.Event()
        # A thread, because reading a file or a stream can take its time.
        self._thread = threading.Thread(target=self._play, name='image_source', daemon=True)
        self._thread.start()

    def destroy_node(self) -> None:
        """Stop playing and destroy the node."""
        self._stopping.set()
        self._thread.join(1.0)
        super().destroy_node()

    def _play(self) -> None:
        values, logger = self._settings.values, self.get_logger()
        count = 0
        try:
            with open_media(values.source, loop=values.loop, on_skipped=self._on_skipped) as media:
                logger.info(f'playing {values.source}')
                for frame in media:
                    with until_shutdown(self):
                        if not self._show(frame, media.rate_hz, media.is_live):
                            return
                    count += 1
            logger.info(f'{values.source} ended after {count} image(s)')
        except VlmRosError as error:
            logger.error(str(error))

    def _on_skipped(self, name: str, error: VlmRosError) -> None:
        self.get_logger().warning(f'{name} is left out: {error}')

    def _show(self, frame: Frame, native_rate_hz: float | None, is_live: bool) -> bool:
        """Publish a frame at the rate, more than once where it is repeated."""
        values = self._settings.values
        period_s = 1.0 / (values.rate_hz or native_rate_hz or _DEFAULT_RATE_HZ)
        is_photograph = native_rate_hz is None and not is_live
        until_s = time.monotonic() + (values.repeat_s if is_photograph else 0.0)
        while not self._stopping.is_set() and self.context.ok():
            started_s = time.monotonic()
            self._publish(frame)
            if is_live and not values.rate_hz:
                return True
            if self._stopping.wait(max(0.0, started_s + period_s - time.monotonic())):
                return False
            if time.monotonic() >= until_s:
                return True
        return False

    def _publish(self, frame: Frame) -> None:
        stamp = self.get_clock().now().to_msg()
        header = Header(stamp=stamp, frame_id=self._settings.values.frame_id)
        height, width = frame.image.shape[:2]
        self._images.publish(conversions.image_to_msg(frame.image, header))
        self._infos.publish(CameraInfo(header=header, height=height, width=width))


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(lambda _: [ImageSourceNode()], args)


if __name__ == '__main__':
    sys.exit(main())
