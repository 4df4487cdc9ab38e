"""`answer_question` and the action `answer`: questions."""

from collections.abc import Callable
from typing import Any

from rclpy.action import ActionServer, CancelResponse
from rclpy.action.server import ServerGoalHandle

from vlm_ros.grounded import GroundedAnswerer
from vlm_ros.nodes import conversions
from vlm_ros.nodes.asked_node import AskedNode, boxes, in_view, Response, SERVICE_QOS
from vlm_ros.nodes.image_feed import View
from vlm_ros.nodes.looking import Look
from vlm_ros.nodes.pending import Pending
from vlm_ros.results import Answer, Status
from vlm_ros.tasks import Model, QuestionAnswerer, Ticket
from vlm_ros_interfaces.action import AnswerQuestion as AnswerQuestionAction
from vlm_ros_interfaces.srv import AnswerQuestion

TASKS = ('detect', 'answer')
ANSWERED = (Status.OK, Status.NOT_IN_VIEW, Status.UNSURE, Status.NOTHING_FOUND)
"""The statuses of work that was done; the action succeeds with these."""
_RESULT_TIMEOUT_S = 10
"""How long a finished goal is kept, with the image it brought; by Jazzy's default 15 minutes."""


class AnswerServices:
    """Answers questions; see `grounded.GroundedAnswerer`.

    Args:
        node: Offers them.
    """

    def __init__(self, node: AskedNode[Any]) -> None:
        self._node = node
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
        finally:
            self._goals.pop(key, None)
        if goal.is_cancel_requested:
            goal.canceled()
        elif seen.status in ANSWERED:
            goal.succeed()
        else:
            goal.abort()
        return self._fill(seen, AnswerQuestionAction.Result())

    def _on_cancel(self, goal: ServerGoalHandle) -> CancelResponse:
        if (pending := self._goals.get(bytes(goal.goal_id.uuid))) is not None:
            pending.cancel()
        return CancelResponse.ACCEPT

    def _answer(
        self, request: AnswerQuestion.Request | AnswerQuestionAction.Goal
    ) -> Callable[[Model, View, Ticket], Answer]:
        return lambda model, view, ticket: grounded(self._node, model).answer(
            view.image,
            request.question,
            choices=tuple(request.choices),
            region_xyxy=in_view(conversions.msg_to_region(request.roi), view),
            require_evidence=request.require_evidence,
            ticket=ticket,
        )

    def _fill(self, seen: Look[Answer], response: Response) -> Response:
        if seen.result is not None:
            response.answer = seen.result.text
            response.confidence = seen.result.confidence
        response.evidence = boxes(seen, seen.result.evidence if seen.result else None)
        return self._node.fill(seen, response)


def grounded(node: AskedNode[Any], model: Model) -> GroundedAnswerer:
    """Return what answers with a model that can detect, answer, or both, and a lent detector."""
    return GroundedAnswerer(
        node.detector_for(model),
        model if isinstance(model, QuestionAnswerer) else None,
    )
