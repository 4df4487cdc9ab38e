"""`describe_image`: a caption."""

from typing import Any

from vlm_ros.nodes.asked_node import AskedNode
from vlm_ros_interfaces.srv import DescribeImage


class CaptionServices:
    """Describes an image.

    Args:
        node: Offers it.
    """

    def __init__(self, node: AskedNode[Any]) -> None:
        self._node = node
        node.offer(DescribeImage, 'describe_image', self._on_describe_image)

    async def _on_describe_image(
        self, request: DescribeImage.Request, response: DescribeImage.Response
    ) -> DescribeImage.Response:
        seen = await self._node.requests.look(
            request,
            ('caption',),
            lambda model, view, ticket: model.caption(
                view.image, prompt=request.prompt, ticket=ticket
            ),
        )
        if seen.result is not None:
            response.caption = seen.result.text
        return self._node.fill(seen, response)
