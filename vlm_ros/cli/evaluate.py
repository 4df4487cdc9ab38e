"""Hold predictions, or a model, against the truth: scores, intervals, a report.

What is evaluated follows from the layout of the truth; docs/evaluate.md has them all.
"""

import argparse

from vlm_ros.cli.evaluating.arguments import (
    add_map_argument,
    add_truth_arguments,
    BOXES,
    find_truth,
)
from vlm_ros.cli.options import add_model_arguments, fraction

_EPILOG = """\
exit status:
  0    evaluated
  1    nothing was answered, so that there is no number
  2    wrong usage, or something given could not be read
  3    the backend could not be loaded, or failed
  130  interrupted; what is in --output until then is whole, and a second run goes on from there
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.epilog = _EPILOG
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
        "calibrate (the model's own, or what a dataset was annotated at, or 0.5)",
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
    model = add_model_arguments(parser, are_defaults_left_out=True, is_backend_needed=False)
    model.add_argument(
        '--unguarded',
        action='store_true',
        help="answers are the model's own words, which no box has to support",
    )
    model.add_argument(
        '--score-threshold', type=fraction, metavar='SCORE',
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
    from vlm_ros.cli.evaluating import detections, words
    from vlm_ros.data.truths.layouts import TASKS
    from vlm_ros.errors import InputError

    if (args.predictions is None) == (args.backend is None):
        raise InputError('give PREDICTIONS or --backend NAME, one of them')
    if args.resamples < 0:
        raise InputError(f'--resamples must be 0 or more, got {args.resamples}')
    if args.against and not args.resamples:
        raise InputError('--against needs --resamples, of which p-values are made')
    _check_model(args)
    layout = find_truth(args)
    task = args.task or TASKS[layout]
    if task == 'detect':
        return detections.evaluate(args, layout)
    return words.evaluate(args, layout, task)


def _check_model(args: argparse.Namespace) -> None:
    """See that what is said of a model is of one; its name and device are the usual ones."""
    from vlm_ros.errors import InputError

    if args.backend is None:
        for name in ('model', 'device', 'option', 'output', 'score_threshold', 'unguarded'):
            value = getattr(args, name)
            if value is not None and value is not False and value != []:
                raise InputError(
                    f'--{name.replace("_", "-")} is for a model; give --backend, or leave it out'
                )
    args.model, args.device = args.model or '', args.device or 'cpu'
