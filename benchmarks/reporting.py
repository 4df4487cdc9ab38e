"""How every benchmark prints its figures."""

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
import json


@dataclass(frozen=True)
class Figure:
    """One measured value.

    Attributes:
        name: What was measured, as `benchmark.figure`.
        value: The value.
        unit: Its unit.
        setting: What it was measured with: resolution, vocabulary, model, device.
        baseline: The same value of what it is compared with, measured in the same run.
        at_most: The target: what the value should not exceed; None where there is none.
        at_least: The target of what is better when larger; None where there is none.
    """

    name: str
    value: float
    unit: str
    setting: str = ''
    baseline: float | None = None
    at_most: float | None = None
    at_least: float | None = None

    @property
    def ratio(self) -> float | None:
        """Value by baseline."""
        return self.value / self.baseline if self.baseline else None

    @property
    def is_met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.at_least is not None:
            return self.value >= self.at_least
        return None if self.at_most is None else self.value <= self.at_most


def run(figures: Iterable[Figure]) -> None:
    """Print figures as they come, for people or, with `--json`, one object a line."""
    print_figures(figures, as_json=parse(argparse.ArgumentParser()).json)


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse the command line with the options that every benchmark has."""
    parser.add_argument('--json', action='store_true', help='one JSON object a line')
    return parser.parse_args()


def print_figures(figures: Iterable[Figure], *, as_json: bool) -> None:
    """Print figures as they come."""
    for figure in figures:
        print(_as_json(figure) if as_json else _as_text(figure), flush=True)


def _as_json(figure: Figure) -> str:
    row = {'name': figure.name, 'value': figure.value, 'unit': figure.unit}
    if figure.setting:
        row['setting'] = figure.setting
    if figure.baseline is not None:
        row |= {'baseline': figure.baseline, 'ratio': figure.ratio}
    if figure.at_most is not None:
        row |= {'at_most': figure.at_most, 'is_met': figure.is_met}
    if figure.at_least is not None:
        row |= {'at_least': figure.at_least, 'is_met': figure.is_met}
    return json.dumps(row)


def _as_text(figure: Figure) -> str:
    line = f'{figure.name:32} {figure.value:10.4g} {figure.unit:9}'
    if figure.baseline is not None:
        line += f' (baseline {figure.baseline:.4g}, ratio {figure.ratio or 0.0:.3g})'
    if figure.at_most is not None:
        line += f' ({"met" if figure.is_met else "MISSED"}: at most {figure.at_most:.4g})'
    if figure.at_least is not None:
        line += f' ({"met" if figure.is_met else "MISSED"}: at least {figure.at_least:.4g})'
    return f'{line}  {figure.setting}'.rstrip()
