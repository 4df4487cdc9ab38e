"""Pick each class's score threshold from labelled data, for the detector to read."""

import argparse

from vlm_ros.cli.evaluating.arguments import (
    add_map_argument,
    add_truth_arguments,
    BOXES,
    find_truth,
)

_EPILOG = """\
exit status:
  0    every class has a threshold in FILE
  1    some have none, and the detector's score_threshold holds for them; FILE says why
  2    wrong usage, or something given could not be read, or no class has a threshold
  130  interrupted; FILE is as it was
"""
_WEAK = 0.1
"""Predictions without weaker boxes leave little to choose from."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.epilog = _EPILOG
    parser.add_argument(
        'predictions',
        metavar='PREDICTIONS',
        help="an annotated dataset, with weak boxes, too, or COCO's results",
    )
    parser.add_argument(
        '--truth',
        required=True,
        metavar='TRUTH',
        help=BOXES,
    )
    add_truth_arguments(parser)
    add_map_argument(parser)
    parser.add_argument(
        '--by',
        default='f1',
        metavar='AIM',
        help='f1, precision=0.9 (the weakest right box with it) or recall=0.8 (%(default)s)',
    )
    parser.add_argument(
        '--iou', type=float, default=0.5, help='least overlap with a true box (%(default)s)'
    )
    parser.add_argument(
        '--min-things', type=int, default=10, metavar='N',
        help='classes with fewer true boxes get no threshold (%(default)s)',
    )  # fmt: skip
    parser.add_argument('-o', '--output', required=True, metavar='FILE', help='the YAML to write')
    parser.add_argument('-q', '--quiet', action='store_true', help='errors only')


def main(args: argparse.Namespace) -> int:
    """Calibrate; return 1 where a class got no threshold."""
    from pathlib import Path

    from vlm_ros.cli.evaluating import detections
    from vlm_ros.cli.exits import complain, Exit
    from vlm_ros.data.truths.predictions import read_predictions
    from vlm_ros.errors import InputError
    from vlm_ros.evaluation.calibration import Aim, calibrate, write_thresholds
    from vlm_ros.evaluation.matches import match
    from vlm_ros.evaluation.summary import overlap_of

    if not args.output:
        raise InputError('--output is empty; name the YAML to write')
    if args.min_things < 1:
        raise InputError(f'--min-things must be 1 or more, got {args.min_things}')
    aim, overlap = Aim.parse(args.by), overlap_of(args.iou)
    truth = detections.read(args, find_truth(args))
    predicted = read_predictions(Path(args.predictions), truth)
    if not any(image.boxes for image in predicted.images):
        raise InputError(f'{args.predictions} has no boxes, from which to pick a threshold')
    args.all_classes = False
    naming, paired = detections.paired_with(args, truth, predicted)
    if not args.quiet:
        for line in detections.notes(truth, predicted, naming, paired):
            complain(line, kind='note: ')
        if (least := predicted.least_score) is not None and least > _WEAK:
            told = f'{args.predictions} holds no box below {least:g}, so no lower threshold was'
            complain(f'{told} tried; predict with --score-threshold 0.01 for that', kind='note: ')
    found = calibrate(
        match(paired.images, paired.labels), aim, overlap=overlap, least_things=args.min_things
    )
    # The detector knows the names that it looks for, not those of the truth.
    asked = {
        name: row
        for label, row in found.items()
        for name in detections.asked_for(label, predicted, naming)
    }
    about = [f'{args.predictions} held against {args.truth}, overlap {args.iou:g}.']
    if predicted.model:
        about.append(f'Scores of {predicted.model}; those of another model mean something else.')
    write_thresholds(Path(args.output), asked, aim, about)
    refused = {name: row for name, row in asked.items() if row.reason}
    if not args.quiet:
        for name, row in refused.items():
            complain(f'{name} {row.reason}; it gets no threshold', kind='note: ')
        picked = len(asked) - len(refused)
        complain(f'{picked} threshold{"s" * (picked != 1)} in {args.output}', kind='')
    return Exit.NOTHING if refused else Exit.OK
