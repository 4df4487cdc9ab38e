"""The files for other programs, beside the records."""

from collections.abc import Iterable
from pathlib import Path
import tempfile

from vlm_ros.annotation.plan import AnnotationPlan
from vlm_ros.data.formats import WRITERS, Written
from vlm_ros.data.formats.datasets import BAG, check_names, export_dataset
from vlm_ros.data.media import is_address
from vlm_ros.errors import InputError


def check_formats(plan: AnnotationPlan, formats: Iterable[str]) -> None:
    """See that a plan makes what formats hold, before the work is done.

    Raises:
        InputError: There is no such format, or there will be no boxes or pictures for it.
        VocabularyError: The format cannot hold a name.
    """
    vocabulary = _vocabulary(plan)
    for name in check_names(formats):
        if name != BAG:
            if 'boxes' not in plan.jobs():
                raise InputError(
                    f'the format {name} holds boxes; give a vocabulary or a set of labels'
                )
            with tempfile.TemporaryDirectory() as folder:
                WRITERS[name]((), vocabulary, Path(folder))  # each has rules of its own for names
        if name == BAG and not plan.images and any(map(is_address, plan.sources)):
            raise InputError(
                f'the format {name} holds pictures, and those of an address cannot be read again; '
                'keep them with --images jpeg'
            )


def export(plan: AnnotationPlan, folder: Path, formats: Iterable[str]) -> dict[str, Written]:
    """Write a finished dataset in some formats, each in a folder of its own.

    Pictures are linked from the dataset's, where it keeps any. What a person rejected is left
    out, and what a person named otherwise has that name.

    Raises:
        InputError: There is no such format, or the plan makes no boxes.
        StorageError: The disk is full, or the folder cannot be written.
    """
    names = check_names(formats)
    check_formats(plan, names)
    return export_dataset(folder, names, _vocabulary(plan), has_pictures=bool(plan.images))


def _vocabulary(plan: AnnotationPlan) -> tuple[str, ...]:
    return tuple(dict.fromkeys(plan.prompts().values()))
