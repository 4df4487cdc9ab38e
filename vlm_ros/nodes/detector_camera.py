"""One camera of the `detector` node: its topics, its vocabulary, its counts."""

from collections.abc import Callable
from dataclasses import dataclass, replace
import time

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from vision_msgs.msg import Detection2DArray, LabelInfo

from vlm_ros.data.pictures import KeptPicture
from vlm_ros.grounding.exemplars import extended
from vlm_ros.health import StreamMeter
from vlm_ros.nodes import conversions
from vlm_ros.nodes.cameras import topic_of
from vlm_ros.nodes.image_feed import Frame, ImageFeed
from vlm_ros.nodes.looking import Look
from vlm_ros.nodes.parameters import parameter, Parameters
from vlm_ros.nodes.process import until_shutdown
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Detections, Provenance, Status
from vlm_ros.runtime.rate_limit import RateLimit
from vlm_ros_interfaces.msg import PerceptionStatus
from vlm_ros_interfaces.srv import SetVocabulary


@dataclass(frozen=True)
class OwnVocabulary:
    """The parameter of one camera; its name begins with the camera's and a dot."""

    vocabulary: tuple[str, ...] = parameter(
        (),
        "This camera's own class names; empty for those of the node.",
        text_or_list=True,
    )

    def __post_init__(self) -> None:
        if self.vocabulary:
            Vocabulary(self.vocabulary)


class DetectorCamera:
    """Publishes what is found in a camera's images, and counts them.

    Args:
        node: The detector.
        name: The camera's name; empty for the only one.
        feed: Its images.

    Attributes:
        vocabulary: The names to look for.
        exemplars: The pictures to look for, whose names are among them.
    """

    def __init__(self, node: Node, name: str, feed: ImageFeed) -> None:
        self.name = name
        self.feed = feed
        self.meter = StreamMeter()
        self.max_rate_hz = 0.0
        self._node = node
        self._rate_limit = RateLimit()
        self._node_names: tuple[str, ...] = ()
        self._threshold = 0.0
        self.exemplars: tuple[KeptPicture, ...] = ()
        self._own: Parameters[OwnVocabulary] | None = None
        self._looked_since_heartbeat = False
        self._handed_over: Frame | None = None
        self._waiting_since_s = 0.0
        self._on_frame: Callable[[DetectorCamera, Frame], None] = lambda camera, frame: None
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._detections = node.create_publisher(
            Detection2DArray, topic_of(name, 'detections'), 10
        )
        self._statuses = node.create_publisher(
            PerceptionStatus, topic_of(name, 'detections/status'), 10
        )
        self._labels = node.create_publisher(LabelInfo, topic_of(name, 'vocabulary'), latched)
        if name:
            self._own = Parameters(
                node, OwnVocabulary, lambda _: self._announce(), prefix=f'{name}.'
            )
            node.create_service(
                SetVocabulary, topic_of(name, 'set_vocabulary'), self._on_set_vocabulary
            )

    def use(
        self,
        node_names: tuple[str, ...],
        threshold: float,
        exemplars: tuple[KeptPicture, ...] = (),
    ) -> None:
        """Look for these names, unless the camera has its own, and announce it.

        Args:
            node_names: The vocabulary of the node.
            threshold: The score threshold that is announced with it, in [0, 1].
            exemplars: Pictures, whose names are looked for, too.
        """
        self._node_names, self._threshold, self.exemplars = node_names, threshold, exemplars
        self._announce()

    def start(self, on_frame: Callable[['DetectorCamera', Frame], None]) -> None:
        """Hand frames over from now on."""
        self.meter.reset()
        self._on_frame = on_frame
        self.feed.add_listener(self._take)

    def stop(self) -> None:
        """Hand over no more frames."""
        self.feed.remove_listener(self._take)
        self._handed_over = None

    def publish(self, seen: Look[Detections], frame: Frame, max_detections: int) -> None:
        """Publish what came of a frame."""
        published = conversions.published_at(
            seen.provenance, self._node.get_clock().now().nanoseconds
        )
        with until_shutdown(self._node):
            if seen.result is None:
                self._node.get_logger().error(
                    f'{self.name}: {seen.message}' if self.name else seen.message,
                    throttle_duration_sec=5.0,
                )
            else:
                best = seen.result.best(max_detections)
                self._detections.publish(conversions.detections_to_msg(best, frame.header))
            self.meter.process(
                failed=seen.result is None,
                inference_s=published.inference_time_s,
                age_s=published.age_s,
                failure=seen.message,
            )
            self._looked_since_heartbeat = True
            if self._handed_over is frame:
                self._handed_over = None
            self._waiting_since_s = time.monotonic()
            self.publish_status(seen.status, seen.message, published)

    def publish_status(
        self, status: Status, message: str, provenance: Provenance | None = None
    ) -> None:
        """Publish what became of a frame, or why there is none.

        Args:
            status: What became of it.
            message: One line about it.
            provenance: Of the frame; None for the newest one, whatever its age.
        """
        if provenance is None:
            header = self.feed.newest.header if self.feed.newest else None
            provenance = conversions.published_at(
                replace(conversions.header_to_provenance(header), camera=self.name),
                self._node.get_clock().now().nanoseconds,
            )
        with until_shutdown(self._node):
            self._statuses.publish(
                PerceptionStatus(
                    header=conversions.provenance_to_header(provenance),
                    status=conversions.status_to_msg(status, message),
                    provenance=conversions.provenance_to_msg(provenance),
                    frames_received=self.meter.received,
                    frames_processed=self.meter.processed,
                    frames_dropped=self.meter.dropped,
                )
            )

    def heartbeat(self, max_image_age_s: float, trouble: str = '') -> None:
        """Say why nothing was published since the last heartbeat, where something should be.

        A camera, or a `max_rate_hz`, that is slow is no reason: the last result still holds.

        Args:
            max_image_age_s: When an image is too old to be looked at, and a result too late.
            trouble: Why no image can be looked at, where none can.
        """
        looked, self._looked_since_heartbeat = self._looked_since_heartbeat, False
        if looked:
            return
        frame = self.feed.newest
        if trouble:
            self.publish_status(Status.FAILED, trouble)
        elif frame is None:
            self.publish_status(Status.NO_IMAGE, self.feed.silence())
        elif (silent_s := time.monotonic() - frame.received_s) > max_image_age_s:
            message = f'no image for {silent_s:.1f} s: {self.feed.silence()}'
            self.publish_status(Status.STALE, message)
        elif self._handed_over is not None:
            waiting_s = time.monotonic() - self._waiting_since_s
            if waiting_s > max_image_age_s:
                message = f'the model has not finished with an image for {waiting_s:.1f} s'
                self.publish_status(Status.TIMEOUT, message)

    def _take(self, frame: Frame) -> None:
        self.meter.receive()
        if not self._rate_limit.admits(frame.received_s, self.max_rate_hz):
            self.meter.drop()
            return
        if self._handed_over is None:
            self._waiting_since_s = frame.received_s
        self._handed_over = frame
        self._on_frame(self, frame)

    def _announce(self) -> None:
        own = self._own.values.vocabulary if self._own is not None else ()
        self.vocabulary = extended(own or self._node_names, self.exemplars)
        self._labels.publish(
            conversions.vocabulary_to_msg(
                self.vocabulary, self._threshold, self._node.get_clock().now().to_msg()
            )
        )

    def _on_set_vocabulary(
        self, request: SetVocabulary.Request, response: SetVocabulary.Response
    ) -> SetVocabulary.Response:
        if self._own is not None:
            result = self._own.set(vocabulary=list(request.vocabulary))
            response.success, response.message = result.successful, result.reason
        response.vocabulary_id = self.vocabulary.vocabulary_id
        return response
