"""Bringing a model's weights from a hub to this machine, at the commit that was settled on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
import shutil

from vlm_ros.backends.catalogue import CATALOGUE, find, ModelCard
from vlm_ros.backends.hub.digests import Stamps
from vlm_ros.backends.hub.lock import LockedFile, LockedModel, read_lock, update_lock
from vlm_ros.backends.hub.remote import describe, download, lacking_bytes, RemoteFile
from vlm_ros.backends.hub.selection import needed, require_shards, UnusableRepository
from vlm_ros.backends.hub.store import (
    faults,
    hub_folder,
    missing_model,
    require_terms,
    Snapshot,
    snapshot_folder,
)
from vlm_ros.errors import WeightsError

OnBytes = Callable[[int, int], None]
"""Is told how many bytes are done, and of how many."""


@dataclass(frozen=True)
class Prefetched:
    """What became of a model.

    Attributes:
        snapshot: Where it lies.
        size_bytes: Of all its files.
        fetched: The files that came from the hub, all or the rest of them; none where
            everything was here.
    """

    snapshot: Snapshot
    size_bytes: int
    fetched: tuple[str, ...]


def prefetch(
    model_id: str,
    *,
    revision: str = '',
    update: bool = False,
    accept_terms: bool = False,
    on_bytes: OnBytes = lambda done, total: None,
) -> Prefetched:
    """Bring what a model lacks; ask nobody where it lacks nothing.

    Which commit: the one in the lock file, else the catalogue's, else what `main` is now. The
    lock file then holds that commit and the checksums of its files for good.

    Args:
        model_id: Of the catalogue or the lock file; with a revision, any on the hub.
        revision: Another commit, tag or branch to settle on.
        update: Settle on the catalogue's commit, or on `main`, in place of the lock file's.
        accept_terms: The caller accepts what the catalogue says about the model's terms.
        on_bytes: Is told how far the download is.

    Raises:
        WeightsError: One line that says why the model cannot be had.
        MissingDependencyError: huggingface_hub is not installed.
    """
    hub_folder()
    card, locked = find(model_id), read_lock().get(model_id)
    if card is None and locked is None and not revision:
        raise missing_model(model_id)
    if card is not None and card.backend == 'openai_api':
        raise WeightsError(f'{model_id} is served by others; there is nothing to prefetch')
    accepted_terms = _accepted_terms(model_id, card, locked, accept_terms)
    if locked is not None and not update and revision in ('', locked.revision):
        model, fetched = _mend(model_id, locked, on_bytes)
    else:
        model, fetched = _settle(model_id, revision, card, on_bytes)
    settled = replace(model, accepted_terms=accepted_terms)
    if settled != locked:
        update_lock({model_id: settled})
    folder = snapshot_folder(model_id, model.revision)
    return Prefetched(Snapshot(model_id, model.revision, folder), model.size_bytes, fetched)


def require_space(
    folder: Path,
    size_bytes: int,
    what: str,
    mend: str = 'set HF_HOME to a folder on another disk',
) -> None:
    """Check that a disk has room.

    Args:
        folder: On that disk; need not be there yet.
        size_bytes: How much is to be written.
        what: For whom, at the beginning of the message.
        mend: What helps besides freeing some, at its end.

    Raises:
        WeightsError: It has not.
    """
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    free_bytes = shutil.disk_usage(folder).free
    if size_bytes > free_bytes:
        wanted, free, more = map(size_in_words, (size_bytes, free_bytes, size_bytes - free_bytes))
        raise WeightsError(
            f'{what} needs {wanted} in {folder}, where {free} are free: free another {more}, '
            f'or {mend}'
        )


def size_in_words(size_bytes: int) -> str:
    """Return a size such as `1.5 GB`, rounded up, so that what is missing is never nothing."""
    unit_bytes, unit = (10**9, 'GB') if size_bytes > 999_900_000 else (10**6, 'MB')
    return f'{-(-size_bytes * 10 // unit_bytes) / 10:.1f} {unit}'


def _accepted_terms(
    model_id: str, card: ModelCard | None, locked: LockedModel | None, accept_terms: bool
) -> str:
    if not accept_terms:
        require_terms(model_id, locked.accepted_terms if locked is not None else '')
    return card.terms if card is not None else ''


def _mend(
    model_id: str, locked: LockedModel, on_bytes: OnBytes
) -> tuple[LockedModel, tuple[str, ...]]:
    """Bring what is missing or wrong of a locked model; nothing but the locked bytes will do."""
    lacking = sorted(fault.name for fault in faults(model_id, locked))
    if not lacking:
        return locked, ()
    remote = describe(model_id, locked.revision)
    for name in lacking:
        _require_locked(model_id, name, locked, remote.files.get(name))
    files = [remote.files[name] for name in lacking]
    require_space(hub_folder(), lacking_bytes(model_id, files, trust=False), model_id)
    found, fetched = _download(model_id, locked.revision, files, on_bytes)
    for name, file in found.items():
        if file != locked.files[name]:
            raise _other_bytes(model_id, name, locked)
    return locked, fetched


def _settle(
    model_id: str, revision: str, card: ModelCard | None, on_bytes: OnBytes
) -> tuple[LockedModel, tuple[str, ...]]:
    """Bring a model as the hub has it now and say what that is."""
    if not revision and card is not None:
        if card.safetensors is False:
            raise _unusable(model_id, 'has no safetensors weights', card)
        revision = card.revision
    remote = describe(model_id, revision or 'main')
    try:
        names = needed(remote.files, card.backend if card is not None else '')
        files = [remote.files[name] for name in names]
        require_space(hub_folder(), lacking_bytes(model_id, files, trust=True), model_id)
        found, fetched = _download(model_id, remote.revision, files, on_bytes)
        require_shards(snapshot_folder(model_id, remote.revision), names)
    except UnusableRepository as error:
        raise _unusable(model_id, str(error), card) from error
    now = datetime.now(timezone.utc).strftime('%Y-%m-%dT%H:%M:%SZ')
    return LockedModel(remote.revision, found, prefetched=now), fetched


def _download(
    model_id: str, revision: str, files: Sequence[RemoteFile], on_bytes: OnBytes
) -> tuple[dict[str, LockedFile], tuple[str, ...]]:
    """Return what the files are, and the names of those that were not here before."""
    total = sum(file.size_bytes for file in files)
    folder = snapshot_folder(model_id, revision)
    before, found, fetched, stamps = 0, {}, [], Stamps()
    for file in files:
        on_more = partial(_add, on_bytes, before, total)
        locked, came = download(model_id, revision, file, on_more)
        stamps.add(folder / file.name, (folder / file.name).stat(), locked.sha256)
        found[file.name] = locked
        fetched += [file.name] if came else []
        before += file.size_bytes
    stamps.save()
    return found, tuple(fetched)


def _add(on_bytes: OnBytes, before: int, total: int, done: int) -> None:
    on_bytes(before + done, total)


def _require_locked(
    model_id: str, name: str, locked: LockedModel, remote: RemoteFile | None
) -> None:
    """Refuse what can be known to have other bytes before they come."""
    file = locked.files[name]
    if remote is not None and remote.size_bytes == file.size_bytes:
        is_git_s = len(remote.etag) != len(file.sha256)
        if is_git_s or remote.etag == file.sha256:
            return
    raise _other_bytes(model_id, name, locked)


def _other_bytes(model_id: str, name: str, locked: LockedModel) -> WeightsError:
    return WeightsError(
        f'the hub has another {name} of {model_id} at commit {locked.revision[:12]} than the lock '
        'file says, so it is refused; if the lock file is wrong, run: '
        f'vlm-ros models prefetch {model_id} --update'
    )


def _unusable(model_id: str, reason: str, card: ModelCard | None) -> WeightsError:
    others = [
        other
        for other in CATALOGUE
        if other.model_id != model_id and other.safetensors is not False
    ]
    if card is not None:
        tasks = set(card.tasks)
        others = [other for other in others if tasks & set(other.tasks)]
        others.sort(
            key=lambda other: (other.backend != card.backend, -len(tasks & {*other.tasks}))
        )
    names = ' or '.join(other.model_id for other in others[:2])
    return WeightsError(
        f'{model_id} {reason}; use another commit of it (--revision), or another model, such as '
        f'{names}'
    )
