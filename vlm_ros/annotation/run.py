"""Annotates all sources of a plan."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
import contextlib
from pathlib import Path
import shutil

from vlm_ros.annotation.chunks import Chunk, chunks_of
from vlm_ros.annotation.merging import merge
from vlm_ros.annotation.parts import IMAGES, is_done, is_picture_of_ours
from vlm_ros.annotation.plan import AnnotationPlan
from vlm_ros.annotation.plan_files import differences
from vlm_ros.annotation.sources import check_sources, source_records
from vlm_ros.annotation.tally import Progress, Tally
from vlm_ros.annotation.work import Crew
from vlm_ros.data.formats.datasets import EXPORTS
from vlm_ros.errors import InputError, StorageError
from vlm_ros.records import Manifest, ModelRecord, SourceRecord
from vlm_ros.records.manifest import (
    ANNOTATIONS,
    MANIFEST,
    package_version,
    read_manifest,
    write_manifest,
)
from vlm_ros.records.reviews import locked_reviews, REVIEWS_LOCK
from vlm_ros.whole_files import is_unfinished, locked, sweep

_LOCK = '.annotate.lock'
_BEGIN_ANEW = 'remove what is there and begin anew (vlm-ros annotate --anew)'


def annotate(
    plan: AnnotationPlan,
    folder: Path,
    *,
    crew: Crew,
    progress: Callable[[Progress], None] = lambda _: None,
    anew: bool = False,
) -> Manifest:
    """Make a dataset, or go on with one.

    Chunks whose part is there are not done again, but for images at which a model failed.
    Whatever ends it, Ctrl-C included, leaves whole files; the chunks that were under way are done
    anew by the next run.

    Args:
        plan: What is wanted.
        folder: Where the dataset is made.
        crew: Who does the work; it stays open.
        progress: Told at the beginning, and after each image and chunk.
        anew: Whether to remove the dataset that is there, whatever plan made it, and begin again.

    Raises:
        InputError: The folder holds what another plan made, the sources have changed, or another
            process is writing there.
        SourceError: Not one source can be opened; what was annotated before stays.
        BackendError: A model cannot be had.
        ModelError: Workers ended again and again.
        StorageError: The disk is full, or the folder cannot be written.
    """
    check_sources(plan, folder)
    if not anew:
        check_plan(folder, plan)
    chunks = chunks_of(plan)
    left = sum(anew or not is_done(folder, chunk.number) for chunk in chunks)
    is_done_already = not left and (folder / MANIFEST).exists()
    models = read_manifest(folder).models if is_done_already else crew.models(left)
    with held(folder):
        manifest = new_manifest(plan, models, source_records(plan))
        if anew and (folder / MANIFEST).exists():
            _remove(folder)
            write_manifest(folder, manifest)
        _check_unchanged(folder, begin(folder, manifest), manifest)
        _work(chunks, folder, crew, progress)
        counts, skipped = merge(folder, chunks, track=plan.track)
        sources = tuple(
            _counted(source, counts.get(source.source, Counter())) for source in manifest.sources
        )
        manifest = manifest.model_copy(update={'sources': sources, 'skipped': skipped})
        write_manifest(folder, manifest)
    return manifest


def _counted(source: SourceRecord, counts: Counter[str]) -> SourceRecord:
    topics = {topic: count for topic, count in counts.items() if topic}
    return source.model_copy(
        update={
            'topics': tuple(topics) or source.topics,
            'topic_frames': topics,
            'frames': counts.total(),
        }
    )


def _work(
    chunks: Sequence[Chunk], folder: Path, crew: Crew, progress: Callable[[Progress], None]
) -> None:
    missing = [chunk for chunk in chunks if not is_done(folder, chunk.number)]
    tally = Tally(chunks, missing)
    progress(tally.progress())
    if missing:
        for chunk, step in crew.work(missing, folder):
            tally.count(chunk, step)
            progress(tally.progress())
    if tally.progress().lost:
        _sweep(folder)


def _sweep(folder: Path) -> None:
    with locked_reviews(folder):  # what is unfinished may be of who applies reviews just now
        sweep(folder)


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep others from annotating there too; a process that ends lets go of it, however it ends.

    Raises:
        InputError: Another process is writing there, or the folder holds something else.
        StorageError: The folder cannot be made or written.
    """
    if not (folder / MANIFEST).exists() and not _is_empty(folder):
        raise InputError(f'{folder} is not empty and holds no dataset; choose another folder')
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f'{folder} cannot be made: {error.strerror or error}; choose another folder'
        ) from error
    with locked(folder / _LOCK, waits=False):
        yield


def _is_empty(folder: Path) -> bool:
    """Whether nothing is there but what a run that ended at its beginning left."""
    if not folder.is_dir():
        return True
    locks = (_LOCK, REVIEWS_LOCK)
    return all(is_unfinished(path) or path.name in locks for path in folder.iterdir())


def new_manifest(
    plan: AnnotationPlan, models: tuple[ModelRecord, ...], sources: tuple[SourceRecord, ...]
) -> Manifest:
    """Return the manifest of a dataset that is begun."""
    return Manifest(
        version=package_version(),
        plan=plan.model_dump(mode='json'),
        plan_id=plan.plan_id,
        vocabulary=tuple(dict.fromkeys(plan.prompts().values())),
        models=models,
        sources=sources,
    )


def begin(folder: Path, manifest: Manifest, *, anew: str = _BEGIN_ANEW) -> Manifest:
    """Begin a dataset, or go on with one of the same plan and models; inside of `held`.

    Args:
        folder: Where it is.
        manifest: What it is to be.
        anew: How whoever calls begins anew, for the message.

    Returns:
        The manifest that is in the folder now.

    Raises:
        InputError: The folder holds what another plan, or another model, made.
        StorageError: The disk is full, or the folder cannot be written.
    """
    path = folder / MANIFEST
    if path.exists():
        before = read_manifest(folder)
        _check_same(folder, before, manifest, anew)
        _sweep(folder)
        return before
    _sweep(folder)
    write_manifest(folder, manifest)
    return manifest


def check_plan(folder: Path, plan: AnnotationPlan, *, anew: str = _BEGIN_ANEW) -> None:
    """See, before models are loaded, that what is in a folder was made by a plan.

    Args:
        folder: Where it is.
        plan: What is wanted.
        anew: How whoever calls begins anew, for the message.

    Raises:
        InputError: Another plan made it.
        StorageError: The folder cannot be read.
    """
    path = folder / MANIFEST
    if path.exists():
        _check_plan(folder, read_manifest(folder), new_manifest(plan, (), ()), anew)


def _check_plan(folder: Path, before: Manifest, manifest: Manifest, anew: str) -> None:
    if before.plan_id != manifest.plan_id:
        differ = ', '.join(differences(before.plan, manifest.plan))
        raise InputError(
            f'{folder} was made by another plan, which differs in {differ}; choose another '
            f'folder, or {anew}'
        )


def _check_same(folder: Path, before: Manifest, manifest: Manifest, anew: str) -> None:
    _check_plan(folder, before, manifest, anew)
    if before.models != manifest.models:
        names = ', '.join(dict.fromkeys(row.model_id for row in before.models))
        raise InputError(
            f'{folder} was made with other models ({names}); choose another folder, or {anew}'
        )


def _check_unchanged(folder: Path, before: Manifest, manifest: Manifest) -> None:
    known = {row.source: row.fingerprint for row in before.sources}
    for row in manifest.sources:
        if known.get(row.source) != row.fingerprint:
            raise InputError(
                f'{row.source} has changed since {folder} was begun; choose another folder, or '
                f'{_BEGIN_ANEW}'
            )


def _remove(folder: Path) -> None:
    """Remove what was made, but `dataset.json`, by which a removal that was cut off is known."""
    read_manifest(folder)  # whose folder it is not is left alone
    try:
        for name in ('parts', EXPORTS):
            if (folder / name).exists():
                shutil.rmtree(folder / name)
        for picture in (folder / IMAGES).glob('*'):
            if is_picture_of_ours(picture.name):
                picture.unlink()
        (folder / ANNOTATIONS).unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f'{folder} cannot be cleared: {error.strerror or error}') from error
