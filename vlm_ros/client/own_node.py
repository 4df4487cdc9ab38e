"""A node for a client that was given none, with a thread that runs it."""

import contextlib
import os
import threading
from typing import Any
import uuid

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.task import Future

_JOIN_S = 5.0


class OwnNode:
    """A node in a context of its own, run by a thread until `close`.

    The context takes the process's command line (`--ros-args`), and no signals: whoever handles
    Ctrl-C closes the client.
    """

    def __init__(self) -> None:
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        name = f'vlm_client_{os.getpid()}_{uuid.uuid4().hex[:6]}'
        self.node: Node = rclpy.create_node(name, context=self._context)
        self._executor: Any = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._end: Any = Future(executor=self._executor)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread, and with it the node."""
        if not self._end.done():
            self._end.set_result(None)
            self._executor.wake()
        if threading.current_thread() is not self._thread:
            self._thread.join(_JOIN_S)

    def _run(self) -> None:
        # The node is destroyed where nothing of it runs any more: another thread could take it
        # from under a callback, which crashes the process.
        with contextlib.suppress(ExternalShutdownException):
            self._executor.spin_until_future_complete(self._end)
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()
