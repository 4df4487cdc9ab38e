"""The plan that the options of `vlm-ros annotate` make, over the one in a file."""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vlm_ros import backends
from vlm_ros.annotation.plan import AnnotationPlan, JOBS
from vlm_ros.annotation.tags import tags_of
from vlm_ros.errors import InputError
from vlm_ros.phrases import Vocabulary


def plan_of(args: argparse.Namespace) -> AnnotationPlan:
    """Return what the options say, and the file of `--plan` where they say nothing.

    Raises:
        InputError: The file, an option or what they make together cannot be used.
    """
    plan = _read(args.plan) if args.plan else {}
    _take(plan, _wanted(args))
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
    _take(_part(plan, 'sampling'), sampling)
    _add_backends(args, plan)
    try:
        made = AnnotationPlan.model_validate(plan)
    except ValidationError as error:
        raise InputError(_one_line(error, args.plan)) from error
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
    default = _part(plan, 'backend')
    if args.backend is not None and args.backend != default.get('name'):
        # What was set for another one.
        plan['backend'] = default = {'name': args.backend}
    _take(default, {'model': args.model, 'device': args.device})
    others = _part(plan, 'backends')
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
        options = _part(others[job] if dot else default, 'options')
        options[rest if dot else name] = value


def _take(plan: dict[str, Any], values: dict[str, Any]) -> None:
    plan.update({name: value for name, value in values.items() if value is not None})


def _part(plan: dict[str, Any], name: str) -> dict[str, Any]:
    part = plan.setdefault(name, {})
    if not isinstance(part, dict):
        raise InputError(f"the plan's {name} should have names and values, got {part!r}")
    return part


def _read(file: str) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(Path(file).read_text(encoding='utf-8'))
    except OSError as error:
        raise InputError(f'the plan {file} cannot be read: {error.strerror}') from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = ' '.join(str(error).split())
        raise InputError(f'the plan {file} is not YAML: {reason}') from error
    if not isinstance(content, dict):
        raise InputError(f'the plan {file} should have lines such as caption: true')
    return content


def _one_line(error: ValidationError, file: str | None) -> str:
    first = error.errors(include_url=False)[0]
    where = '.'.join(str(part) for part in first['loc'])
    said = first['msg'].removeprefix('Value error, ')
    known: Iterable[str] = AnnotationPlan.model_fields
    if first['type'] == 'extra_forbidden' and len(first['loc']) == 1:
        return f'the plan {file} has {where!r}, which is none of {", ".join(known)}'
    if first['type'] == 'missing' and where == 'sources':
        return 'there is no source; give a bag, a video or a folder of photographs'
    return f'{f"the plan {file}: " if file else ""}{where + ": " if where else ""}{said}'
