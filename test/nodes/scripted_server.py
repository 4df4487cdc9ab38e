"""Services that answer as a test says, whatever is asked."""

from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile

from vlm_ros_interfaces.msg import ResultStatus, StatementState

OK = ResultStatus(code=ResultStatus.OK)


class ScriptedServer(Node):
    """Offers services; for `graph.start`.

    Args:
        services: For each name its type and a function that fills in a response.

    Attributes:
        requests: What was asked, in turn.
    """

    def __init__(self, services: dict[str, tuple[Any, Callable[[Any, Any], None]]]) -> None:
        super().__init__('scripted_server')
        self.requests: list[Any] = []
        self._group = ReentrantCallbackGroup()
        for name, (srv_type, fill) in services.items():
            self.offer(srv_type, name, fill)

    def offer(self, srv_type: Any, name: str, fill: Callable[[Any, Any], None]) -> None:
        """Offer one more."""

        def respond(request: Any, response: Any) -> Any:
            self.requests.append(request)
            fill(request, response)
            return response

        self.create_service(srv_type, name, respond, callback_group=self._group)

    def latch(self, name: str) -> Any:
        """Return a publisher of a statement's state, as a monitor's is."""
        qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        return self.create_publisher(StatementState, f'statements/{name}', qos)
