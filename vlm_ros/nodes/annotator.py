"""The `annotator` node: what the cameras show becomes a dataset, as recordings do."""

from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from functools import partial
from pathlib import Path
import sys
import threading
import time
from typing import TypeVar

from rclpy.clock import Clock, ClockType
from rclpy.logging import get_logger

from vlm_ros.annotation.failures import failure_of
from vlm_ros.annotation.live import BEGIN_ANEW, LiveDataset
from vlm_ros.annotation.live_camera import LiveCamera, Place
from vlm_ros.annotation.live_models import annotator_of, loader
from vlm_ros.annotation.plan import AnnotationPlan
from vlm_ros.annotation.run import check_plan
from vlm_ros.annotation.sampling import SceneChange
from vlm_ros.errors import InterruptedWork, StorageError, VlmRosError
from vlm_ros.health import Level, Report, StreamLimits, StreamMeter
from vlm_ros.nodes import conversions
from vlm_ros.nodes.annotator_parameters import AnnotatorParameters
from vlm_ros.nodes.image_feed import Frame
from vlm_ros.nodes.looking import WARM_UP_IMAGE
from vlm_ros.nodes.model_node import ModelNode
from vlm_ros.nodes.pending import on_a_thread, Pending
from vlm_ros.nodes.process import run, until_shutdown
from vlm_ros.nodes.shared import Shared
from vlm_ros.records import FrameRecord
from vlm_ros.runtime.candidates import Candidate, one_line
from vlm_ros.runtime.model_worker import ModelWorker
from vlm_ros.runtime.turns import Consumer
from vlm_ros.tasks import Model, Ticket

T = TypeVar('T')
# Not the node's, whose lines go to a topic that is gone at the end.
_LOGGER = get_logger('dataset')


@dataclass(frozen=True, eq=False)
class _Job:
    camera: str
    frame: Frame
    place: Place
    period: int


@dataclass(frozen=True, eq=False)
class _Seen:
    """What came of a frame: a record, an error, or nothing where it looks like the last one."""

    job: _Job
    record: FrameRecord | None = None
    error: Exception | None = None
    inference_s: float = 0.0


class AnnotatorNode(ModelNode[AnnotatorParameters]):
    """Annotates the newest image of each camera and keeps it in a dataset.

    ROS Parameters: see `AnnotatorParameters`.

    ROS Subscriptions:
        * **image** (sensor_msgs/Image or CompressedImage): the camera; with the parameter
          `cameras`, one of each, its name before it.

    ROS Publishers:
        * **/diagnostics** (diagnostic_msgs/DiagnosticArray).
    """

    def __init__(self, shared: Shared) -> None:
        super().__init__('annotator', AnnotatorParameters, shared, ())
        self._folder = Path()
        self._plan: AnnotationPlan | None = None
        self._dataset: LiveDataset | None = None
        self._cameras: dict[str, LiveCamera] = {}
        self._meters: dict[str, StreamMeter] = {}
        self._silences: dict[str, str] = {}
        self._told_silent: set[str] = set()
        self._imageless: list[str] = []
        self._since_s = 0.0
        self._parts = 0
        self._scenes = SceneChange(0.0)
        self._listeners = {camera: partial(self._on_frame, camera) for camera in self.feeds}
        self._consumer = Consumer(self._look, self._failed, self._keep)
        self._keeping = threading.Lock()
        # Changes with every activation and deactivation: what is left of another is not kept.
        self._period = 0
        self._writing: Future[None] | None = None
        self._has_trouble = False
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1.0, self._on_timer, clock=clock)
        shared.at_the_end(self._end)

    def acquire(self) -> ModelWorker[Model]:
        """Return a worker for all models of the plan."""
        values = self.settings.values
        self._folder = Path(values.output).expanduser().absolute()
        plan = self._plan = values.make_plan([feed.topic for feed in self.feeds.values()])
        check_plan(self._folder, plan, anew=BEGIN_ANEW)
        candidate: Candidate[Model] = Candidate(plan.backend.name, loader(plan))
        return self._shared.acquire_own(candidate, values)

    def warm_up(self, model: Model) -> None:
        """Annotate once."""
        place = Place('warm-up', '', 0, None, 0.0)
        annotator_of(model).annotate(place.frame(WARM_UP_IMAGE))

    async def configure(self) -> None:
        """Load the models and open the dataset, which completes what was left of it."""
        await super().configure()
        plan, folder = self._plan, self._folder
        assert plan is not None
        models = annotator_of(self.worker.model).models.records()
        opened = on_a_thread(lambda: LiveDataset(plan, folder, models))
        self._dataset = await self._wait(opened, Ticket())
        images = self._dataset.images
        _LOGGER.info(
            f'going on with the {images} images in {folder}'
            if images
            else f'images go to {folder}'
        )

    async def activate(self) -> None:
        """Annotate from now on; each camera begins a run."""
        dataset, plan = self._dataset, self._plan
        assert dataset is not None
        assert plan is not None
        begun = on_a_thread(
            lambda: {name: dataset.camera(feed.topic) for name, feed in self.feeds.items()}
        )
        self._cameras = await self._wait(begun, Ticket())
        self._meters = {camera: StreamMeter() for camera in self.feeds}
        self._silences.clear()
        self._told_silent.clear()
        self._imageless.clear()
        self._since_s, self._parts = time.monotonic(), dataset.parts
        self._scenes = SceneChange(plan.sampling.scene_change)
        self._period += 1
        for camera, feed in self.feeds.items():
            feed.add_listener(self._listeners[camera])

    async def deactivate(self) -> None:
        """Annotate no more images, and make the dataset whole."""
        dataset = self._dataset
        assert dataset is not None
        for camera, feed in self.feeds.items():
            feed.remove_listener(self._listeners[camera])
            if self.worker.withdraw(self._stream(camera)):
                dataset.drop(self._cameras[camera].source)
        ticket = Ticket(self.settings.values.finish_timeout_s)
        try:
            # The image that is being looked at.
            await self._wait(self.worker.submit(lambda: None, ticket), ticket)
        except VlmRosError as error:
            self.get_logger().warning(f'the last image is left out: {error}')
        self._stop(dataset)
        try:
            await self._wait(on_a_thread(lambda: self._finish(dataset)), ticket)
        except InterruptedWork:
            self.get_logger().warning(self._unfinished(dataset))

    async def cleanup(self) -> None:
        """Let go of the dataset and free the models."""
        dataset, self._dataset = self._dataset, None
        if dataset is not None:
            await self._wait(on_a_thread(dataset.close), Ticket())
        await super().cleanup()

    def stream_reports(self) -> Sequence[Report]:
        """Judge the dataset, and each camera's stream."""
        reports = []
        limits = StreamLimits(self.settings.values.max_image_age_s)
        for camera, meter in self._meters.items():
            report = self.judge(camera, meter, limits)
            if not meter.received:
                self._silences[camera] = report.message
            reports.append(report)
        if (dataset := self._dataset) is not None:
            trouble = dataset.trouble
            values = {
                'Images': str(dataset.images),
                'Dropped': str(dataset.dropped()),
                'Folder': str(dataset.folder),
            }
            level = Level.ERROR if trouble else Level.OK
            reports.insert(0, Report('dataset', level, trouble or 'annotating', values))
        return reports

    def _stream(self, camera: str) -> str:
        return f'{self.get_fully_qualified_name()} {camera}'

    def _on_frame(self, camera: str, frame: Frame) -> None:
        meter, dataset = self._meters[camera], self._dataset
        meter.receive()
        stamp_ns = conversions.stamp_to_ns(frame.header.stamp)
        place = self._cameras[camera].take(stamp_ns, frame.received_s)
        if place is None or dataset is None:
            meter.drop()
            return
        job = _Job(camera, frame, place, self._period)
        if self.worker.offer(self._stream(camera), job, self._consumer):
            meter.drop()
            dataset.drop(place.source)

    def _look(self, jobs: Sequence[_Job], ticket: Ticket) -> list[_Seen]:
        """Annotate frames; runs on the worker's thread."""
        return [self._annotate(job) for job in jobs]

    def _annotate(self, job: _Job) -> _Seen:
        dataset = self._dataset
        try:
            image = job.frame.image
            if dataset is None or not self._scenes.wants(job.place.topic, image):
                return _Seen(job)
            frame = job.place.frame(image)

            def annotate(file: str) -> FrameRecord:
                return self.worker.call(
                    lambda model: annotator_of(model).annotate(frame, file=file)
                )

            started_s = time.perf_counter()
            record = dataset.annotate(frame, annotate)
        except Exception as error:  # noqa: BLE001 - a bad frame or model never ends the loop
            return self._failed(job, error)
        return _Seen(job, record, inference_s=time.perf_counter() - started_s)

    def _failed(self, job: _Job, error: Exception) -> _Seen:
        return _Seen(job, error=error)

    def _keep(self, seen: _Seen) -> None:
        """Keep what came of a frame; runs on the worker's thread."""
        job, dataset = seen.job, self._dataset
        with self._keeping:
            if job.period != self._period or dataset is None:
                return
            meter = self._meters[job.camera]
            if seen.record is None and seen.error is None:
                meter.drop()
                return
            failure = self._record(dataset, seen)
            with until_shutdown(self):
                meter.process(
                    failed=bool(failure),
                    inference_s=seen.inference_s,
                    age_s=job.frame.age_s(self.get_clock().now().nanoseconds),
                    failure=failure,
                )
                if failure:
                    self.get_logger().error(failure, throttle_duration_sec=5.0)

    def _record(self, dataset: LiveDataset, seen: _Seen) -> str:
        """Put it into the dataset; returns what failed, in one line."""
        assert self._plan is not None
        if seen.error is not None:
            dataset.skip(seen.job.place, seen.error)
            return one_line(seen.error)
        assert seen.record is not None
        try:
            dataset.add(seen.record)
        except StorageError as error:
            return str(error)
        return failure_of(seen.record, self._plan)

    def _on_timer(self) -> None:
        dataset = self._dataset
        if dataset is None or not self.is_active:
            return
        is_idle = self._writing is None or self._writing.done()
        if is_idle and dataset.waits_s() >= self.settings.values.part_s:
            self._writing = on_a_thread(dataset.write_part)
        if dataset.trouble and not self._has_trouble:
            self.get_logger().error(dataset.trouble)
        if self._has_trouble and not dataset.trouble:
            self.get_logger().info(f'{dataset.folder} can be written again')
        self._has_trouble = bool(dataset.trouble)
        if dataset.parts > self._parts:
            self._parts = dataset.parts
            _LOGGER.info(f'{dataset.images} images in {dataset.folder}')
        self._warn_of_silence()

    def _warn_of_silence(self) -> None:
        """Say once of each camera that no images come; /diagnostics says so all the time."""
        for camera, meter in self._meters.items():
            silent_s = meter.snapshot().since_image_s
            if silent_s is None:
                silent_s = time.monotonic() - self._since_s
            is_silent = silent_s > self.settings.values.max_image_age_s
            if is_silent and camera not in self._told_silent:
                self._told_silent.add(camera)
                _LOGGER.warning(self.feeds[camera].silence())

    def _stop(self, dataset: LiveDataset) -> None:
        """Keep nothing more; cameras of which nothing came are noted."""
        with self._keeping:
            self._period += 1
        for camera, meter in self._meters.items():
            if not meter.received:
                why = self._silences.get(camera, 'no image came')
                dataset.skip_camera(self._cameras[camera].source, why)
                self._imageless.append(self.feeds[camera].topic)
        self._meters = {}

    def _finish(self, dataset: LiveDataset) -> None:
        """Make the dataset whole; on a thread of its own."""
        try:
            dataset.finish(self.settings.values.formats)
        except Exception as error:  # noqa: BLE001 - ending comes first; parts are kept
            _LOGGER.error(f'the dataset is not finished: {one_line(error)}')
        else:
            silent = f'; no image came of {", ".join(self._imageless)}' if self._imageless else ''
            _LOGGER.info(
                f'{dataset.images} images in {dataset.folder}; {dataset.dropped()} went by while '
                f'the models were busy{silent}'
            )

    def _unfinished(self, dataset: LiveDataset) -> str:
        return (
            f'{dataset.folder} is not put together within '
            f'{self.settings.values.finish_timeout_s:g} s; its parts are kept, and the next start '
            'with the same plan completes it'
        )

    def _end(self) -> bool:
        """End with the process, whatever state the node is in; returns whether all is done."""
        dataset, self._dataset = self._dataset, None
        if dataset is None:
            return True
        self._stop(dataset)
        finishing = on_a_thread(lambda: self._finish(dataset))
        try:
            finishing.result(self.settings.values.finish_timeout_s)
        except FutureTimeoutError:
            _LOGGER.warning(self._unfinished(dataset))
            return False
        dataset.close()
        return True

    async def _wait(self, future: 'Future[T]', ticket: Ticket) -> T:
        return await Pending(self, future, ticket).result()


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(lambda shared: [AnnotatorNode(shared)], args)


if __name__ == '__main__':
    sys.exit(main())
