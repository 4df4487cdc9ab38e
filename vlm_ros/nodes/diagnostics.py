"""What a node says of itself on `/diagnostics`."""

from collections.abc import Callable, Sequence

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from vlm_ros.health import Level, Report
from vlm_ros.nodes.process import until_shutdown

_LOG_PERIOD_S = 60.0


class Diagnostics:
    """Publishes a node's reports as `diagnostic_updater` would, which no package index carries.

    ROS Publishers:
        * **/diagnostics** (diagnostic_msgs/DiagnosticArray): once a period. The name of a status
          is the node's full name without the leading slash, `: ` and the report's name.

    Args:
        node: Publishes, in any lifecycle state.
        reports: Asked once a period, on the executor's thread. Where it fails, that is what is
            published, as an error.
        period_s: Seconds of the steady clock, because simulated time may stand still.
    """

    def __init__(
        self, node: Node, reports: Callable[[], Sequence[Report]], period_s: float = 1.0
    ) -> None:
        self._node = node
        self._reports = reports
        self._name = node.get_fully_qualified_name().removeprefix('/')
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 1)
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        node.create_timer(period_s, self._publish, clock=clock)

    def _publish(self) -> None:
        try:
            statuses = [self._to_msg(report) for report in self._reports()]
        except Exception as error:  # noqa: BLE001 - a wrong report never ends the node
            message = f'the diagnostics fail: {type(error).__name__}: {error}'
            self._node.get_logger().error(message, throttle_duration_sec=_LOG_PERIOD_S)
            statuses = [self._to_msg(Report('diagnostics', Level.ERROR, message, {}))]
        with until_shutdown(self._node):
            msg = DiagnosticArray(status=statuses)
            msg.header.stamp = self._node.get_clock().now().to_msg()
            self._publisher.publish(msg)

    def _to_msg(self, report: Report) -> DiagnosticStatus:
        return DiagnosticStatus(
            level=bytes([report.level]),
            name=_text(f'{self._name}: {report.name}'),
            message=_text(report.message),
            hardware_id=_text(report.hardware_id or self._name),
            values=[
                KeyValue(key=_text(key), value=_text(value))
                for key, value in report.values.items()
            ],
        )


def _text(text: str) -> str:
    # File names can bring what is no UTF-8, which would only be found out while publishing.
    return text.encode(errors='replace').decode()
