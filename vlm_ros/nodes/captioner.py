"""The `captioner` node: a sentence about the newest image of each camera, now and then."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
import threading

from vlm_ros import results
from vlm_ros.health import Report, StreamLimits, StreamMeter
from vlm_ros.nodes import conversions
from vlm_ros.nodes.cameras import topic_of
from vlm_ros.nodes.image_feed import Frame
from vlm_ros.nodes.looking import Look, look, source_of, WARM_UP_IMAGE
from vlm_ros.nodes.model_node import ModelNode, ModelNodeParameters
from vlm_ros.nodes.parameters import parameter
from vlm_ros.nodes.process import run, until_shutdown
from vlm_ros.nodes.shared import Shared
from vlm_ros.results import Provenance
from vlm_ros.runtime.rate_limit import RateLimit
from vlm_ros.runtime.turns import Consumer
from vlm_ros.tasks import Captioner, Model, Ticket
from vlm_ros_interfaces.msg import Caption

_PERIODS = 10
"""The health of a stream is judged over the time of so many captions."""


@dataclass(frozen=True)
class CaptionerParameters(ModelNodeParameters):
    """Parameters of the `captioner` node."""

    prompt: str = parameter('', 'What the caption should be about, where the model takes one.')
    max_rate_hz: float = parameter(
        1.0, 'Caption at most so many images of a camera a second.', bounds=(0.001, 1000.0)
    )
    max_image_age_s: float = parameter(
        5.0, 'Warn on /diagnostics once the images are older.', bounds=(0.1, 3600.0)
    )


@dataclass(frozen=True, eq=False)
class _Job:
    """A camera's frame."""

    camera: str
    frame: Frame
    period: int

    @property
    def provenance(self) -> Provenance:
        """What is known before anybody looked."""
        return source_of(self.frame, Provenance(camera=self.camera))


class CaptionerNode(ModelNode[CaptionerParameters]):
    """Publishes a caption of each camera's newest image.

    With the parameter `cameras`, each name below begins with a camera's and a slash.

    ROS Parameters: see `CaptionerParameters`.

    ROS Subscriptions:
        * **image** (sensor_msgs/Image or CompressedImage): the camera.

    ROS Publishers:
        * **caption** (vlm_ros_interfaces/Caption): of every image looked at, the caption, or a
          status that says why there is none.
        * **/diagnostics** (diagnostic_msgs/DiagnosticArray).
    """

    def __init__(self, shared: Shared) -> None:
        super().__init__('captioner', CaptionerParameters, shared, ('caption',))
        self._rate_limits = {camera: RateLimit() for camera in self.feeds}
        self._meters: dict[str, StreamMeter] = {}
        self._captions = {
            camera: self.create_publisher(Caption, topic_of(camera, 'caption'), 10)
            for camera in self.feeds
        }
        self._listeners = {camera: partial(self._on_frame, camera) for camera in self.feeds}
        self._consumer = Consumer(self._look, self._failed, self._publish)
        self._publishing = threading.Lock()
        # Changes with every activation and deactivation: what is left of another is not published.
        self._period = 0

    def warm_up(self, model: Model) -> None:
        """Caption once."""
        if isinstance(model, Captioner):
            model.caption(WARM_UP_IMAGE)

    async def activate(self) -> None:
        """Look at images from now on."""
        window_s = max(10.0, _PERIODS / self.settings.values.max_rate_hz)
        self._meters = {camera: StreamMeter(window_s) for camera in self.feeds}
        self._period += 1
        for camera, feed in self.feeds.items():
            feed.add_listener(self._listeners[camera])

    async def deactivate(self) -> None:
        """Look at no more images; nothing is published once this has ended."""
        for camera, feed in self.feeds.items():
            feed.remove_listener(self._listeners[camera])
            self.worker.withdraw(self._stream(camera))
        with self._publishing:
            self._period += 1

    def stream_reports(self) -> Sequence[Report]:
        """Judge each camera's stream."""
        limits = StreamLimits(self.settings.values.max_image_age_s)
        return [self.judge(camera, meter, limits) for camera, meter in self._meters.items()]

    def _stream(self, camera: str) -> str:
        return f'{self.get_fully_qualified_name()} {camera}'

    def _on_frame(self, camera: str, frame: Frame) -> None:
        meter = self._meters[camera]
        meter.receive()
        rate_hz = self.settings.values.max_rate_hz
        if not self._rate_limits[camera].admits(frame.received_s, rate_hz):
            meter.drop()
            return
        job = _Job(camera, frame, self._period)
        meter.drop(int(self.worker.offer(self._stream(camera), job, self._consumer)))

    def _look(
        self, jobs: Sequence[_Job], ticket: Ticket
    ) -> list[tuple[_Job, Look[results.Caption]]]:
        """Look at frames; runs on the worker's thread."""
        prompt = self.settings.values.prompt
        return [
            (
                job,
                look(
                    self.worker,
                    job.frame,
                    ('caption',),
                    lambda model, view: model.caption(view.image, prompt=prompt, ticket=ticket),
                    job.provenance,
                ),
            )
            for job in jobs
        ]

    def _failed(self, job: _Job, error: Exception) -> tuple[_Job, Look[results.Caption]]:
        return job, Look.failed(error, job.provenance)

    def _publish(self, result: tuple[_Job, Look[results.Caption]]) -> None:
        """Publish what came of a frame; runs on the worker's thread."""
        job, seen = result
        published = conversions.published_at(seen.provenance, self.get_clock().now().nanoseconds)
        with self._publishing, until_shutdown(self):
            if job.period != self._period:
                return
            try:
                msg = conversions.caption_to_msg(seen.result, seen.status, seen.message, published)
            except Exception as error:  # noqa: BLE001 - a result that no message can carry
                seen = Look.failed(error, published)
                msg = conversions.caption_to_msg(None, seen.status, seen.message, published)
            self._meters[job.camera].process(
                failed=seen.result is None,
                inference_s=published.inference_time_s,
                age_s=published.age_s,
                failure=seen.message,
            )
            if seen.result is None:
                self.get_logger().error(seen.message, throttle_duration_sec=5.0)
            self._captions[job.camera].publish(msg)


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(lambda shared: [CaptionerNode(shared)], args)
