"""What the graph costs around the model: a 1080p camera at 30 Hz, in a process of its own.

Every case starts the real `perception` executable and a camera, and reads nothing but
`detections/status`, as a user could. `age` is from the image's stamp to the publication of its
detections; `added` is the age less the model's own time.
"""

from collections.abc import Iterator
import contextlib
import os
import subprocess
import sys
import time

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor

from benchmarks.reporting import Figure, run
from vlm_ros.nodes.conversions import duration_to_seconds
from vlm_ros_interfaces.msg import PerceptionStatus

WARM_UP_S = 3.0
MEASURED_S = 10.0
LOADING_S = 60.0
PROFILES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
NAMES = 'person,car,dog,cat,bicycle,chair,cup,bottle,laptop,book'


def main() -> None:
    """Run every case."""
    run(figures())


def figures() -> Iterator[Figure]:
    """Yield the figures of every case."""
    setting = '1920x1080 at 30 Hz, best effort'
    with_profile = _measure('fake', own_transport=True)
    without = _measure('fake', own_transport=False)
    yield Figure('graph.camera_rate', with_profile.received_hz, 'Hz', setting, without.received_hz)
    yield Figure('graph.added_p50', with_profile.added_ms(50), 'ms', f'{setting}, fake')
    yield Figure('graph.added_p95', with_profile.added_ms(95), 'ms', f'{setting}, fake')
    slow = _measure('fake', own_transport=True, options='latency_s=0.2')
    setting = f'{setting}, fake with 200 ms inference'
    yield Figure('graph.slow_waited_max', slow.added_ms(100), 'ms', setting)
    yield Figure('graph.slow_inference_p50', slow.inference_ms(50), 'ms', setting)
    embedded = _measure('embedded', own_transport=True)
    setting = '1920x1080 at 30 Hz, best effort, embedded on cpu, 10 names'
    yield Figure('graph.embedded_rate', embedded.processed_hz, 'Hz', setting)
    yield Figure('graph.embedded_added_p50', embedded.added_ms(50), 'ms', setting)
    yield Figure('graph.embedded_added_max', embedded.added_ms(100), 'ms', setting)
    yield Figure('graph.embedded_inference_p50', embedded.inference_ms(50), 'ms', setting)


class Measurement:
    """The statuses of one case."""

    def __init__(self, statuses: list[PerceptionStatus], duration_s: float) -> None:
        looked = [s for s in statuses if s.provenance.inference_time != type(s.provenance.age)()]
        if len(looked) < 10:
            reason = statuses[-1].status.message if statuses else 'no status came'
            raise SystemExit(f'graph: only {len(looked)} frames were looked at: {reason}')
        first, last = statuses[0], statuses[-1]
        self.received_hz = (last.frames_received - first.frames_received) / duration_s
        self.processed_hz = (last.frames_processed - first.frames_processed) / duration_s
        self._ages_s = np.array([duration_to_seconds(s.provenance.age) for s in looked])
        self._inferences_s = np.array(
            [duration_to_seconds(s.provenance.inference_time) for s in looked]
        )

    def added_ms(self, percentile: float) -> float:
        """Milliseconds beyond the model's own time."""
        return 1e3 * float(np.percentile(self._ages_s - self._inferences_s, percentile))

    def inference_ms(self, percentile: float) -> float:
        """Milliseconds of the model."""
        return 1e3 * float(np.percentile(self._inferences_s, percentile))


def _measure(backend: str, *, own_transport: bool, options: str = '') -> Measurement:
    environment = dict(os.environ)
    if not own_transport:
        for name in PROFILES:
            environment.pop(name, None)
    graph = ['-p', 'nodes:=detector', '-p', f'backend:={backend}', '-p', f'vocabulary:={NAMES}']
    if options:
        graph += ['-p', f'backend_options:={options}']
    with (
        _process('vlm_ros.nodes.perception', graph, environment),
        _process('benchmarks._camera', [], environment),
    ):
        return _listen()


def _listen() -> Measurement:
    statuses: list[PerceptionStatus] = []
    rclpy.init()
    try:
        node = rclpy.create_node('benchmark', namespace='/benchmark')
        node.create_subscription(PerceptionStatus, 'detections/status', statuses.append, 100)
        executor = SingleThreadedExecutor()
        executor.add_node(node)

        def spin(until_s: float, enough: int | None = None) -> None:
            while time.monotonic() < until_s and (enough is None or len(statuses) < enough):
                executor.spin_once(timeout_sec=0.1)
                if enough is not None:
                    statuses[:] = [s for s in statuses if s.frames_processed]

        spin(time.monotonic() + LOADING_S, enough=1)
        spin(time.monotonic() + WARM_UP_S)
        statuses.clear()
        started_s = time.monotonic()
        spin(started_s + MEASURED_S)
        return Measurement(statuses, time.monotonic() - started_s)
    finally:
        rclpy.try_shutdown()


@contextlib.contextmanager
def _process(module: str, args: list[str], environment: dict[str, str]) -> Iterator[None]:
    command = [sys.executable, '-m', module, '--ros-args', *args]
    process = subprocess.Popen(
        [*command, '-r', '__ns:=/benchmark', '--log-level', 'error'], env=environment
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


if __name__ == '__main__':
    main()
