"""Annotates all sources of a plan in one process."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from itertools import groupby
from pathlib import Path
import shutil

from vlm_ros.annotation.annotator import Annotator, key_of
from vlm_ros.annotation.chunks import Chunk, chunks_of, frames_of
from vlm_ros.annotation.merging import ANNOTATIONS, merge
from vlm_ros.annotation.parts import part_path, write_image, write_part
from vlm_ros.annotation.plan import AnnotationPlan
from vlm_ros.errors import InputError, StorageError
from vlm_ros.records import FrameRecord, Manifest, SkippedRecord, SourceRecord
from vlm_ros.records.lines import parse
from vlm_ros.results import Status
from vlm_ros.whole_files import sweep, writing

MANIFEST = 'dataset.json'


@dataclass(frozen=True)
class Progress:
    """How far it is.

    Attributes:
        chunks_done: Those of earlier runs included.
        chunks: All there are.
        frames: How many images this run has annotated.
        failed: Of them, where the detector failed.
        skipped: What could not be read, in this run.
    """

    chunks_done: int
    chunks: int
    frames: int
    failed: int
    skipped: int


def annotate(
    plan: AnnotationPlan,
    folder: Path,
    *,
    annotator: Annotator,
    progress: Callable[[Progress], None] = lambda _: None,
    anew: bool = False,
) -> Manifest:
    """Make a dataset, or go on with one.

    Chunks whose part is there are not done again. Whatever ends it, Ctrl-C included, leaves whole
    files; the chunk that was under way is done anew by the next run.

    Args:
        plan: What is wanted.
        folder: Where the dataset is made.
        annotator: Of the same plan.
        progress: Told after each image and chunk.
        anew: Whether to remove the dataset that is there, whoever made it, and begin again.

    Raises:
        InputError: The folder holds what another plan made, or the sources have changed.
        SourceError: A source cannot be read; what was annotated before stays.
        StorageError: The disk is full, or the folder cannot be written.
    """
    chunks = chunks_of(plan)
    if anew and (folder / MANIFEST).exists():
        _remove(folder)
    manifest = _begin(plan, folder, annotator)
    missing = [chunk for chunk in chunks if not part_path(folder, chunk.number).exists()]
    state = _State(len(chunks) - len(missing), len(chunks), progress)
    for _, group in groupby(missing, key=lambda chunk: chunk.source):
        annotate_chunks(plan, tuple(group), folder, annotator, state)
    counts, skipped = merge(folder, chunks, track=plan.track)
    sources = tuple(
        source.model_copy(update={'frames': counts[source.source]}) for source in manifest.sources
    )
    manifest = manifest.model_copy(update={'sources': sources, 'skipped': skipped})
    _write(folder, manifest)
    return manifest


class _State:
    """Counts, and tells of them."""

    def __init__(self, done: int, chunks: int, tell: Callable[[Progress], None]) -> None:
        self.done, self._chunks, self._tell = done, chunks, tell
        self.frames = self.failed = self.skipped = 0

    def tell(self) -> None:
        self._tell(Progress(self.done, self._chunks, self.frames, self.failed, self.skipped))


def annotate_chunks(
    plan: AnnotationPlan,
    chunks: tuple[Chunk, ...],
    folder: Path,
    annotator: Annotator,
    state: _State | None = None,
) -> None:
    """Annotate some chunks of one source and write their parts."""
    state = state or _State(0, len(chunks), lambda _: None)
    records: list[FrameRecord] = []
    skipped: list[SkippedRecord] = []

    for chunk, item in frames_of(plan, chunks):
        if item is None:
            write_part(folder, chunk.number, records, skipped)
            records, skipped = [], []
            state.done += 1
        elif isinstance(item, SkippedRecord):
            skipped.append(item)
            state.skipped += 1
        else:
            file = ''
            if plan.images:
                file = write_image(folder, key_of(item), item.image, plan.images)
            records.append(annotator.annotate(item, file=file))
            state.frames += 1
            state.failed += records[-1].status is Status.FAILED
        state.tell()


def _begin(plan: AnnotationPlan, folder: Path, annotator: Annotator) -> Manifest:
    manifest = Manifest(
        version=_version(),
        plan=plan.model_dump(mode='json'),
        plan_id=plan.plan_id,
        vocabulary=tuple(dict.fromkeys(plan.prompts().values())),
        models=annotator.models.records(),
        sources=tuple(
            SourceRecord(source=source, topics=plan.topics, size_bytes=_size(source))
            for source in plan.sources
        ),
    )
    path = folder / MANIFEST
    if path.exists():
        _check_same(path, manifest)
        sweep(folder)
    elif folder.is_dir() and any(folder.iterdir()):
        raise InputError(f'{folder} is not empty and holds no dataset; choose another folder')
    else:
        _write(folder, manifest)
    return manifest


def _check_same(path: Path, manifest: Manifest) -> None:
    try:
        before = parse(path.read_bytes(), Manifest, str(path))
    except OSError as error:
        raise StorageError(f'{path} cannot be read: {error.strerror or error}') from error
    if before.plan_id != manifest.plan_id:
        differ = [key for key in manifest.plan if manifest.plan[key] != before.plan.get(key)]
        raise InputError(
            f'{path.parent} was made by another plan, which differs in {", ".join(differ)}; '
            'choose another folder, or ask to begin anew'
        )
    if before.models != manifest.models:
        raise InputError(f'{path.parent} was made with other models; choose another folder')
    for old, new in zip(before.sources, manifest.sources, strict=True):
        if old.size_bytes != new.size_bytes:
            raise InputError(
                f'{new.source} has changed since {path.parent} was begun; choose another folder'
            )


def _write(folder: Path, manifest: Manifest) -> None:
    with writing(folder / MANIFEST) as stream:
        stream.write(manifest.model_dump_json(indent=2).encode() + b'\n')


def _remove(folder: Path) -> None:
    try:
        for name in ('parts', 'images'):
            if (folder / name).exists():
                shutil.rmtree(folder / name)
        # Last, so that a removal which was cut off is known for one.
        for name in (ANNOTATIONS, MANIFEST):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f'{folder} cannot be cleared: {error.strerror or error}') from error


def _version() -> str:
    try:
        return metadata.version('vlm_ros')
    except metadata.PackageNotFoundError:
        return ''  # run from a checkout


def _size(source: str) -> int | None:
    path = Path(source).expanduser()
    if path.is_file():
        return path.stat().st_size
    if not path.is_dir():
        return None
    return sum(file.stat().st_size for file in path.rglob('*') if file.is_file())
