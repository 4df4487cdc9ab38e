"""Look at annotations, the worst first, and accept, reject or relabel them.

Writes a page of a dataset that a browser opens, serves it, or puts what was said there into the
dataset.
"""

import argparse
import math
from pathlib import Path
import shlex
import sys

from vlm_ros.cli.options import text
from vlm_ros.errors import InputError

_EPILOG = """\
keys of the page: a accept, r reject, l relabel, u undo, j next, k previous, i whole image, s save

exit status:
  0    done
  2    wrong usage, no dataset, or reviews of things that are not in it; the others were applied
  130  interrupted
"""
_MB = 1_000_000
_PORTS = 65535
_SHOWN = 10
"""Of the reviews that could not be applied; a file of another dataset can have thousands."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.epilog = _EPILOG
    parser.add_argument('folder', metavar='DIR', help='what vlm-ros annotate made')
    way = parser.add_mutually_exclusive_group()
    way.add_argument(
        '--output', metavar='FILE', help='where the page is written (review.html in DIR)'
    )
    way.add_argument(
        '--serve',
        action='store_true',
        help='serve the page to this machine; keep each verdict',
    )
    way.add_argument(
        '--apply',
        nargs='?',
        const='',
        metavar='FILE',
        help='put the reviews of a file, or else those of DIR, into the annotations',
    )
    parser.add_argument(
        '--format',
        type=_formats,
        action='extend',
        default=[],
        metavar='NAMES',
        help='with --apply, write DIR/exports/NAME anew: coco, yolo, voc, kitti, mcap; several '
        'with commas',
    )
    parser.add_argument(
        '--compare', metavar='DIR', help='another dataset of the same images: disagreement first'
    )
    parser.add_argument('--by', type=text, default='', metavar='NAME', help='who reviews')
    parser.add_argument(
        '--port',
        type=_port,
        metavar='N',
        help='with --serve (the first that is free from 8377 on)',
    )
    parser.add_argument(
        '--inline-mb',
        type=_megabytes,
        metavar='N',
        help='put small pictures into the page if they take so much together at most, otherwise '
        'link to those of DIR (16); 0 for links',
    )


def main(args: argparse.Namespace) -> int:
    """Write, serve or apply; return the exit status."""
    folder = Path(args.folder)
    _check(args)
    if args.apply is not None:
        return _apply(folder, Path(args.apply) if args.apply else None, args.format)
    other = Path(args.compare) if args.compare else None
    if args.serve:
        return _serve(folder, other, args.port, args.by)
    from vlm_ros.cli.counting import counted
    from vlm_ros.cli.exits import Exit
    from vlm_ros.review.page import INLINE_BYTES, write_page

    inline_bytes = INLINE_BYTES if args.inline_mb is None else args.inline_mb
    path = Path(args.output) if args.output else None
    page = write_page(folder, path, other=other, inline_bytes=inline_bytes, by=args.by)
    print(f'{page.path}: {counted(page.images, "image")}')
    if page.linked:
        print(f'its pictures are those in {folder}: keep the page with them')
    if page.without_picture:
        has = 'has' if page.without_picture == 1 else 'have'
        print(f'{page.without_picture} {has} no picture; annotate keeps them with --images jpeg')
    return Exit.OK


def _check(args: argparse.Namespace) -> None:
    if args.format and args.apply is None:
        raise InputError('--format writes what was reviewed; it needs --apply')
    if args.port is not None and not args.serve:
        raise InputError('--port is that of a server; it needs --serve')
    if args.inline_mb is not None and (args.serve or args.apply is not None):
        raise InputError('--inline-mb is of the page as a file; leave it out')


def _serve(folder: Path, other: Path | None, port: int | None, by: str) -> int:
    from vlm_ros.cli.exits import Exit
    from vlm_ros.review.exports import are_reviews_waiting
    from vlm_ros.review.serving import ReviewServer

    with ReviewServer(folder, port=port, other=other, by=by) as server:
        print(f'open {server.url} on this machine; Ctrl-C ends it', flush=True)
        try:
            server.serve()
        except KeyboardInterrupt:
            print(file=sys.stderr)
    if are_reviews_waiting(folder):
        name = shlex.quote(str(folder))
        print(f'put what was said into the annotations: vlm-ros review {name} --apply')
    return Exit.OK


def _apply(folder: Path, file: Path | None, formats: list[str]) -> int:
    from vlm_ros.cli.counting import counted
    from vlm_ros.cli.exits import complain, Exit
    from vlm_ros.review.applying import apply_reviews
    from vlm_ros.review.exports import export_reviewed, outdated_exports

    applied = apply_reviews(folder, file)
    print(f'{applied.reviewed} boxes and images have a verdict, {applied.changed} of them anew')
    if applied.new_labels:
        names = ', '.join(applied.new_labels)
        print(f'names that the vocabulary of {folder} lacks: {names}')
    for row in applied.unknown[:_SHOWN]:
        complain(f'{row.name} was not reviewed: {row.reason}', kind='')
    if len(applied.unknown) > _SHOWN:
        complain(f'{len(applied.unknown) - _SHOWN} more were not reviewed either', kind='')
    if formats:
        for name, written in export_reviewed(folder, formats).items():
            images, boxes = counted(written.images, 'image'), counted(written.boxes, 'box')
            print(f'{written.path}: {images} and {boxes} as {name}')
    if outdated := ','.join(outdated_exports(folder)):
        print(f'{folder}/exports: older than the reviews; write anew with --format {outdated}')
    return Exit.UNUSABLE if applied.unknown else Exit.OK


def _formats(argument: str) -> list[str]:
    names = [name.strip() for name in argument.split(',') if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError('name a format, such as coco')
    return names


def _port(argument: str) -> int:
    number = int(argument) if argument.isdecimal() else -1
    if not 0 <= number <= _PORTS:
        raise argparse.ArgumentTypeError(f'{argument!r} is not a port from 0 to {_PORTS}')
    return number


def _megabytes(argument: str) -> int:
    try:
        number = float(argument)
    except ValueError:
        number = -1.0
    if not (number >= 0 and math.isfinite(number)):
        raise argparse.ArgumentTypeError(f'{argument!r} is not a number of megabytes')
    return round(number * _MB)
