"""Images from a topic, newest first: one subscription however many look at it."""

from collections.abc import Callable
from functools import cached_property
import time

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from vlm_ros.nodes.conversions import msg_to_image, stamp_to_ns
from vlm_ros.tasks import Image as RgbImage

RAW, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
_TYPES = {RAW: Image, COMPRESSED: CompressedImage}
_MATCH_PERIOD_S = 0.5


class Frame:
    """An image message, decoded when somebody first looks and only once.

    All who look at a frame see the same array, which models use to recognize a frame again.

    Attributes:
        msg: The raw or compressed message.
        received_s: When it came, in seconds of the monotonic clock.
    """

    def __init__(self, msg: Image | CompressedImage) -> None:
        self.msg = msg
        self.received_s = time.monotonic()

    @property
    def header(self) -> Header:
        """The image's own header."""
        return self.msg.header

    @cached_property
    def image(self) -> RgbImage:
        """The `(H, W, 3)` uint8 RGB image, read-only; raises `ImageError`."""
        image = msg_to_image(self.msg)
        image.flags.writeable = False
        return image

    def age_s(self, now_ns: int) -> float:
        """Seconds since it was taken, or since it came where its stamp cannot tell."""
        stamp_ns = stamp_to_ns(self.header.stamp)
        if stamp_ns is None or not 0 < stamp_ns <= now_ns:
            return time.monotonic() - self.received_s
        return (now_ns - stamp_ns) * 1e-9


class ImageFeed:
    """A subscription to `image` that follows the publisher which is there.

    Depth 1, reliable exactly when every publisher is. Where the topic, or its `/compressed`
    neighbour, carries only compressed images, those are taken.

    Args:
        node: The node whose `image` topic, with its namespace and remaps, is meant.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self.topic = node.resolve_topic_name('image')
        self.newest: Frame | None = None
        self.received = 0
        self._listeners: list[Callable[[Frame], None]] = []
        self._source = (self.topic, RAW, ReliabilityPolicy.BEST_EFFORT)
        self._subscription = self._subscribe()
        # Steady, because simulated time may stand still while publishers come and go.
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(_MATCH_PERIOD_S, self._match, clock=clock)

    def add_listener(self, listener: Callable[[Frame], None]) -> None:
        """Call `listener`, on the executor's thread, with every frame from now on."""
        self._listeners.append(listener)

    def silence(self) -> str:
        """One line that says why no image is there."""
        publishers = self._node.get_publishers_info_by_topic(self._source[0])
        if not publishers:
            return f'nobody publishes {self.topic}'
        types = sorted({p.topic_type for p in publishers} - _TYPES.keys())
        if types and len(types) == len({p.topic_type for p in publishers}):
            return f'{self.topic} carries {", ".join(types)}, which is no image'
        return f'{self._source[0]} has {len(publishers)} publisher(s) but no image comes'

    def _subscribe(self) -> Subscription:
        topic, topic_type, reliability = self._source
        qos = QoSProfile(depth=1, reliability=reliability)
        return self._node.create_subscription(_TYPES[topic_type], topic, self._on_image, qos)

    def _on_image(self, msg: Image | CompressedImage) -> None:
        frame = Frame(msg)
        self.newest = frame
        self.received += 1
        for listener in self._listeners:
            listener(frame)

    def _match(self) -> None:
        for topic in (self.topic, f'{self.topic}/compressed'):
            publishers = self._node.get_publishers_info_by_topic(topic)
            for topic_type in _TYPES:
                offers = [p.qos_profile for p in publishers if p.topic_type == topic_type]
                if offers:
                    reliable = all(o.reliability == ReliabilityPolicy.RELIABLE for o in offers)
                    self._follow(topic, topic_type, reliable)
                    return

    def _follow(self, topic: str, topic_type: str, reliable: bool) -> None:
        reliability = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
        if (topic, topic_type, reliability) == self._source:
            return
        self._source = (topic, topic_type, reliability)
        self._node.get_logger().info(f'reading {topic} ({topic_type}, {reliability.name.lower()})')
        # First the old one: a participant cannot hold one topic with two types.
        self._node.destroy_subscription(self._subscription)
        self._subscription = self._subscribe()
