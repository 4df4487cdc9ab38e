"""The only module that asks a hub: what a commit consists of, and the bytes of one file.

huggingface_hub's client does the asking. Its `snapshot_download` is not used: since release 2 it
throws away what an interrupted download has brought, and a robot's network does not bring some
gigabytes in one go. So a file is appended to here until it is whole, and then put where that
function would have put it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
import os
from pathlib import Path
import time

from vlm_ros.backends.hub.digests import Digests, digests_of
from vlm_ros.backends.hub.failures import http_error, not_a_hub, worded
from vlm_ros.backends.hub.lock import exclusive, is_commit, is_inside, LockedFile
from vlm_ros.backends.hub.store import hub_folder, model_folder, snapshot_folder
from vlm_ros.errors import WeightsError

TRIES = 3
"""How often in a row an answer may bring nothing."""
PAUSE_S = 1.0
"""Between two tries."""


@dataclass(frozen=True)
class RemoteFile:
    """A file as a hub announces it.

    Attributes:
        name: Its path in the repository.
        size_bytes: From 0 on.
        etag: Its SHA-256 where it is in the large file storage, else its id as a blob of git.
    """

    name: str
    size_bytes: int
    etag: str

    def is_made_of(self, digests: Digests) -> bool:
        """Tell whether bytes with these checksums are this file's."""
        return self.etag in (digests.sha256, digests.git)


@dataclass(frozen=True)
class RemoteModel:
    """A commit of a model's repository.

    Attributes:
        revision: 40 hexadecimal digits.
        files: By name.
    """

    revision: str
    files: dict[str, RemoteFile]


def describe(model_id: str, revision: str) -> RemoteModel:
    """Ask, in one request, which commit a revision is and what files it has.

    Raises:
        WeightsError: The hub cannot be reached, refuses, or its answer makes no sense.
    """
    from huggingface_hub import constants, HfApi

    with worded(model_id):
        try:
            info = HfApi(library_name='vlm_ros').model_info(
                model_id,
                revision=revision,
                files_metadata=True,
                timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
            )
            files = [
                RemoteFile(
                    sibling.rfilename,
                    int(sibling.size if sibling.lfs is None else sibling.lfs.size),  # type: ignore[arg-type]
                    str(sibling.blob_id if sibling.lfs is None else sibling.lfs.sha256),
                )
                for sibling in info.siblings or ()
            ]
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            # What its parser raises about an answer of another shape.
            raise not_a_hub(model_id, error) from error
    commit = str(info.sha)
    if not is_commit(commit) or (is_commit(revision) and commit != revision):
        raise not_a_hub(model_id, ValueError(commit))
    for file in files:
        _refuse_nonsense(model_id, file)
    return RemoteModel(commit, {file.name: file for file in files})


def download(
    model_id: str, revision: str, file: RemoteFile, on_bytes: Callable[[int], None]
) -> tuple[LockedFile, bool]:
    """Bring a file into the cache, going on where an earlier try stopped.

    What is in the cache is kept where it is right and replaced where it is not. Nothing but whole
    files with the announced checksum is ever seen by others.

    Args:
        model_id: Whose file.
        revision: Its commit.
        file: Which one.
        on_bytes: Is told how many bytes of the file are here, as they come.

    Returns:
        What the file is, and whether anything of it had to come.

    Raises:
        WeightsError: The file cannot be had or kept, or its bytes are not the announced ones.
    """
    folder = model_folder(model_id)
    blob = folder / 'blobs' / file.etag
    with worded(model_id):
        blob.parent.mkdir(parents=True, exist_ok=True)
        # Where huggingface_hub's own downloads wait for each other.
        with exclusive(hub_folder() / '.locks' / folder.name / f'{file.etag}.lock'):
            pointer = snapshot_folder(model_id, revision) / file.name
            locked = _whole(blob, file) or _whole(pointer, file)
            came = locked is None
            if locked is None:
                locked = _fetch(model_id, revision, file, blob, on_bytes)
            on_bytes(file.size_bytes)
            link(blob, pointer)
    return locked, came


def lacking_bytes(model_id: str, files: Iterable[RemoteFile], *, trust: bool) -> int:
    """Return how much still has to come.

    Args:
        model_id: Whose files.
        files: Which.
        trust: Whether a file of the right size counts as here.
    """
    lacking = 0
    for file in files:
        partial = _partial(model_folder(model_id) / 'blobs' / file.etag)
        if not trust or _size(partial.with_name(file.etag)) != file.size_bytes:
            lacking += max(file.size_bytes - _size(partial), 0)
    return lacking


def _partial(blob: Path) -> Path:
    """Return where the first part of a file waits for the rest."""
    return blob.with_name(f'{blob.name}.vlm-ros.incomplete')


def link(blob: Path, pointer: Path) -> None:
    """Put a blob's name into a snapshot, in one step.

    Raises:
        OSError: It cannot be written.
    """
    if not blob.is_file():
        return  # the file itself is there, on a file system without links
    pointer.parent.mkdir(parents=True, exist_ok=True)
    temporary = pointer.with_name(f'.{pointer.name}.{os.getpid()}.tmp')
    temporary.unlink(missing_ok=True)
    try:
        temporary.symlink_to(os.path.relpath(blob, pointer.parent))
    except OSError:
        os.replace(blob, pointer)
    else:
        os.replace(temporary, pointer)


def _fetch(
    model_id: str,
    revision: str,
    file: RemoteFile,
    blob: Path,
    on_bytes: Callable[[int], None],
) -> LockedFile:
    from huggingface_hub import hf_hub_url

    url = hf_hub_url(model_id, file.name, revision=revision)
    partial = _partial(blob)
    if _size(partial) > file.size_bytes:
        partial.unlink()
    was_begun = _size(partial) > 0
    _complete(url, partial, file, on_bytes)
    locked = _whole(partial, file)
    if locked is None and was_begun:
        # What an earlier try left may have been cut by a loss of power: once more, all of it.
        partial.unlink()
        _complete(url, partial, file, on_bytes)
        locked = _whole(partial, file)
    if locked is None:
        partial.unlink()
        raise WeightsError(
            f'{model_id} came with another {file.name} than the hub announces; run the same '
            'again, and mistrust the network or HF_ENDPOINT where that does not help'
        )
    os.replace(partial, blob)
    return locked


def _complete(url: str, partial: Path, file: RemoteFile, on_bytes: Callable[[int], None]) -> None:
    """Ask for what a file lacks until it is whole, or until nothing comes any more."""
    from huggingface_hub.errors import HfHubHTTPError

    partial.touch()
    tries = TRIES
    while (before := _size(partial)) < file.size_bytes:
        failure: Exception = ConnectionError(f'{file.name} ended early')
        try:
            _append(url, partial, file, on_bytes)
        except http_error() as error:
            if isinstance(error, HfHubHTTPError) and error.response.status_code < 500:
                raise
            failure = error
        tries = TRIES if _size(partial) > before else tries - 1
        if not tries:
            raise failure
        if _size(partial) < file.size_bytes:
            time.sleep(PAUSE_S)


def _append(url: str, partial: Path, file: RemoteFile, on_bytes: Callable[[int], None]) -> None:
    from huggingface_hub import constants, get_session

    # Documented, but not marked as exported.
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        build_hf_headers,
        hf_raise_for_status,
    )

    done = _size(partial)
    # A part of a compressed answer is of no use.
    headers = build_hf_headers(library_name='vlm_ros') | {'Accept-Encoding': 'identity'}
    if done:
        headers['Range'] = f'bytes={done}-'
    timeout_s = constants.HF_HUB_DOWNLOAD_TIMEOUT
    with get_session().stream('GET', url, headers=headers, timeout=timeout_s) as response:
        hf_raise_for_status(response)
        if response.status_code != 206:
            done = 0  # the server sends all of it, whatever was asked for
        with partial.open('ab' if done else 'wb') as out:
            # As they come: what waits for a chunk to be full is lost when the connection breaks.
            for chunk in response.iter_bytes():
                # One byte too many is enough to tell that these are not the announced ones.
                out.write(chunk[: file.size_bytes + 1 - done])
                done += len(chunk)
                if done > file.size_bytes:
                    break
                on_bytes(done)


def _whole(path: Path, file: RemoteFile) -> LockedFile | None:
    if _size(path) != file.size_bytes or not path.is_file():
        return None
    digests = digests_of(path)
    return LockedFile(file.size_bytes, digests.sha256) if file.is_made_of(digests) else None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _refuse_nonsense(model_id: str, file: RemoteFile) -> None:
    if not is_inside(file.name):
        raise WeightsError(
            f'{model_id} has a file that would lie outside of its folder, {file.name[:80]!r}; it '
            'is not downloaded: report it to the hub'
        )
    hexadecimal = set(file.etag) <= set('0123456789abcdef')
    if file.size_bytes < 0 or len(file.etag) not in (40, 64) or not hexadecimal:
        raise not_a_hub(model_id, ValueError(file.etag))
