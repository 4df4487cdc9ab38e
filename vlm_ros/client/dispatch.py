"""Sends requests from any thread on the one thread where a node's clients may be used.

rclpy's clients of actions are not made for several threads (on Jazzy a response can overtake the
note that it is expected), so callers only leave their requests here and wake the executor.
"""

from collections import deque
from collections.abc import Callable
import contextlib
import threading
import time
import traceback
from typing import Any, TypeVar

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import InvalidHandle
from rclpy.node import Node

from vlm_ros.client.call import Call
from vlm_ros.client.endpoints import ActionEndpoint, Address, connect, Endpoint, Transmission
from vlm_ros.client.outcomes import Outcome
from vlm_ros.client.requests import Request
from vlm_ros.client.responses import failed
from vlm_ros.nodes import conversions
from vlm_ros.results import Status

T = TypeVar('T')
REPLY_S = 0.5
"""How much longer than the server a call waits, so that the server's own word arrives."""
NEW_SERVER_S = 1.0
"""How long a server counts as just discovered."""
RESEND_S = 1.0
"""When a request to a just discovered server is taken for lost."""
_LEAST_S = 0.01
_PERIOD_S = 0.05
_CLOSING_S = 1.0


class Exchange:
    """One call and what was sent for it; for the executor's thread."""

    def __init__(self, call: Call[Any], request: Request[Any]) -> None:
        self.call = call
        self.address = request.address
        self._request = request
        self._sent: Transmission | None = None
        self._is_over = False
        self._sent_s = 0.0
        self._may_be_lost = False

    def advance(self, endpoint: Endpoint, log: Callable[[str], None]) -> bool:
        """Do what is due; returns whether there will be more."""
        call = self.call
        if not call.done() and not call.remaining_s:
            call.end(self._late(endpoint))
        if call.done():
            if self._sent is not None and not self._is_over:
                self._sent.withdraw()
            return False
        if self._sent is None:
            known_s = endpoint.ready_s()
            if known_s is not None:
                self._may_be_lost = self.address.repeatable and known_s < NEW_SERVER_S
                self._send(endpoint, log)
        elif self._may_be_lost and time.monotonic() > self._sent_s + RESEND_S:
            self._may_be_lost = False
            self._sent.repeat()
        return True

    def _send(self, endpoint: Endpoint, log: Callable[[str], None]) -> None:
        message = self._request.fill(max(self.call.remaining_s - REPLY_S, _LEAST_S))
        self._sent_s = time.monotonic()
        if isinstance(endpoint, ActionEndpoint):
            self._sent = endpoint.send(
                message, self._answered, self._refused, lambda msg: self._partial(msg, log)
            )
        else:
            self._sent = endpoint.send(message, self._answered, self._refused)

    def _answered(self, response: Any) -> None:
        self._is_over = True  # nothing to withdraw
        try:
            outcome = self._request.read(response)
        except Exception as error:  # noqa: BLE001 - it must not end the caller's executor
            outcome = failed(*conversions.error_to_status(error))
        self.call.end(outcome)

    def _refused(self, reason: str) -> None:
        self._is_over = True
        self.call.end(failed(Status.FAILED, reason))

    def _partial(self, feedback: Any, log: Callable[[str], None]) -> None:
        if self.call.done():
            return
        self.call.partial = feedback.partial_answer
        if self._request.on_partial is not None:
            try:
                self._request.on_partial(self.call.partial)
            except Exception:  # noqa: BLE001 - the caller's own; the answer comes all the same
                log(f'on_partial failed: {traceback.format_exc()}')

    def _late(self, endpoint: Endpoint) -> Outcome[Any]:
        where = f'the {endpoint.kind} {endpoint.name}'
        if self._sent is None:
            return failed(
                Status.FAILED,
                f'nobody offers {where}: is its node running, in this namespace and ROS domain?',
            )
        return failed(Status.TIMEOUT, f'{where} did not answer in time')


class Dispatcher:
    """Sends what any thread leaves here on the executor's thread.

    Args:
        node: Gets the clients, a guard condition and a timer.
        namespace: Where the services are, relative to the node's namespace.
    """

    def __init__(self, node: Node, namespace: str) -> None:
        self.node = node
        self.group = ReentrantCallbackGroup()
        self._namespace = namespace
        self._lock = threading.RLock()  # a caller's callback may close the client
        self._left: deque[Exchange] = deque()
        self._open: list[Exchange] = []
        self._endpoints: dict[Address, Endpoint] = {}
        self._idle = threading.Event()
        self._idle.set()
        self._guard = node.create_guard_condition(self._serve, callback_group=self.group)
        self._timer = node.create_timer(
            _PERIOD_S,
            self._serve,
            callback_group=self.group,
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )
        self.is_closed = False

    def name_of(self, name: str) -> str:
        """Return the name of a service or topic in the namespace."""
        return f'{self._namespace.rstrip("/")}/{name}' if self._namespace else name

    def post(self, request: Request[T], timeout_s: float) -> Call[T]:
        """Send a request; for any thread."""
        call: Call[T] = Call(timeout_s + REPLY_S)
        if not self.is_closed:
            self._idle.clear()
            self._left.append(Exchange(call, request))
            call.add_done_callback(lambda _: self._wake())
            self._wake()
        if self.is_closed:  # or meanwhile, when nobody looks at what is left here any more
            call.end(failed(Status.FAILED, 'the client is closed'))
        return call

    def close(self, *, wait: bool) -> None:
        """Take back what is open and leave the node.

        Args:
            wait: Whether another thread runs the executor and sends the cancels.
        """
        if self.is_closed:
            return
        self.is_closed = True
        for exchange in (*self._left, *self._open):
            exchange.call.cancel()
        is_sent = wait and self._idle.wait(_CLOSING_S)
        with self._lock, contextlib.suppress(InvalidHandle):  # where the node is gone already
            if not is_sent:
                self._serve()
            self.node.destroy_timer(self._timer)
            self.node.destroy_guard_condition(self._guard)
            for endpoint in self._endpoints.values():
                endpoint.destroy()

    def _wake(self) -> None:
        # Closed meanwhile: nobody is left to be woken.
        with contextlib.suppress(Exception):
            self._guard.trigger()

    def _serve(self) -> None:
        with self._lock:
            while self._left:
                self._open.append(self._left.popleft())
            self._open = [exchange for exchange in self._open if self._advance(exchange)]
            if self._open:
                if self._timer.is_canceled():
                    self._timer.reset()
            else:
                self._timer.cancel()
                if not self._left:
                    self._idle.set()

    def _advance(self, exchange: Exchange) -> bool:
        if self.is_closed:
            exchange.call.cancel()
        try:
            return exchange.advance(self._endpoint(exchange.address), self._log)
        except Exception as error:  # noqa: BLE001 - one request must not end the caller's executor
            exchange.call.end(failed(*conversions.error_to_status(error)))
            return False

    def _endpoint(self, address: Address) -> Endpoint:
        if address not in self._endpoints:
            name = self.name_of(address.name)
            self._endpoints[address] = connect(self.node, address, name, self.group)
        return self._endpoints[address]

    def _log(self, text: str) -> None:
        self.node.get_logger().error(text)
