"""The `detector` node: what the vocabulary names, found in the newest image of each camera."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
import threading

from rclpy.clock import Clock, ClockType

from vlm_ros.data.pictures import KeptPicture
from vlm_ros.errors import VlmRosError
from vlm_ros.grounding.exemplars import extended, with_exemplars
from vlm_ros.health import Report, StreamLimits
from vlm_ros.nodes.detector_camera import DetectorCamera
from vlm_ros.nodes.gallery import GalleryParameters, NodeGallery
from vlm_ros.nodes.image_feed import Frame
from vlm_ros.nodes.looking import Look, source_of, view_for, WARM_UP_IMAGE
from vlm_ros.nodes.model_node import ModelNode, ModelNodeParameters
from vlm_ros.nodes.parameters import parameter
from vlm_ros.nodes.pending import on_a_thread, Pending
from vlm_ros.nodes.process import run
from vlm_ros.nodes.shared import Shared
from vlm_ros.nodes.thresholds import Thresholds
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Detections, Provenance, Status
from vlm_ros.runtime import batching
from vlm_ros.runtime.turns import Consumer
from vlm_ros.tasks import Detector, ExemplarDetector, Model, Ticket
from vlm_ros_interfaces.srv import SetVocabulary

_HEARTBEAT_S = 1.0


@dataclass(frozen=True)
class DetectorParameters(GalleryParameters, ModelNodeParameters):
    """Parameters of the `detector` node."""

    vocabulary: tuple[str, ...] = parameter(
        ('person', 'car', 'dog', 'cat', 'bicycle', 'chair', 'cup', 'bottle', 'laptop', 'book'),
        'Class names to detect; takes effect on the next image.',
        text_or_list=True,
    )
    score_threshold: float = parameter(
        0.0, "Leave out what scores less; 0 for the model's own threshold.", bounds=(0.0, 1.0)
    )
    score_thresholds: tuple[str, ...] = parameter(
        (),
        "Least scores of single names, as in 'person=0.4, cup=0.25'; the others have "
        'score_threshold. vlm-ros calibrate picks them.',
        text_or_list=True,
    )
    max_detections: int = parameter(100, 'Publish at most so many, best first.', bounds=(1, 10000))
    max_rate_hz: float = parameter(
        0.0, 'Look at no more images of a camera a second; 0 for all it can.', bounds=(0.0, 1000.0)
    )
    max_image_age_s: float = parameter(
        2.0,
        'Report STALE once the newest image is older than so many seconds.',
        bounds=(0.1, 3600.0),
    )
    warn_dropped_fraction: float = parameter(
        1.0,
        'Warn on /diagnostics when a larger part of the images is dropped; 1 for never.',
        bounds=(0.0, 1.0),
    )
    warn_rate_hz: float = parameter(
        0.0,
        'Warn on /diagnostics when fewer images a second are looked at; 0 for never.',
        bounds=(0.0, 1000.0),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        Vocabulary(self.vocabulary)
        Thresholds.parse(self.score_thresholds)


@dataclass(frozen=True, eq=False)
class _Job:
    """A camera's frame with the settings of the moment it came: no result mixes two."""

    camera: DetectorCamera
    frame: Frame
    vocabulary: Vocabulary
    exemplars: tuple[KeptPicture, ...]
    period: int

    @property
    def provenance(self) -> Provenance:
        """What is known before anybody looked."""
        return source_of(
            self.frame,
            Provenance(camera=self.camera.name, vocabulary_id=self.vocabulary.vocabulary_id),
        )


class DetectorNode(ModelNode[DetectorParameters]):
    """Publishes the named boxes of each camera's newest image.

    With the parameter `cameras`, each name below begins with a camera's and a slash.

    ROS Parameters: see `DetectorParameters`; `<camera>.vocabulary`, the camera's own names.

    ROS Subscriptions:
        * **image** (sensor_msgs/Image or CompressedImage): the camera.

    ROS Publishers:
        * **detections** (vision_msgs/Detection2DArray): one message for every image looked at,
          also when nothing is found. None for an image that could not be looked at.
        * **detections/status** (vlm_ros_interfaces/PerceptionStatus): what became of every image,
          and once a second why there is none.
        * **vocabulary** (vision_msgs/LabelInfo, transient local): the names looked for.
        * **/diagnostics** (diagnostic_msgs/DiagnosticArray).

    ROS Services:
        * **set_vocabulary** (vlm_ros_interfaces/SetVocabulary): the same as setting the parameter;
          without a camera's name, for all cameras that have no vocabulary of their own.
    """

    def __init__(self, shared: Shared) -> None:
        super().__init__('detector', DetectorParameters, shared, ('detect',), self._on_parameters)
        self.gallery = NodeGallery(self.get_logger(), self.settings)
        self._exemplars: tuple[KeptPicture, ...] = ()
        self._told_unknown: list[str] = []
        self._reading: Future[tuple[KeptPicture, ...]]
        self._cameras = [DetectorCamera(self, name, feed) for name, feed in self.feeds.items()]
        self._on_parameters(self.settings.values)
        self.create_service(SetVocabulary, 'set_vocabulary', self._on_set_vocabulary)
        self._consumer = Consumer(self._look, self._failed, self._publish, batches=True)
        self._publishing = threading.Lock()
        # Changes with every activation and deactivation: what is left of another is not published.
        self._period = 0
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_HEARTBEAT_S, self._on_heartbeat, clock=clock)

    def warm_up(self, model: Model) -> None:
        """Detect once."""
        if isinstance(model, Detector):
            model.detect(WARM_UP_IMAGE, self._cameras[0].vocabulary)

    async def configure(self) -> None:
        """Load the model, and the pictures, which the executor would wait for otherwise."""
        await super().configure()
        self._reading = on_a_thread(self.gallery.pictures)
        await Pending(self, self._reading, Ticket()).result()

    async def activate(self) -> None:
        """Look at images from now on."""
        self._take_exemplars()
        self._warn_of_thresholds()
        self._period += 1
        for camera in self._cameras:
            camera.start(self._on_frame)

    async def deactivate(self) -> None:
        """Look at no more images; nothing is published once this has ended."""
        for camera in self._cameras:
            camera.stop()
            self.worker.withdraw(self._stream(camera))
        with self._publishing:
            self._period += 1

    def stream_reports(self) -> Sequence[Report]:
        """Judge each camera's stream."""
        values = self.settings.values
        limits = StreamLimits(
            values.max_image_age_s, values.warn_dropped_fraction, values.warn_rate_hz
        )
        return [self.judge(camera.name, camera.meter, limits) for camera in self._cameras]

    def _stream(self, camera: DetectorCamera) -> str:
        return f'{self.get_fully_qualified_name()} {camera.name}'

    def _on_frame(self, camera: DetectorCamera, frame: Frame) -> None:
        job = _Job(camera, frame, camera.vocabulary, camera.exemplars, self._period)
        camera.meter.drop(int(self.worker.offer(self._stream(camera), job, self._consumer)))

    def _look(self, jobs: Sequence[_Job], ticket: Ticket) -> list[tuple[_Job, Look[Detections]]]:
        """Look at a frame of each of some cameras; runs on the worker's thread."""
        looks: dict[int, Look[Detections]] = {}
        views = {}
        values, thresholds = self.settings.values, self._thresholds
        others = values.score_threshold or None
        if thresholds.of_name and others is None:
            others = getattr(self.worker.model, 'score_threshold', None)
        for number, job in enumerate(jobs):
            try:
                views[number] = view_for(self.worker.model, job.frame, ('detect',))
            except Exception as error:  # noqa: BLE001 - a bad frame fails alone
                looks[number] = Look.failed(error, job.provenance)
        outcomes = batching.detect(
            self.worker,
            [view.image for view in views.values()],
            [jobs[number].vocabulary for number in views],
            score_threshold=thresholds.asked(others),
            ticket=ticket,
            # Of each only what its vocabulary names is looked for.
            show=partial(with_exemplars, exemplars=jobs[-1].exemplars),
        )
        for (number, view), outcome in zip(views.items(), outcomes, strict=True):
            provenance = replace(
                jobs[number].provenance,
                model_id=outcome.model_id,
                model_revision=outcome.model_revision,
                inference_time_s=outcome.inference_s,
            )
            if isinstance(outcome.result, Exception):
                looks[number] = Look.failed(outcome.result, provenance)
            else:
                found = thresholds.kept(outcome.result, others).scaled(*view.scale)
                looks[number] = Look(found, found.status, found.message, provenance)
        return [(job, looks[number]) for number, job in enumerate(jobs)]

    def _failed(self, job: _Job, error: Exception) -> tuple[_Job, Look[Detections]]:
        return job, Look.failed(error, job.provenance)

    def _publish(self, result: tuple[_Job, Look[Detections]]) -> None:
        """Publish what came of a frame; runs on the worker's thread."""
        job, seen = result
        with self._publishing:
            if job.period != self._period:
                return
            try:
                job.camera.publish(seen, job.frame, self.settings.values.max_detections)
            except Exception as error:  # noqa: BLE001 - a result that no message can carry
                job.camera.publish(Look.failed(error, job.provenance), job.frame, 0)

    def _on_heartbeat(self) -> None:
        """Say once a second why there is nothing, so that silence never reads as an empty room."""
        if self.is_active:
            self._take_exemplars()
        for camera in self._cameras:
            if not self.is_active:
                camera.publish_status(Status.FAILED, self.why_not_active())
                continue
            try:
                _ = self.worker.model
            except VlmRosError as error:
                camera.heartbeat(self.settings.values.max_image_age_s, str(error))
            else:
                camera.heartbeat(self.settings.values.max_image_age_s)

    def _take_exemplars(self) -> None:
        """Look for what the gallery showed when it was last read, where the model can."""
        if not self._reading.done():
            return  # a slow disk keeps no camera waiting
        try:
            can = isinstance(self.worker.model, ExemplarDetector)
        except VlmRosError:
            return  # there is none at the moment
        exemplars = self._reading.result() if can else ()
        self._reading = on_a_thread(self.gallery.pictures)
        if exemplars != self._exemplars:
            self._exemplars = exemplars
            self._on_parameters(self.settings.values)

    def _on_parameters(self, values: DetectorParameters) -> None:
        self._thresholds = Thresholds.parse(values.score_thresholds)
        for camera in self._cameras:
            camera.max_rate_hz = values.max_rate_hz
            camera.use(values.vocabulary, values.score_threshold, self._exemplars)
        if self.is_active:
            self._warn_of_thresholds()

    def _warn_of_thresholds(self) -> None:
        """Say once which thresholds are of names that no camera looks for."""
        names = [name for camera in self._cameras for name in camera.vocabulary.names]
        unknown = self._thresholds.unknown(names)
        if unknown and unknown != self._told_unknown:
            self.get_logger().warning(
                f'score_thresholds has {", ".join(unknown)}, which the vocabulary does not have; '
                'such a threshold is of no effect'
            )
        self._told_unknown = unknown

    def _on_set_vocabulary(
        self, request: SetVocabulary.Request, response: SetVocabulary.Response
    ) -> SetVocabulary.Response:
        result = self.settings.set(vocabulary=list(request.vocabulary))
        response.success = result.successful
        response.message = result.reason
        vocabulary = extended(self.settings.values.vocabulary, self._exemplars)
        response.vocabulary_id = vocabulary.vocabulary_id
        return response


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(lambda shared: [DetectorNode(shared)], args)
