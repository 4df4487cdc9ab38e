"""What verbs that read a truth share."""

import argparse

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
