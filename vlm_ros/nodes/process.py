"""How a process of nodes starts, keeps going and ends."""

from collections.abc import Callable, Iterator, Sequence
import contextlib
import os
import signal
import sys
import time
import traceback

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.node import Node

from vlm_ros.errors import InputError, VlmRosError
from vlm_ros.nodes.parameters import unknown_parameters
from vlm_ros.nodes.shared import Shared
from vlm_ros.runtime.memory import keep_image_memory

EXIT_WRONG_INPUT = 2
_PAUSE_S = 0.1


def run(make_nodes: Callable[[Shared], Sequence[Node]], args: list[str] | None = None) -> int:
    """Run nodes in this process until it is told to end.

    Args:
        make_nodes: Makes the nodes around what they share.
        args: The command line; None for the process's own.

    Returns:
        The exit code: 0 after an ordinary end, 2 where a parameter cannot be used.
    """
    keep_image_memory()
    shared = Shared()
    nodes: Sequence[Node] = ()
    code = 0
    try:
        _init(args)
        nodes = _make(make_nodes, shared)
        for line in unknown_parameters(sys.argv if args is None else args, nodes):
            get_logger('vlm_ros').warning(line)
        executor = SingleThreadedExecutor()
        for node in nodes:
            executor.add_node(node)
        spin(executor)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except VlmRosError as error:
        get_logger('vlm_ros').error(str(error))
        code = EXIT_WRONG_INPUT
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # impatience must not break the tidying up
        ended = _end(shared, nodes)
    except KeyboardInterrupt:
        ended = False
    if not ended:
        # A model in the middle of a long step cannot be interrupted, and leaving its thread to
        # the interpreter's own end would wait for it or crash in it.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def spin(executor: SingleThreadedExecutor) -> None:
    """Run callbacks until the context ends; one that raises is logged and costs only itself.

    rclpy lets whatever a callback raises end the executor. A response that cannot be sent, because
    its client was killed, is enough on some middlewares.
    """
    while True:
        try:
            executor.spin()
            return
        except ExternalShutdownException:
            raise
        except Exception:  # noqa: BLE001 - one callback must not end every node of the process
            if not executor.context.ok():
                return
            get_logger('vlm_ros').error(f'a callback failed: {traceback.format_exc()}')
            time.sleep(_PAUSE_S)  # one that always fails must not take the whole processor


@contextlib.contextmanager
def until_shutdown(node: Node) -> Iterator[None]:
    """Publish from another thread: what fails because the process is ending is no failure."""
    try:
        yield
    except Exception:
        if node.context.ok():
            raise


def _init(args: list[str] | None) -> None:
    try:
        rclpy.init(args=args)
    except RuntimeError as error:  # what rcl says of arguments and files that it cannot read
        raise InputError(
            f'the ROS arguments cannot be used: {str(error).splitlines()[0]}'
        ) from error


def _make(make_nodes: Callable[[Shared], Sequence[Node]], shared: Shared) -> Sequence[Node]:
    try:
        return make_nodes(shared)
    except RuntimeError as error:  # what rcl says of, for instance, security that it cannot have
        raise InputError(f'the nodes cannot start: {str(error).splitlines()[0]}') from error


def _end(shared: Shared, nodes: Sequence[Node]) -> bool:
    ended = shared.close()
    for node in nodes:
        node.destroy_node()
    rclpy.try_shutdown()
    return ended
