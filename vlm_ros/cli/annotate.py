"""Make a dataset of bags, videos and photographs: boxes, tracks, masks, words and tags."""

import argparse
from collections.abc import Iterator
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from vlm_ros.cli.exits import complain, Exit
from vlm_ros.cli.options import (
    add_model_arguments,
    add_score_threshold,
    fraction,
    number,
    positive,
    text,
)

if TYPE_CHECKING:
    from vlm_ros.annotation.plan import AnnotationPlan
    from vlm_ros.annotation.summary import Summary
    from vlm_ros.annotation.work import Crew
    from vlm_ros.records import Manifest

FORMATS = ('coco', 'yolo', 'voc', 'kitti', 'mcap')
LABEL_SETS = ('kitti', 'nuscenes', 'bdd100k', 'carla', 'coco')

_EPILOG = """\
What a backend cannot do, another one does: --use masks=sam:facebook/sam-vit-base, with one of
boxes, masks, caption, answers and tags before the sign, and --option masks.dtype=float32 for it.

The same command goes on where an earlier one was interrupted, and does nothing where all is done.

exit status:
  0    the dataset is whole, and something is in it
  1    it is whole, and nothing was found or said in any image
  2    wrong usage; or something given could not be read (dataset.json lists it), and the rest is
       done; or the disk is full: what was done stays, and the same command goes on
  3    the backend could not be loaded, or failed at some images: the same command tries them again
  130  interrupted; the same command goes on
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.epilog = _EPILOG
    add = parser.add_argument
    add(
        'sources',
        nargs='*',
        metavar='SOURCE',
        help='a bag (folder, .mcap, .db3, .bag), a video, a photograph, a folder of them, or '
        'sample: for photographs that are at hand',
    )
    add('-o', '--output', required=True, metavar='DIR', help="the dataset's folder")
    add('--plan', metavar='FILE.yaml', help='all that follows, down to --images; options go first')
    _add_wanted(parser.add_argument_group('what to annotate'))
    _add_sampling(parser.add_argument_group('which images'))
    model = add_model_arguments(parser, are_defaults_left_out=True)
    model.add_argument(
        '--use',
        type=text,
        action='append',
        metavar='WHAT=BACKEND[:MODEL]',
        help='another backend for boxes, masks, caption, answers or tags; several times',
    )
    output = parser.add_argument_group('output')
    output.add_argument(
        '--images', choices=('jpeg', 'png', 'none'), help='keep the pictures as (none)'
    )
    output.add_argument(
        '--format',
        type=_formats,
        action='extend',
        default=[],
        metavar='NAMES',
        help=f'write DIR/exports/NAME as well: {", ".join(FORMATS)}; several with commas',
    )
    output.add_argument('--anew', action='store_true', help='remove the dataset in DIR first')
    output.add_argument('-q', '--quiet', action='store_true', help='errors only')
    scale = parser.add_argument_group('scale')
    scale.add_argument(
        '--workers',
        type=positive,
        metavar='N',
        help='processes, or actors of Ray, each with models of its own (1)',
    )
    scale.add_argument(
        '--ray', metavar='ADDRESS', help='work on a Ray cluster: auto, local or its address'
    )


def _add_wanted(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    names = group.add_mutually_exclusive_group()
    names.add_argument(
        '--vocabulary',
        type=text,
        metavar='NAMES',
        help="what to look for, with commas between: 'person, dog'",
    )
    names.add_argument('--labels', choices=LABEL_SETS, help='the classes of a dataset instead')
    add_score_threshold(group)
    add('--masks', action=argparse.BooleanOptionalAction, help='cut out what the boxes hold')
    add('--track', action=argparse.BooleanOptionalAction, help='number things from image to image')
    add('--caption', action=argparse.BooleanOptionalAction, help='describe each image')
    add('--question', type=text, action='append', help='ask it of each image; several times')
    add('--tags', metavar='FILE', help='groups of names for whole images: a YAML file, or driving')


def _add_sampling(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add('--topic', action='append', metavar='NAME', help='of bags; several times (all images)')
    add('--rate', type=_rate, metavar='HZ', help='so many a second of each camera at most')
    add('--every', type=positive, metavar='N', help='every Nth of each camera only')
    add(
        '--scene-change',
        type=fraction,
        metavar='D',
        help='only what differs so much from the one before, 0 to 1, such as 0.05',
    )
    add('--start', type=number, metavar='S', help='from this second of each source on')
    add('--stop', type=number, metavar='S', help='up to this second')
    add('--chunk', type=positive, metavar='N', help='images done, and lost, together (100)')


def _rate(argument: str) -> float:
    rate_hz = number(argument)
    if not 0 < rate_hz < float('inf'):
        raise argparse.ArgumentTypeError(f'{argument!r} is not above 0')
    return rate_hz


def _formats(argument: str) -> list[str]:
    names = [name.strip() for name in argument.split(',')]
    for name in names:
        if name not in FORMATS:
            raise argparse.ArgumentTypeError(
                f'there is no format {name!r}; there are {", ".join(FORMATS)}'
            )
    return names


def main(args: argparse.Namespace) -> int:
    """Make the dataset; return the exit status."""
    from vlm_ros.annotation.exports import check_formats, export
    from vlm_ros.annotation.loading import check_models
    from vlm_ros.annotation.run import annotate, check_plan
    from vlm_ros.annotation.summary import summary_of
    from vlm_ros.cli.annotation_plan import plan_of
    from vlm_ros.cli.annotation_summary import notes, totals
    from vlm_ros.cli.counting import counted
    from vlm_ros.cli.progress import AnnotationProgress
    from vlm_ros.data.media import check_source

    plan = plan_of(args)
    for source in plan.sources:
        check_source(source)
    check_formats(plan, args.format)
    folder = Path(args.output).expanduser()
    if not args.anew:
        check_plan(folder, plan)
    check_models(plan)
    with AnnotationProgress(quiet=args.quiet) as progress, _crew(args, plan) as crew:
        try:
            manifest = annotate(plan, folder, crew=crew, progress=progress, anew=args.anew)
            taken_s = progress.taken_s
            progress.close()
            written = export(plan, folder, args.format)
        except KeyboardInterrupt:
            progress.close()
            done = progress.last
            complain(
                f'interrupted after {counted(done.frames if done else 0, "image")}; what is done '
                f'is in {folder}, and the same command goes on from there',
                kind='',
            )
            return Exit.INTERRUPTED
    summary = summary_of(folder, plan)
    new = progress.last.frames if progress.last else 0
    if not args.quiet:
        complain(totals(summary, folder, manifest, plan, new=new, taken_s=taken_s), kind='')
        for note in notes(summary, folder, plan, written):
            complain(note, kind='')
    return _end(summary, manifest)


@contextlib.contextmanager
def _crew(args: argparse.Namespace, plan: 'AnnotationPlan') -> Iterator['Crew']:
    crew: Crew
    if args.ray is not None:
        from vlm_ros.annotation.rays import RayWorkers

        crew = RayWorkers(plan, args.ray, args.workers or 0)
    elif args.workers is not None and args.workers > 1:
        from vlm_ros.annotation.workers import Workers

        crew = Workers(plan, args.workers)
    else:
        from vlm_ros.annotation.work import Alone

        crew = Alone(plan)
    try:
        yield crew
    finally:
        crew.close()


def _end(summary: 'Summary', manifest: 'Manifest') -> Exit:
    if summary.failed:
        complain(f'{summary.failure}; the same command tries what failed again')
        return Exit.FAILED
    if manifest.skipped:
        complain(manifest.skipped[0].reason)
        return Exit.UNUSABLE
    return Exit.OK if summary.found else Exit.NOTHING
