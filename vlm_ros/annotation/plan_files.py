"""Plans in files, and what is put over them."""

from collections.abc import Iterable, Iterator, Mapping
import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vlm_ros.annotation.plan import AnnotationPlan, BackendPlan, SamplingPlan
from vlm_ros.errors import InputError
from vlm_ros.records.model import Json


def read_plan(file: str) -> Json:
    """Return what a YAML file says of a plan, unchecked.

    Raises:
        InputError: It cannot be read, or holds something else.
    """
    import yaml

    try:
        content = yaml.safe_load(Path(file).expanduser().read_text(encoding='utf-8'))
    except OSError as error:
        raise InputError(f'the plan {file} cannot be read: {error.strerror}') from error
    except RecursionError as error:
        raise InputError(f'the plan {file} is nested too deeply') from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = ' '.join(str(error).split())
        raise InputError(f'the plan {file} is not YAML: {reason}') from error
    if not isinstance(content, dict):
        raise InputError(f'the plan {file} should have lines such as caption: true')
    return content


def take(plan: Json, values: Mapping[str, Any]) -> None:
    """Put values over those of a plan, or of a part of it, but None."""
    plan.update({name: value for name, value in values.items() if value is not None})


def part_of(plan: Json, name: str) -> Json:
    """Return a part of a plan, such as `sampling`; it is made where it is missing.

    Raises:
        InputError: It is something else.
    """
    part = plan.setdefault(name, {})
    if not isinstance(part, dict):
        raise InputError(f"the plan's {name} should have names and values, not {_kind(part)}")
    return part


def make_plan(content: Json, file: str | None) -> AnnotationPlan:
    """Make the plan.

    Args:
        content: All it says.
        file: Where that comes from, in part; for the message.

    Raises:
        InputError: It is no plan; the message says where.
    """
    try:
        return AnnotationPlan.model_validate(content)
    except ValidationError as error:
        raise InputError(_one_line(error, file)) from error


def differences(before: Json, now: Json, within: str = '') -> Iterator[str]:
    """Yield in what two plans differ, such as `sampling.rate_hz (2, now 4)`."""
    for name in dict.fromkeys([*before, *now]):
        old, new = before.get(name), now.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from differences(old, new, f'{within}{name}.')
        elif old != new:
            yield f'{within}{name} ({_value(old)}, now {_value(new)})'


def _value(value: Any) -> str:
    return 'nothing' if value in (None, '', [], {}) else json.dumps(value, ensure_ascii=False)


def _kind(value: Any) -> str:
    return {list: 'a list', str: 'text', int: 'a number'}.get(type(value), type(value).__name__)


def _fields(place: tuple[int | str, ...]) -> Iterable[str]:
    """Return the names that there are at a place of a plan."""
    if place[:1] in (('backend',), ('backends',)):
        return BackendPlan.model_fields
    return SamplingPlan.model_fields if place == ('sampling',) else AnnotationPlan.model_fields


def _one_line(error: ValidationError, file: str | None) -> str:
    first = error.errors(include_url=False)[0]
    where = '.'.join(str(part) for part in first['loc'])
    said = first['msg'].removeprefix('Value error, ')
    kind, got = first['type'], first['input']
    if where == 'sources' and kind in ('missing', 'too_short'):
        return 'there is no source; give a bag, a video or a folder of photographs'
    if kind == 'extra_forbidden':
        known = ', '.join(_fields(first['loc'][:-1]))
        return f'the plan {file} has {where!r}, which is none of {known}'
    if kind == 'tuple_type':
        example = f', such as {where}: [{got}]' if isinstance(got, str | int | float) else ''
        said = f'it should be a list{example}'
    return f'{f"the plan {file}: " if file else ""}{where + ": " if where else ""}{said}'
