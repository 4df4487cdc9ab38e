"""Write questions with known answers from labelled boxes, to ask a model."""

import argparse
from pathlib import Path

from vlm_ros.cli.evaluating.arguments import add_truth_arguments, BOXES, find_truth
from vlm_ros.cli.options import number, positive

_EPILOG = """\
Each line of FILE has the question, its answer, the boxes that it rests on, and what it is of.
vlm-ros evaluate --truth FILE --backend NAME asks them. With --yes-no it has the layout of
POPE as well, for other tools.

exit status:
  0    there are questions in FILE
  2    wrong usage, or TRUTH could not be read, or has nothing to ask about
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.epilog = _EPILOG
    parser.add_argument('truth', metavar='TRUTH', help=BOXES)
    parser.add_argument(
        '-o', '--output', required=True, metavar='FILE.jsonl', help='the file to write'
    )
    add_truth_arguments(parser)
    parser.add_argument(
        '--colours',
        metavar='FILE.yaml',
        help="colours of things: 'TRACK_ID: red', a line each; for a TRUTH with track ids",
    )
    parser.add_argument(
        '--pairs', type=positive, default=3, metavar='N',
        help='pairs of yes and no about an image, of each group (%(default)s)',
    )  # fmt: skip
    parser.add_argument(
        '--min-side', type=number, default=16.0, metavar='PX',
        help='do not ask about smaller things (%(default)g)',
    )  # fmt: skip
    parser.add_argument(
        '--yes-no', action='store_true', help='questions of yes or no only, no statements'
    )
    parser.add_argument(
        '--seed', type=int, default=0, metavar='N', help='another draws others (%(default)s)'
    )
    parser.add_argument('-q', '--quiet', action='store_true', help='errors only')


def main(args: argparse.Namespace) -> int:
    """Write the questions."""
    from collections import Counter

    from vlm_ros.cli.exits import complain, Exit
    from vlm_ros.data.truths.boxes import read_boxes
    from vlm_ros.errors import InputError
    from vlm_ros.records import write_lines
    from vlm_ros.simulation.questions import ask

    if not args.output:
        raise InputError('--output is empty; name the file to write')
    if args.seed < 0:
        raise InputError(f'--seed must be 0 or more, got {args.seed}')
    layout = find_truth(args)
    truth = read_boxes(
        Path(args.truth),
        layout,
        split=args.split,
        images=Path(args.images) if args.images else None,
    )
    colours = _colours(Path(args.colours)) if args.colours else None
    tracks = {box.track_id for image in truth.truth.images for box in image.boxes}
    if colours and not tracks & colours.keys():
        raise InputError(f'no thing of {args.truth} has a track id of {args.colours}')
    found = ask(
        truth.truth,
        seed=args.seed,
        pairs=args.pairs,
        min_side_px=args.min_side,
        colours=colours,
        judged=truth.judged,
        not_exhaustive=truth.not_exhaustive,
        closed_only=args.yes_no,
    )
    write_lines(Path(args.output), found)
    if not args.quiet:
        counts = Counter(row.group for row in found)
        told = ', '.join(f'{count} {group}' for group, count in counts.items())
        closed = [row.label for row in found if row.is_closed]
        complain(
            f'{len(found)} in {args.output}: {told}; {closed.count("yes")} of {len(closed)} '
            'answers of yes or no are yes',
            kind='',
        )
        if again := len(found) - len({(row.image, row.text) for row in found}):
            told = f'{again} ask what one of another group asks of the same picture, as in POPE;'
            complain(f'{told} each counts', kind='note: ')
    return Exit.OK


def _colours(path: Path) -> dict[int, str]:
    from typing import Any

    import yaml

    from vlm_ros.data.formats.truth import content
    from vlm_ros.errors import InputError
    from vlm_ros.simulation.questions import COLOURS

    try:
        found: Any = yaml.safe_load(content(path))
    except yaml.YAMLError as error:
        raise InputError(f'{path} is not YAML: {" ".join(str(error).split())}') from error
    if not isinstance(found, dict) or not all(type(key) is int for key in found):
        raise InputError(f"{path} has no colours by track id; write lines as '3: red'")
    if strange := [word for word in found.values() if word not in COLOURS]:
        raise InputError(f'{path} has the colour {strange[0]!r}; there are {", ".join(COLOURS)}')
    return found
