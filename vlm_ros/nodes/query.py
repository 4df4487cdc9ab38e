"""The `query` node: questions about the scene, answered with evidence or not at all."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
import traceback
from typing import Any, TypeVar

from rclpy.action import ActionServer, CancelResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.qos import DurabilityPolicy, QoSProfile
from vision_msgs.msg import Detection2DArray, LabelInfo

from vlm_ros import inflection
from vlm_ros.errors import InputError
from vlm_ros.grounded import GroundedAnswerer
from vlm_ros.nodes import conversions
from vlm_ros.nodes.cameras import topic_of
from vlm_ros.nodes.image_feed import Frame, View
from vlm_ros.nodes.looking import Look, Result, WARM_UP_IMAGE
from vlm_ros.nodes.model_node import ModelNode, ModelNodeParameters
from vlm_ros.nodes.parameters import parameter
from vlm_ros.nodes.pending import on_a_thread, Pending
from vlm_ros.nodes.process import run
from vlm_ros.nodes.requests import LONGEST_S, no_look, Requests
from vlm_ros.nodes.shared import Shared
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Answer, Detections, Status
from vlm_ros.tasks import Detector, Model, QuestionAnswerer, Ticket
from vlm_ros_interfaces.action import AnswerQuestion as AnswerQuestionAction
from vlm_ros_interfaces.srv import (
    AnswerQuestion,
    DescribeImage,
    DetectObjects,
    GroundPhrases,
    VerifyStatement,
)

R = TypeVar('R', bound=Result)
Response = TypeVar('Response', bound=Any)
ASKED = ('detect', 'ground', 'caption', 'answer')
"""The tasks that the services need; a model that can do one of them is of use."""
ANSWERED = (Status.OK, Status.NOT_IN_VIEW, Status.UNSURE, Status.NOTHING_FOUND)
"""The statuses of work that was done; the action succeeds with these."""

# The default keeps 10 requests, and more at once would vanish without an answer.
_SERVICE_QOS = QoSProfile(depth=1000)
_RESULT_TIMEOUT_S = 10
"""How long a finished goal is kept, with the image it brought; by Jazzy's default 15 minutes."""


@dataclass(frozen=True)
class QueryParameters(ModelNodeParameters):
    """Parameters of the `query` node."""

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


class QueryNode(ModelNode[QueryParameters]):
    """Answers questions about a camera's newest image, or about one that comes with the request.

    ROS Parameters: see `QueryParameters`.

    ROS Subscriptions:
        * **image** (sensor_msgs/Image or CompressedImage): the camera; with the parameter
          `cameras`, this name and the next begin with a camera's and a slash.
        * **vocabulary** (vision_msgs/LabelInfo): the detector's names, for `detect_objects`.

    ROS Publishers:
        * **/diagnostics** (diagnostic_msgs/DiagnosticArray).

    ROS Services:
        * **answer_question** (AnswerQuestion): a question; see `grounded.GroundedAnswerer`.
        * **verify_statement** (VerifyStatement): whether a statement is true of the image.
        * **ground_phrases** (GroundPhrases): the boxes of each phrase of a text.
        * **detect_objects** (DetectObjects): the boxes of each name of a vocabulary.
        * **describe_image** (DescribeImage): a caption.

    ROS Actions:
        * **answer** (AnswerQuestion): a question whose answer streams and which can be cancelled.
    """

    def __init__(self, shared: Shared) -> None:
        super().__init__('query', QueryParameters, shared, ASKED)
        self._vocabularies: dict[str, Vocabulary] = {}
        self._goals: dict[bytes, Pending[Look[Answer]]] = {}
        self._requests = Requests(self)
        # Reentrant, or one pending question would hold up every other callback of the node.
        group = ReentrantCallbackGroup()
        for service, name, callback in (
            (AnswerQuestion, 'answer_question', self._on_answer_question),
            (VerifyStatement, 'verify_statement', self._on_verify_statement),
            (GroundPhrases, 'ground_phrases', self._on_ground_phrases),
            (DetectObjects, 'detect_objects', self._on_detect_objects),
            (DescribeImage, 'describe_image', self._on_describe_image),
        ):
            self.create_service(
                service,
                name,
                partial(self._answered, callback),
                callback_group=group,
                qos_profile=_SERVICE_QOS,
            )
        self._action: ActionServer | None = ActionServer(
            self,
            AnswerQuestionAction,
            'answer',
            self._on_answer_goal,
            cancel_callback=self._on_answer_cancel,
            callback_group=group,
            goal_service_qos_profile=_SERVICE_QOS,
            result_service_qos_profile=_SERVICE_QOS,
            cancel_service_qos_profile=_SERVICE_QOS,
            result_timeout=_RESULT_TIMEOUT_S,
        )
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        for camera in self.feeds:
            self.create_subscription(
                LabelInfo,
                topic_of(camera, 'vocabulary'),
                partial(self._on_vocabulary, camera),
                latched,
            )

    def destroy_node(self) -> None:
        """Destroy the node with its action server."""
        # Twice on Kilted, where the context's end destroys its nodes too.
        if self._action is not None:
            self._action.destroy()
            self._action = None
        super().destroy_node()

    def warm_up(self, model: Model) -> None:
        """Look once."""
        if isinstance(model, Detector):
            model.detect(WARM_UP_IMAGE, Vocabulary(('thing',)))

    async def configure(self) -> None:
        """Load the model and the word lists, which the first question would wait for."""
        words = Pending(self, on_a_thread(inflection.preload), Ticket())
        await super().configure()
        await words.result()

    async def activate(self) -> None:
        """Answer from now on."""
        for feed in self.feeds.values():
            feed.add_listener(_keep)

    async def deactivate(self) -> None:
        """Answer no more, not even what waits."""
        for feed in self.feeds.values():
            feed.remove_listener(_keep)
        self._requests.cancel('the node was deactivated')

    async def _answered(
        self, callback: Callable[[Any, Response], Awaitable[Response]], request: Any, response: Any
    ) -> Any:
        """Answer whatever happens: a client would wait for ever."""
        try:
            return await callback(request, response)
        except Exception as error:  # noqa: BLE001 - a result that no message can carry
            self.get_logger().error(f'a request failed: {traceback.format_exc()}')
            failed: Look[Any] = no_look(*conversions.error_to_status(error))
            return self._fill(failed, type(response)())

    async def _on_answer_question(
        self, request: AnswerQuestion.Request, response: AnswerQuestion.Response
    ) -> AnswerQuestion.Response:
        seen = await self._requests.look(
            request,
            ('detect', 'answer'),
            _answer(request),
            timeout_s=request.timeout_s,
            max_image_age_s=request.max_image_age_s,
        )
        return self._fill_answer(seen, response)

    async def _on_answer_goal(self, goal: ServerGoalHandle) -> AnswerQuestionAction.Result:
        request = goal.request

        def publish_partial(text: str) -> None:
            if goal.is_active:
                goal.publish_feedback(AnswerQuestionAction.Feedback(partial_answer=text))

        key = bytes(goal.goal_id.uuid)

        def keep(pending: Pending[Look[Answer]]) -> None:
            self._goals[key] = pending
            if goal.is_cancel_requested:  # before it began
                pending.cancel()

        try:
            seen = await self._requests.look(
                request,
                ('detect', 'answer'),
                _answer(request),
                timeout_s=request.timeout_s,
                max_image_age_s=request.max_image_age_s,
                on_partial=publish_partial,
                on_pending=keep,
            )
        finally:
            self._goals.pop(key, None)
        if goal.is_cancel_requested:
            goal.canceled()
        elif seen.status in ANSWERED:
            goal.succeed()
        else:
            goal.abort()
        return self._fill_answer(seen, AnswerQuestionAction.Result())

    def _on_answer_cancel(self, goal: ServerGoalHandle) -> CancelResponse:
        if (pending := self._goals.get(bytes(goal.goal_id.uuid))) is not None:
            pending.cancel()
        return CancelResponse.ACCEPT

    async def _on_verify_statement(
        self, request: VerifyStatement.Request, response: VerifyStatement.Response
    ) -> VerifyStatement.Response:
        seen = await self._requests.look(
            request,
            ('detect', 'answer'),
            lambda model, view, ticket: _grounded(model).verify(
                view.image, request.statement, ticket=ticket
            ),
            timeout_s=request.timeout_s,
            max_image_age_s=request.max_image_age_s,
        )
        if seen.result is not None:
            response.verdict = int(seen.result.truth)
            response.confidence = seen.result.confidence
        response.evidence = self._boxes(seen, seen.result.evidence if seen.result else None)
        return self._fill(seen, response)

    async def _on_ground_phrases(
        self, request: GroundPhrases.Request, response: GroundPhrases.Response
    ) -> GroundPhrases.Response:
        seen = await self._requests.look(
            request,
            ('ground',),
            lambda model, view, ticket: model.ground(
                view.image,
                request.text,
                score_threshold=self._threshold(request.score_threshold),
                ticket=ticket,
            ),
        )
        if seen.result is not None:
            response.groundings = conversions.groundings_to_msg(seen.result)
        response.detections = self._boxes(seen, seen.result.detections if seen.result else None)
        return self._fill(seen, response)

    async def _on_detect_objects(
        self, request: DetectObjects.Request, response: DetectObjects.Response
    ) -> DetectObjects.Response:
        try:
            vocabulary = self._requested_vocabulary(request)
            threshold = self._threshold(request.score_threshold)
        except InputError as error:
            return self._fill(no_look(*conversions.error_to_status(error)), response)
        seen = await self._requests.look(
            request,
            ('detect',),
            lambda model, view, ticket: model.detect(
                view.image,
                vocabulary,
                score_threshold=threshold,
                ticket=ticket,
            ),
        )
        seen = replace(
            seen,
            provenance=replace(seen.provenance, vocabulary_id=vocabulary.vocabulary_id),
        )
        response.detections = self._boxes(seen, seen.result)
        return self._fill(seen, response)

    async def _on_describe_image(
        self, request: DescribeImage.Request, response: DescribeImage.Response
    ) -> DescribeImage.Response:
        seen = await self._requests.look(
            request,
            ('caption',),
            lambda model, view, ticket: model.caption(
                view.image, prompt=request.prompt, ticket=ticket
            ),
        )
        if seen.result is not None:
            response.caption = seen.result.text
        return self._fill(seen, response)

    def _threshold(self, requested: float) -> float | None:
        if not 0.0 <= requested <= 1.0:
            raise InputError(f'score_threshold must be in [0, 1], got {requested:g}')
        return requested or self.settings.values.score_threshold or None

    def _requested_vocabulary(self, request: DetectObjects.Request) -> Vocabulary:
        if request.vocabulary:
            return Vocabulary(tuple(request.vocabulary))
        if (vocabulary := self._vocabularies.get(self._requests.camera_of(request))) is None:
            raise InputError('no vocabulary: the request has none and no detector announces one')
        return vocabulary

    def _on_vocabulary(self, camera: str, msg: LabelInfo) -> None:
        try:
            self._vocabularies[camera] = conversions.msg_to_vocabulary(msg)
        except InputError as error:
            self.get_logger().error(f'the announced vocabulary cannot be used: {error}')

    def _boxes(self, seen: Look[R], detections: Detections | None) -> Detection2DArray:
        header = conversions.provenance_to_header(seen.provenance)
        return conversions.detections_to_msg(detections or Detections(), header)

    def _fill_answer(self, seen: Look[Answer], response: Response) -> Response:
        if seen.result is not None:
            response.answer = seen.result.text
            response.confidence = seen.result.confidence
        response.evidence = self._boxes(seen, seen.result.evidence if seen.result else None)
        return self._fill(seen, response)

    def _fill(self, seen: Look[Result], response: Response) -> Response:
        """Fill in what every response has: the status and the provenance."""
        provenance = conversions.published_at(seen.provenance, self.get_clock().now().nanoseconds)
        response.status = conversions.status_to_msg(seen.status, seen.message)
        response.provenance = conversions.provenance_to_msg(provenance)
        return response


def _keep(frame: Frame) -> None:
    """Nothing: the feed itself keeps the newest frame, as long as somebody listens."""


def _in_view(
    region: tuple[float, float, float, float] | None, view: View
) -> tuple[float, float, float, float] | None:
    """Return a region of the source image in the pixels of a view."""
    if region is None:
        return None
    x, y = view.scale
    left, top, right, bottom = region
    return left / x, top / y, right / x, bottom / y


def _grounded(model: Model) -> GroundedAnswerer:
    return GroundedAnswerer(
        model if isinstance(model, Detector) else None,
        model if isinstance(model, QuestionAnswerer) else None,
    )


def _answer(
    request: AnswerQuestion.Request | AnswerQuestionAction.Goal,
) -> Callable[[Model, View, Ticket], Answer]:
    return lambda model, view, ticket: _grounded(model).answer(
        view.image,
        request.question,
        choices=tuple(request.choices),
        region_xyxy=_in_view(conversions.msg_to_region(request.roi), view),
        require_evidence=request.require_evidence,
        ticket=ticket,
    )


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(lambda shared: [QueryNode(shared)], args)
