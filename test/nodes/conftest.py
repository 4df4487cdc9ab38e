"""Nodes under test on an executor of their own, and a robot's client beside them."""

from collections.abc import Callable, Iterator
import contextlib
from pathlib import Path
import threading
import time
from typing import Any

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
        self._images: Any = None
        if active:
            managed = [node for node in self.nodes if isinstance(node, ManagedNode)]
            self.spin_until(lambda: all(node.is_active for node in managed), 'being active')

    def _spin(self) -> None:
        with contextlib.suppress(rclpy.executors.ExternalShutdownException):
            spin(self._executor)

    def stop(self) -> None:
        """End everything."""
        rclpy.try_shutdown()
        if self._client_context is not None:
            self.client.destroy_node()
            self._client_context.try_shutdown()
        if self._thread is not None:
            self._thread.join(TIMEOUT_S)
            assert not self._thread.is_alive()
        self.shared.close()
        for node in self.nodes:
            node.destroy_node()

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

    def connect(self, topic: str = 'image', msg_type: type = Image) -> None:
        """Announce a camera and wait until the nodes have followed its reliability."""
        if self._images is None:
            self._images = self.client.create_publisher(msg_type, topic, 1)
            self.spin_until(
                lambda: any(
                    info.qos_profile.reliability == ReliabilityPolicy.RELIABLE
                    for info in self.client.get_subscriptions_info_by_topic(
                        self._images.topic_name
                    )
                ),
                'a subscription',
            )
            self.spin_until(self._images.get_subscription_count, 'a connection')

    def publish(self, msg: Any, topic: str = 'image') -> None:
        """Publish an image to the nodes, once they listen."""
        self.connect(topic, type(msg))
        self._images.publish(msg)

    def stamped(self, **fields: Any) -> Image:
        """Return a small rgb8 image stamped now, with some fields replaced."""
        header = Header(stamp=self.client.get_clock().now().to_msg(), frame_id='front')
        msg = image_to_msg(np.full((48, 64, 3), 128, np.uint8), header)
        for name, value in fields.items():
            setattr(msg, name, value)
        return msg

    def show(self, messages: list[Any], msg: Image | None = None) -> Any:
        """Publish an image and return the next message about it."""
        self.connect()
        msg = msg or self.stamped()
        self.publish(msg)
        return self.spin_until(
            lambda: next((m for m in messages if m.header == msg.header), None), 'a result'
        )

    def call(self, srv_type: type, name: str, request: Any) -> Any:
        """Call a service and return its response."""
        client = self.client.create_client(srv_type, name)
        self.spin_until(client.service_is_ready, f'the service {name}')
        future = client.call_async(request)
        self.spin_until(future.done, f'a response of {name}')
        self.client.destroy_client(client)
        return future.result()


@pytest.fixture
def graph() -> Iterator[Graph]:
    """A graph that is ended after the test."""
    graph = Graph()
    yield graph
    graph.stop()
