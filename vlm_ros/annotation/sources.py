"""The sources of a plan on the disk: what cannot be annotated, and how large they are."""

import contextlib
import hashlib
from pathlib import Path

from vlm_ros.annotation.plan import AnnotationPlan
from vlm_ros.data.bags import is_bag
from vlm_ros.data.media import is_address
from vlm_ros.data.photographs import SAMPLE_PREFIX, SUFFIXES
from vlm_ros.errors import InputError, SourceError
from vlm_ros.records import SourceRecord

EDGE_BYTES = 4096
"""So much of both ends of a file tells it from another one of its name and size."""
EDGE_FILES = 100
"""Of more files than this, such as photographs, names and sizes have to do."""


def check_sources(plan: AnnotationPlan, folder: Path) -> None:
    """See that no image is annotated twice, and that a dataset is not its own source.

    Args:
        plan: Names the sources.
        folder: Where the dataset is made.

    Raises:
        SourceError: A source's name is not UTF-8, which records could not hold.
        InputError: A source is in another one, or in the folder.
    """
    paths = {source: path for source in plan.sources if (path := _path(source)) is not None}
    for source, path in paths.items():
        if not is_utf8(source):
            raise SourceError(f'the name of {source!r} is not UTF-8; rename it')
        # --anew would remove it.
        if folder.resolve() in (path, *path.parents):
            raise InputError(f'{source} is in the dataset {folder}; choose another folder for it')
        for other, place in paths.items():
            if path.parent == place and _is_read_with(path, place):
                raise InputError(f'{source} is in {other}, which is a source, too; name one')
    samples = [source for source in plan.sources if source.startswith(SAMPLE_PREFIX)]
    if len(samples) > 1 and SAMPLE_PREFIX in samples:
        raise InputError(f'{SAMPLE_PREFIX} is all samples; name it alone, or name some of them')


def source_records(plan: AnnotationPlan) -> tuple[SourceRecord, ...]:
    """Return what is known of the sources before they are read."""
    return tuple(
        SourceRecord(
            source=source,
            topics=plan.topics,
            size_bytes=_size(source),
            fingerprint=_fingerprint(source),
        )
        for source in plan.sources
    )


def is_utf8(name: str) -> bool:
    """Whether a file's name can stand in records."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _path(source: str) -> Path | None:
    if source.startswith(SAMPLE_PREFIX) or is_address(source):
        return None
    return Path(source).expanduser().resolve()


def _is_read_with(path: Path, folder: Path) -> bool:
    return path.is_file() and (is_bag(folder) or path.suffix.lower() in SUFFIXES)


def _files(source: str) -> list[Path]:
    """Return what is read; a folder may hold other folders, this dataset's too."""
    path = _path(source)
    if path is None or not path.exists():
        return []
    files = path.iterdir() if path.is_dir() else (path,)
    return sorted(file for file in files if file.is_file())


def _size(source: str) -> int | None:
    files = _files(source)
    return sum(file.stat().st_size for file in files) if files else None


def _fingerprint(source: str) -> str:
    """Return what tells the files of a source from others, without reading them whole."""
    digest = hashlib.sha256()
    files = _files(source)
    for file in files:
        size = file.stat().st_size
        digest.update(f'{file.name}:{size}:'.encode(errors='surrogateescape'))
        if len(files) > EDGE_FILES:
            continue
        with contextlib.suppress(OSError), file.open('rb') as stream:
            digest.update(stream.read(EDGE_BYTES))
            stream.seek(max(0, size - EDGE_BYTES))
            digest.update(stream.read(EDGE_BYTES))
    return digest.hexdigest()[:16] if files else ''
