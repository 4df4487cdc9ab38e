"""The files for other programs, beside the records."""

from collections.abc import Iterable
from pathlib import Path

from vlm_ros.annotation.merging import ANNOTATIONS
from vlm_ros.annotation.plan import AnnotationPlan
from vlm_ros.data.formats import WRITERS, Written
from vlm_ros.errors import InputError
from vlm_ros.records import FrameRecord, read_lines

EXPORTS = 'exports'


def check_formats(plan: AnnotationPlan, formats: Iterable[str]) -> None:
    """See that a plan makes what formats hold, before the work is done.

    Raises:
        InputError: There is no such format, or there will be no boxes.
    """
    for name in formats:
        if name not in WRITERS:
            raise InputError(f'there is no format {name!r}; there are {", ".join(WRITERS)}')
        if 'boxes' not in plan.jobs():
            raise InputError(
                f'the format {name} holds boxes; give a vocabulary or a set of labels'
            )


def export(plan: AnnotationPlan, folder: Path, formats: Iterable[str]) -> dict[str, Written]:
    """Write a finished dataset in some formats, each in a folder of its own.

    Pictures are linked from the dataset's, where it keeps any.

    Raises:
        InputError: There is no such format, or the plan makes no boxes.
        StorageError: The disk is full, or the folder cannot be written.
    """
    formats = tuple(dict.fromkeys(formats))
    check_formats(plan, formats)
    vocabulary = tuple(dict.fromkeys(plan.prompts().values()))
    return {
        name: WRITERS[name](
            read_lines(folder / ANNOTATIONS, FrameRecord),
            vocabulary,
            folder / EXPORTS / name,
            images=folder if plan.images else None,
        )
        for name in formats
    }
