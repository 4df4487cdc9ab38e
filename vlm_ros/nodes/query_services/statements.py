"""`verify_statement`: whether a statement is true of the image."""

from typing import Any

from vlm_ros.nodes.asked_node import AskedNode, boxes
from vlm_ros.nodes.query_services.answers import grounded, TASKS
from vlm_ros_interfaces.srv import VerifyStatement


class StatementServices:
    """Checks statements; see `grounded.GroundedAnswerer.verify`.

    Args:
        node: Offers it.
    """

    def __init__(self, node: AskedNode[Any]) -> None:
        self._node = node
        node.offer(VerifyStatement, 'verify_statement', self._on_verify_statement)

    async def _on_verify_statement(
        self, request: VerifyStatement.Request, response: VerifyStatement.Response
    ) -> VerifyStatement.Response:
        seen = await self._node.requests.look(
            request,
            self._node.needed(*TASKS),
            lambda model, view, ticket: grounded(self._node, model).verify(
                view.image, request.statement, ticket=ticket
            ),
            timeout_s=request.timeout_s,
            max_image_age_s=request.max_image_age_s,
        )
        if seen.result is not None:
            response.verdict = int(seen.result.truth)
            response.confidence = seen.result.confidence
        response.evidence = boxes(seen, seen.result.evidence if seen.result else None)
        return self._node.fill(seen, response)
