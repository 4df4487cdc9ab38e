"""Nodes under test on an executor of their own, and a robot's client beside them."""

from collections.abc import Callable, Iterator
import contextlib
from pathlib import Path
import threading
import time
from typing import Any

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from vlm_ros.nodes.conversions import image_to_msg
from vlm_ros.nodes.managed import ManagedNode
from vlm_ros.nodes.process import spin
from vlm_ros.nodes.shared import Shared

TIMEOUT_S = 20.0
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker('ros')


class Graph:
    """Starts nodes as their executables do and talks to them as another process would."""

    def __init__(self) -> None:
        self.shared = Shared()
        self.nodes: list[Node] = []
        self._thread: threading.Thread | None = None
        self._client_context: rclpy.Context | None = None
        self._cameras: dict[str, Any] = {}
        self._clients: dict[str, Any] = {}

    def start(
        self,
        *make_nodes: Callable[[Shared], Node],
        active: bool = True,
        **parameters: dict[str, str],
    ) -> None:
        """Start nodes.

        Args:
            make_nodes: Make them.
            active: Wait until all that are managed are active.
            parameters: YAML texts by node name, then by parameter name.
        """
        args = ['--ros-args']
        for node, values in parameters.items():
            for name, value in values.items():
                args += ['-p', f'{node}:{name}:={value}']
        rclpy.init(args=args)
        self.nodes = [make(self.shared) for make in make_nodes]
        self._executor = SingleThreadedExecutor()
        for node in self.nodes:
            self._executor.add_node(node)
        self._thread = threading.Thread(target=self._spin)
        self._thread.start()
        # A context of its own, so that everything between the client and the nodes goes over DDS.
        self._client_context = rclpy.Context()
        rclpy.init(context=self._client_context)
        self.client = rclpy.create_node('client', context=self._client_context)
        self._client_executor = SingleThreadedExecutor(context=self._client_context)
        self._client_executor.add_node(self.client)
        # Fast DDS loses what a client asks a server that does not know it yet.
        if self.nodes:
            self.spin_until(lambda: 'client' in self.nodes[0].get_node_names(), 'being known')
        if active:
            managed = [node for node in self.nodes if isinstance(node, ManagedNode)]
            self.spin_until(lambda: all(node.is_active for node in managed), 'being active')

    def _spin(self) -> None:
        with contextlib.suppress(rclpy.executors.ExternalShutdownException):
            spin(self._executor)

    def stop(self) -> None:
        """End everything."""
        # As a signal does: the executor's thread ends by itself. rclpy's own shutdown would on
        # Kilted destroy the nodes from here, under callbacks that run there.
        context = rclpy.get_default_context()
        if context.ok():
            with context.handle:
                context.handle.shutdown()
            if self._thread is not None:
                self._executor.wake()
        if self._client_context is not None:
            self.client.destroy_node()
            self._client_context.try_shutdown()
        if self._thread is not None:
            self._thread.join(TIMEOUT_S)
            assert not self._thread.is_alive()
        self.shared.close()
        for node in self.nodes:
            node.destroy_node()
        rclpy.try_shutdown()

    def spin_until(self, done: Callable[[], Any], what: str = 'it') -> Any:
        """Spin the client until `done` returns something; fail after a while."""
        until_s = time.monotonic() + TIMEOUT_S
        while not (result := done()):
            assert time.monotonic() < until_s, f'{what} did not happen'
            self._client_executor.spin_once(timeout_sec=0.02)
        return result

    def spin_for(self, duration_s: float) -> None:
        """Spin the client for a while."""
        until_s = time.monotonic() + duration_s
        while time.monotonic() < until_s:
            self._client_executor.spin_once(timeout_sec=0.02)

    def collect(self, msg_type: type, topic: str, qos: QoSProfile | int = 100) -> list[Any]:
        """Return a list that fills with the messages of a topic, once it is connected."""
        messages: list[Any] = []
        subscription = self.client.create_subscription(msg_type, topic, messages.append, qos)
        self.spin_until(
            lambda: self.client.get_publishers_info_by_topic(subscription.topic_name),
            f'a publisher of {topic}',
        )
        return messages

    def connect(self, topic: str = 'image', msg_type: type = Image) -> Any:
        """Announce a camera and wait until the nodes have followed its reliability."""
        if topic not in self._cameras:
            camera = self._cameras[topic] = self.client.create_publisher(msg_type, topic, 1)
            self.spin_until(
                lambda: any(
                    info.qos_profile.reliability == ReliabilityPolicy.RELIABLE
                    for info in self.client.get_subscriptions_info_by_topic(camera.topic_name)
                ),
                'a subscription',
            )
            self.spin_until(camera.get_subscription_count, 'a connection')
        return self._cameras[topic]

    def disconnect(self, topic: str = 'image') -> None:
        """End a camera."""
        self.client.destroy_publisher(self._cameras.pop(topic))

    def publish(self, msg: Any, topic: str = 'image') -> None:
        """Publish an image to the nodes, once they listen."""
        self.connect(topic, type(msg)).publish(msg)

    def stamped(self, **fields: Any) -> Image:
        """Return a small rgb8 image stamped now, with some fields replaced."""
        header = Header(stamp=self.client.get_clock().now().to_msg(), frame_id='front')
        msg = image_to_msg(np.full((48, 64, 3), 128, np.uint8), header)
        for name, value in fields.items():
            setattr(msg, name, value)
        return msg

    def show(self, messages: list[Any], msg: Any = None, topic: str = 'image') -> Any:
        """Publish an image and return the next message about it."""
        msg = msg or self.stamped()
        self.publish(msg, topic)
        return self.spin_until(
            lambda: next((m for m in messages if m.header == msg.header), None), 'a result'
        )

    def ask(self, srv_type: type, name: str, request: Any) -> Any:
        """Send a request; returns the future of its response."""
        if name not in self._clients:
            client = self._clients[name] = self.client.create_client(srv_type, name)
            self.spin_until(client.service_is_ready, f'the service {name}')
        return self._clients[name].call_async(request)

    def call(self, srv_type: type, name: str, request: Any) -> Any:
        """Call a service and return its response."""
        future = self.ask(srv_type, name, request)
        self.spin_until(future.done, f'a response of {name}')
        return future.result()

    def change_state(self, node: str, transition: int | str) -> bool:
        """Ask a node for a transition, as a lifecycle manager does; whether it succeeded."""
        by = {'label': transition} if isinstance(transition, str) else {'id': transition}
        request = ChangeState.Request(transition=Transition(**by))
        return bool(self.call(ChangeState, f'{node}/change_state', request).success)

    def state_of(self, node: str) -> str:
        """Return the label of a node's state."""
        response = self.call(GetState, f'{node}/get_state', GetState.Request())
        return str(response.current_state.label)


@pytest.fixture
def graph() -> Iterator[Graph]:
    """A graph that is ended after the test."""
    graph = Graph()
    yield graph
    graph.stop()


@pytest.fixture
def node() -> Iterator[Node]:
    """A node in a context of its own, which nobody runs yet."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('robot', context=context)
    yield node
    node.destroy_node()
    context.try_shutdown()
