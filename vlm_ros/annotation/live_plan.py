"""The plan of live cameras: what a few settings say, over a file."""

from collections.abc import Mapping, Sequence
from typing import Any

from vlm_ros.annotation.exports import check_formats
from vlm_ros.annotation.plan import AnnotationPlan
from vlm_ros.annotation.plan_files import make_plan, part_of, read_plan, take
from vlm_ros.data.formats.datasets import BAG
from vlm_ros.errors import InputError


def live_plan(
    topics: Sequence[str],
    file: str,
    *,
    wanted: Mapping[str, Any],
    backend: Mapping[str, Any],
    options: Mapping[str, Any],
    rate_hz: float | None,
) -> AnnotationPlan:
    """Return the plan; pictures are kept as JPEG where nobody says otherwise.

    What the file says of sources and topics is left out, so that it may be one that was made for
    recordings.

    Args:
        topics: Full names of the cameras' topics, which are the sources.
        file: A YAML file as for `vlm-ros annotate --plan`; empty for none.
        wanted: Fields of `AnnotationPlan`; None where the file decides.
        backend: Fields of `BackendPlan` but its options; None where the file decides.
        options: The backend's own, over those of the file.
        rate_hz: At most so many images a second of a camera; None where the file decides.

    Raises:
        InputError: The file or what they make together cannot be used, or makes nothing.
    """
    plan = {'images': 'jpeg', **(read_plan(file) if file else {})}
    plan.pop('topics', None)
    # What is looked for is one of the two.
    for name, other in (('vocabulary', 'label_set'), ('label_set', 'vocabulary')):
        if wanted.get(name) is not None:
            plan.pop(other, None)
    take(plan, {**wanted, 'sources': tuple(topics)})
    take(part_of(plan, 'sampling'), {'rate_hz': rate_hz})
    named = part_of(plan, 'backend')
    if backend.get('name') not in (None, named.get('name')):
        # What was set for another one.
        plan['backend'] = named = {}
    take(named, backend)
    take(part_of(named, 'options'), options)
    made = make_plan(plan, file or None)
    if not made.jobs():
        raise InputError(
            'there is nothing to annotate; give vocabulary, labels, caption or a plan'
        )
    return made


def check_live_formats(plan: AnnotationPlan, formats: Sequence[str]) -> None:
    """See that a plan makes what formats hold.

    Raises:
        InputError: There is no such format, or there will be no boxes or pictures for it.
    """
    check_formats(plan, formats)
    if BAG in formats and not plan.images:
        raise InputError(f'the format {BAG} holds pictures; keep them with images:=jpeg')
