"""Whether memory returns: resident memory of a node with a model, through cycles of its lifecycle.

The `perception` executable runs the detector on a camera; configure, activate, deactivate and
cleanup are asked for through `change_state`, as a lifecycle manager does. Libraries that the first
load imports stay: Python never unloads them.
"""

from collections.abc import Iterator

from lifecycle_msgs.msg import Transition
import psutil

from benchmarks._listener import Listener, LOADING_S
from benchmarks._processes import MIB, process
from benchmarks.reporting import Figure, run

CYCLES = 5
ACTIVE_S = 5.0
SETTLED_S = 1.0


def main() -> None:
    """Go through the cycles."""
    run(figures())


def figures() -> Iterator[Figure]:
    """Yield memory at each state of each cycle, and what returns."""
    setting = 'detector, embedded on cpu, 640x480 at 30 Hz'
    parameters = {'nodes': 'detector', 'backend': 'embedded', 'autostart': 'false'}
    active: list[float] = []
    cleaned: list[float] = []
    with (
        process('vlm_ros.nodes.perception', parameters=parameters) as perception,
        process('benchmarks._camera', ['--size', '640x480']),
        Listener() as listener,
    ):
        # The heartbeat comes from an unconfigured node too.
        listener.spin(LOADING_S, lambda: bool(listener.statuses['']))
        listener.spin(SETTLED_S)
        before = _resident_mib(perception)
        yield Figure('lifecycle.before', before, 'MiB', setting)
        for cycle in range(1, CYCLES + 1):
            listener.change_state('detector', Transition.TRANSITION_CONFIGURE)
            listener.change_state('detector', Transition.TRANSITION_ACTIVATE)
            listener.clear()
            listener.wait_until_active()
            listener.spin(ACTIVE_S)
            active.append(_resident_mib(perception))
            yield Figure(f'lifecycle.active_{cycle}', active[-1], 'MiB', setting)
            listener.change_state('detector', Transition.TRANSITION_DEACTIVATE)
            listener.change_state('detector', Transition.TRANSITION_CLEANUP)
            listener.spin(SETTLED_S)
            cleaned.append(_resident_mib(perception))
            yield Figure(f'lifecycle.cleaned_{cycle}', cleaned[-1], 'MiB', setting)
    for name, number in (('first', 0), ('last', CYCLES - 1)):
        value = active[number] - cleaned[number]
        yield Figure(f'lifecycle.returned_{name}', value, 'MiB', setting)
    growth = (cleaned[-1] - cleaned[1]) / (CYCLES - 2)
    yield Figure('lifecycle.growth_a_cycle', growth, 'MiB', setting)


def _resident_mib(measured: psutil.Process) -> float:
    return float(measured.memory_full_info().rss) / MIB


if __name__ == '__main__':
    main()
