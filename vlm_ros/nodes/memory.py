"""The `memory` node: what the cameras saw earlier, found again by what it shows."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
import threading
import time
from typing import Any, TypeVar

from vision_msgs.msg import Detection2DArray

from vlm_ros.boxes import FloatArray
from vlm_ros.data.folders import data_folder
from vlm_ros.data.scene_memory import Background, Limits, Moment, SceneMemory, thumbnail
from vlm_ros.errors import BackendError, InputError, InterruptedWork
from vlm_ros.grounding.inventory import EVERYDAY
from vlm_ros.health import Level, Report, StreamLimits, StreamMeter
from vlm_ros.nodes import conversions
from vlm_ros.nodes.cameras import topic_of
from vlm_ros.nodes.image_feed import Frame, View
from vlm_ros.nodes.keeper import Keeper, Seen
from vlm_ros.nodes.looking import view_for, WARM_UP_IMAGE
from vlm_ros.nodes.memory_searches import Searches
from vlm_ros.nodes.model_node import ModelNode, ModelNodeParameters
from vlm_ros.nodes.parameters import parameter
from vlm_ros.nodes.pending import Pending
from vlm_ros.nodes.poses import Poses
from vlm_ros.nodes.process import run, until_shutdown
from vlm_ros.nodes.shared import Shared
from vlm_ros.phrases import MAX_NAME_CHARACTERS
from vlm_ros.runtime.rate_limit import RateLimit
from vlm_ros.runtime.turns import Consumer
from vlm_ros.tasks import ImageEncoder, Model, tasks_of, TextEncoder, Ticket

T = TypeVar('T')
TASKS = ('encode_images', 'encode_texts')
_PERIODS = 10
"""The health of a stream is judged over the time of so many images."""
_MAX_LABELS = 100
"""More names of one image are left out: what is stored has to stay small."""


@dataclass(frozen=True)
class MemoryParameters(ModelNodeParameters):
    """Parameters of the `memory` node."""

    file: str = parameter(
        '',
        'The file that remembers; empty for scene_memory/<node>.sqlite in the data folder. '
        'At the next configure.',
    )
    reset: bool = parameter(
        False, 'Begin anew at the next configure; the file that is there is moved aside.'
    )
    max_rate_hz: float = parameter(
        1.0, 'Look at no more images of a camera a second.', bounds=(0.001, 1000.0)
    )
    max_moments: int = parameter(
        20_000,
        'Remember at most so many; the oldest go first. At the next configure.',
        bounds=(1, 10_000_000),
    )
    max_bytes_mb: int = parameter(
        500, 'The size of the file in megabytes. At the next configure.', bounds=(1, 1_000_000)
    )
    min_score: float = parameter(
        0.9, 'For searches that give none: leave out what scores less.', bounds=(0.0, 1.0)
    )
    timeout_s: float = parameter(10.0, 'Seconds a search may take.', bounds=(0.01, 3600.0))
    pose_frame: str = parameter(
        '',
        "Remember where each camera was in this frame, such as 'map', by tf2; empty for not.",
        read_only=True,
    )
    max_image_age_s: float = parameter(
        5.0, 'Warn on /diagnostics once the images are older.', bounds=(0.1, 3600.0)
    )


@dataclass(frozen=True, eq=False)
class _Job:
    camera: str
    frame: Frame
    period: int


@dataclass(frozen=True, eq=False)
class _Place:
    """Where the model placed a frame, or why it could not."""

    job: _Job
    view: View | None = None
    embedding: FloatArray | None = None
    inference_s: float = 0.0
    failure: str = ''


class MemoryNode(ModelNode[MemoryParameters]):
    """Remembers what each camera saw, and searches it.

    With the parameter `cameras`, each topic below begins with a camera's and a slash.

    ROS Parameters: see `MemoryParameters`.

    ROS Subscriptions:
        * **image** (sensor_msgs/Image or CompressedImage): the camera.
        * **detections** (vision_msgs/Detection2DArray): those of the very image, by its stamp,
          label what is remembered.
        * **pose** (geometry_msgs/PoseStamped): where the camera was, within a second of the image.

    ROS Publishers:
        * **/diagnostics** (diagnostic_msgs/DiagnosticArray).

    ROS Services:
        * **search_memory** (SearchMemory): the moments that fit a text, best first.
    """

    def __init__(self, shared: Shared) -> None:
        super().__init__('memory', MemoryParameters, shared, TASKS)
        self._keeper = Keeper(self._on_trouble)
        self._identity = ''
        self._rate_limits = {camera: RateLimit() for camera in self.feeds}
        self._meters: dict[str, StreamMeter] = {}
        self._listeners = {camera: partial(self._on_frame, camera) for camera in self.feeds}
        self._consumer = Consumer(self._look, self._failed, self._keep)
        self._keeping = threading.Lock()
        # Changes with every activation and deactivation: what is left of another is not kept.
        self._period = 0
        self._searches = Searches(self, self._keeper, self._encode_text)
        self._poses = Poses(self, tuple(self.feeds), self.settings.values.pose_frame)
        for camera in self.feeds:
            self.create_subscription(
                Detection2DArray,
                topic_of(camera, 'detections'),
                partial(self._on_detections, camera),
                10,
            )

    def destroy_node(self) -> None:
        """Destroy the node and close its memory."""
        self._keeper.end()
        super().destroy_node()

    def warm_up(self, model: Model) -> None:
        """Encode once."""
        if isinstance(model, ImageEncoder):
            model.encode_images([WARM_UP_IMAGE])

    async def configure(self) -> None:
        """Load the model and open the memory."""
        self._poses.listen()
        await super().configure()
        tasks = tasks_of(self.worker.model)
        if not set(TASKS) <= set(tasks):
            raise BackendError(
                f'{self.worker.model.model_id} cannot {" and ".join(TASKS)}, only '
                f'{", ".join(tasks)}; choose another backend'
            )
        names = self.worker.submit(self._encode_names, Ticket())
        background, self._identity = await self._wait(names)
        values = self.settings.values
        opened = self._keeper.open(
            partial(
                SceneMemory,
                values.file or self._usual_file(),
                self._identity,
                Background(background),
                limits=Limits(values.max_moments, values.max_bytes_mb * 1_000_000),
                reset=values.reset,
                report=self.get_logger().warning,
            )
        )
        await self._wait(opened)
        if values.reset:
            self.settings.set(reset=False)

    async def activate(self) -> None:
        """Remember from now on."""
        window_s = max(10.0, _PERIODS / self.settings.values.max_rate_hz)
        self._meters = {camera: StreamMeter(window_s) for camera in self.feeds}
        self._period += 1
        for camera, feed in self.feeds.items():
            feed.add_listener(self._listeners[camera])

    async def deactivate(self) -> None:
        """Remember no more, and search no more; what was seen before is written."""
        for camera, feed in self.feeds.items():
            feed.remove_listener(self._listeners[camera])
            self.worker.withdraw(self._stream(camera))
        with self._keeping:
            self._period += 1
        self._searches.cancel('the node was deactivated')
        await self._settle(self._keeper.submit(len))

    async def cleanup(self) -> None:
        """Close the memory and free the model."""
        await self._settle(self._keeper.close())
        await super().cleanup()

    def stream_reports(self) -> Sequence[Report]:
        """Judge each camera's stream, and the memory."""
        limits = StreamLimits(self.settings.values.max_image_age_s)
        streams = [self.judge(camera, meter, limits) for camera, meter in self._meters.items()]
        trouble = self._keeper.trouble
        memory = Report(
            'memory',
            Level.ERROR if trouble else Level.OK,
            trouble or 'remembering',
            {'Moments': str(self._keeper.remembered)},
        )
        return [memory, *streams]

    def _usual_file(self) -> Path:
        name = self.get_fully_qualified_name().strip('/').replace('/', '.')
        return data_folder() / 'scene_memory' / f'{name}.sqlite'

    def _stream(self, camera: str) -> str:
        return f'{self.get_fully_qualified_name()} {camera}'

    def _on_trouble(self, trouble: str) -> None:
        with until_shutdown(self):
            self.get_logger().error(trouble, throttle_duration_sec=5.0)

    def _on_detections(self, camera: str, msg: Detection2DArray) -> None:
        stamp_ns = conversions.stamp_to_ns(msg.header.stamp)
        if self.is_active and stamp_ns is not None:
            # The names alone: others' boxes and scores may be anything.
            names = [d.results[0].hypothesis.class_id for d in msg.detections if d.results]
            usable = [name for name in names if 0 < len(name) <= MAX_NAME_CHARACTERS]
            labels = tuple(dict.fromkeys(usable))[:_MAX_LABELS]
            self._keeper.label(camera, stamp_ns, labels)

    def _on_frame(self, camera: str, frame: Frame) -> None:
        meter = self._meters[camera]
        meter.receive()
        rate_hz = self.settings.values.max_rate_hz
        if not self._rate_limits[camera].admits(frame.received_s, rate_hz):
            meter.drop()
            return
        job = _Job(camera, frame, self._period)
        meter.drop(int(self.worker.offer(self._stream(camera), job, self._consumer)))

    def _look(self, jobs: Sequence[_Job], ticket: Ticket) -> list[_Place]:
        """Place frames; runs on the worker's thread."""
        return [self._place(job, ticket) for job in jobs]

    def _place(self, job: _Job, ticket: Ticket) -> _Place:
        try:
            view = view_for(self.worker.model, job.frame, ('encode_images',))
            started_s = time.perf_counter()
            embedding = self.worker.call(lambda model: self._encode(model, view, ticket))
        except Exception as error:  # noqa: BLE001 - a bad frame or model never ends the loop
            return self._failed(job, error)
        return _Place(job, view, embedding, time.perf_counter() - started_s)

    def _encode(self, model: Any, view: View, ticket: Ticket) -> FloatArray:
        self._check(model)
        return model.encode_images([view.image], ticket=ticket)[0]

    def _failed(self, job: _Job, error: Exception) -> _Place:
        return _Place(job, failure=conversions.error_to_status(error)[1])

    def _keep(self, place: _Place) -> None:
        """Hand what was seen to the keeper; runs on the worker's thread."""
        job, view, embedding = place.job, place.view, place.embedding
        header = job.frame.header
        with self._keeping:
            if job.period != self._period:
                return
            self._meters[job.camera].process(
                failed=embedding is None,
                inference_s=place.inference_s,
                age_s=job.frame.age_s(self.get_clock().now().nanoseconds),
                failure=place.failure,
            )
            if view is None or embedding is None:
                self._on_trouble(place.failure)
                return
            moment = Moment(
                conversions.stamp_to_ns(header.stamp) or 0,
                header.frame_id,
                job.camera,
                pose=self._poses.at(job.camera, header),
            )
            image = view.image
            self._keeper.keep(
                Seen(embedding, lambda: replace(moment, picture=thumbnail(image)), job.camera)
            )

    def _encode_names(self) -> tuple[FloatArray, str]:
        """Place the everyday names; runs on the worker's thread. Returns by which model, too."""
        return self.worker.call(
            lambda model: (_place_texts(model, EVERYDAY.names), _identity(model))
        )

    def _encode_text(self, text: str, ticket: Ticket) -> FloatArray:
        """Place what is searched for; runs on the worker's thread."""

        def encode(model: Model) -> FloatArray:
            self._check(model)
            return _place_texts(model, [text], ticket)[0]

        return self.worker.call(encode)

    def _check(self, model: Model) -> None:
        if _identity(model) != self._identity:
            raise InputError(
                f'the memory holds what {self._identity} saw, which cannot be compared with what '
                f'{_identity(model)} sees, the model in use now; configure the node with the one, '
                'or with another file'
            )

    async def _settle(self, future: 'Future[Any]') -> None:
        """Wait for the disk, but not for ever."""
        try:
            await Pending(self, future, Ticket(self.settings.values.timeout_s)).result()
        except InterruptedWork:
            self.get_logger().warning(
                'the disk of the scene memory is slow; what waits for it is written meanwhile'
            )

    async def _wait(self, future: 'Future[T]') -> T:
        return await Pending(self, future, Ticket()).result()


def _identity(model: Model) -> str:
    return f'{model.model_id} {model.model_revision}'.strip()


def _place_texts(model: Model, texts: Sequence[str], ticket: Ticket | None = None) -> FloatArray:
    if not isinstance(model, TextEncoder):
        raise BackendError(f'{model.model_id} cannot encode_texts; choose another backend')
    return model.encode_texts(texts, ticket=ticket)


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(lambda shared: [MemoryNode(shared)], args)
