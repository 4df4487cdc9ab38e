"""Hears what a monitor says of a statement."""

from collections.abc import Callable
import traceback

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile

from vlm_ros.client import responses
from vlm_ros.client.outcomes import StatementState
from vlm_ros_interfaces.msg import StatementState as StatementStateMsg

# What holds now is kept for those who come later.
_LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Watch:
    """Calls back with each change of a statement until it is closed, and first with what holds.

    Args:
        node: Gets the subscription.
        topic: Where the statement's state is published.
        callback: Called on the executor's thread; what it raises is logged.
        group: Of the subscription.
    """

    def __init__(
        self,
        node: Node,
        topic: str,
        callback: Callable[[StatementState], None],
        group: CallbackGroup,
    ) -> None:
        self._node = node
        self._callback = callback
        self.on_close: Callable[[], None] | None = None
        self._is_closed = False
        self._subscription = node.create_subscription(
            StatementStateMsg, topic, self._on_state, _LATCHED, callback_group=group
        )

    def close(self) -> None:
        """Hear no more."""
        if not self._is_closed:
            self._is_closed = True
            if self.on_close is not None:
                self.on_close()
            self._node.destroy_subscription(self._subscription)

    def _on_state(self, msg: StatementStateMsg) -> None:
        if self._is_closed:
            return
        try:
            self._callback(responses.statement_state(msg))
        except Exception:  # noqa: BLE001 - the caller's own must not end the executor
            self._node.get_logger().error(f'the callback of a watch: {traceback.format_exc()}')
