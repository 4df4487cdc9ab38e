"""The plan that the options of `vlm-ros annotate` make, over the one in a file."""

import argparse
from typing import Any

from vlm_ros import backends
from vlm_ros.annotation.plan import AnnotationPlan, JOBS
from vlm_ros.annotation.plan_files import make_plan, part_of, read_plan, take
from vlm_ros.annotation.tags import tags_of
from vlm_ros.errors import InputError
from vlm_ros.phrases import Vocabulary


def plan_of(args: argparse.Namespace) -> AnnotationPlan:
    """Return what the options say, and the file of `--plan` where they say nothing.

    Raises:
        InputError: The file, an option or what they make together cannot be used.
    """
    plan = read_plan(args.plan) if args.plan else {}
    take(plan, _wanted(args))
    if args.vocabulary is not None:
        plan.pop('label_set', None)
    if args.labels is not None:
        plan.pop('vocabulary', None)
    sampling = {
        'rate_hz': args.rate,
        'every': args.every,
        'scene_change': args.scene_change,
        'start_s': args.start,
        'stop_s': args.stop,
    }
    take(part_of(plan, 'sampling'), sampling)
    _add_backends(args, plan)
    made = make_plan(plan, args.plan)
    if not made.jobs():
        raise InputError(
            'there is nothing to annotate; give --vocabulary, --labels, --caption, --question '
            'or --tags'
        )
    return made


def _wanted(args: argparse.Namespace) -> dict[str, Any]:
    vocabulary = args.vocabulary
    return {
        'sources': tuple(args.sources) or None,
        'topics': args.topic,
        'vocabulary': None if vocabulary is None else Vocabulary.parse(vocabulary).names,
        'label_set': args.labels,
        'score_threshold': args.score_threshold,
        'masks': args.masks,
        'track': args.track,
        'caption': args.caption,
        'questions': args.question,
        'tags': None if args.tags is None else tags_of(args.tags),
        'images': None if args.images is None else args.images.replace('none', ''),
        'chunk_frames': args.chunk,
    }


def _add_backends(args: argparse.Namespace, plan: dict[str, Any]) -> None:
    default = part_of(plan, 'backend')
    if args.backend is not None and args.backend != default.get('name'):
        # What was set for another one.
        plan['backend'] = default = {'name': args.backend}
    take(default, {'model': args.model, 'device': args.device})
    others = part_of(plan, 'backends')
    for use in args.use or ():
        job, equals, backend = use.partition('=')
        if not equals or job not in JOBS:
            raise InputError(
                f'--use {use}: it should be WHAT=BACKEND, with one of {", ".join(JOBS)} as WHAT'
            )
        name, _, model = backend.partition(':')
        others[job] = {'name': name, 'model': model}
        if args.device is not None:
            others[job]['device'] = args.device
    for name, value in backends.parse_options(args.option, '--option').items():
        job, dot, rest = name.partition('.')
        if dot and job not in others:
            raise InputError(f'--option {name}: nothing is named for {job}; give --use {job}=...')
        options = part_of(others[job] if dot else default, 'options')
        options[rest if dot else name] = value
