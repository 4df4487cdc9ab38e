"""A reviewed dataset in the formats of other programs."""

from collections.abc import Iterable
from pathlib import Path

from vlm_ros.data.formats import Written
from vlm_ros.data.formats.datasets import check_names, export_dataset
from vlm_ros.review.applying import read_manifest


def export_reviewed(folder: Path, formats: Iterable[str]) -> dict[str, Written]:
    """Write a dataset without what was rejected, and with the names that people gave.

    Args:
        folder: The dataset's, after `apply_reviews`.
        formats: Some of `vlm_ros.data.formats.datasets.FORMATS`.

    Raises:
        InputError: There is no dataset or no such format, or a picture is missing.
        StorageError: The disk is full, or the folder cannot be written.
    """
    names = check_names(formats)
    manifest = read_manifest(folder)
    has_pictures = bool(manifest.plan.get('images'))
    return export_dataset(folder, names, manifest.vocabulary, has_pictures=has_pictures)
