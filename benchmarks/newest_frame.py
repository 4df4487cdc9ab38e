"""The newest frame against the plain way, one after the other with the same camera.

The plain way is `benchmarks/_plain_node.py`: cv_bridge and the model in the callback of a
subscription that keeps 10 images. Both are a process of their own with the same backend, names,
reliable transport and Fast DDS profile, and both are measured from outside: `age` is from an
image's stamp to the moment its detections arrive here, `cpu` is the processor time of the process
(all threads, reception included) by the results that it published.

The middleware keeps the newest 10, so where the model is slower than the camera an image of the
plain way waits for 10 periods, 333 ms at 30 Hz, and then for the model. How many times lower an
age without that wait is depends on the model: `fake` takes exactly 40 ms and computes nothing.
"""

from collections.abc import Iterator
import contextlib
import time

import numpy as np
from rclpy.clock import Clock
from vision_msgs.msg import Detection2DArray

from benchmarks._listener import Listener, LOADING_S
from benchmarks._processes import CpuMeter, load, process
from benchmarks.reporting import Figure, run
from vlm_ros.nodes.conversions import stamp_to_ns

NAMES = 'person,car,dog,cat,bicycle,chair,cup,bottle,laptop,book'
FAKE_S = 0.04
CASES = (('640x480', 'embedded'), ('1920x1080', 'embedded'), ('640x480', 'fake'))
WARM_UP_S = 5.0
MEASURED_S = 30.0
AGE_RATIO = 0.2
"""The target: ages five times lower."""


def main() -> None:
    """Measure both."""
    run(figures())


def figures() -> Iterator[Figure]:
    """Yield the figures of both, for each size."""
    for size, backend in CASES:
        plain = Run(size, backend, is_plain=True)
        newest = Run(size, backend, is_plain=False)
        setting = f'{size} at 30 Hz, reliable, {backend} on cpu, 10 names, {load()}'
        name = f'newest_frame.{backend}_{size.rpartition("x")[2]}p'
        yield Figure(f'{name}.rate', newest.rate_hz, 'Hz', setting, plain.rate_hz)
        for percentile in (50, 95):
            ages_ms = newest.age_ms(percentile), plain.age_ms(percentile)
            yield Figure(f'{name}.age_p{percentile}', ages_ms[0], 'ms', setting, ages_ms[1])
        ratio = newest.age_ms(95) / plain.age_ms(95)
        yield Figure(f'{name}.age_p95_ratio', ratio, '', setting, at_most=AGE_RATIO)
        yield Figure(
            f'{name}.cpu_per_frame', newest.cpu_ms, 'ms', setting, plain.cpu_ms, plain.cpu_ms
        )
        yield Figure(f'{name}.cpu', newest.cores, 'cores', setting, plain.cores)


class Run:
    """What came of one of the two ways."""

    def __init__(self, size: str, backend: str, *, is_plain: bool) -> None:
        ages_s: list[float] = []
        clock = Clock()

        def on_detections(msg: Detection2DArray) -> None:
            stamp_ns = stamp_to_ns(msg.header.stamp) or 0
            ages_s.append((clock.now().nanoseconds - stamp_ns) * 1e-9)

        with contextlib.ExitStack() as stack:
            script = str(FAKE_S) if backend == 'fake' else ''
            if is_plain:
                options = ['--names', NAMES, '--backend', backend, '--script', script]
                node = process('benchmarks._plain_node', options)
            else:
                parameters = {'nodes': 'detector', 'backend': backend, 'vocabulary': NAMES}
                if script:
                    parameters['backend_options'] = f'script={script}'
                node = process('vlm_ros.nodes.perception', parameters=parameters)
            measured = stack.enter_context(node)
            camera = ['--size', size, '--reliability', 'reliable']
            stack.enter_context(process('benchmarks._camera', camera))
            listener = stack.enter_context(Listener(()))
            listener.node.create_subscription(Detection2DArray, 'detections', on_detections, 100)
            if not listener.spin(LOADING_S, lambda: len(ages_s) > 0):
                raise SystemExit('newest_frame: no detections came')
            listener.spin(WARM_UP_S)
            ages_s.clear()
            cpu = CpuMeter(measured)
            started_s = time.monotonic()
            listener.spin(MEASURED_S)
            self.rate_hz = len(ages_s) / (time.monotonic() - started_s)
            self.cores = cpu.cores()
            self.cpu_ms = 1e3 * cpu.used_s() / len(ages_s)
            self._ages_s = np.array(ages_s)

    def age_ms(self, percentile: float) -> float:
        """Age of the frames when their detections arrived."""
        return 1e3 * float(np.percentile(self._ages_s, percentile))


if __name__ == '__main__':
    main()
