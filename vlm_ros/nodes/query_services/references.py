"""`locate_object`: the one object that an expression refers to."""

from typing import Any

from vlm_ros.nodes import conversions
from vlm_ros.nodes.asked_node import AskedNode, boxes, in_view
from vlm_ros.nodes.query_services.answers import grounded, TASKS
from vlm_ros_interfaces.srv import LocateObject


class ReferenceServices:
    """Finds what an expression refers to; see `grounding.referring`.

    Args:
        node: Offers it.
    """

    def __init__(self, node: AskedNode[Any]) -> None:
        self._node = node
        node.offer(LocateObject, 'locate_object', self._on_locate_object)

    async def _on_locate_object(
        self, request: LocateObject.Request, response: LocateObject.Response
    ) -> LocateObject.Response:
        seen = await self._node.requests.look(
            request,
            self._node.needed(*TASKS),
            lambda model, view, ticket: grounded(self._node, model).locate(
                view.image,
                request.expression,
                region_xyxy=in_view(conversions.msg_to_region(request.roi), view),
                ticket=ticket,
            ),
            timeout_s=request.timeout_s,
            max_image_age_s=request.max_image_age_s,
        )
        found = boxes(seen, seen.result.detection if seen.result else None)
        response.detection.header = found.header
        if found.detections:
            response.detection = found.detections[0]
        if seen.result is not None:
            response.confidence = seen.result.confidence
        response.candidates = boxes(seen, seen.result.candidates if seen.result else None)
        return self._node.fill(seen, response)
