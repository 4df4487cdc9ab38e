"""Images from a topic, newest first: one subscription however many look at it."""

from collections.abc import Callable
import contextlib
from dataclasses import dataclass
import threading
import time

from rclpy.clock import Clock, ClockType
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.exceptions import InvalidHandle
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, qos_check_compatible, QoSCompatibility, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from vlm_ros import images
from vlm_ros.nodes.conversions import msg_to_image, stamp_to_ns
from vlm_ros.nodes.image_offers import find_offer, Offer, TYPES, why_no_offer
from vlm_ros.tasks import Image as RgbImage

_MATCH_PERIOD_S = 0.5


@dataclass(frozen=True, eq=False)
class View:
    """A frame as it is looked at.

    Attributes:
        image: `(H, W, 3)` uint8 RGB, read-only.
        scale: Source pixels in a pixel of `image`, along its width and its height.
    """

    image: RgbImage
    scale: tuple[float, float] = (1.0, 1.0)


class Frame:
    """An image message, decoded when somebody first looks and only once for each size.

    All who look at a frame see the same arrays, which models use to recognize a frame again. Any
    number of threads may look.

    Attributes:
        msg: The raw or compressed message.
        received_s: When it came, in seconds of the monotonic clock.
    """

    def __init__(self, msg: Image | CompressedImage) -> None:
        self.msg = msg
        self.received_s = time.monotonic()
        self._views: dict[int, View] = {}
        self._lock = threading.Lock()

    @property
    def header(self) -> Header:
        """The image's own header."""
        return self.msg.header

    @property
    def image(self) -> RgbImage:
        """The `(H, W, 3)` uint8 RGB image in full size, read-only; raises `ImageError`."""
        return self.view(None).image

    def view(self, enough_px: int | None) -> View:
        """Return the image, reduced where that is cheaper and still large enough.

        Args:
            enough_px: The shorter side from which on a larger image shows the model no more, in
                pixels. None for the full size.

        Raises:
            ImageError: The message cannot be read as an image.
        """
        reduction = None
        if enough_px is not None and isinstance(self.msg, CompressedImage):
            reduction = images.reduction(
                self.msg.data, format=self.msg.format, enough_px=enough_px
            )
        # By factor, so that models which need almost the same size share an array.
        factor = reduction.factor if reduction else 1
        with self._lock:
            view = self._views.get(factor)
            if view is None:
                image = msg_to_image(self.msg, enough_px if factor > 1 else None)
                image.flags.writeable = False
                view = View(image, reduction.scale(image)) if reduction else View(image)
                self._views[factor] = view
            return view

    def age_s(self, now_ns: int) -> float:
        """Seconds since it was taken, or since it came where its stamp cannot tell."""
        stamp_ns = stamp_to_ns(self.header.stamp)
        if stamp_ns is None or not 0 < stamp_ns <= now_ns:
            return time.monotonic() - self.received_s
        return (now_ns - stamp_ns) * 1e-9


class ImageFeed:
    """A subscription to images that follows the publishers which are there.

    Depth 1; reliable, and with the image that was published last, exactly when every publisher
    offers that. Where the topic, or its `/compressed` neighbour, carries only compressed images,
    those are taken. There is a subscription only while somebody listens.

    A feed is made, listened to and closed on its node's executor, or while that does not spin:
    rclpy may stop spinning where a subscription is destroyed meanwhile. `silence` is for any
    thread.

    Args:
        node: The node whose namespace and remaps are meant.
        topic: The topic's name, relative or not.

    Attributes:
        topic: The topic's full name.
        newest: The last frame; None until one came, and again when nobody listens.
        received: How many frames came.
    """

    def __init__(self, node: Node, topic: str = 'image') -> None:
        self._node = node
        self._name = topic
        self.topic = node.resolve_topic_name(topic)
        self.newest: Frame | None = None
        self.received = 0
        self._listeners: tuple[Callable[[Frame], None], ...] = ()
        self._offer: Offer | None = None
        self._subscription: Subscription | None = None
        self._subscribed = Offer(self.topic)
        self._refusal = ''
        self._silent_since_s = time.monotonic()
        self._is_closed = False
        self._lock = threading.RLock()
        # Steady, because simulated time may stand still while publishers come and go.
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(_MATCH_PERIOD_S, self._match, clock=clock)

    def add_listener(self, listener: Callable[[Frame], None]) -> None:
        """Call `listener`, on the executor's thread, with every frame from now on.

        It also gets the image that was published last where the publisher latches it and somebody
        else listens already: the subscription that would bring it is there.
        """
        with self._lock:
            self._listeners += (listener,)
            self._match()
            latched = self._subscribed.durability == DurabilityPolicy.TRANSIENT_LOCAL
            newest = self.newest if latched else None
        if newest is not None:
            listener(newest)

    def remove_listener(self, listener: Callable[[Frame], None]) -> None:
        """Do not call `listener` any more; without listeners there is no subscription."""
        with self._lock:
            self._listeners = tuple(other for other in self._listeners if other != listener)
            if not self._listeners:
                self._unsubscribe()

    def silence(self) -> str:
        """One line that says why no image is there, and what mends it."""
        offer = find_offer(self._node, self.topic)
        if offer is None:
            return why_no_offer(self._node, self.topic, self._name)
        with self._lock:
            is_read, since_s = self._subscription is not None, self._silent_since_s
            refusal = self._refusal
        if refusal:
            return f'{offer.topic} cannot be read: {refusal}'
        if not is_read:
            return f'{self.topic} is not read while no active node looks at it'
        publishers = self._node.get_publishers_info_by_topic(offer.topic)
        for publisher in publishers:
            fits, reason = qos_check_compatible(publisher.qos_profile, self._subscribed.qos)
            if fits == QoSCompatibility.ERROR:
                return f'{offer.topic} has a publisher with an incompatible QoS policy: {reason}'
        silent_s = time.monotonic() - since_s
        count = f'{len(publishers)} publisher' + 's' * (len(publishers) != 1)
        text = f'{offer.topic} has {count} but sent nothing for {silent_s:.1f} s'
        if offer.reliability == ReliabilityPolicy.BEST_EFFORT:
            text += '; large best-effort images need the profile config/fastdds.xml on both sides'
        return text

    def close(self) -> None:
        """Take nothing any more. May be called twice, and after the context was shut down."""
        with self._lock:
            self._is_closed = True
            self._listeners = ()
            self._unsubscribe()
            with contextlib.suppress(InvalidHandle):
                self._node.destroy_timer(self._timer)

    def _on_image(self, msg: Image | CompressedImage) -> None:
        frame = Frame(msg)
        with self._lock:
            listeners = self._listeners
            if not listeners:
                return
            self.newest = frame
            self.received += 1
            self._silent_since_s = frame.received_s
        for listener in listeners:
            listener(frame)

    def _match(self) -> None:
        with self._lock:
            if self._is_closed:
                return
            offer = find_offer(self._node, self.topic)
            if (offer is None) != (self._offer is None):
                self._silent_since_s = time.monotonic()
            self._offer = offer
            # Where nobody publishes any more, the same camera most likely comes back.
            wanted = offer or self._subscribed
            is_new = self._subscription is None or wanted != self._subscribed
            if self._listeners and is_new and (offer or not self._refusal):
                self._subscribe(wanted)

    def _subscribe(self, offer: Offer) -> None:
        # First the old one: a participant cannot hold one topic with two types.
        self._unsubscribe()
        self._subscribed = offer
        self._silent_since_s = time.monotonic()
        try:
            self._subscription = self._node.create_subscription(
                TYPES[offer.topic_type],
                offer.topic,
                self._on_image,
                offer.qos,
                # The default ones warn of a policy that `_match` is about to follow.
                event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
            )
        except RuntimeError as error:  # this process has the topic with another type
            refusal = ' '.join(str(error).split())
            if refusal != self._refusal:
                self._node.get_logger().error(f'cannot read {offer}: {refusal}')
            self._refusal = refusal
            return
        self._refusal = ''
        if self._offer is not None:
            self._node.get_logger().info(f'reading {offer}')

    def _unsubscribe(self) -> None:
        if self._subscription is not None:
            with contextlib.suppress(InvalidHandle):
                self._node.destroy_subscription(self._subscription)
            self._subscription = None
        if not self._listeners:
            self.newest = None
