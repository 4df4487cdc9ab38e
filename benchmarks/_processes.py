"""Processes of a benchmark: ended with it, whatever happens, and measured from outside."""

from collections.abc import Iterator, Mapping
import contextlib
import os
import subprocess
import sys
import time

import psutil

NAMESPACE = '/benchmark'
MIB = 1 << 20


@contextlib.contextmanager
def process(
    module: str,
    options: list[str] | None = None,
    parameters: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[psutil.Popen]:
    """Run a module of nodes in the benchmark's namespace until the context is left.

    Args:
        module: Its name, as for `python -m`.
        options: Of its command line.
        parameters: ROS parameters, for every node of the process.
        environment: Instead of this process's own.

    Yields:
        The process, with what psutil measures of it; its `stdin` and `stdout` are pipes.
    """
    ros_args = ['-r', f'__ns:={NAMESPACE}', '--log-level', 'fatal']
    for name, value in (parameters or {}).items():
        ros_args += ['-p', f'{name}:={value}']
    running = psutil.Popen(
        [sys.executable, '-m', module, *(options or []), '--ros-args', *ros_args],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield running
    finally:
        if running.poll() is None:
            running.terminate()
        running.communicate()


class CpuMeter:
    """Counts the processor time of a process from now on."""

    def __init__(self, measured: psutil.Process) -> None:
        self._process = measured
        self._used_s = self._total_s()
        self._started_s = time.monotonic()

    def used_s(self) -> float:
        """Seconds of processor time, of all its threads together."""
        return self._total_s() - self._used_s

    def cores(self) -> float:
        """How many cores it kept busy on average."""
        return self.used_s() / (time.monotonic() - self._started_s)

    def _total_s(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


def load() -> str:
    """Say how busy the machine is, this benchmark included."""
    return f'{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}'
