"""Models in one file, to carry to a robot without a network.

A bundle is a plain tar: first the lock entries of its models, then their files as
`models/OWNER/NAME/FILE`. It is not compressed, as weights do not compress, and the same models
make the same bytes. What it says about itself is checked before anything of it becomes visible.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
import hashlib
import io
import os
from pathlib import Path
import shutil
import tarfile
import tempfile
from typing import IO

from vlm_ros.backends.hub.digests import Stamps
from vlm_ros.backends.hub.lock import (
    format_lock,
    LockedFile,
    LockedModel,
    MAX_BYTES,
    parse_lock,
    read_lock,
    update_lock,
)
from vlm_ros.backends.hub.prefetch import OnBytes, require_space
from vlm_ros.backends.hub.remote import link
from vlm_ros.backends.hub.store import faults, hub_folder, locate, model_folder, snapshot_folder
from vlm_ros.backends.weights import CHUNK_BYTES
from vlm_ros.errors import WeightsError

_LOCK = 'models.lock.json'


def export_bundle(
    path: Path, model_ids: Sequence[str], *, on_bytes: OnBytes = lambda done, total: None
) -> dict[str, LockedModel]:
    """Write prefetched models into a bundle; every byte is checked on its way.

    Args:
        path: Of the bundle; replaced where it is there, and not touched before all is well.
        model_ids: Which models.
        on_bytes: Is told how far it is.

    Returns:
        What the bundle holds.

    Raises:
        WeightsError: A model is not whole here, or the bundle cannot be written.
    """
    for model_id in model_ids:
        locate(model_id)
    lock = read_lock()
    models = {model_id: lock[model_id] for model_id in sorted(set(model_ids))}
    total = sum(model.size_bytes for model in models.values())
    mend = 'choose a folder on another disk'
    require_space(path.absolute().parent, total, f'the bundle {path}', mend)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        with tarfile.open(temporary, 'w', format=tarfile.PAX_FORMAT) as tar:
            _write(tar, models, on_bytes)
        os.replace(temporary, path)
    except OSError as error:
        reason = error.strerror or error
        raise WeightsError(f'the bundle {path} cannot be written: {reason}') from error
    finally:
        temporary.unlink(missing_ok=True)
    return models


def import_bundle(
    path: Path, *, replace_locked: bool = False, on_bytes: OnBytes = lambda done, total: None
) -> dict[str, LockedModel]:
    """Take the models of a bundle into the cache and the lock file; all of them or none.

    Args:
        path: Of the bundle.
        replace_locked: Settle on the bundle's commits where the lock file has others.
        on_bytes: Is told how far it is.

    Returns:
        What the bundle holds.

    Raises:
        WeightsError: The bundle is cut, damaged, or tries to write elsewhere; it contradicts the
            lock file; or there is no room.
    """
    lock = read_lock()
    with _opened(path) as tar:
        models = _read_lock_entries(path, tar)
        if not replace_locked:
            _refuse_contradiction(path, models, lock)
        lacking = {(name, fault.name) for name in models for fault in faults(name, models[name])}
        room = sum(models[model_id].files[name].size_bytes for model_id, name in lacking)
        require_space(hub_folder(), room, f'the bundle {path}')
        hub_folder().mkdir(parents=True, exist_ok=True)
        # In the cache, so that a file is put in place by its name alone.
        with tempfile.TemporaryDirectory(prefix='.vlm-ros-import-', dir=hub_folder()) as staging:
            staged = _stage(path, tar, models, lacking, Path(staging), on_bytes)
            _publish(models, staged)
    # What was accepted where the bundle was made holds here; what was accepted here, too.
    terms = {name: model.accepted_terms or _terms(lock, name) for name, model in models.items()}
    update_lock({name: replace(models[name], accepted_terms=terms[name]) for name in models})
    return models


class _Reader:
    """A file that is counted and summed while `tarfile` reads it."""

    def __init__(self, source: IO[bytes], before: int, total: int, on_bytes: OnBytes) -> None:
        self._source = source
        self._done = before
        self._total = total
        self._on_bytes = on_bytes
        self._digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        chunk = self._source.read(size)
        self._digest.update(chunk)
        self._done += len(chunk)
        self._on_bytes(self._done, self._total)
        return chunk

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def _terms(lock: Mapping[str, LockedModel], model_id: str) -> str:
    return lock[model_id].accepted_terms if model_id in lock else ''


def _write(tar: tarfile.TarFile, models: Mapping[str, LockedModel], on_bytes: OnBytes) -> None:
    content = format_lock(models)
    tar.addfile(_member(_LOCK, len(content)), io.BytesIO(content))
    done, total = 0, sum(model.size_bytes for model in models.values())
    for name, model_id, own, file in _members(models):
        path = snapshot_folder(model_id, models[model_id].revision) / own
        with path.open('rb') as source:
            reader = _Reader(source, done, total, on_bytes)
            tar.addfile(_member(name, file.size_bytes), reader)
        if reader.hexdigest() != file.sha256:
            raise WeightsError(
                f'{own} of {model_id} changed while it was read; run the same again'
            )
        done += file.size_bytes


def _members(
    models: Mapping[str, LockedModel],
) -> Iterator[tuple[str, str, str, LockedFile]]:
    """Yield a name inside the bundle, whose file it is, its name there, and what it has to be."""
    for model_id, model in sorted(models.items()):
        for name, file in sorted(model.files.items()):
            yield f'models/{model_id}/{name}', model_id, name, file


def _member(name: str, size_bytes: int) -> tarfile.TarInfo:
    # Nothing of the machine, the user or the day, so that equal models make equal bundles.
    member = tarfile.TarInfo(name)
    member.size = size_bytes
    member.mode = 0o644
    return member


@contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(path, 'r:') as tar:
            yield tar
    except tarfile.TarError as error:
        raise WeightsError(
            f'the bundle {path} is cut or damaged ({error}); copy it again, or export it again'
        ) from error
    except OSError as error:
        about = error.filename or hub_folder()
        raise WeightsError(f'{about} cannot be read or written: {error.strerror}') from error


def _read_lock_entries(path: Path, tar: tarfile.TarFile) -> dict[str, LockedModel]:
    first = tar.next()
    if first is None or first.name != _LOCK or not first.isreg() or first.size > MAX_BYTES:
        raise WeightsError(f'{path} is no bundle of models; make one: vlm-ros models export')
    try:
        return parse_lock(_content(tar, first).read())
    except ValueError as error:
        raise WeightsError(f'the bundle {path} is damaged ({error}); export it again') from error


def _refuse_contradiction(
    path: Path, models: Mapping[str, LockedModel], lock: Mapping[str, LockedModel]
) -> None:
    for model_id, model in models.items():
        ours = lock.get(model_id, model)
        if (ours.revision, dict(ours.files)) != (model.revision, dict(model.files)):
            raise WeightsError(
                f'the bundle {path} has {model_id} at commit {model.revision[:12]}, but the lock '
                f'file is settled on other bytes at {ours.revision[:12]}; to follow the bundle, '
                'add --replace'
            )


def _stage(
    path: Path,
    tar: tarfile.TarFile,
    models: Mapping[str, LockedModel],
    lacking: set[tuple[str, str]],
    staging: Path,
    on_bytes: OnBytes,
) -> dict[tuple[str, str], Path]:
    """Check every member, and write those that are lacking under names of our own."""
    awaited = {name: (model_id, own, file) for name, model_id, own, file in _members(models)}
    total = sum(model.size_bytes for model in models.values())
    done = 0
    staged: dict[tuple[str, str], Path] = {}
    while (member := tar.next()) is not None:
        if member.name not in awaited:
            raise WeightsError(f'the bundle {path} has {member.name[:80]!r}, which is not a part')
        model_id, own, file = awaited.pop(member.name)
        if not member.isreg() or member.issparse() or member.size != file.size_bytes:
            raise WeightsError(
                f'the bundle {path} is damaged: {own} of {model_id} is no such file'
            )
        reader = _Reader(_content(tar, member), done, total, on_bytes)
        target = staging / str(len(staged)) if (model_id, own) in lacking else Path(os.devnull)
        with target.open('wb') as out:
            shutil.copyfileobj(reader, out, CHUNK_BYTES)
        if reader.hexdigest() != file.sha256:
            raise WeightsError(
                f'the bundle {path} is damaged: the checksum of {own} of {model_id} differs; copy '
                'it again, or export it again'
            )
        if target.parent == staging:
            staged[model_id, own] = target
        done += file.size_bytes
    for _, (model_id, own, _) in sorted(awaited.items()):
        raise WeightsError(
            f'the bundle {path} is cut: {own} of {model_id} is missing; copy it again'
        )
    return staged


def _publish(models: Mapping[str, LockedModel], staged: Mapping[tuple[str, str], Path]) -> None:
    stamps = Stamps()
    for (model_id, name), path in staged.items():
        model = models[model_id]
        blob = model_folder(model_id) / 'blobs' / model.files[name].sha256
        blob.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, blob)
        pointer = snapshot_folder(model_id, model.revision) / name
        link(blob, pointer)
        stamps.add(pointer, pointer.stat(), model.files[name].sha256)
    stamps.save()


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(member)
    if content is None:
        raise tarfile.ReadError(f'{member.name[:80]!r} is no file')
    return content
