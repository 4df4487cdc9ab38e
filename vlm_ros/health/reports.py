"""What a stream's and a model's figures mean to an operator."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

import psutil

from vlm_ros.health.meter import StreamSnapshot

Phase = Literal['unloaded', 'loading', 'ready', 'failed']

_MIB = 2**20


class Level(IntEnum):
    """How bad it is, with the values of `diagnostic_msgs/DiagnosticStatus`.

    Reports of a live node leave `STALE` to the aggregator, which gives it to a node that has
    fallen silent, and which shows a group with one stale member among others as an error.
    """

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


@dataclass(frozen=True)
class Report:
    """What one part of a node says of itself.

    Attributes:
        name: The part, without the node's name.
        level: How bad it is.
        message: One line.
        values: Figures by name; the unit is part of the name.
        hardware_id: What it is about: a camera, a device. Empty for the node itself.
    """

    name: str
    level: Level
    message: str
    values: Mapping[str, str]
    hardware_id: str = ''


@dataclass(frozen=True)
class StreamLimits:
    """From where on a stream is worth a warning.

    Attributes:
        max_image_age_s: An image older than so many seconds is of no use.
        max_dropped_fraction: More dropped images than this are too many; 1 for never. Dropping is
            normal where the model is slower than the camera.
        min_rate_hz: Fewer processed images a second are too few; 0 for never.
    """

    max_image_age_s: float
    max_dropped_fraction: float = 1.0
    min_rate_hz: float = 0.0


def stream_report(
    name: str,
    snapshot: StreamSnapshot,
    limits: StreamLimits,
    silence: str,
    *,
    hardware_id: str = '',
) -> Report:
    """Judge a stream.

    ERROR: no image came at all, or none for a whole window more than an image may be old; every
    image of the window failed. WARN: the newest image or half of the results are too old or from
    the future, some images failed, none is looked at, too many are dropped, too few are processed.
    Drops and rates are judged once images have been coming for a whole window.

    Args:
        name: What the report is called.
        snapshot: The stream now.
        limits: From where on to warn.
        silence: One line that says why no image comes, for where none does.
        hardware_id: The camera.
    """
    silence = _line(silence) or 'no image comes'
    if snapshot.since_image_s is None:
        found = [(Level.ERROR, silence)]
    elif snapshot.since_image_s > limits.max_image_age_s:
        lost = snapshot.since_image_s > limits.max_image_age_s + snapshot.window_s
        level = Level.ERROR if lost else Level.WARN
        found = [(level, f'no image for {_duration(snapshot.since_image_s)}: {silence}')]
    else:
        found = [
            *_failures(snapshot),
            *_ages(snapshot, limits),
            *_rates(snapshot, limits),
            (Level.OK, _figures(snapshot)),
        ]
    level = max(level for level, _ in found)
    message = '; '.join(text for _, text in sorted(found, key=lambda item: -item[0]))
    return Report(name, level, message, _stream_values(snapshot), hardware_id)


def _failures(snapshot: StreamSnapshot) -> list[tuple[Level, str]]:
    if not snapshot.failed_fraction:
        return []
    reason = f': {_line(snapshot.failure)}' if snapshot.failure else ''
    if snapshot.failed_fraction == 1.0:
        return [(Level.ERROR, f'every frame fails{reason}')]
    return [(Level.WARN, f'{_percent(snapshot.failed_fraction)} % of frames fail{reason}')]


def _ages(snapshot: StreamSnapshot, limits: StreamLimits) -> list[tuple[Level, str]]:
    age_s = snapshot.age_p50_s
    if age_s is None or 0.0 <= age_s <= limits.max_image_age_s:
        return []
    if age_s < 0.0:
        ahead = _duration(-age_s)
        return [(Level.WARN, f'image stamps are {ahead} in the future; synchronize the clocks')]
    allowed = _duration(limits.max_image_age_s)
    return [(Level.WARN, f'results are {_duration(age_s)} old, more than {allowed}')]


def _rates(snapshot: StreamSnapshot, limits: StreamLimits) -> list[tuple[Level, str]]:
    if snapshot.observed_s < snapshot.window_s:
        return []
    if snapshot.failed_fraction is None:
        waited_s = snapshot.since_processed_s
        waited = 'yet' if waited_s is None else f'for {_duration(waited_s)}'
        return [(Level.WARN, f'images come but none was processed {waited}')]
    found = []
    if (snapshot.dropped_fraction or 0.0) > limits.max_dropped_fraction:
        dropped = _percent(snapshot.dropped_fraction)
        allowed = f'{limits.max_dropped_fraction * 100.0:g} %'
        found.append((Level.WARN, f'{dropped} % of frames dropped, more than {allowed}'))
    if snapshot.processed_hz < limits.min_rate_hz:
        found.append((Level.WARN, f'slower than {limits.min_rate_hz:g} frames/s'))
    return found


def _figures(snapshot: StreamSnapshot) -> str:
    text = f'{snapshot.processed_hz:.1f} of {snapshot.received_hz:.1f} frames/s'
    if snapshot.age_p50_s is not None:
        text += f', age {_ms(snapshot.age_p50_s)} ms p50, {_ms(snapshot.age_p95_s)} ms p95'
    return text


def _stream_values(snapshot: StreamSnapshot) -> dict[str, str]:
    return {
        'Received (Hz)': f'{snapshot.received_hz:.1f}',
        'Processed (Hz)': f'{snapshot.processed_hz:.1f}',
        'Dropped (%)': _percent(snapshot.dropped_fraction),
        'Failed (%)': _percent(snapshot.failed_fraction),
        'Inference p50 (ms)': _ms(snapshot.inference_p50_s),
        'Inference p95 (ms)': _ms(snapshot.inference_p95_s),
        'Age p50 (ms)': _ms(snapshot.age_p50_s),
        'Age p95 (ms)': _ms(snapshot.age_p95_s),
        'Age max (ms)': _ms(snapshot.age_max_s),
        'Since last image (s)': _number(snapshot.since_image_s),
        'Since last processed (s)': _number(snapshot.since_processed_s),
        'Window (s)': _number(snapshot.window_s),
        'Frames received': str(snapshot.received),
        'Frames processed': str(snapshot.processed),
        'Frames dropped': str(snapshot.dropped),
        'Frames failed': str(snapshot.failed),
        'Last failure': _line(snapshot.failure) or 'none',
    }


def model_report(
    name: str,
    *,
    phase: Phase,
    model_id: str,
    device: str,
    preferred: str,
    error: str,
    for_s: float,
    waiting: int,
    memory_bytes: int,
) -> Report:
    """Judge a model.

    ERROR: it failed. WARN: another runs, or is loaded, than should; it is loaded again after it
    failed. A model that loads for the first time, or is not loaded, is in order.

    Args:
        name: What the report is called.
        phase: What the model is at.
        model_id: The model that runs, loads or failed.
        device: Where it runs.
        preferred: What should run and does not; empty where the right one runs.
        error: Why it failed, or why what should run does not.
        for_s: How long it has been in this phase.
        waiting: Requests in its queue.
        memory_bytes: Resident memory of the process.
    """
    error = _line(error)
    because = f': {error}' if error else ''
    instead = f' instead of {preferred}' if preferred else ''
    level = Level.WARN if preferred else Level.OK
    if phase == 'failed':
        level = Level.ERROR
        message = f'{model_id} failed {_duration(for_s)} ago{because}'
    elif phase == 'loading':
        again = ' again' if error and not preferred else ''
        level = Level.WARN if error else level
        message = f'loading {model_id}{again}{instead} for {_duration(for_s)}{because}'
    elif phase == 'ready':
        message = f'{model_id} runs on {device}{instead}{because if preferred else ""}'
    else:
        level, message = Level.OK, 'not loaded'
    values = {
        'Model': model_id or 'none',
        'Device': device or 'none',
        'Phase': phase,
        'Phase since (s)': _number(for_s),
        'Preferred': preferred or model_id or 'none',
        'Last error': error or 'none',
        'Waiting requests': str(waiting),
        'Process memory (MiB)': f'{memory_bytes / _MIB:.0f}',
    }
    return Report(name, level, message, values, device)


def process_memory_bytes() -> int:
    """Return the resident memory of this process."""
    return int(psutil.Process().memory_info().rss)


def _line(text: str) -> str:
    return ' '.join(text.split())


def _duration(seconds: float) -> str:
    if seconds < 10.0:
        return f'{seconds:.1f} s'
    if seconds < 120.0:
        return f'{seconds:.0f} s'
    return f'{seconds / 60.0:.0f} min' if seconds < 7200.0 else f'{seconds / 3600.0:.0f} h'


def _number(value: float | None, decimals: int = 1) -> str:
    return 'unknown' if value is None else f'{value:.{decimals}f}'


def _ms(seconds: float | None) -> str:
    return _number(None if seconds is None else seconds * 1e3, 0)


def _percent(fraction: float | None) -> str:
    return _number(None if fraction is None else fraction * 100.0)
