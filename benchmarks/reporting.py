"""How every benchmark prints its figures."""

import argparse
from collections.abc import Iterable
from dataclasses import dataclass
import json
import sys


@dataclass(frozen=True)
class Figure:
    """One measured value.

    Attributes:
        name: What was measured, as `benchmark.figure`.
        value: The value.
        unit: Its unit.
        setting: What it was measured with: resolution, vocabulary, model, device.
        baseline: The same value of what it is compared with, measured in the same run.
    """

    name: str
    value: float
    unit: str
    setting: str = ''
    baseline: float | None = None

    @property
    def ratio(self) -> float | None:
        """Value by baseline."""
        return self.value / self.baseline if self.baseline else None


def run(figures: Iterable[Figure]) -> None:
    """Print figures as they come, for people or, with `--json`, one object a line."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--json', action='store_true', help='one JSON object a line')
    as_json = parser.parse_args().json
    for figure in figures:
        if as_json:
            row = {'name': figure.name, 'value': figure.value, 'unit': figure.unit}
            if figure.setting:
                row['setting'] = figure.setting
            if figure.baseline is not None:
                row |= {'baseline': figure.baseline, 'ratio': figure.ratio}
            print(json.dumps(row))
        else:
            line = f'{figure.name:32} {figure.value:10.4g} {figure.unit:9}'
            if figure.baseline is not None:
                line += f' (baseline {figure.baseline:.4g}, ratio {figure.ratio or 0.0:.3g})'
            print(f'{line}  {figure.setting}'.rstrip())
        sys.stdout.flush()
