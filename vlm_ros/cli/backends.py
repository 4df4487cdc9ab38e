"""List the backends: what each can do, and what it still needs."""

import argparse
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vlm_ros.backends import BackendInfo


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument('--json', action='store_true', help='one JSON object a backend')


def main(args: argparse.Namespace) -> int:
    """Print a line a backend; return the exit status."""
    from dataclasses import asdict

    from vlm_ros import backends
    from vlm_ros.cli.exits import Exit

    found = backends.describe()
    if args.json:
        for info in found:
            print(json.dumps(asdict(info) | {'ready': info.ready}))
        return Exit.OK
    rows = [('BACKEND', 'TASKS', 'WEIGHTS', 'LICENCE', 'READY')]
    for info in found:
        tasks, licence = ', '.join(info.tasks) or '-', info.licence or '-'
        rows.append((info.name, tasks, _weights(info), licence, _ready(info)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f'{cell:{width}}' for cell, width in zip(row, widths, strict=True))
        print('  '.join(cells).rstrip())
    return Exit.OK


def _weights(info: 'BackendInfo') -> str:
    if info.missing_weights:
        return 'missing'
    return 'present' if info.licence else 'none needed'


def _ready(info: 'BackendInfo') -> str:
    needs = []
    if info.missing_libraries:
        needs.append(f'pip install {" ".join(info.missing_libraries)}')
    if info.missing_weights:
        needs.append(f'vlm-ros fetch {info.name}')
    return info.problem or (f'no: {"; ".join(needs)}' if needs else 'yes')
