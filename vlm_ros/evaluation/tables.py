"""Evaluations as tables for a terminal."""

from collections.abc import Mapping
import sys
from typing import Any

from vlm_ros.evaluation.coverage import Coverage
from vlm_ros.evaluation.detection import SIZES
from vlm_ros.evaluation.figures import (
    of_groups,
    shown,
    shown_difference,
    shown_interval,
    TITLES,
    TRACKING,
    tracking_title,
)
from vlm_ros.evaluation.intervals import Interval
from vlm_ros.evaluation.pairing import Paired
from vlm_ros.evaluation.summary import NUMBERS, RunComparison, Summary
from vlm_ros.evaluation.tracks import TrackedClass

SIGNIFICANT = 0.05
_FILE_COLUMNS = 120
"""How wide tables may be where stdout is no terminal."""


def stdout() -> Any:
    """Return the `rich.console.Console` for stdout; names are shown as they are."""
    from rich.console import Console

    class _Console(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # whoever called the command ends it as for any reader who left

    width = None if sys.stdout.isatty() else _FILE_COLUMNS
    return _Console(markup=False, highlight=False, width=width)


def print_detection(
    summary: Summary, paired: Paired, groups: Mapping[str, str], console: Any
) -> None:
    """Print the numbers of a run of a detector: overall, by size, by class.

    Args:
        summary: The run.
        paired: What it was scored from.
        groups: Of LVIS, of each class; else empty.
        console: A `rich.console.Console`.
    """
    from rich import box
    from rich.table import Table

    overall = summary.score.overall
    at = summary.threshold
    told = f'{at:g}' if isinstance(at, float | int) else 'of each class'
    table = Table(
        '', '95 % interval', box=box.SIMPLE_HEAD, title='Detection', title_justify='left'
    )
    for name in NUMBERS:
        title = TITLES[name]
        if name not in ('ap', 'ap50'):
            title += f' at score {told}, overlap {summary.iou:g}' * (name == 'precision')
        table.add_row(title, shown_interval(summary.intervals[name]))
    table.add_row('AP75', shown(overall.ap75))
    for limit, value in overall.ar.items():
        table.add_row(f'AR, {limit} box{"es" * (limit > 1)} an image', shown(value))
    for group, value in of_groups(summary, groups).items():
        table.add_row(f'AP of {group} classes', shown(value))
    console.print(table)
    sizes = Table('size', 'AP', 'AR', box=box.SIMPLE_HEAD)
    for size in SIZES:
        sizes.add_row(size, shown(overall.ap_of_size[size]), shown(overall.ar_of_size[size]))
    console.print(sizes)
    classes = Table(
        'class', 'things', 'AP', 'AP50', 'precision', 'recall', 'alarms/image', box=box.SIMPLE_HEAD
    )
    for label in summary.present:
        own = summary.intervals_of[label]
        point = summary.operating.of_label[label]
        classes.add_row(
            label,
            str(summary.score.truths[label]),
            shown_interval(own['ap']),
            shown(own['ap50'].value),
            shown(point.precision),
            shown(point.recall),
            shown(point.alarms_per_image),
        )
    console.print(classes)
    if absent := len(paired.labels) - len(summary.present):
        console.print(f'{absent} more classes have neither things nor boxes')
    console.print(covered(summary.score.coverage, 'images'))


def covered(coverage: Coverage, what: str) -> str:
    """Say how much was answered."""
    line = f'{coverage.answered} of {coverage.total} {what} answered'
    if coverage.abstained:
        line += f', {coverage.abstained} not sure'
    if coverage.failed:
        line += f', {coverage.failed} failed or missing'
    return line


def print_values(title: str, rows: Mapping[str, str], console: Any) -> None:
    """Print names and their values."""
    from rich import box
    from rich.table import Table

    table = Table('', 'value', box=box.SIMPLE_HEAD, title=title, title_justify='left')
    for name, value in rows.items():
        table.add_row(name, value)
    console.print(table)


def print_tracks(given: Mapping[str, TrackedClass], console: Any) -> None:
    """Print how well things were followed, a line a class; nothing where there are no tracks."""
    from rich import box
    from rich.table import Table

    if not given:
        return
    head = (*(tracking_title(name) for name in TRACKING), 'switches')
    table = Table(
        'class', 'tracks', *head, box=box.SIMPLE_HEAD, title='Tracks', title_justify='left'
    )
    for label, own in given.items():
        values = [shown(getattr(own.score, name)) for name in TRACKING]
        table.add_row(label, str(own.things), *values, str(own.score.identity_switches))
    console.print(table)


def print_runs(given: RunComparison, versus: str, console: Any) -> None:
    """Print how a run compares with another; `versus` names them."""
    rows = {
        TITLES[name]: _difference(difference, given.p_values[name])
        for name, difference in given.differences.items()
    }
    rows['images with fewer, more missed things'] = (
        f'{given.missed.better}, {given.missed.worse}; p = {shown(given.missed.p_value)}'
    )
    rows['images with fewer, more false boxes'] = (
        f'{given.false.better}, {given.false.worse}; p = {shown(given.false.p_value)}'
    )
    print_values(f'{versus}, over {given.images} images', rows, console)


def _difference(difference: Interval, p_value: float) -> str:
    verdict = 'significant' if p_value < SIGNIFICANT else 'not significant'
    return f'{shown_difference(difference)}, p = {shown(p_value)}, {verdict}'
