"""What verbs that read a truth share."""

import argparse
from pathlib import Path

from vlm_ros.cli.options import text

BOXES = 'a COCO or LVIS file, a YOLO data.yaml, a VOC or KITTI folder'


def add_truth_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how a truth is read, but for the truth itself."""
    parser.add_argument(
        '--format', default='', metavar='NAME', help='the layout of TRUTH (told by its content)'
    )
    parser.add_argument('--images', metavar='DIR', help='the pictures (looked for near TRUTH)')
    parser.add_argument('--split', metavar='NAME', help='which part of TRUTH')


def add_map_argument(parser: argparse.ArgumentParser) -> None:
    """Declare what predictions are called in the truth."""
    parser.add_argument(
        '--map',
        type=text,
        action='append',
        default=[],
        metavar='A=B',
        help='predictions called A are B in the truth; A= leaves them out; several times',
    )


def find_truth(args: argparse.Namespace) -> str:
    """Take the one file of a folder for the truth where it holds one; return its layout.

    Raises:
        InputError: There is none, there are several, or it has none of the layouts.
    """
    from vlm_ros.data.truths.layouts import file_of, layout_of, TASKS
    from vlm_ros.errors import InputError

    if args.format and args.format not in TASKS:
        raise InputError(f'there is no layout {args.format!r}; there are {", ".join(TASKS)}')
    args.truth = str(file_of(Path(args.truth)))
    return args.format or layout_of(Path(args.truth))
