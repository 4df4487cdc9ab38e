"""The node that others ask: requests about images, and what every response has."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
import traceback
from typing import Any, TypeVar

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.qos import QoSProfile
from vision_msgs.msg import Detection2DArray

from vlm_ros import backends
from vlm_ros.errors import BackendError, InputError
from vlm_ros.grounding.exemplars import PicturesAlone
from vlm_ros.nodes import conversions
from vlm_ros.nodes.gallery import detects_by_pictures, GalleryParameters, NodeGallery
from vlm_ros.nodes.image_feed import View
from vlm_ros.nodes.looking import Look, Result, WARM_UP_IMAGE
from vlm_ros.nodes.model_node import ModelNode, ModelNodeParameters
from vlm_ros.nodes.parameters import ModelParameters, parameter
from vlm_ros.nodes.pending import on_a_thread, Pending
from vlm_ros.nodes.requests import LONGEST_S, no_look, Requests
from vlm_ros.nodes.shared import Shared
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Detections
from vlm_ros.runtime.lent import LentDetector
from vlm_ros.runtime.model_worker import ModelWorker
from vlm_ros.tasks import Detector, ExemplarDetector, Model, Ticket

R = TypeVar('R', bound=Result)
Response = TypeVar('Response', bound=Any)
# The default keeps 10 requests, and more at once would vanish without an answer.
SERVICE_QOS = QoSProfile(depth=1000)


@dataclass(frozen=True)
class AskedParameters(GalleryParameters, ModelNodeParameters):
    """The parameters of a node that answers requests."""

    score_threshold: float = parameter(
        0.0, "For requests that give none; 0 for the model's own threshold.", bounds=(0.0, 1.0)
    )
    timeout_s: float = parameter(
        10.0, 'For requests that give none: seconds to the answer.', bounds=(0.01, LONGEST_S)
    )
    max_image_age_s: float = parameter(
        2.0,
        'For requests that give none: answer STALE when the newest image is older.',
        bounds=(0.01, 86400.0),
    )
    detector: str = parameter(
        '',
        "Backend that looks for what is asked about, with its options, as in 'owl device=cuda'; "
        'empty: the backend itself. At the next configure.',
    )


P = TypeVar('P', bound=AskedParameters)


class AskedNode(ModelNode[P]):
    """Offers services whose callbacks look at images.

    Args:
        name: The node's name.
        parameters: Its dataclass of parameters.
        shared: What the nodes of this process share.
        tasks: As for `ModelNode`.
        on_change: Called with new values of the parameters.

    Attributes:
        requests: The requests that it works on.
        gallery: What the detector is shown.
        callback_group: Reentrant, or one pending request would hold up every other callback.
    """

    def __init__(
        self,
        name: str,
        parameters: type[P],
        shared: Shared,
        tasks: tuple[str, ...],
        on_change: Callable[[P], None] | None = None,
    ) -> None:
        super().__init__(name, parameters, shared, tasks, on_change)
        self.requests = Requests(self)
        self.gallery = NodeGallery(self.get_logger(), self.settings)
        self.callback_group = ReentrantCallbackGroup()
        self._lender: ModelWorker[Model] | None = None

    async def configure(self) -> None:
        """Load the model, and the detector where it is another."""
        lender = None
        if (chosen := lent_by(self.settings.values)) is not None:
            lender = self._lender = self._shared.acquire(chosen)
        await super().configure()
        if lender is None:
            return
        lender.warm_up(warm_up_detector)
        await Pending(self, lender.loaded, Ticket()).result()
        if not isinstance(lender.model, Detector):
            raise BackendError(
                f'{lender.model.model_id} cannot detect; choose another backend for detector'
            )

    async def cleanup(self) -> None:
        """Free the models, unless other nodes of the process use them too."""
        await super().cleanup()
        if self._lender is not None:
            has_ended = self._shared.release(self._lender)
            self._lender = None
            await Pending(self, on_a_thread(has_ended), Ticket()).result()

    def detector_for(self, model: Model) -> Detector | None:
        """Return what looks for what a request names: the lent detector, or the model itself.

        It finds what looks like the pictures of the gallery too, where it can.
        """
        detector = self.bare_detector_for(model)
        return self.gallery.shown_to(detector) if detects_by_pictures(detector) else detector

    def bare_detector_for(self, model: Model) -> Detector | None:
        """Return the same, but that knows no pictures."""
        # A worker that waited for a turn of its own would wait for ever.
        if self._lender is not None and self._lender is not self._worker:
            return LentDetector(self._lender)
        if isinstance(model, ExemplarDetector) and not isinstance(model, Detector):
            return PicturesAlone(model)
        return model if isinstance(model, Detector) else None

    def needed(self, *tasks: str) -> tuple[str, ...]:
        """Return the tasks of which the model must have one; none where a detector is lent."""
        if 'detect' not in tasks:
            return tasks
        return (*tasks, 'detect_like') if self._lender is None else ()

    def offer(
        self, srv_type: Any, name: str, callback: Callable[[Any, Any], Awaitable[Any]]
    ) -> None:
        """Offer a service whose responses have a `status` and, mostly, a `provenance`."""
        self.create_service(
            srv_type,
            name,
            partial(self._answered, callback),
            callback_group=self.callback_group,
            qos_profile=SERVICE_QOS,
        )

    def threshold(self, requested: float) -> float | None:
        """Return the score threshold of a request, or the parameter's; None for the model's.

        Raises:
            InputError: It is not in [0, 1].
        """
        if not 0.0 <= requested <= 1.0:
            raise InputError(f'score_threshold must be in [0, 1], got {requested:g}')
        return requested or self.settings.values.score_threshold or None

    def fill(self, seen: Look[Result], response: Response) -> Response:
        """Fill in what every response has: the status and the provenance."""
        provenance = conversions.published_at(seen.provenance, self.get_clock().now().nanoseconds)
        response.status = conversions.status_to_msg(seen.status, seen.message)
        if hasattr(response, 'provenance'):
            response.provenance = conversions.provenance_to_msg(provenance)
        return response

    async def _answered(
        self, callback: Callable[[Any, Response], Awaitable[Response]], request: Any, response: Any
    ) -> Any:
        """Answer whatever happens: a client would wait for ever."""
        try:
            return await callback(request, response)
        except Exception as error:  # noqa: BLE001 - a result that no message can carry
            self.get_logger().error(f'a request failed: {traceback.format_exc()}')
            failed: Look[Any] = no_look(*conversions.error_to_status(error))
            return self.fill(failed, type(response)())


def lent_by(values: AskedParameters) -> ModelParameters | None:
    """Return what to load for the parameter `detector`; None where it is empty.

    It is what a node with these parameters of its own loads, so that such nodes share it.

    Raises:
        InputError: It cannot be read.
    """
    if not values.detector.strip():
        return None
    name, *words = values.detector.split()
    backends.parse_options(words, 'detector')
    given = dict(word.partition('=')[::2] for word in words)
    return ModelParameters(
        backend=name,
        model=given.pop('model', ''),
        device=given.pop('device', 'cpu'),
        backend_options=','.join(f'{key}={value}' for key, value in given.items()),
        watchdog_s=values.watchdog_s,
        load_timeout_s=values.load_timeout_s,
        max_waiting_requests=values.max_waiting_requests,
    )


def warm_up_detector(model: Model) -> None:
    """Look once, which takes longest."""
    if isinstance(model, Detector):
        model.detect(WARM_UP_IMAGE, Vocabulary(('thing',)))


def boxes(seen: Look[R], detections: Detections | None) -> Detection2DArray:
    """Make the message of a look's boxes, or of none."""
    header = conversions.provenance_to_header(seen.provenance)
    return conversions.detections_to_msg(detections or Detections(), header)


def in_view(
    region: tuple[float, float, float, float] | None, view: View
) -> tuple[float, float, float, float] | None:
    """Return a region of the source image in the pixels of a view."""
    if region is None:
        return None
    x, y = view.scale
    left, top, right, bottom = region
    return left / x, top / y, right / x, bottom / y
