"""What this robot does besides looking: it drives and it reports."""

from collections.abc import Callable, Iterable

from geometry_msgs.msg import PoseStamped
from py_trees.behaviour import Behaviour
from py_trees.common import Access, Status
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String


class GoTo(Behaviour):
    """Publishes a waypoint as a goal and counts as there at once: put your navigation here.

    A real one sends the goal to an action such as Nav2's `navigate_to_pose`, is RUNNING on the way
    and cancels the goal in `terminate`.
    """

    def __init__(self, name: str, x_m: float, y_m: float, drive: Callable[[PoseStamped], None]):
        super().__init__(f'go to {name}')
        self._goal = PoseStamped()
        self._goal.header.frame_id = 'map'
        self._goal.pose.position.x = x_m
        self._goal.pose.position.y = y_m
        self._goal.pose.orientation.w = 1.0
        self._drive = drive

    def update(self) -> Status:
        """Drive there."""
        self._drive(self._goal)
        return Status.SUCCESS


class Report(Behaviour):
    """Says something about a place, made from what the leaves left on the blackboard."""

    def __init__(
        self,
        place: str,
        keys: Iterable[str],
        words: Callable[..., str],
        say: Callable[[str], None],
    ):
        super().__init__(f'report {place}: {words.__name__}')
        self._place = place
        self._keys = tuple(keys)
        self._words = words
        self._say = say
        self._board = self.attach_blackboard_client()
        for key in self._keys:
            self._board.register_key(key=key, access=Access.READ)

    def update(self) -> Status:
        """Say it."""
        text = self._words(*(self._board.get(key) for key in self._keys))
        self.feedback_message = text
        self._say(f'{self._place}: {text}')
        return Status.SUCCESS


def publisher(node: Node, msg_type: type, topic: str) -> Callable[..., None]:
    """Return what publishes on a topic; late subscribers get the last ten messages too."""
    qos = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    return node.create_publisher(msg_type, topic, qos).publish


def reporter(node: Node) -> Callable[[str], None]:
    """Return what publishes a line on `reports` and logs it."""
    publish = publisher(node, String, 'reports')

    def say(text: str) -> None:
        node.get_logger().info(text)
        publish(String(data=text))

    return say
