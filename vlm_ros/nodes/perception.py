"""The `perception` executable: the whole graph in one process, the weights loaded once."""

from collections.abc import Callable
from dataclasses import dataclass
import sys

from rclpy.node import Node

from vlm_ros.errors import InputError
from vlm_ros.nodes.captioner import CaptionerNode
from vlm_ros.nodes.detector import DetectorNode
from vlm_ros.nodes.image_source import ImageSourceNode
from vlm_ros.nodes.memory import MemoryNode
from vlm_ros.nodes.monitor import MonitorNode
from vlm_ros.nodes.overlay import OverlayNode
from vlm_ros.nodes.parameters import parameter, Parameters
from vlm_ros.nodes.process import run
from vlm_ros.nodes.query import QueryNode
from vlm_ros.nodes.shared import Shared

NODES: dict[str, Callable[[Shared], Node]] = {
    'image_source': lambda _: ImageSourceNode(),
    'detector': DetectorNode,
    'captioner': CaptionerNode,
    'query': QueryNode,
    'overlay': OverlayNode,
    'memory': MemoryNode,
    'monitor': MonitorNode,
}


@dataclass(frozen=True)
class PerceptionParameters:
    """Parameters of the `perception` node."""

    nodes: tuple[str, ...] = parameter(
        ('detector', 'captioner', 'query', 'overlay'),
        f'Which nodes to run: any of {", ".join(NODES)}.',
        read_only=True,
        text_or_list=True,
    )

    def __post_init__(self) -> None:
        for name in self.nodes:
            if name not in NODES:
                raise InputError(f'there is no node {name!r}; there are {", ".join(NODES)}')


class PerceptionNode(Node):
    """Says which of the nodes run in this process; they keep their own names and parameters.

    ROS Parameters: see `PerceptionParameters`.
    """

    def __init__(self) -> None:
        super().__init__('perception')
        self.nodes = Parameters(self, PerceptionParameters).values.nodes


def _make_nodes(shared: Shared) -> list[Node]:
    perception = PerceptionNode()
    return [perception, *(NODES[name](shared) for name in perception.nodes)]


def main(args: list[str] | None = None) -> int:
    """Run the graph."""
    return run(_make_nodes, args)


if __name__ == '__main__':
    sys.exit(main())
