"""Where each camera was when it took an image, as far as anybody says so."""

from collections import deque
from collections.abc import Sequence
from functools import partial
import threading
from typing import Any

from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.time import Time
from std_msgs.msg import Header

from vlm_ros.data.scene_memory import Pose
from vlm_ros.errors import MissingDependencyError
from vlm_ros.nodes.cameras import topic_of
from vlm_ros.nodes.conversions import ns_to_stamp, stamp_to_ns

TOLERANCE_S = 1.0
"""A pose from further before or after the image says nothing about it."""
_KEPT = 100


class Poses:
    """The poses of a node's cameras.

    Args:
        node: The node; its topics `pose` (geometry_msgs/PoseStamped) are listened to.
        cameras: The names of its cameras.
        frame: The frame in which to look a camera's frame up with tf2; empty for not.
    """

    def __init__(self, node: Node, cameras: Sequence[str], frame: str) -> None:
        self._node = node
        self._frame = frame
        self._tf2: Any = None
        self._buffer: Any = None
        self._lock = threading.Lock()
        self._published: dict[str, deque[PoseStamped]] = {
            camera: deque(maxlen=_KEPT) for camera in cameras
        }
        for camera in cameras:
            node.create_subscription(
                PoseStamped,
                topic_of(camera, 'pose'),
                partial(self._on_pose, camera),
                # Best effort, which takes what every publisher offers.
                qos_profile_sensor_data,
            )

    def listen(self) -> None:
        """Listen to tf2 too, where a frame is given.

        Raises:
            MissingDependencyError: tf2_ros is not installed.
        """
        if not self._frame or self._buffer is not None:
            return
        try:
            # Here, because not every installation has it.
            import tf2_ros  # type: ignore[import-not-found, unused-ignore]
        except ImportError as error:
            raise MissingDependencyError(
                f'pose_frame {self._frame!r} needs tf2_ros, which does not import here ({error}); '
                'install it, or leave pose_frame empty and publish poses on the topic pose'
            ) from error
        self._tf2 = tf2_ros
        self._buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, self._node)

    def at(self, camera: str, header: Header) -> Pose | None:
        """Return where a camera was; for any thread.

        Args:
            camera: Its name.
            header: Of its image. One without a stamp says nothing about the time.
        """
        stamp_ns = stamp_to_ns(header.stamp)
        if stamp_ns is None:
            return None
        return self._nearest(camera, stamp_ns) or self._looked_up(header)

    def _on_pose(self, camera: str, msg: PoseStamped) -> None:
        with self._lock:
            self._published[camera].append(msg)

    def _nearest(self, camera: str, stamp_ns: int) -> Pose | None:
        with self._lock:
            poses = [
                (abs(at_ns - stamp_ns), msg)
                for msg in self._published[camera]
                if (at_ns := stamp_to_ns(msg.header.stamp)) is not None
            ]
        off_ns, msg = min(poses, key=lambda pose: pose[0], default=(0, None))
        if msg is None or off_ns > TOLERANCE_S * 1e9:
            return None
        return _to_pose(msg.header.frame_id, msg.pose.position, msg.pose.orientation)

    def _looked_up(self, header: Header) -> Pose | None:
        if self._buffer is None:
            return None
        try:
            found = self._buffer.lookup_transform(
                self._frame, header.frame_id, Time.from_msg(header.stamp)
            )
        # The latter for a stamp before 1970, which rclpy does not take for a time.
        except (self._tf2.TransformException, ValueError) as error:
            self._node.get_logger().warning(
                f'a moment is remembered without its pose: {error}', throttle_duration_sec=30.0
            )
            return None
        transform = found.transform
        return _to_pose(self._frame, transform.translation, transform.rotation)


def _to_pose(frame_id: str, position: Any, orientation: Any) -> Pose:
    return Pose(
        frame_id,
        (position.x, position.y, position.z),
        (orientation.x, orientation.y, orientation.z, orientation.w),
    )


def pose_to_msg(pose: Pose, stamp_ns: int) -> PoseStamped:
    """Return a pose at the time of its image."""
    msg = PoseStamped(header=Header(stamp=ns_to_stamp(stamp_ns), frame_id=pose.frame_id))
    position, orientation = msg.pose.position, msg.pose.orientation
    position.x, position.y, position.z = pose.position
    orientation.x, orientation.y, orientation.z, orientation.w = pose.orientation
    return msg
