"""A reviewed dataset in the formats of other programs."""

from collections.abc import Iterable
from pathlib import Path

from vlm_ros.data.formats import Written
from vlm_ros.data.formats.datasets import check_names, export_dataset, EXPORTS, FORMATS
from vlm_ros.records.manifest import ANNOTATIONS
from vlm_ros.records.reviews import REVIEWS
from vlm_ros.review.applying import manifest_of


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
    manifest = manifest_of(folder)
    has_pictures = bool(manifest.plan.get('images'))
    return export_dataset(folder, names, manifest.vocabulary, has_pictures=has_pictures)


def are_reviews_waiting(folder: Path) -> bool:
    """Whether something was said of a dataset since its records were written last."""
    return _changed_ns(folder / REVIEWS) > _changed_ns(folder / ANNOTATIONS)


def outdated_exports(folder: Path) -> tuple[str, ...]:
    """Return the formats whose exports were written before the last review was."""
    return tuple(
        name
        for name in FORMATS
        if (export := folder / EXPORTS / name).is_dir()
        and _changed_ns(folder / REVIEWS) > _newest_ns(export)
    )


def _newest_ns(export: Path) -> int:
    # Pictures are links to the dataset's own, and as old as these.
    return max(map(_changed_ns, export.rglob('*')), default=0)


def _changed_ns(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0
