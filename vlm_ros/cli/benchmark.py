"""Time backends on this machine: cold start, latency, first token, memory."""

import argparse
from collections.abc import Iterator
import json
import subprocess
import sys
from typing import Any

from vlm_ros.cli.options import text

COLUMNS = (
    'MODEL',
    'DEVICE',
    'TASK',
    'COLD START',
    'FIRST CALL',
    'P50',
    'P95',
    'FIRST TOKEN',
    'MEMORY',
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        'backends',
        nargs='*',
        metavar='BACKEND[:MODEL]',
        help='such as embedded, or owl:google/owlvit-base-patch32 (every one that is ready here)',
    )
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda:N or mps (%(default)s)')
    parser.add_argument(
        '--option',
        type=text,
        action='append',
        default=[],
        metavar='NAME=VALUE',
        help="a setting of the backends' own, such as dtype=float32; may be given several times",
    )
    parser.add_argument(
        '--resolution',
        type=_resolution,
        default=(640, 480),
        metavar='WxH',
        help='of the images (640x480)',
    )
    parser.add_argument(
        '--repetitions', type=int, default=5, metavar='N', help='warm calls a task (%(default)s)'
    )
    parser.add_argument('--json', action='store_true', help='one JSON object a task on stdout')


def main(args: argparse.Namespace) -> int:
    """Measure each backend in a process of its own; return 3 where one could not be."""
    from vlm_ros import backends
    from vlm_ros.cli.exits import complain, Exit
    from vlm_ros.errors import InputError

    if args.repetitions < 1:
        raise InputError(f'--repetitions must be 1 or more, got {args.repetitions}')
    options = backends.parse_options(args.option, '--option')
    chosen = args.backends or _ready()
    rows = []
    is_failed = False
    for name in chosen:
        backend, _, model = name.partition(':')
        run = {
            'backend': backend,
            'model': model,
            'device': args.device,
            'options': options,
            'resolution_wh': args.resolution,
            'repetitions': args.repetitions,
        }
        for row in _measured(run):
            if 'error' in row:
                complain(f'{name}: {row["error"]}')
                is_failed = True
            elif args.json:
                print(json.dumps(row), flush=True)
            else:
                rows.append(row)
    if rows:
        _print_table(rows, args)
    return Exit.FAILED if is_failed else Exit.OK


def _ready() -> list[str]:
    """Return every backend and prefetched model that can be loaded here."""
    from vlm_ros import backends
    from vlm_ros.backends.catalogue import CATALOGUE
    from vlm_ros.backends.hub.lock import read_lock

    locked = read_lock()
    prefetched = [
        f'{card.backend}:{card.model_id}' for card in CATALOGUE if card.model_id in locked
    ]
    is_ready = {info.name: info.ready for info in backends.describe()}
    return ['embedded'] * is_ready['embedded'] + prefetched


def _measured(run: dict[str, Any]) -> Iterator[dict[str, Any]]:
    command = [sys.executable, '-m', 'vlm_ros.backends.benchmark', json.dumps(run, default=str)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        output, errors = child.communicate()
    for line in output.decode().splitlines():
        yield json.loads(line)
    if child.returncode not in (0, 1):
        reason = (errors.decode(errors='replace').strip().splitlines() or ['no reason given'])[-1]
        yield {'error': f'the measuring process ended with {child.returncode}: {reason}'}


def _print_table(rows: list[dict[str, Any]], args: argparse.Namespace) -> None:
    cells = [COLUMNS, *(_cells(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for number, row in enumerate(cells):
        line = '  '.join(f'{cell:{width}}' for cell, width in zip(row, widths, strict=True))
        note = rows[number - 1]['note'] if number else ''
        print(f'{line.rstrip()}  {note}'.rstrip())
    width, height = args.resolution
    print(f'\n{width}x{height}, 10 names, {args.repetitions} warm calls a task, a new image each')


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    arithmetic = f' {row["dtype"]}' if row['dtype'] else ''
    memory = f'{row["memory_mb"]:.0f} MB'
    if row['device_memory_mb'] is not None:
        memory += f' + {row["device_memory_mb"]:.0f} MB'
    first = row['first_token_ms']
    return (
        row['model_id'],
        row['device'] + arithmetic,
        row['task'],
        f'{row["cold_start_s"]:.1f} s',
        f'{row["first_call_ms"]:.0f} ms',
        f'{row["warm_p50_ms"]:.1f} ms',
        f'{row["warm_p95_ms"]:.1f} ms',
        '-' if first is None else f'{first:.0f} ms',
        memory,
    )


def _resolution(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition('x')
    if not (width.isdecimal() and height.isdecimal() and 0 < int(width) < 1e5 > int(height) > 0):
        raise argparse.ArgumentTypeError(f'{text!r} is not a resolution such as 640x480')
    return int(width), int(height)
