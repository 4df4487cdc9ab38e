"""ROS 2, as far as it can be seen without importing it."""

from collections.abc import Iterator
from importlib.util import find_spec
import os

from vlm_ros.backends.doctor.finding import Finding, State

GROUP = 'ros'
PROFILES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')


def examine_ros() -> Iterator[Finding]:
    """Look for ROS 2, this package's interfaces, and a transport for large images."""
    distro = os.environ.get('ROS_DISTRO', '')
    if find_spec('rclpy') is None:
        yield Finding(
            GROUP,
            'ROS 2',
            State.LIMITED,
            'rclpy is not there: the nodes cannot be run, the command line can',
            'source the setup file of a ROS 2 distribution',
        )
        return
    yield Finding(GROUP, 'ROS 2', State.GOOD, distro or 'rclpy is there')
    for package, mend in (
        ('vlm_ros_interfaces', 'build this repository with colcon, and source its setup file'),
        ('vision_msgs', f'sudo apt-get install ros-{distro or "DISTRO"}-vision-msgs'),
    ):
        if find_spec(package) is None:
            yield Finding(GROUP, package, State.BROKEN, 'not there: no node starts', mend)
        else:
            yield Finding(GROUP, package, State.GOOD, 'there')
    yield _transport()


def _transport() -> Finding:
    middleware = os.environ.get('RMW_IMPLEMENTATION', 'rmw_fastrtps_cpp')
    if 'fastrtps' not in middleware:
        return Finding(GROUP, 'transport', State.GOOD, middleware)
    chosen = next((os.environ[name] for name in PROFILES if os.environ.get(name)), '')
    if not chosen:
        return Finding(
            GROUP,
            'transport',
            State.LIMITED,
            'Fast DDS without a profile loses most large best-effort images',
            'start with the launch file, or set a profile; see the README, "Large images"',
        )
    if not os.path.isfile(chosen):
        text = f'the profile {chosen} is not there'
        return Finding(GROUP, 'transport', State.BROKEN, text, f'set or unset {PROFILES[0]}')
    return Finding(GROUP, 'transport', State.GOOD, f'Fast DDS with the profile {chosen}')
