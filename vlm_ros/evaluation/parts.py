"""What a model says, kept in parts on disk, so that a second run goes on from there."""

from collections.abc import Callable, Iterable, Iterator, Sequence
import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any, TypeVar

from vlm_ros.data.truths.json_files import load
from vlm_ros.data.truths.replies import ReplyRecord
from vlm_ros.errors import InputError, StorageError
from vlm_ros.records import FrameRecord, Manifest, ModelRecord, read_lines, write_lines
from vlm_ros.records.manifest import MANIFEST, package_version, read_manifest, write_manifest
from vlm_ros.records.model import Json
from vlm_ros.results import Status
from vlm_ros.whole_files import is_unfinished, locked, sweep, writing

PART_IMAGES = 50
"""How many images are lost at most when a run is interrupted."""


_LOCK = '.evaluate.lock'

Item = TypeVar('Item')
R = TypeVar('R', FrameRecord, ReplyRecord)


def in_parts(
    items: Sequence[Item],
    ask: Callable[[int, Item], R],
    kind: type[R],
    *,
    folder: Path | None,
    pictures: Callable[[Item], Iterable[Path | None]],
    progress: Callable[[], None],
) -> list[R]:
    """Ask about each item, but for what a part on disk has already.

    What has FAILED is tried again.

    Args:
        items: What is asked about.
        ask: Takes the number of an item, and the item.
        kind: What it returns.
        folder: Below which the parts lie; None to keep none.
        pictures: The files of an item; None where one is missing.
        progress: Told after each item.

    Raises:
        InputError: A part is of other pictures.
        StorageError: The disk is full, or the folder cannot be written.
    """
    found: list[R] = []
    for first in range(0, len(items), PART_IMAGES):
        rows = items[first : first + PART_IMAGES]
        part = None
        before: Sequence[R | None] = [None] * len(rows)
        digests: list[str] = []
        if folder is not None:
            part = folder / 'parts' / f'{first // PART_IMAGES:05d}.jsonl'
            digests = [_digest(pictures(row)) for row in rows]
            before = _read(part, kind, digests)
        own: list[R] = []
        for number, (row, known) in enumerate(zip(rows, before, strict=True), first):
            own.append(ask(number, row) if known is None else known)
            progress()
        if part is not None and own != list(before):
            write_lines(part, own)
            with writing(part.with_suffix('.json')) as stream:
                stream.write(json.dumps(digests).encode())
        found += own
    return found


def manifest_of(
    model: Any, task: str, plan: Json, subject: object, vocabulary: Sequence[str] = ()
) -> Manifest:
    """Return how a run comes about.

    Args:
        model: What is asked.
        task: What it is asked for.
        plan: What else decides the result.
        subject: What it is asked about, as JSON has it.
        vocabulary: The names that are looked for.
    """
    content = json.dumps([plan, subject], sort_keys=True, default=str)
    return Manifest(
        version=package_version(),
        plan=plan,
        plan_id=hashlib.sha256(content.encode()).hexdigest()[:12],
        vocabulary=tuple(dict.fromkeys(vocabulary)),
        models=(ModelRecord.of(task, model),),
    )


@contextlib.contextmanager
def kept_in(folder: Path | None, manifest: Manifest) -> Iterator[None]:
    """Keep what a run says in a folder, which no other process writes meanwhile; None keeps none.

    Raises:
        InputError: The folder holds something else, or another run, or is being written.
        StorageError: It cannot be read or written.
    """
    if folder is None:
        yield
        return
    _is_begun(folder, manifest)  # before anything is put there
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f'{folder} cannot be made: {error.strerror or error}; choose another folder'
        ) from error
    with locked(folder / _LOCK, waits=False):
        if _is_begun(folder, manifest):
            sweep(folder)
        else:
            write_manifest(folder, manifest)
        yield


def _is_begun(folder: Path, manifest: Manifest) -> bool:
    """Say whether this run is in a folder already.

    Raises:
        InputError: Something else is.
        StorageError: It cannot be read.
    """
    if (folder / MANIFEST).is_file():
        before = read_manifest(folder)
        if (before.plan_id, before.models) != (manifest.plan_id, manifest.models):
            raise InputError(
                f'{folder} holds what another model, other settings or other images gave; choose '
                'another folder'
            )
        return True
    there = folder.iterdir() if folder.is_dir() else ()
    if not all(other.name == _LOCK or is_unfinished(other) for other in there):
        raise InputError(f'{folder} is not empty and holds no dataset; choose another folder')
    return False


def _digest(paths: Iterable[Path | None]) -> str:
    digest = hashlib.sha256()
    for path in dict.fromkeys(paths):
        try:
            content = b'' if path is None else path.read_bytes()
        except OSError:
            content = b''  # who asks about it says why
        digest.update(f'{path and path.name}\0{len(content)}\0'.encode() + content)
    return digest.hexdigest()[:12]


def _read(part: Path, kind: type[R], digests: Sequence[str]) -> Sequence[R | None]:
    """Return what a part has; None for what has FAILED, or where the part is damaged."""
    try:
        found = list(read_lines(part, kind)) if part.is_file() else []
        before = load(part.with_suffix('.json')) if found else []
    except InputError:
        found, before = [], []
    if not len(found) == len(before) == len(digests):
        return [None] * len(digests)
    kept = [None if row.status is Status.FAILED else row for row in found]
    if any(row and was != now for row, was, now in zip(kept, before, digests, strict=True)):
        raise InputError(
            f'{part.parent.parent} holds what other pictures gave; choose another folder'
        )
    return kept
