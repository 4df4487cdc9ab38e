"""Hold predictions, or a model, against the truth: scores, intervals, a report.

What is evaluated follows from the layout of the truth; docs/evaluate.md has them all.
"""

import argparse

from vlm_ros.cli.evaluating.arguments import add_map_argument, add_truth_arguments, BOXES
from vlm_ros.cli.options import text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        'predictions',
        nargs='?',
        metavar='PREDICTIONS',
        help="an annotated dataset, COCO's results, or answers; none with --backend",
    )
    parser.add_argument(
        '--truth',
        required=True,
        metavar='TRUTH',
        help=f'{BOXES}, or the files of RefCOCO, Flickr30k Entities, VQA v2, GQA, nuScenes-QA, '
        'POPE, NLVR2, COCO captions, or what vlm-ros questions wrote',
    )
    parser.add_argument(
        '--task',
        default='',
        choices=('detect', 'ground', 'refer', 'answer', 'verify', 'retrieve', 'caption'),
        help='what is evaluated (what TRUTH is the truth of)',
    )
    add_truth_arguments(parser)
    add_map_argument(parser)
    parser.add_argument(
        '--all-classes', action='store_true', help='score classes nobody looked for, too'
    )
    parser.add_argument(
        '--track',
        action='store_true',
        help='follow the boxes through the sequences of TRUTH, and score the tracks',
    )
    parser.add_argument(
        '--threshold',
        metavar='SCORE|FILE',
        help='least score for precision, recall and false alarms, or the YAML of vlm-ros '
        "calibrate (the backend's own, or 0.5)",
    )
    parser.add_argument(
        '--iou', type=float, metavar='IOU', help='least overlap for the same (0.5)'
    )
    parser.add_argument(
        '--resamples',
        type=int,
        default=500,
        metavar='N',
        help='for intervals; 0 for none (%(default)s)',
    )
    parser.add_argument('--against', metavar='OTHER', help='predictions to compare with')
    model = parser.add_argument_group('model, instead of PREDICTIONS')
    model.add_argument('--backend', metavar='NAME', help='see vlm-ros backends')
    model.add_argument('--model', default='', metavar='NAME', help="which of the backend's models")
    model.add_argument('--device', default='cpu', help='auto, cpu, cuda:N or mps (%(default)s)')
    model.add_argument(
        '--option', type=text, action='append', default=[], metavar='NAME=VALUE',
        help="a setting of the backend's own; may be given several times",
    )  # fmt: skip
    model.add_argument(
        '--unguarded',
        action='store_true',
        help="answers are the model's own words, which no box has to support",
    )
    model.add_argument(
        '--score-threshold', type=float, metavar='SCORE',
        help='boxes that score less are not asked for; AP needs weak ones, too (0.01)',
    )  # fmt: skip
    model.add_argument(
        '-o',
        '--output',
        metavar='DIR',
        help='keep what the model says; a second run goes on from there',
    )
    output = parser.add_argument_group('output')
    output.add_argument('--json', action='store_true', help='one JSON object on stdout')
    output.add_argument('--report', metavar='DIR', help='write DIR/index.html, with pictures')
    output.add_argument('-q', '--quiet', action='store_true', help='no progress')


def main(args: argparse.Namespace) -> int:
    """Evaluate; return the exit status."""
    from pathlib import Path

    from vlm_ros.cli.evaluating import detections, words
    from vlm_ros.data.truths.layouts import layout_of, TASKS
    from vlm_ros.errors import InputError

    if (args.predictions is None) == (args.backend is None):
        raise InputError('give PREDICTIONS or --backend NAME, one of them')
    if args.resamples < 0:
        raise InputError(f'--resamples must be 0 or more, got {args.resamples}')
    if args.against and not args.resamples:
        raise InputError('--against needs --resamples, of which p-values are made')
    if args.output and args.predictions:
        raise InputError('--output is where --backend keeps what it says; leave it out')
    if args.format and args.format not in TASKS:
        raise InputError(f'there is no layout {args.format!r}; there are {", ".join(TASKS)}')
    layout = args.format or layout_of(Path(args.truth))
    task = args.task or TASKS[layout]
    if task == 'detect':
        return detections.evaluate(args, layout)
    return words.evaluate(args, layout, task)
