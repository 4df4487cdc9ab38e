"""Patrols until Ctrl-C, or for some rounds."""

import argparse
import contextlib
import sys

from geometry_msgs.msg import PoseStamped
from py_trees.common import Status
from py_trees.trees import BehaviourTree
from rclpy.utilities import remove_ros_args

from patrol.leaves import publisher, reporter
from patrol.tree import patrol
from vlm_ros.client import VlmClient
from vlm_ros.client.requests import checked_timeout

PLACES = {'kitchen': (1.0, 0.0), 'hall': (4.0, 2.0)}


def rounds(text: str) -> int:
    """Read a number of rounds."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f'{text!r} is not a number of rounds, 0 or more')
    return int(text)


def seconds(text: str) -> float:
    """Read a time."""
    try:
        return checked_timeout(float(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f'{text!r} is not a number of seconds above 0, an hour at most'
        ) from error


def main(argv: list[str]) -> int:
    """Tick the tree."""
    parser = argparse.ArgumentParser(prog='patrol', description=__doc__)
    parser.add_argument('--rounds', type=rounds, default=0, help='how many; 0: until Ctrl-C')
    parser.add_argument('--period', type=seconds, default=0.1, help='seconds between two ticks')
    parser.add_argument('--timeout', type=seconds, default=10.0, help='seconds for each look')
    options = parser.parse_args(remove_ros_args(argv)[1:])
    ended: list[int] = []
    with (
        contextlib.suppress(KeyboardInterrupt),
        VlmClient(timeout_s=options.timeout) as client,
    ):
        drive = publisher(client.node, PoseStamped, 'goal_pose')
        tree = BehaviourTree(patrol(client, PLACES, drive, reporter(client.node)))

        def count_round(tree: BehaviourTree) -> None:
            if tree.root.status is not Status.RUNNING:
                ended.append(tree.count)
                if len(ended) == options.rounds:
                    tree.interrupt()

        tree.add_post_tick_handler(count_round)
        try:
            tree.tick_tock(options.period * 1000)
        finally:
            tree.root.stop(Status.INVALID)  # takes back what is being asked
            tree.shutdown()
    print(f'{len(ended)} rounds')
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv))
