"""Answers, captions, statements and expressions held against the truth."""

import argparse
from collections.abc import Sequence
import json
import math
from pathlib import Path

import numpy as np

from vlm_ros.cli.evaluating.models import loaded, settings_of
from vlm_ros.cli.evaluating.reports import check_folder, versus
from vlm_ros.cli.exits import complain, Exit
from vlm_ros.cli.progress import Progress
from vlm_ros.data.truths.items import LanguageTruth
from vlm_ros.data.truths.language import read_language
from vlm_ros.data.truths.replies import read_replies, ReplyRecord
from vlm_ros.errors import InputError
from vlm_ros.evaluation import figures, tables
from vlm_ros.evaluation.asking import ask_all, NEEDED, similarity_of
from vlm_ros.evaluation.coverage import ANSWERED
from vlm_ros.evaluation.intervals import compare, Comparison
from vlm_ros.evaluation.language import (
    check_task,
    LanguageScore,
    score,
    score_retrieval,
    shown_name,
)
from vlm_ros.tasks import tasks_of


def evaluate(args: argparse.Namespace, layout: str, task: str) -> int:
    """Score replies, print and write what came of it."""
    images = Path(args.images) if args.images else None
    truth = read_language(Path(args.truth), layout, split=args.split, images=images)
    for name in ('--map', '--threshold', '--iou', '--score-threshold', '--all-classes', '--track'):
        if getattr(args, name[2:].replace('-', '_')):
            raise InputError(f'{name} is for boxes of classes, which {layout} does not have')
    if task != 'retrieve':
        check_task(truth, task)
    if args.report:
        check_folder(Path(args.report))
    other = _other(args, truth, task)
    replies: Sequence[ReplyRecord] = ()
    if task == 'retrieve':
        found = _retrieve(args, truth)
    else:
        replies = _replies(args, truth, task)
        found = score(truth, task, replies, resamples=args.resamples)
    against = None
    if other is not None:
        against = compare(other.values, found.values, resamples=args.resamples)
    if not args.quiet:
        if truth.left_out:
            complain(f'{truth.left_out} are left out', kind='note: ')
        if failed := [reply for reply in replies if reply.message and not reply.text]:
            told = f'{len(failed)} have no answer; the first: {failed[0].message}'
            complain(told, kind='note: ')
        if task in ('answer', 'verify') and (unread := _unread(replies, found)):
            told = f'{len(unread)} replies are no answer to what was asked'
            complain(f'{told}; the first: {unread[0]!r}', kind='note: ')
    title = f'{task}, {layout}: {args.backend or args.predictions}'
    _print(args, layout, task, found, against)
    if args.report:
        from vlm_ros.evaluation.report.language import write_report

        path = write_report(
            Path(args.report),
            found,
            truth,
            replies,
            title=title,
            comparison=against,
            versus=versus(args) if against else '',
        )
        if not args.quiet:
            complain(f'the report is {path}', kind='')
    return Exit.OK if found.coverage.answered else Exit.NOTHING


def _unread(replies: Sequence[ReplyRecord], found: LanguageScore) -> list[str]:
    return [
        reply.text
        for reply, value in zip(replies, found.values.tolist(), strict=True)
        if math.isnan(value) and reply.status in ANSWERED and reply.text
    ]


def _print(
    args: argparse.Namespace,
    layout: str,
    task: str,
    found: LanguageScore,
    against: Comparison | None,
) -> None:
    if args.json:
        content = {
            'task': task,
            'truth': args.truth,
            'layout': layout,
            'coverage': figures.coverage(found.coverage),
            'overall': {name: figures.interval(own) for name, own in found.numbers.items()},
            'groups': {name: figures.interval(own) for name, own in found.groups.items()},
            'about': dict(found.about),
        }
        if against:
            content |= {'against': args.against, 'comparison': figures.comparison(against)}
        print(json.dumps(content))
        return
    console = tables.stdout()
    rows = {
        shown_name(found, name): figures.shown_interval(own) for name, own in found.numbers.items()
    }
    tables.print_values(f'{task}, {layout}', rows, console)
    if found.groups:
        groups = {name: figures.shown_interval(own) for name, own in found.groups.items()}
        tables.print_values(f'{next(iter(found.numbers))} by group', groups, console)
    if against:
        tables.print_values(
            versus(args),
            {
                'difference': figures.shown_difference(against.difference),
                'items better, worse': f'{against.better}, {against.worse}',
                'p': f'{figures.shown(against.p_value)} ({against.test})',
            },
            console,
        )
    console.print(tables.covered(found.coverage, 'items'))


def _replies(args: argparse.Namespace, truth: LanguageTruth, task: str) -> list[ReplyRecord]:
    if args.backend is None:
        return read_replies(Path(args.predictions), truth.items)
    _check_pictures(args, truth)
    with Progress(1, quiet=args.quiet) as progress, loaded(args, NEEDED[task]) as model:
        progress.begin_source(len(truth.items))
        able = set(tasks_of(model))
        if task == 'answer' and not args.quiet and not able & {'detect', 'ground'}:
            complain('the backend has no boxes: its own words count', kind='note: ')
        return ask_all(
            model,
            truth,
            task,
            settings=settings_of(args),
            guarded=not args.unguarded,
            folder=Path(args.output) if args.output else None,
            progress=progress.advance,
        )


def _retrieve(args: argparse.Namespace, truth: LanguageTruth) -> LanguageScore:
    owner = _owner(truth)
    if args.backend is None:
        table = _matrix(Path(args.predictions))
    else:
        if args.output:
            raise InputError('--output keeps no similarities; leave it out')
        _check_pictures(args, truth)
        with Progress(1, quiet=args.quiet) as progress, loaded(args, NEEDED['retrieve']) as model:
            progress.begin_source(len(truth.items))
            table, owner = similarity_of(model, truth, progress.advance)
    return score_retrieval(table, owner, resamples=args.resamples)


def _owner(truth: LanguageTruth) -> list[int]:
    if truth.layout != 'coco_captions':
        raise InputError(f'{truth.layout} has no captions to be retrieved; leave --task out')
    return [row for row, item in enumerate(truth.items) for _ in item.captions]


def _matrix(path: Path) -> np.ndarray:  # type: ignore[type-arg]
    try:
        table = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            f'{path} is no .npy file of similarities, images by captions: {error}'
        ) from error
    if not isinstance(table, np.ndarray) or table.dtype.kind not in 'fiu':
        told = 'several arrays' if not isinstance(table, np.ndarray) else str(table.dtype)
        raise InputError(
            f'{path} is no .npy file of similarities, images by captions: it holds {told}'
        )
    return table


def _other(args: argparse.Namespace, truth: LanguageTruth, task: str) -> LanguageScore | None:
    """Return how the run is that this one is compared with."""
    if not args.against:
        return None
    if task == 'retrieve':
        return score_retrieval(_matrix(Path(args.against)), _owner(truth), resamples=0)
    return score(truth, task, read_replies(Path(args.against), truth.items), resamples=0)


def _check_pictures(args: argparse.Namespace, truth: LanguageTruth) -> None:
    first = truth.items[0].images[0]
    if truth.picture(first) is None:
        raise InputError(
            f'the pictures of {args.truth} were not found, such as {first}; say where they are '
            'with --images'
        )
