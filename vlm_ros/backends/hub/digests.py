"""Checksums of files, and what was already found to be right."""

from dataclasses import dataclass
import hashlib
import json
import os
from pathlib import Path
import time
from typing import Any

from vlm_ros.backends.hub.lock import replace_file
from vlm_ros.backends.weights import cache_folder, CHUNK_BYTES

_RACY_S = 0.05
"""A file that was changed within one tick of its file system's clock keeps its times. Linux' is
10 ms at the most (CONFIG_HZ=100)."""


@dataclass(frozen=True)
class Digests:
    """Both names that a hub gives to a file's bytes.

    Attributes:
        sha256: In hexadecimal; the ETag of a file in the large file storage.
        git: The SHA-1 of the bytes as a blob of git; the ETag of any other file.
    """

    sha256: str
    git: str


def digests_of(path: Path) -> Digests:
    """Read a file once and return its checksums.

    Raises:
        OSError: It cannot be read.
    """
    with path.open('rb') as file:
        sha256 = hashlib.sha256()
        # No matter of security: what is loaded is compared by SHA-256 as well.
        git = hashlib.sha1(usedforsecurity=False)
        git.update(b'blob %d\0' % os.fstat(file.fileno()).st_size)
        while chunk := file.read(CHUNK_BYTES):
            sha256.update(chunk)
            git.update(chunk)
    return Digests(sha256.hexdigest(), git.hexdigest())


def sha256_of(path: Path) -> str:
    """Read a file and return its SHA-256 in hexadecimal.

    Raises:
        OSError: It cannot be read.
    """
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


class Stamps:
    """Which files were read and had which checksum, so that gigabytes are not read each start.

    A stamp is a file's size, time of modification and time of change. The last one cannot be set
    by a program, so a file whose other two were put back is read again, too.

    They lie in this machine's cache, not beside the lock file: they hold for this machine only.
    """

    def __init__(self) -> None:
        self._path = cache_folder() / 'models.verified.json'
        self._news: dict[str, list[Any]] = {}
        self._stamps = self._read()

    def hold(self, path: Path, stat: os.stat_result, sha256: str) -> bool:
        """Tell whether a file that has these properties was found to have that checksum."""
        return self._stamps.get(str(path)) == [*_stamp(stat), sha256]

    def add(self, path: Path, stat: os.stat_result, sha256: str) -> None:
        """Take note of a file's checksum.

        Args:
            path: Of the file.
            stat: As it was before the file was read, so that a change meanwhile shows.
            sha256: What was read.
        """
        self._news[str(path)] = [*_stamp(stat), sha256]

    def save(self) -> None:
        """Keep the notes for the next process; where they cannot be written, files are read."""
        if not self._news:
            return
        latest_s = max(stamp[2] for stamp in self._news.values()) / 1e9
        time.sleep(min(max(latest_s + _RACY_S - time.time(), 0.0), _RACY_S))
        try:
            news = {path: stamp for path, stamp in self._news.items() if _is_still(path, stamp)}
            # What another process found meanwhile stays; what it overwrites is read once more.
            merged = {**self._read(), **news}
            self._path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._path, json.dumps(merged, indent=0, sort_keys=True).encode())
        except OSError:
            return
        self._stamps, self._news = merged, {}

    def _read(self) -> dict[str, list[Any]]:
        try:
            found = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def _stamp(stat: os.stat_result) -> list[int]:
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]


def _is_still(path: str, stamp: list[Any]) -> bool:
    return _stamp(os.stat(path)) == stamp[:3]
