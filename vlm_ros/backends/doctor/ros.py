"""ROS 2, as far as it can be seen without importing it."""

from collections.abc import Iterator
import contextlib
import fcntl
from importlib.util import find_spec
import os
from pathlib import Path

from vlm_ros.backends.doctor.finding import Finding, State

GROUP = 'ros'
SHARED_MEMORY = Path('/dev/shm')
_MUCH_BYTES = 256 * 2**20
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
    left_bytes, count = left_in(SHARED_MEMORY)
    if left_bytes >= _MUCH_BYTES:
        yield Finding(
            GROUP,
            'shared memory',
            State.LIMITED,
            f'{left_bytes / 1e6:.0f} MB in {SHARED_MEMORY} are left by nodes that were killed '
            f'({count} files)',
            'fastdds shm clean; without that tool, while no node runs: '
            f'rm {SHARED_MEMORY}/fastrtps_* {SHARED_MEMORY}/fastdds_*',
        )


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


def left_in(folder: Path) -> tuple[int, int]:
    """Return the bytes and the number of Fast DDS's segments that no process holds any more.

    A process holds a lock on the file `..._el` beside each segment of its own, and cannot remove
    either when it is killed.
    """
    total_bytes = count = 0
    for lock in (*folder.glob('fastrtps_*_el'), *folder.glob('fastdds_*_el')):
        segment = lock.with_name(lock.name.removesuffix('_el'))
        with contextlib.suppress(OSError):  # held, gone meanwhile, or somebody else's
            with lock.open('rb') as stream:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
                total_bytes += segment.stat().st_size
                count += 1
    return total_bytes, count
