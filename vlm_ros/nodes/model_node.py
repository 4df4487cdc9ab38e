"""The managed node that uses a model: it is loaded in `configure` and freed in `cleanup`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from vlm_ros.errors import BackendError, ModelError
from vlm_ros.health import (
    Level,
    model_report,
    process_memory_bytes,
    Report,
    stream_report,
    StreamLimits,
    StreamMeter,
)
from vlm_ros.nodes.cameras import CameraParameters, topic_of
from vlm_ros.nodes.diagnostics import Diagnostics
from vlm_ros.nodes.image_feed import ImageFeed
from vlm_ros.nodes.managed import ManagedNode
from vlm_ros.nodes.parameters import ModelParameters, Parameters
from vlm_ros.nodes.pending import on_a_thread, Pending
from vlm_ros.nodes.shared import Shared
from vlm_ros.runtime.candidates import ModelState, Phase
from vlm_ros.runtime.model_worker import ModelWorker
from vlm_ros.tasks import Model, tasks_of, Ticket


@dataclass(frozen=True)
class ModelNodeParameters(CameraParameters, ModelParameters):
    """The parameters of every node with a model and cameras."""


P = TypeVar('P', bound=ModelNodeParameters)
_CLOSED = ModelState(Phase.CLOSED, '', '', '', '', '', 0.0)


class ModelNode(ManagedNode, Generic[P]):
    """Owns its share of a model worker, and says on `/diagnostics` how that does.

    Args:
        name: The node's name.
        parameters: Its dataclass of parameters.
        shared: What the nodes of this process share.
        tasks: The tasks of which the model must be able to do one, out of `tasks.TASKS`; none
            where the node chooses the model by itself, in `acquire`.
        on_change: Called with new values of the parameters.
    """

    def __init__(
        self,
        name: str,
        parameters: type[P],
        shared: Shared,
        tasks: tuple[str, ...],
        on_change: Callable[[P], None] | None = None,
    ) -> None:
        super().__init__(name)
        self.settings = Parameters(self, parameters, on_change)
        self._tasks = tasks
        self._shared = shared
        self._worker: ModelWorker[Model] | None = None
        self.feeds: dict[str, ImageFeed] = {
            camera: shared.feed(self, topic_of(camera, 'image'))
            for camera in self.settings.values.camera_names
        }
        self._diagnostics = Diagnostics(self, self._reports)
        if self.settings.values.autostart:
            self.start_by_itself()

    @property
    def worker(self) -> ModelWorker[Model]:
        """The worker.

        Raises:
            ModelError: The node is not configured; the message says why.
        """
        if self._worker is None:
            raise ModelError(self.why_not_active())
        return self._worker

    def acquire(self) -> ModelWorker[Model]:
        """Return the worker of the model that the parameters name.

        Raises:
            InputError: They name it wrongly.
        """
        return self._shared.acquire(self.settings.values)

    def warm_up(self, model: Model) -> None:
        """Have the model do, once, what this node will have it do."""

    def stream_reports(self) -> Sequence[Report]:
        """Say how the cameras' streams do, while the node is active."""
        return ()

    def judge(self, camera: str, meter: StreamMeter, limits: StreamLimits) -> Report:
        """Judge a camera's stream; why there is none is asked only where there is none."""
        snapshot, feed = meter.snapshot(), self.feeds[camera]
        is_silent = (
            snapshot.since_image_s is None or snapshot.since_image_s > limits.max_image_age_s
        )
        return stream_report(
            camera or 'camera',
            snapshot,
            limits,
            feed.silence() if is_silent else '',
            hardware_id=camera or feed.topic,
        )

    def why_not_active(self) -> str:
        """One line that says why the node does not work, and the mend."""
        if self._worker is not None and self.state == 'configuring':
            state = self._worker.state
            name = state.name or state.preferred
            return f'{self.get_name()} is loading {name} for {state.for_s:.0f} s'
        return super().why_not_active()

    async def configure(self) -> None:
        """Load the model, without keeping anybody waiting."""
        worker = self._worker = self.acquire()
        worker.warm_up(self.warm_up)
        await Pending(self, worker.loaded, Ticket()).result()
        model = worker.model
        if self._tasks and not set(self._tasks) & set(tasks_of(model)):
            raise BackendError(
                f'{model.model_id} cannot {" or ".join(self._tasks)}, only '
                f'{", ".join(tasks_of(model))}; choose another backend'
            )

    async def cleanup(self) -> None:
        """Free the model, unless another node of the process uses it too."""
        if self._worker is None:
            return
        has_ended = self._shared.release(self._worker)
        self._worker = None
        if not await Pending(self, on_a_thread(has_ended), Ticket()).result():
            self.get_logger().warning('the model is in a long call; it is freed when that ends')

    def _reports(self) -> Sequence[Report]:
        worker = self._worker
        state = worker.state if worker is not None else _CLOSED
        level = Level.ERROR if self.trouble else Level.OK
        message = 'active' if self.is_active else self.why_not_active()
        return (
            Report('lifecycle', level, message, {'State': self.state}),
            model_report(
                'model',
                phase='unloaded' if state.phase is Phase.CLOSED else state.phase.value,
                model_id=state.model_id or state.name or state.preferred,
                device=state.device,
                preferred=state.preferred if state.name != state.preferred else '',
                error=state.error,
                for_s=state.for_s,
                waiting=worker.waiting if worker is not None else 0,
                memory_bytes=process_memory_bytes(),
            ),
            *(self.stream_reports() if self.is_active else ()),
        )
