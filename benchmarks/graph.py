"""What the graph costs around the model: a 1080p camera at 30 Hz, in a process of its own.

Every case starts the real `perception` executable and a camera, and reads nothing but
`detections/status`, as a user could. `age` is from the image's stamp to the publication of its
detections; `added` is the age less the model's own time.
"""

from collections.abc import Iterator
import os

import numpy as np

from benchmarks._listener import Listener, Seen
from benchmarks._processes import process
from benchmarks.reporting import Figure, run

WARM_UP_S = 3.0
MEASURED_S = 10.0
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

    def __init__(self, seen: Seen) -> None:
        self.received_hz, self.processed_hz = seen.received_hz, seen.processed_hz
        self._ages_s, self._inferences_s = seen.ages_s, seen.inferences_s

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
    graph = {'nodes': 'detector', 'backend': backend, 'vocabulary': NAMES}
    if options:
        graph['backend_options'] = options
    with (
        process('vlm_ros.nodes.perception', parameters=graph, environment=environment),
        process('benchmarks._camera', environment=environment),
        Listener() as listener,
    ):
        listener.wait_until_active()
        listener.spin(WARM_UP_S)
        listener.clear()
        listener.spin(MEASURED_S)
        return Measurement(Seen('graph', listener.statuses['']))


if __name__ == '__main__':
    main()
