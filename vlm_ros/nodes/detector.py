"""The `detector` node: what the vocabulary names, found in the newest image."""

from dataclasses import dataclass, replace
import time

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from vision_msgs.msg import Detection2DArray, LabelInfo

from vlm_ros.nodes import conversions
from vlm_ros.nodes.image_feed import Frame
from vlm_ros.nodes.looking import look, warm_up
from vlm_ros.nodes.parameters import ModelParameters, parameter, Parameters
from vlm_ros.nodes.process import run, Shared, until_shutdown
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Provenance, Status
from vlm_ros_interfaces.msg import PerceptionStatus
from vlm_ros_interfaces.srv import SetVocabulary

_HEARTBEAT_S = 1.0


@dataclass(frozen=True)
class DetectorParameters(ModelParameters):
    """Parameters of the `detector` node."""

    vocabulary: tuple[str, ...] = parameter(
        ('person', 'car', 'dog', 'cat', 'bicycle', 'chair', 'cup', 'bottle', 'laptop', 'book'),
        'Class names to detect; takes effect on the next image.',
        text_or_list=True,
    )
    score_threshold: float = parameter(
        0.0, "Leave out what scores less; 0 for the model's own threshold.", bounds=(0.0, 1.0)
    )
    max_detections: int = parameter(100, 'Publish at most so many, best first.', bounds=(1, 10000))
    max_image_age_s: float = parameter(
        2.0,
        'Report STALE once the newest image is older than so many seconds.',
        bounds=(0.1, 3600.0),
    )

    def __post_init__(self) -> None:
        Vocabulary(self.vocabulary)


class DetectorNode(Node):
    """Publishes the named boxes of the newest image.

    ROS Parameters: see `DetectorParameters`.

    ROS Subscriptions:
        * **image** (sensor_msgs/Image or CompressedImage): the camera.

    ROS Publishers:
        * **detections** (vision_msgs/Detection2DArray): one message for every image looked at,
          also when nothing is found. None for an image that could not be looked at.
        * **detections/status** (vlm_ros_interfaces/PerceptionStatus): what became of every image,
          and once a second why there is none.
        * **vocabulary** (vision_msgs/LabelInfo, transient local): the names looked for.

    ROS Services:
        * **set_vocabulary** (vlm_ros_interfaces/SetVocabulary): the same as setting the parameter.
    """

    def __init__(self, shared: Shared) -> None:
        super().__init__('detector')
        self._settings = Parameters(self, DetectorParameters, self._on_parameters)
        given = self._settings.values
        self._vocabulary = Vocabulary(given.vocabulary)
        self._processed = self._dropped = 0
        self._looked_since_heartbeat = False
        self._detections = self.create_publisher(Detection2DArray, 'detections', 10)
        self._status = self.create_publisher(PerceptionStatus, 'detections/status', 10)
        self._labels = self.create_publisher(
            LabelInfo,
            'vocabulary',
            QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL),
        )
        self.create_service(SetVocabulary, 'set_vocabulary', self._on_set_vocabulary)
        self._worker = shared.model(given)
        self._ready = warm_up(
            self._worker, lambda model, image: model.detect(image, self._vocabulary)
        )
        self._feed = shared.feed(self)
        self._feed.add_listener(self._on_frame)
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_HEARTBEAT_S, self._on_heartbeat, clock=clock)
        self._publish_vocabulary()

    def _on_frame(self, frame: Frame) -> None:
        self._dropped += self._worker.offer(
            self.get_fully_qualified_name(), lambda: self._look(frame)
        )

    def _look(self, frame: Frame) -> None:
        """Look at one frame; runs on the worker's thread."""
        values, vocabulary = self._settings.values, self._vocabulary
        seen = look(
            self._worker,
            frame,
            ('detect',),
            lambda model, image: model.detect(
                image, vocabulary, score_threshold=values.score_threshold or None
            ),
            Provenance(camera=values.camera, vocabulary_id=vocabulary.vocabulary_id),
        )
        self._processed += 1
        self._looked_since_heartbeat = True
        with until_shutdown(self):
            if seen.result is None:
                self.get_logger().error(seen.message, throttle_duration_sec=5.0)
            else:
                best = seen.result.best(values.max_detections)
                self._detections.publish(conversions.detections_to_msg(best, frame.header))
            self._publish_status(seen.status, seen.message, seen.provenance)

    def _publish_status(self, status: Status, message: str, provenance: Provenance) -> None:
        now_ns = self.get_clock().now().nanoseconds
        self._status.publish(
            PerceptionStatus(
                header=conversions.provenance_to_header(provenance),
                status=conversions.status_to_msg(status, message),
                provenance=conversions.provenance_to_msg(
                    conversions.published_at(provenance, now_ns)
                ),
                frames_received=self._feed.received,
                frames_processed=self._processed,
                frames_dropped=self._dropped,
            )
        )

    def _on_heartbeat(self) -> None:
        """Say once a second why there is nothing, so that silence never reads as an empty room."""
        looked, self._looked_since_heartbeat = self._looked_since_heartbeat, False
        if looked:
            return
        values, frame = self._settings.values, self._feed.newest
        provenance = conversions.header_to_provenance(frame.header if frame else None)
        provenance = replace(provenance, camera=values.camera)
        if not self._ready.done():
            self._publish_status(Status.FAILED, 'the model is still loading', provenance)
        elif frame is None:
            self._publish_status(Status.NO_IMAGE, self._feed.silence(), provenance)
        elif (silent_s := time.monotonic() - frame.received_s) > values.max_image_age_s:
            message = f'no image for {silent_s:.1f} s: {self._feed.silence()}'
            self._publish_status(Status.STALE, message, provenance)

    def _on_parameters(self, values: DetectorParameters) -> None:
        self._vocabulary = Vocabulary(values.vocabulary)
        self._publish_vocabulary()

    def _publish_vocabulary(self) -> None:
        self._labels.publish(
            conversions.vocabulary_to_msg(
                self._vocabulary,
                self._settings.values.score_threshold,
                self.get_clock().now().to_msg(),
            )
        )

    def _on_set_vocabulary(
        self, request: SetVocabulary.Request, response: SetVocabulary.Response
    ) -> SetVocabulary.Response:
        result = self._settings.set(vocabulary=list(request.vocabulary))
        response.success = result.successful
        response.message = result.reason
        response.vocabulary_id = self._vocabulary.vocabulary_id
        return response


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(lambda shared: [DetectorNode(shared)], args)
