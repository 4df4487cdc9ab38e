"""A reviewed dataset in the formats of other programs."""

from collections.abc import Iterable
from pathlib import Path

from vlm_ros.data.formats import WRITERS, Written
from vlm_ros.data.formats.annotated_bag import write_annotated_bag
from vlm_ros.errors import InputError
from vlm_ros.records import FrameRecord, read_lines
from vlm_ros.review.applying import ANNOTATIONS, read_manifest

EXPORTS = 'exports'
"""In a dataset's folder; where `annotate` puts its own."""
BAG = 'mcap'
FORMATS = (*WRITERS, BAG)


def export_reviewed(
    folder: Path, formats: Iterable[str], new_labels: Iterable[str] = ()
) -> dict[str, Written]:
    """Write a dataset without what was rejected, and with the names that people gave.

    Args:
        folder: The dataset's, after `apply_reviews`.
        formats: Some of `FORMATS`.
        new_labels: Names to add to the vocabulary, behind those of the dataset.

    Raises:
        InputError: There is no dataset or no such format, or a picture is missing.
        StorageError: The disk is full, or the folder cannot be written.
    """
    formats = tuple(dict.fromkeys(formats))
    for name in formats:
        if name not in FORMATS:
            raise InputError(f'there is no format {name!r}; there are {", ".join(FORMATS)}')
    manifest = read_manifest(folder)
    vocabulary = tuple(dict.fromkeys([*manifest.vocabulary, *new_labels]))
    written = {}
    for name in formats:
        records = read_lines(folder / ANNOTATIONS, FrameRecord)
        target = folder / EXPORTS / name
        if name == BAG:
            written[name] = write_annotated_bag(records, target / 'annotated.mcap', images=folder)
        else:
            images = folder if manifest.plan.get('images') else None
            written[name] = WRITERS[name](records, vocabulary, target, images=images)
    return written
