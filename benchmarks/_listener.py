"""What a user can see of a running graph: the statuses of its cameras, and how it answers."""

from collections.abc import Callable
import time
from typing import Any

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from benchmarks._processes import NAMESPACE
from vlm_ros.nodes.cameras import topic_of
from vlm_ros.nodes.conversions import duration_to_seconds, stamp_to_ns
from vlm_ros_interfaces.msg import PerceptionStatus

LOADING_S = 60.0


class Listener:
    """A node that keeps the statuses of some cameras.

    Args:
        cameras: Their names.
    """

    def __init__(self, cameras: tuple[str, ...] = ('',)) -> None:
        rclpy.init()
        self.node: Node = rclpy.create_node('benchmark', namespace=NAMESPACE)
        self.statuses: dict[str, list[PerceptionStatus]] = {camera: [] for camera in cameras}
        for camera, statuses in self.statuses.items():
            self.node.create_subscription(
                PerceptionStatus, topic_of(camera, 'detections/status'), statuses.append, 100
            )
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)

    def __enter__(self) -> 'Listener':
        return self

    def __exit__(self, *_: object) -> None:
        rclpy.try_shutdown()

    def spin(self, duration_s: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Listen, and have callers call; returns whether `until` came true in time."""
        end_s = time.monotonic() + duration_s
        while not until() and time.monotonic() < end_s:
            self._executor.spin_once(timeout_sec=0.1)
        return until()

    def wait_until_active(self) -> None:
        """Wait until an image of every camera was looked at; ends the benchmark where none is."""

        def looked() -> bool:
            return all(
                any(status.frames_processed for status in statuses)
                for statuses in self.statuses.values()
            )

        if not self.spin(LOADING_S, looked):
            last = next((s[-1].status.message for s in self.statuses.values() if s), '')
            raise SystemExit(f'no camera is looked at: {last or "no status came"}')

    def change_state(self, name: str, transition_id: int) -> None:
        """Have a managed node go through a transition; ends the benchmark where that fails."""
        client = self.node.create_client(ChangeState, f'{name}/change_state')
        if not client.wait_for_service(timeout_sec=LOADING_S):
            raise SystemExit(f'{name} does not come up')
        future = client.call_async(ChangeState.Request(transition=Transition(id=transition_id)))
        if not self.spin(LOADING_S, future.done) or not future.result().success:
            raise SystemExit(f'transition {transition_id} of {name} failed')
        self.node.destroy_client(client)

    def clear(self) -> None:
        """Forget the statuses."""
        for statuses in self.statuses.values():
            statuses.clear()


class Caller:
    """Calls a service again and again, one call at a time, and notes how long each took.

    Attributes:
        is_waiting: Whether an answer is still to come.

    Args:
        node: Calls.
        service: The service's type.
        name: The service's name.
        make_request: Makes a request, given its number.
        period_s: From one call to the next; left out while the one before is not answered.
    """

    def __init__(
        self,
        node: Node,
        service: type[Any],
        name: str,
        make_request: Callable[[int], Any],
        period_s: float,
    ) -> None:
        self.latencies_s: list[float] = []
        self.responses: list[Any] = []
        self._client = node.create_client(service, name)
        self._make_request = make_request
        self.is_waiting = False
        self._number = 0
        self._timer = node.create_timer(period_s, self._call)

    def stop(self) -> None:
        """Call no more."""
        self._timer.cancel()

    def forget(self) -> None:
        """Forget the calls so far."""
        self.latencies_s.clear()
        self.responses.clear()

    def _call(self) -> None:
        if self.is_waiting or not self._client.service_is_ready():
            return
        request = self._make_request(self._number)
        self._number += 1
        self.is_waiting = True
        called_s = time.monotonic()

        def on_response(future: Any) -> None:
            self.latencies_s.append(time.monotonic() - called_s)
            self.responses.append(future.result())
            self.is_waiting = False

        self._client.call_async(request).add_done_callback(on_response)


class Seen:
    """The frames of one camera that were looked at, while `statuses` were collected."""

    def __init__(self, camera: str, statuses: list[PerceptionStatus]) -> None:
        looked = [s for s in statuses if duration_to_seconds(s.provenance.inference_time)]
        if len(looked) < 10:
            reason = statuses[-1].status.message if statuses else 'no status came'
            raise SystemExit(f'{camera}: only {len(looked)} frames were looked at: {reason}')
        first, last = looked[0], looked[-1]
        ages_s = [duration_to_seconds(s.provenance.age) for s in looked]
        self.ages_s = np.array(ages_s, float)
        self.inferences_s = np.array(
            [duration_to_seconds(s.provenance.inference_time) for s in looked]
        )
        stamps_ns = np.array([stamp_to_ns(s.header.stamp) for s in looked])
        self.published_at_s = stamps_ns * 1e-9 + self.ages_s
        duration_s = self.published_at_s[-1] - self.published_at_s[0]
        self.processed_hz = (last.frames_processed - first.frames_processed) / duration_s
        self.received_hz = (last.frames_received - first.frames_received) / duration_s

    @property
    def gaps_s(self) -> 'np.ndarray[Any, Any]':
        """Seconds from the publication of each result to the next."""
        return np.diff(self.published_at_s)
