"""What people said, put into the records of a dataset."""

from collections.abc import Iterator
from pathlib import Path

from vlm_ros.errors import InputError
from vlm_ros.records import FrameRecord, Manifest, read_lines, write_lines
from vlm_ros.records.manifest import ANNOTATIONS, MANIFEST, read_manifest
from vlm_ros.records.reviewing import Applied, Reviewing
from vlm_ros.records.reviews import kept_reviews, locked_reviews, read_reviews, REVIEWS


def apply_reviews(folder: Path, file: Path | None = None) -> Applied:
    """Put reviews into a dataset's records.

    Done twice, it changes nothing the second time. Reviews of `file` are kept in the dataset's
    `reviews.jsonl` with those that are there.

    Args:
        folder: The dataset's.
        file: Reviews from elsewhere; None for those of the dataset alone.

    Raises:
        InputError: There is no dataset, a line of a file is damaged, or a file is about other
            images alone; nothing has changed.
        StorageError: The disk is full, or the folder cannot be written.
    """
    manifest = manifest_of(folder)
    given = [] if file is None else read_reviews(file)
    with locked_reviews(folder):
        kept = kept_reviews(folder)
        if given and not {line.key for line in given} & {row.key for row in records_of(folder)}:
            raise InputError(f'{file} has no image of {folder}; is it of another dataset?')
        lines = list(dict.fromkeys([*kept, *given]))
        if len(lines) > len(kept):
            # First, so that what was given is not lost whatever comes.
            write_lines(folder / REVIEWS, lines)
        reviewing = Reviewing(lines, manifest.vocabulary)
        write_lines(folder / ANNOTATIONS, reviewing.records(records_of(folder)))
    return reviewing.applied()


def manifest_of(folder: Path) -> Manifest:
    """Return what a dataset's `dataset.json` says.

    Raises:
        InputError: There is no dataset, it is not finished, or the file is damaged.
    """
    if not (folder / MANIFEST).is_file():
        raise InputError(f'{folder} holds no dataset; make one with vlm-ros annotate')
    if not (folder / ANNOTATIONS).is_file():
        raise InputError(f'{folder} is not finished; run vlm-ros annotate on it once more')
    try:
        return read_manifest(folder)
    except InputError as error:
        raise InputError(
            f'{error}; restore the file, or update vlm_ros if a newer one made it'
        ) from error


def records_of(folder: Path) -> Iterator[FrameRecord]:
    """Yield the records of a dataset.

    Raises:
        InputError: A line is damaged.
    """
    try:
        yield from read_lines(folder / ANNOTATIONS, FrameRecord)
    except InputError as error:
        raise InputError(
            f'{error}; run vlm-ros annotate on {folder} once more, which writes the file anew'
        ) from error
