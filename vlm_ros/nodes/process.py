"""What the nodes of one process share, and how such a process starts and ends."""

from collections.abc import Callable, Iterator, Sequence
import contextlib
import os
import signal
import sys
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.node import Node
import yaml

from vlm_ros import backends
from vlm_ros.errors import InputError, VlmRosError
from vlm_ros.nodes.image_feed import ImageFeed
from vlm_ros.nodes.parameters import ModelParameters
from vlm_ros.tasks import Model
from vlm_ros.worker import ModelWorker

EXIT_WRONG_INPUT = 2


class Shared:
    """Loaded models and image feeds, one of each kind a process."""

    def __init__(self) -> None:
        self._models: dict[tuple[str, str, str, str], ModelWorker[Model]] = {}
        self._feeds: dict[str, ImageFeed] = {}

    def model(self, chosen: ModelParameters) -> ModelWorker[Model]:
        """Return the worker of a model, which begins to load it when it is asked for first."""
        key = (chosen.backend, chosen.model, chosen.device, chosen.backend_options)
        if key not in self._models:
            self._models[key] = ModelWorker(
                lambda: _load(*key), lambda loaded: loaded.close(), name=chosen.backend
            )
        return self._models[key]

    def feed(self, node: Node) -> ImageFeed:
        """Return the feed of a node's `image` topic; nodes with the same topic share one."""
        topic = node.resolve_topic_name('image')
        if topic not in self._feeds:
            self._feeds[topic] = ImageFeed(node)
        return self._feeds[topic]

    def close(self) -> bool:
        """End the workers; returns whether all of them ended."""
        ended = [worker.close() for worker in self._models.values()]
        return all(ended)


def _load(backend: str, model: str, device: str, options: str) -> Model:
    logger = get_logger(backend)
    logger.info(f'loading {backend!r} on {device}')
    try:
        loaded = backends.load(backend, model=model, device=device, **_parse(options))
    except VlmRosError as error:
        logger.error(str(error))
        raise
    logger.info(f'loaded {loaded.model_id} ({loaded.model_revision}) on {loaded.device}')
    return loaded


def _parse(options: str) -> dict[str, Any]:
    parsed = {}
    for option in filter(None, (text.strip() for text in options.split(','))):
        name, equals, value = option.partition('=')
        if not equals:
            raise InputError(f'backend_options has {option!r}, which is not name=value')
        parsed[name.strip()] = yaml.safe_load(value)
    return parsed


def run(make_nodes: Callable[[Shared], Sequence[Node]], args: list[str] | None = None) -> int:
    """Run nodes in this process until it is told to end.

    Args:
        make_nodes: Makes the nodes around what they share.
        args: The command line; None for the process's own.

    Returns:
        The exit code: 0 after an ordinary end, 2 where a parameter cannot be used.
    """
    shared = Shared()
    nodes: Sequence[Node] = ()
    code = 0
    try:
        _init(args)
        nodes = make_nodes(shared)
        executor = SingleThreadedExecutor()
        for node in nodes:
            executor.add_node(node)
        executor.spin()
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


def _end(shared: Shared, nodes: Sequence[Node]) -> bool:
    ended = shared.close()
    for node in nodes:
        node.destroy_node()
    rclpy.try_shutdown()
    return ended
