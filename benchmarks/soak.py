"""Perception for a long time on bad days: what grows, and which requests are lost.

The whole graph runs on one camera at 30 Hz. Clients ask without a pause (services, the action with
cancels, bursts that overfill the queue), parameters and names change every few seconds, the camera
is killed and restarted, and so is a client in mid-request.

Memory is measured from the second minute on, against the mean of that minute. `private` is what
the process allocated itself. `shared_memory` are the segments of Fast DDS, its own and those of
the processes it hears, whose pages count once they have been used: it grows until all have.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
import contextlib
import json
from pathlib import Path
import time
from typing import Any

import numpy as np
import psutil
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from benchmarks._listener import Caller, Listener
from benchmarks._processes import load, process
from benchmarks.reporting import Figure, parse, print_figures
from vlm_ros.results import Status
from vlm_ros_interfaces.msg import Caption
from vlm_ros_interfaces.srv import SetVocabulary

MINUTE_S = 60.0
CAMERA_PERIOD_S = 50.0
CAMERA_GONE_S = 5.0
CLIENT_PERIOD_S = 20.0
CLIENT_GONE_S = 2.0
BACKENDS = {'fake': {'backend_options': 'script=0.03'}, 'embedded': {}}


def main() -> None:
    """Soak."""
    parser = argparse.ArgumentParser(prog='scripts/bench soak')
    parser.add_argument('--minutes', type=float, default=10.0, help='3 or more; 10')
    parser.add_argument('--backend', choices=BACKENDS, default='fake', help='fake takes 30 ms')
    options = parse(parser)
    if options.minutes < 3:
        parser.error('growth cannot be told in less than 3 minutes')
    print_figures(figures(options.minutes, options.backend), as_json=options.json)


def figures(minutes: float, backend: str) -> Iterator[Figure]:
    """Yield the figures."""
    parameters = {
        'nodes': 'detector,captioner,query,overlay',
        'backend': backend,
        **BACKENDS[backend],
    }
    camera = ['--size', '640x480']
    with (
        process('vlm_ros.nodes.perception', parameters=parameters) as perception,
        Listener() as listener,
        Killed(
            lambda: process('benchmarks._camera', camera), CAMERA_PERIOD_S, CAMERA_GONE_S
        ) as cameras,
    ):
        listener.node.create_subscription(Image, 'overlay', lambda _: None, 1, raw=True)
        listener.node.create_subscription(Caption, 'caption', lambda _: None, 10)
        listener.wait_until_active()
        callers = _changes(listener)
        with (
            process('benchmarks._soak_client') as client,
            Killed(
                lambda: process('benchmarks._soak_client'), CLIENT_PERIOD_S, CLIENT_GONE_S
            ) as clients,
        ):
            samples = _watch(perception, listener, (cameras, clients), minutes * MINUTE_S)
            out, _ = client.communicate(timeout=MINUTE_S)
            counts = json.loads(out)
        if perception.poll() is not None:
            raise SystemExit(f'soak: perception ended with {perception.returncode}')
    setting = f'{minutes:g} min, 640x480 at 30 Hz, {backend}, {load()}'
    yield from samples.figures(setting)
    yield Figure('soak.camera_kills', cameras.count, '', setting)
    yield Figure('soak.client_kills', clients.count, '', setting)
    changes = sum(len(caller.responses) for caller in callers)
    yield Figure('soak.parameter_changes', changes, '', setting)
    yield Figure('soak.requests_sent', counts['sent'], '', setting)
    yield Figure('soak.requests_answered', counts['answered'], '', setting)
    yield Figure('soak.requests_lost', counts['lost'], '', setting, at_most=0)
    for code, count in sorted(counts['codes'].items()):
        name = Status(int(code)).name if code.isdigit() else code
        yield Figure(f'soak.answers_{name}', count, '', setting)
    yield from samples.status_figures(setting)


class Killed:
    """A process that is killed now and then, and started again.

    Args:
        start: Makes it.
        period_s: Seconds it lives.
        gone_s: Seconds it is gone.
    """

    def __init__(
        self,
        start: Callable[[], contextlib.AbstractContextManager[psutil.Popen]],
        period_s: float,
        gone_s: float,
    ) -> None:
        self.count = 0
        self._start = start
        self._lives_s, self._gone_s = period_s, gone_s
        self._stack = contextlib.ExitStack()
        self._process: psutil.Popen | None = None

    def __enter__(self) -> 'Killed':
        self._begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def look_after(self) -> None:
        """Kill or start it when it is time."""
        if time.monotonic() < self._next_s:
            return
        if self._process is None:
            self._begin()
            return
        self._process.kill()
        self._stack.close()
        self._process = None
        self.count += 1
        self._next_s = time.monotonic() + self._gone_s

    def _begin(self) -> None:
        self._process = self._stack.enter_context(self._start())
        self._next_s = time.monotonic() + self._lives_s


class Samples:
    """What a process used, once a second, and the statuses of its detector."""

    def __init__(self) -> None:
        self._rows: list[tuple[float, ...]] = []
        self._codes: Counter[int] = Counter()
        self._started_s = time.monotonic()

    def take(self, measured: psutil.Process) -> None:
        """Measure."""
        now_s = time.monotonic() - self._started_s
        memory = _resident_mib(measured.pid)
        self._rows.append((now_s, *memory, measured.num_threads(), measured.num_fds()))

    def count(self, codes: Iterator[int]) -> None:
        """Count the codes of statuses."""
        self._codes.update(codes)

    def figures(self, setting: str) -> Iterator[Figure]:
        """Yield memory, threads and file descriptors, and how they grew."""
        rows = np.array(self._rows)
        at_s = rows[:, 0]
        first = rows[(at_s >= MINUTE_S) & (at_s < 2 * MINUTE_S)].mean(axis=0)
        last = rows[at_s >= at_s[-1] - MINUTE_S].mean(axis=0)
        growth = 1e2 * (last[1] / first[1] - 1)
        yield Figure('soak.rss_growth', growth, '%', setting, at_most=1.0)
        names = ('rss', 'rss_private', 'rss_shared_memory', 'threads', 'file_descriptors')
        for name, unit, value, baseline in zip(
            names, ('MiB', 'MiB', 'MiB', '', ''), last[1:], first[1:], strict=True
        ):
            yield Figure(f'soak.{name}', value, unit, setting, baseline)
        by_minute = [
            rows[(at_s >= minute * MINUTE_S) & (at_s < (minute + 1) * MINUTE_S)].mean(axis=0)
            for minute in range(int(at_s[-1] / MINUTE_S))
        ]
        for minute, row in enumerate(by_minute):
            yield Figure(f'soak.minute_{minute + 1}_rss', row[1], 'MiB', setting)

    def status_figures(self, setting: str) -> Iterator[Figure]:
        """Yield how many statuses of each code came."""
        for code, count in sorted(self._codes.items()):
            yield Figure(f'soak.statuses_{Status(code).name}', count, '', setting)


def _resident_mib(pid: int) -> tuple[float, float, float]:
    """Resident memory of a process: all, its own anonymous pages, shared memory."""
    lines = Path(f'/proc/{pid}/status').read_text().splitlines()
    sizes = dict(line.split(':', 1) for line in lines)
    total, own, shared = (
        int(sizes[name].split()[0]) / 1024 for name in ('VmRSS', 'RssAnon', 'RssShmem')
    )
    return total, own, shared


def _watch(
    perception: psutil.Process,
    listener: Listener,
    killed: tuple[Killed, ...],
    duration_s: float,
) -> Samples:
    """Sample once a second, and look after those who are killed."""
    samples = Samples()
    end_s = time.monotonic() + duration_s
    while time.monotonic() < end_s and perception.poll() is None:
        listener.clear()
        listener.spin(1.0)
        samples.take(perception)
        samples.count(s.status.code for s in listener.statuses[''])
        for one in killed:
            one.look_after()
    return samples


def _changes(listener: Listener) -> list[Caller]:
    """Change parameters and names now and then."""

    def threshold(number: int) -> SetParameters.Request:
        value = Parameter('score_threshold', value=number % 10 / 20).to_parameter_msg()
        return SetParameters.Request(parameters=[value])

    def names(number: int) -> SetVocabulary.Request:
        return SetVocabulary.Request(vocabulary=['person', 'cup', f'thing {number}'])

    node: Any = listener.node
    return [
        Caller(node, SetParameters, 'detector/set_parameters', threshold, 3.0),
        Caller(node, SetVocabulary, 'set_vocabulary', names, 7.0),
    ]


if __name__ == '__main__':
    main()
