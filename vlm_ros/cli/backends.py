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
    from vlm_ros.backends.catalogue import of_backend
    from vlm_ros.backends.hub.store import models_here
    from vlm_ros.cli.exits import Exit

    here = models_here()
    rows = [('BACKEND', 'TASKS', 'WEIGHTS', 'LICENCE', 'READY')]
    for info in backends.describe():
        models = tuple(card.model_id for card in of_backend(info.name))
        count = sum(model_id in here for model_id in models)
        needs = _needs(info, models if not count else ())
        if args.json:
            known = {'models': len(models), 'prefetched': count, 'ready': not needs}
            print(json.dumps(asdict(info) | known))
            continue
        tasks = ', '.join(info.tasks) or '-'
        licence = info.licence or ('by model' if models else '-')
        weights = f'{count} of {len(models)} models' if models else _weights(info)
        rows.append((info.name, tasks, weights, licence, f'no: {needs}' if needs else 'yes'))
    if args.json:
        return Exit.OK
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f'{cell:{width}}' for cell, width in zip(row, widths, strict=True))
        print('  '.join(cells).rstrip())
    return Exit.OK


def _weights(info: 'BackendInfo') -> str:
    if info.missing_weights:
        return 'missing'
    return 'present' if info.licence else 'none needed'


def _needs(info: 'BackendInfo', models: tuple[str, ...]) -> str:
    """Say what has to be done before the backend can be used; empty for nothing."""
    if info.problem:
        return info.problem
    needs = []
    if info.missing_libraries:
        needs.append(f'pip install {" ".join(info.missing_libraries)}')
    if info.missing_weights:
        needs.append(f'vlm-ros fetch {info.name}')
    if models:
        needs.append(f'vlm-ros models prefetch {models[0]}')
    return '; '.join(needs)
