"""What a request is sent to: a service or an action, and how it goes over the wire."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
import time
from typing import Any
import uuid

from action_msgs.msg import GoalStatus
from rclpy.action import ActionClient
from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile
from unique_identifier_msgs.msg import UUID

# The default keeps 10 responses, and more that come at once would vanish.
QOS = QoSProfile(depth=1000)

Answered = Callable[[Any], None]
Refused = Callable[[str], None]


@dataclass(frozen=True)
class Address:
    """Where requests of one kind go.

    Attributes:
        name: The relative name of the service or action.
        type: Its type.
        is_action: Which of both it is.
        repeatable: Whether asking twice changes no more than asking once.
    """

    name: str
    type: Any
    is_action: bool = False
    repeatable: bool = True


class Transmission(ABC):
    """One request on the wire; for the executor's thread."""

    @abstractmethod
    def repeat(self) -> None:
        """Send it again, as it may have been lost."""

    @abstractmethod
    def withdraw(self) -> None:
        """Take it back; no answer is wanted any more."""


class Endpoint(ABC):
    """The client of a service or an action; for the executor's thread."""

    name: str
    """Of the service or action, resolved."""
    kind: str
    """`service` or `action`."""
    _ready_since_s: float | None = None

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether there is a server."""

    @abstractmethod
    def send(self, request: Any, answered: Answered, refused: Refused) -> Transmission:
        """Send a request."""

    @abstractmethod
    def destroy(self) -> None:
        """Take it off the node."""

    def ready_s(self) -> float | None:
        """For how long a server has been known; None where there is none."""
        if not self.is_ready():
            self._ready_since_s = None
            return None
        if self._ready_since_s is None:
            self._ready_since_s = time.monotonic()
        return time.monotonic() - self._ready_since_s


class ServiceEndpoint(Endpoint):
    """The client of a service."""

    kind = 'service'

    def __init__(self, node: Node, type_: Any, name: str, group: CallbackGroup) -> None:
        self._node = node
        self.client = node.create_client(type_, name, callback_group=group, qos_profile=QOS)
        self.name = node.resolve_service_name(name)

    def is_ready(self) -> bool:
        """Whether there is a server."""
        return bool(self.client.service_is_ready())

    def send(self, request: Any, answered: Answered, refused: Refused) -> Transmission:
        """Send a request."""
        return _ServiceCall(self, request, answered)

    def destroy(self) -> None:
        """Take it off the node."""
        self._node.destroy_client(self.client)


class _ServiceCall(Transmission):
    def __init__(self, endpoint: ServiceEndpoint, request: Any, answered: Answered) -> None:
        self._client = endpoint.client
        self._request = request
        self._answered = answered
        self._futures: list[Any] = []
        self.repeat()

    def repeat(self) -> None:
        future = self._client.call_async(self._request)
        self._futures.append(future)
        future.add_done_callback(self._on_response)

    def withdraw(self) -> None:
        for future in self._futures:
            self._client.remove_pending_request(future)

    def _on_response(self, future: Any) -> None:
        self.withdraw()  # the other one, where it was sent twice
        self._answered(future.result())


class ActionEndpoint(Endpoint):
    """The client of an action."""

    kind = 'action'

    def __init__(self, node: Node, type_: Any, name: str, group: CallbackGroup) -> None:
        self.type = type_
        self.name = node.resolve_service_name(name)
        self.client = ActionClient(
            node,
            type_,
            name,
            callback_group=group,
            goal_service_qos_profile=QOS,
            result_service_qos_profile=QOS,
            cancel_service_qos_profile=QOS,
            feedback_sub_qos_profile=QOS,
        )

    def is_ready(self) -> bool:
        """Whether there is a server."""
        return bool(self.client.server_is_ready())

    def send(
        self,
        request: Any,
        answered: Answered,
        refused: Refused,
        on_feedback: Answered | None = None,
    ) -> Transmission:
        """Send a goal; `on_feedback` is told what the server says before the result."""
        return _Goal(self, request, answered, refused, on_feedback)

    def destroy(self) -> None:
        """Take it off the node."""
        self.client.destroy()


class _Goal(Transmission):
    """A goal, which keeps its identifier when it is sent again: a server takes it once."""

    def __init__(
        self,
        endpoint: ActionEndpoint,
        goal: Any,
        answered: Answered,
        refused: Refused,
        on_feedback: Answered | None,
    ) -> None:
        self._client = endpoint.client
        self._goal = goal
        self._answered = answered
        self._refused = refused
        self._on_feedback = on_feedback
        self._goal_id = UUID(uuid=list(uuid.uuid4().bytes))
        self._handle: Any = None
        self._is_repeated = self._is_withdrawn = False
        self._send()

    def repeat(self) -> None:
        self._is_repeated = True
        if self._handle is None:
            self._send()
        else:
            self._ask_for_result()

    def withdraw(self) -> None:
        self._is_withdrawn = True
        self._forget()
        if self._handle is not None:
            self._handle.cancel_goal_async()

    def _forget(self) -> None:
        # rclpy keeps what a server refused or never ended; that must not keep its image too.
        self._goal = self._on_feedback = None
        self._answered = self._refused = _ignore

    def _send(self) -> None:
        future = self._client.send_goal_async(self._goal, self._fed_back, self._goal_id)
        future.add_done_callback(lambda done: self._on_response(done.result()))

    def _fed_back(self, msg: Any) -> None:
        if (told := self._on_feedback) is not None:
            told(msg.feedback)

    def _on_response(self, handle: Any) -> None:
        if self._handle is not None:
            return
        # What is sent a second time is refused where the first arrived.
        if not handle.accepted and not self._is_repeated:
            self._refused('the server refused the goal')
            self._forget()
            return
        self._handle = handle
        if self._is_withdrawn:
            handle.cancel_goal_async()
        else:
            self._ask_for_result()

    def _ask_for_result(self) -> None:
        future = self._handle.get_result_async()
        future.add_done_callback(lambda done: self._on_result(done.result()))

    def _on_result(self, response: Any) -> None:
        if response.status == GoalStatus.STATUS_UNKNOWN:
            self._refused('the server does not know the goal any more')
        else:
            self._answered(response.result)


def _ignore(_: Any) -> None:
    pass


def connect(node: Node, address: Address, name: str, group: CallbackGroup) -> Endpoint:
    """Make the client of a service or an action."""
    make = ActionEndpoint if address.is_action else ServiceEndpoint
    return make(node, address.type, name, group)
