"""`answer_question` and the action `answer`: questions."""

from collections.abc import Callable, Mapping
from dataclasses import replace
import math
import traceback
from typing import Any

from rclpy.action import ActionServer, CancelResponse
from rclpy.action.server import ServerGoalHandle

from vlm_ros.errors import InputError
from vlm_ros.grounded import GroundedAnswerer
from vlm_ros.grounding.looks import SharedLooks
from vlm_ros.language.windows import take_window
from vlm_ros.language.wording import plain_text
from vlm_ros.nodes import conversions
from vlm_ros.nodes.asked_node import AskedNode, boxes, in_view, Response, SERVICE_QOS
from vlm_ros.nodes.image_feed import View
from vlm_ros.nodes.looking import Look
from vlm_ros.nodes.pending import Pending
from vlm_ros.nodes.recent_frames import reach_s, RecentFrames
from vlm_ros.nodes.requests import is_given, no_look
from vlm_ros.phrases import check_text
from vlm_ros.results import Answer, Status
from vlm_ros.tasks import (
    Detector,
    Image,
    Model,
    PhraseGrounder,
    QuestionAnswerer,
    RegionMatcher,
    StatementVerifier,
    Ticket,
)
from vlm_ros_interfaces.action import AnswerQuestion as AnswerQuestionAction
from vlm_ros_interfaces.srv import AnswerQuestion

TASKS = ('detect', 'ground', 'answer', 'verify')
ANSWERED = (Status.OK, Status.NOT_IN_VIEW, Status.UNSURE, Status.NOTHING_FOUND)
"""The statuses of work that was done; the action succeeds with these."""
_RESULT_TIMEOUT_S = 10
"""How long a finished goal is kept, with the image it brought; by Jazzy's default 15 minutes."""


class AnswerServices:
    """Answers questions; see `grounded.GroundedAnswerer`.

    Args:
        node: Offers them.
        recent: The last frames of each camera, for questions about the last few seconds.
    """

    def __init__(self, node: AskedNode[Any], recent: Mapping[str, RecentFrames]) -> None:
        self._node = node
        self._recent = recent
        self._goals: dict[bytes, Pending[Look[Answer]]] = {}
        node.offer(AnswerQuestion, 'answer_question', self._on_answer_question)
        self._action: ActionServer | None = ActionServer(
            node,
            AnswerQuestionAction,
            'answer',
            self._on_goal,
            cancel_callback=self._on_cancel,
            callback_group=node.callback_group,
            goal_service_qos_profile=SERVICE_QOS,
            result_service_qos_profile=SERVICE_QOS,
            cancel_service_qos_profile=SERVICE_QOS,
            result_timeout=_RESULT_TIMEOUT_S,
        )

    def destroy(self) -> None:
        """Destroy the action server, which rclpy leaves to its maker."""
        # Twice on Kilted, where the context's end destroys its nodes too.
        if self._action is not None:
            self._action.destroy()
            self._action = None

    async def _on_answer_question(
        self, request: AnswerQuestion.Request, response: AnswerQuestion.Response
    ) -> AnswerQuestion.Response:
        seen = await self._node.requests.look(
            request,
            self._node.needed(*TASKS),
            self._answer(request),
            timeout_s=request.timeout_s,
            max_image_age_s=request.max_image_age_s,
        )
        return self._fill(seen, response)

    async def _on_goal(self, goal: ServerGoalHandle) -> AnswerQuestionAction.Result:
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
            seen = await self._node.requests.look(
                request,
                self._node.needed(*TASKS),
                self._answer(request),
                timeout_s=request.timeout_s,
                max_image_age_s=request.max_image_age_s,
                on_partial=publish_partial,
                on_pending=keep,
            )
            result = self._fill(seen, AnswerQuestionAction.Result())
        except Exception as error:  # noqa: BLE001 - the same as of the service
            self._node.get_logger().error(f'a goal failed: {traceback.format_exc()}')
            seen = no_look(*conversions.error_to_status(error))
            result = self._fill(seen, AnswerQuestionAction.Result())
        finally:
            self._goals.pop(key, None)
        if goal.is_cancel_requested:
            goal.canceled()
        elif seen.status in ANSWERED:
            goal.succeed()
        else:
            goal.abort()
        return result

    def _on_cancel(self, goal: ServerGoalHandle) -> CancelResponse:
        if (pending := self._goals.get(bytes(goal.goal_id.uuid))) is not None:
            pending.cancel()
        return CancelResponse.ACCEPT

    def _answer(
        self, request: AnswerQuestion.Request | AnswerQuestionAction.Goal
    ) -> Callable[[Model, View, Ticket], Answer]:
        def work(model: Model, view: View, ticket: Ticket) -> Answer:
            window_s = _window_s(request)
            earlier, reached_s = self._earlier(request, model, view, window_s)
            told = grounded(self._node, model).answer_frames(
                [*earlier, view.image],
                request.question,
                choices=tuple(request.choices),
                region_xyxy=in_view(conversions.msg_to_region(request.roi), view),
                require_evidence=request.require_evidence,
                ticket=ticket,
            )
            if not window_s:
                return told
            count = f'{len(earlier) + 1} frame' + 's' * bool(earlier)
            looked = f'looked at {count} of the last {reached_s:.1f} s'
            message = f'{told.message}; {looked}' if told.message else looked
            return replace(told, message=message)

        return work

    def _earlier(
        self,
        request: AnswerQuestion.Request | AnswerQuestionAction.Goal,
        model: Model,
        view: View,
        window_s: float,
    ) -> tuple[list[Image], float]:
        """Return the images of a window before the newest, and how many seconds they reach back.

        Raises:
            InputError: The window is longer than frames are kept, or the image is a given one.
            ImageError: A frame cannot be read as an image.
        """
        if not window_s:
            return [], 0.0
        if is_given(request.image):
            raise InputError(
                f'the last {window_s:g} s are asked about, but the request brings its own image; '
                'leave out the one or the other'
            )
        camera = self._node.requests.camera_of(request)
        recent, newest = self._recent[camera], self._node.feeds[camera].newest
        recent.check(window_s)
        if newest is None:
            return [], 0.0
        enough_px = getattr(model, 'enough_px', None) if self._node.needed(*TASKS) else None
        frames = recent.before(newest, window_s)
        images = [frame.view(enough_px).image for frame in frames]
        kept = [
            (frame, image)
            for frame, image in zip(frames, images, strict=True)
            # A region and boxes mean nothing in a picture of another size.
            if image is not view.image and image.shape == view.image.shape
        ]
        reached_s = reach_s(kept[0][0], newest) if kept else 0.0
        return [image for _, image in kept], reached_s

    def _fill(self, seen: Look[Answer], response: Response) -> Response:
        if seen.result is not None:
            response.answer = seen.result.text
            response.confidence = seen.result.confidence
        response.evidence = boxes(seen, seen.result.evidence if seen.result else None)
        return self._node.fill(seen, response)


def grounded(node: AskedNode[Any], model: Model, *, share_looks: bool = False) -> GroundedAnswerer:
    """Return what answers with a model that can detect, answer, or both, and a lent detector.

    Args:
        node: Has the lent detector and the parameters.
        model: The model.
        share_looks: Whether questions about one image share their looks; see `SharedLooks`.
    """
    detector: Detector | PhraseGrounder | None = node.detector_for(model)
    if detector is None and isinstance(model, PhraseGrounder):
        detector = model
    if share_looks and isinstance(detector, Detector):
        detector = SharedLooks(detector)
    threshold = node.settings.values.score_threshold or None
    return GroundedAnswerer(detector, score_threshold=threshold, **_other_tasks(model))


def _other_tasks(model: Model) -> dict[str, Any]:
    return {
        'answerer': model if isinstance(model, QuestionAnswerer) else None,
        'matcher': model if isinstance(model, RegionMatcher) else None,
        'verifier': model if isinstance(model, StatementVerifier) else None,
    }


def _window_s(request: AnswerQuestion.Request | AnswerQuestionAction.Goal) -> float:
    """Return how far back a request asks to look, in seconds; 0 for the newest image alone.

    Raises:
        InputError: It is no number of seconds, or the question cannot be read.
    """
    if not 0.0 <= request.window_s < math.inf:
        raise InputError(f'window_s must be 0 or more seconds, got {request.window_s:g}')
    check_text(request.question, 'question')
    # Not by `parse`, which the answerer does anyway and which takes longer than some detectors.
    return float(request.window_s) or take_window(plain_text(request.question)).window_s
