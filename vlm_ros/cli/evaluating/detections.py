"""Boxes held against boxes."""

import argparse
from collections.abc import Mapping, Sequence
import json
from pathlib import Path

from vlm_ros.cli.evaluating.following import follow
from vlm_ros.cli.evaluating.models import loaded, settings_of
from vlm_ros.cli.evaluating.reports import check_folder, versus
from vlm_ros.cli.exits import complain, Exit
from vlm_ros.cli.progress import Progress
from vlm_ros.data.truths.box_truth import BoxTruth
from vlm_ros.data.truths.boxes import read_boxes
from vlm_ros.data.truths.predictions import (
    of_records,
    PredictedSet,
    read_predictions,
)
from vlm_ros.errors import InputError
from vlm_ros.evaluation import figures, tables
from vlm_ros.evaluation.calibration import read_thresholds
from vlm_ros.evaluation.naming import name, Naming, parse_pairs
from vlm_ros.evaluation.pairing import pair, Paired
from vlm_ros.evaluation.running import run_detector
from vlm_ros.evaluation.summary import compare_runs, overlap_of, RunComparison, summarize
from vlm_ros.evaluation.tracks import evaluate_tracks, TrackedClass
from vlm_ros.results import Status

THRESHOLD, IOU = 0.5, 0.5
LEAST_SCORE = 0.01
SHOWN_NAMES = 10
MANY = 10_000_000
"""Boxes times resamples from which on intervals take more than some ten seconds."""


def evaluate(args: argparse.Namespace, layout: str) -> int:
    """Score boxes, print and write what came of it."""
    args.iou = IOU if args.iou is None else args.iou
    if args.score_threshold is None:
        args.score_threshold = LEAST_SCORE
    truth = read(args, layout)
    other = read_predictions(Path(args.against), truth) if args.against else None
    _check_early(args, truth, other)
    predicted = _predicted(args, truth)
    if args.track:
        predicted = follow(truth, predicted)
    naming, paired = paired_with(args, truth, predicted, other)
    threshold = _threshold_of(args, predicted, naming, paired)
    boxes = sum(len(image.labels) for image in paired.images)
    if boxes * args.resamples > MANY and not args.quiet:
        complain(
            f'intervals of {boxes} boxes take a while; --resamples 0 leaves them out', kind=''
        )
    summary = summarize(
        paired.images,
        paired.labels,
        threshold=threshold,
        iou=args.iou,
        resamples=args.resamples,
    )
    followed = _tracks(truth, predicted, naming, paired)
    against = _against(args, truth, predicted, paired, threshold, other)
    if not args.quiet:
        for line in notes(truth, predicted, naming, paired):
            complain(line, kind='note: ')
    if args.json:
        found = figures.detection(summary, paired, truth.groups)
        found['tracks'] = figures.tracks(followed)
        found |= {'truth': args.truth, 'layout': layout, 'predictions': _title(args, predicted)}
        found |= {'against': args.against, 'comparison': figures.runs(against)} if against else {}
        print(json.dumps(found))
    else:
        console = tables.stdout()
        tables.print_detection(summary, paired, truth.groups, console)
        tables.print_tracks(followed, console)
        if against:
            tables.print_runs(against, versus(args), console)
    if args.report:
        from vlm_ros.evaluation.report.detections import write_report

        path = write_report(
            Path(args.report),
            summary,
            paired,
            truth,
            title=_title(args, predicted),
            runs=against,
            versus=versus(args) if against else '',
            tracks=followed,
        )
        if not args.quiet:
            complain(f'the report is {path}', kind='')
    return Exit.OK if summary.score.coverage.answered else Exit.NOTHING


def _tracks(
    truth: BoxTruth, predicted: PredictedSet, naming: Naming, paired: Paired
) -> dict[str, TrackedClass]:
    try:
        return evaluate_tracks(truth, predicted, naming, paired.labels)
    except InputError as error:  # all else can be told
        complain(f'tracks are not scored: {error}', kind='note: ')
        return {}


def read(args: argparse.Namespace, layout: str) -> BoxTruth:
    """Return the truth."""
    images = Path(args.images) if args.images else None
    truth = read_boxes(Path(args.truth), layout, split=args.split, images=images)
    if not truth.truth.labels:
        raise InputError(
            f'{args.truth} has no labelled box and no list of classes; give one that has, or for '
            'VOC list the classes in labels.txt'
        )
    if not all(label.replace('_', ' ').strip() for label in truth.truth.labels):
        raise InputError(f'{args.truth} has a class with a blank name; give it one')
    return truth


def paired_with(
    args: argparse.Namespace,
    truth: BoxTruth,
    predicted: PredictedSet,
    other: PredictedSet | None = None,
) -> tuple[Naming, Paired]:
    """Put predictions beside the truth, under its names; `--map` may be of another run's, too."""
    beside = other.labels if other else ()
    naming = name(predicted.labels, truth.truth.labels, parse_pairs(args.map), beside=beside)
    return naming, pair(truth, predicted, naming, all_classes=args.all_classes)


def asked_for(label: str, predicted: PredictedSet, naming: Naming) -> tuple[str, ...]:
    """Return what was looked for to find a class of the truth; its own name if none is known."""
    called = [own for own, known in naming.pairs.items() if known == label]
    return tuple(prompt for own in called for prompt in predicted.prompts_of(own)) or (label,)


def _names_of(label: str, predicted: PredictedSet, naming: Naming) -> tuple[str, ...]:
    called = [own for own, known in naming.pairs.items() if known == label]
    return (*asked_for(label, predicted, naming), *called, label)


def notes(truth: BoxTruth, predicted: PredictedSet, naming: Naming, paired: Paired) -> list[str]:
    """Say what a reader of the numbers has to know besides."""
    found = []
    if truth.truth.clipped and not truth.as_written:
        found.append(f'{truth.truth.clipped} true boxes reached out of their image; clipped')
    missing = [image for image in predicted.images if image.status is Status.FAILED]
    if missing:
        found.append(f'{len(missing)} images were not looked at; the first {missing[0].message}')
    in_truth = any(box.track_id is not None for image in truth.truth.images for box in image.boxes)
    boxes = [box for image in predicted.images for box in image.boxes]
    if in_truth and boxes and all(box.track_id is None for box in boxes):
        found.append('the truth has tracks and the predictions have none; --track follows them')
    if any(truth.moments) or any(image.sequence for image in predicted.images):
        found.append('images of a drive are much alike: take intervals over them for too narrow')
    if predicted.unused:
        found.append(f'{predicted.unused} predicted images are not in the truth; left out')
    if naming.sets:
        pairs = ', '.join(f'{a} = {b or "none"}' for a, b in naming.pairs.items())
        found.append(f'names of {naming.sets[0]} taken for those of {naming.sets[1]}: {pairs}')
    if paired.left_out:
        found.append(
            f'{paired.left_out} boxes of {_some(naming.left_out)} left out, for which the '
            'truth has no class'
        )
    if paired.not_looked_for:
        found.append(
            f'{len(paired.not_looked_for)} classes were not looked for and are left out: '
            f'{_some(paired.not_looked_for)}; --all-classes counts them as missed'
        )
    if paired.unrecognized:
        found.append(f'the model cannot look for {_some(paired.unrecognized)}; counted as missed')
    return found


def _check_early(args: argparse.Namespace, truth: BoxTruth, other: PredictedSet | None) -> None:
    """Find what is wrong with the arguments before a model looks at everything."""
    overlap_of(args.iou)
    pairs = parse_pairs(args.map)
    if args.backend is not None:  # it is asked for the truth's own names
        beside = other.labels if other else ()
        name(truth.truth.labels, truth.truth.labels, pairs, beside=beside)
    _threshold(args.threshold, {}, None)
    if args.report:
        check_folder(Path(args.report))


def _some(names: Sequence[str]) -> str:
    more = len(names) - SHOWN_NAMES
    return ', '.join(names[:SHOWN_NAMES]) + (f' and {more} more' if more > 0 else '')


def _predicted(args: argparse.Namespace, truth: BoxTruth) -> PredictedSet:
    if args.backend is None:
        return read_predictions(Path(args.predictions), truth)
    if truth.picture(truth.truth.images[0]) is None:
        raise InputError(
            f'the pictures of {args.truth} were not found, such as '
            f'{truth.truth.images[0].file}; say where they are with --images'
        )
    images = len(truth.truth.images)
    with Progress(1, quiet=args.quiet) as progress, loaded(args, ('detect',)) as model:
        progress.begin_source(images)
        records, manifest = run_detector(
            model,
            truth,
            score_threshold=args.score_threshold,
            settings=settings_of(args),
            folder=Path(args.output) if args.output else None,
            progress=progress.advance,
        )
    return of_records(records, truth.truth.images, args.backend, manifest, moments=truth.moments)


def _threshold_of(
    args: argparse.Namespace, predicted: PredictedSet, naming: Naming, paired: Paired
) -> float | Mapping[str, float]:
    names = {label: _names_of(label, predicted, naming) for label in paired.labels}
    return _threshold(args.threshold, names, predicted.score_threshold)


def _threshold(
    given: str | None, names: Mapping[str, Sequence[str]], own: float | None
) -> float | Mapping[str, float]:
    if given is None:
        return THRESHOLD if own is None else own
    try:
        value = float(given)
    except ValueError:
        known = read_thresholds(Path(given), names)
        others = THRESHOLD if own is None else own
        if missing := [label for label in names if label not in known]:
            told = f'{given} has no threshold for {_some(missing)}; {others:g} is used'
            complain(told, kind='note: ')
        return {label: known.get(label, others) for label in names}
    if not 0 <= value <= 1:
        raise InputError(f'--threshold {given} is not from 0 to 1')
    return value


def _against(
    args: argparse.Namespace,
    truth: BoxTruth,
    predicted: PredictedSet,
    paired: Paired,
    threshold: float | Mapping[str, float],
    other: PredictedSet | None,
) -> RunComparison | None:
    if other is None:
        return None
    naming, beside = paired_with(args, truth, other, predicted)
    if beside.labels != paired.labels:
        raise InputError(
            f'{args.against} was asked for {", ".join(beside.labels)} and not for '
            f'{", ".join(paired.labels)}; compare with --all-classes'
        )
    return compare_runs(
        beside.images,
        paired.images,
        paired.labels,
        threshold=threshold,
        first_threshold=_threshold_of(args, other, naming, beside),
        iou=args.iou,
        resamples=args.resamples,
    )


def _title(args: argparse.Namespace, predicted: PredictedSet) -> str:
    if args.backend:
        return f'{args.backend} {args.model}'.strip()
    return str(args.predictions) + (f' ({predicted.model})' if predicted.model else '')
