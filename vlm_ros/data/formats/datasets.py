"""A dataset's records in several formats at once, each in a folder of its own."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from vlm_ros.data.formats import WRITERS
from vlm_ros.data.formats.annotated_bag import write_annotated_bag
from vlm_ros.data.formats.exporting import Written
from vlm_ros.errors import InputError
from vlm_ros.records import FrameRecord, read_lines
from vlm_ros.records.manifest import ANNOTATIONS

EXPORTS = 'exports'
"""In a dataset's folder."""
BAG = 'mcap'
FORMATS = (*WRITERS, BAG)


def check_names(formats: Iterable[str]) -> tuple[str, ...]:
    """Return the names of formats, each once.

    Raises:
        InputError: There is no such format.
    """
    names = tuple(dict.fromkeys(formats))
    for name in names:
        if name not in FORMATS:
            raise InputError(f'there is no format {name!r}; there are {", ".join(FORMATS)}')
    return names


def export_dataset(
    folder: Path, formats: Iterable[str], vocabulary: Sequence[str], *, has_pictures: bool
) -> dict[str, Written]:
    """Write a dataset without what was rejected, and with the names that people gave.

    Names that people gave and the vocabulary lacks come last in that of the export.

    Args:
        folder: The dataset's; its `annotations.jsonl` is whole.
        formats: Some of `FORMATS`.
        vocabulary: The names that were looked for.
        has_pictures: Whether the dataset keeps them; they are linked, not copied.

    Raises:
        InputError: There is no such format, or a picture is missing.
        StorageError: The disk is full, or the folder cannot be written.
    """
    names = check_names(formats)

    def records() -> Iterator[FrameRecord]:
        return read_lines(folder / ANNOTATIONS, FrameRecord)

    if set(names) & set(WRITERS):
        vocabulary = tuple(dict.fromkeys([*vocabulary, *_given_names(records())]))
    written = {}
    for name in names:
        target = folder / EXPORTS / name
        if name == BAG:
            written[name] = write_annotated_bag(
                records(), target / 'annotated.mcap', images=folder
            )
        else:
            images = folder if has_pictures else None
            written[name] = WRITERS[name](records(), vocabulary, target, images=images)
    return written


def _given_names(records: Iterable[FrameRecord]) -> Iterator[str]:
    for record in records:
        boxes = (box for box in record.detections if not box.is_rejected)
        yield from (box.name for box in boxes if box.name != box.label)
