"""Pictures of things, kept on disk: what things look like that have no other name.

A folder with one PNG a picture, in which stands all that is known of it; there is no index that
could disagree. Files are written whole or not at all and never changed, so any number of processes
may read while one writes.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
import fcntl
import logging
import os
from pathlib import Path
import stat
import threading
import time
import uuid

from vlm_ros.data.folders import data_folder
from vlm_ros.data.pictures import from_png, KeptPicture, MAX_FILE_BYTES, shrunk, to_png
from vlm_ros.errors import InputError, StorageError
from vlm_ros.images import Image
from vlm_ros.phrases import Vocabulary

MAX_PER_NAME = 32
MAX_PICTURES = 500
MAX_BYTES = 100_000_000
"""Of all files together."""
MIN_SIDE_PX = 16
"""Smaller pictures show nothing that could be recognized."""
CHECK_PERIOD_S = 1.0
"""How often a reader looks whether the folder has changed, at most."""
_RACY_S = 2.0
"""A folder changed so recently may change again within one tick of the file system's clock."""
_LOCK_TIMEOUT_S = 5.0
_LOCK, _TEMPORARY = '.lock', '.tmp'

_logger = logging.getLogger(__name__)


class Gallery:
    """The pictures in a folder. For any number of threads and processes.

    Args:
        folder: Where; `~` is the home folder. Empty for `gallery` in `folders.data_folder`. It is
            made when the first picture comes.
        on_skipped: Told, once a file, in one line, of what is in the folder and cannot be used;
            logged by default.
    """

    def __init__(
        self, folder: str | Path = '', *, on_skipped: Callable[[str], None] = _logger.warning
    ) -> None:
        self.folder = Path(folder).expanduser() if str(folder) else data_folder() / 'gallery'
        self._on_skipped = on_skipped
        self._lock = threading.Lock()
        self._read: dict[str, tuple[tuple[int, ...], KeptPicture | None]] = {}
        self._pictures: tuple[KeptPicture, ...] = ()
        self._seen_mtime_ns: int | None = None
        self._checked_s = -CHECK_PERIOD_S

    def pictures(self, *, now: bool = False) -> tuple[KeptPicture, ...]:
        """Return the pictures, oldest first; the same tuple as long as nothing has changed.

        Args:
            now: Look at the folder, however recently that was done.

        Raises:
            StorageError: The folder is there but cannot be read; what was read before is kept.
        """
        with self._lock:
            if not now and time.monotonic() - self._checked_s < CHECK_PERIOD_S:
                return self._pictures
            self._checked_s = time.monotonic()
            try:
                self._refresh(now)
            except FileNotFoundError:
                self._read, self._pictures, self._seen_mtime_ns = {}, (), None
            except OSError as error:
                raise StorageError(
                    f'the gallery {self.folder} cannot be read: {error.strerror}'
                ) from error
            return self._pictures

    def add(
        self,
        name: str,
        image: Image,
        *,
        stamp_ns: int | None = None,
        camera: str = '',
        xyxy: tuple[float, float, float, float] | None = None,
    ) -> KeptPicture:
        """Keep a picture.

        Args:
            name: What it shows; spelt as it is there already, where case alone differs.
            image: `(H, W, 3)` uint8 RGB, the thing cut out.
            stamp_ns: See `KeptPicture`.
            camera: See `KeptPicture`.
            xyxy: See `KeptPicture`.

        Raises:
            InputError: The name cannot be used, the picture is too small, or there are too many.
            StorageError: It could not be written; what was kept before is as it was.
        """
        name = checked_name(name)
        if min(image.shape[:2]) < MIN_SIDE_PX:
            height, width = image.shape[:2]
            raise InputError(
                f'the picture has {width}x{height} pixels, and fewer than {MIN_SIDE_PX} a side '
                'show nothing; choose a larger region, or come closer'
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._locked():
                there = self.pictures(now=True)
                same = [kept.name for kept in there if kept.name.casefold() == name.casefold()]
                name = same[0] if same else name
                kept = KeptPicture(
                    name, shrunk(image), uuid.uuid4().hex[:12], time.time_ns(),
                    stamp_ns, camera, xyxy,
                )  # fmt: skip
                content = to_png(kept)
                self._check_room(name, len(same), len(there), len(content))
                _write(self.folder / f'{kept.exemplar_id}.png', content)
        except OSError as error:
            raise StorageError(
                f'the picture was not kept in {self.folder}: {error.strerror or error}; '
                'what was kept before is as it was'
            ) from error
        self.pictures(now=True)
        return kept

    def remove(self, name: str, exemplar_id: str = '') -> int:
        """Remove pictures of a name: one, or all of them where the id is empty.

        Returns:
            How many were removed; 0 where there is no such picture.

        Raises:
            InputError: The name cannot be one.
            StorageError: They could not be removed.
        """
        name = checked_name(name)
        removed = 0
        try:
            for kept in self.pictures(now=True):
                if kept.name.casefold() == name.casefold() and exemplar_id in (
                    '', kept.exemplar_id,
                ):  # fmt: skip
                    # Another process may have been faster.
                    with suppress(FileNotFoundError):
                        (self.folder / f'{kept.exemplar_id}.png').unlink()
                        removed += 1
        except OSError as error:
            raise StorageError(
                f'pictures could not be removed from {self.folder}: {error.strerror}'
            ) from error
        self.pictures(now=True)
        return removed

    def _refresh(self, must: bool) -> None:
        """Read what is new in the folder and forget what is gone."""
        mtime_ns = self.folder.stat().st_mtime_ns
        if mtime_ns == self._seen_mtime_ns and not must:
            return
        is_racy = time.time_ns() - mtime_ns < _RACY_S * 1e9
        found = {}
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if not entry.name.startswith('.'):
                    with suppress(FileNotFoundError):
                        found[entry.name] = self._known(entry)
        self._read = found
        pictures = sorted(
            (picture for _, picture in found.values() if picture is not None),
            key=lambda picture: (picture.added_ns, picture.exemplar_id),
        )[:MAX_PICTURES]
        if len(pictures) != len(self._pictures) or any(
            a is not b for a, b in zip(pictures, self._pictures, strict=True)
        ):
            self._pictures = tuple(pictures)
        self._seen_mtime_ns = None if is_racy else mtime_ns

    def _known(self, entry: os.DirEntry[str]) -> tuple[tuple[int, ...], KeptPicture | None]:
        """Return a file's stamp with its picture, None where it has none that can be used."""
        stats = entry.stat()
        stamp = (stats.st_ino, stats.st_size, stats.st_mtime_ns)
        before = self._read.get(entry.name)
        if before is not None and before[0] == stamp:
            return before
        try:
            is_ours = entry.name.endswith('.png') and entry.name.isprintable()
            if not stat.S_ISREG(stats.st_mode) or not is_ours:
                raise ValueError('it is none of the pictures kept here')
            if stats.st_size > MAX_FILE_BYTES:
                raise ValueError(f'it has more than {MAX_FILE_BYTES} bytes')
            content = Path(entry.path).read_bytes()
            picture = from_png(content, entry.name.removesuffix('.png'))
            checked_name(picture.name)
        except FileNotFoundError:
            raise
        except (OSError, ValueError) as error:
            self._on_skipped(f'skipped {entry.path!r} in the gallery: {error}')
            return stamp, None
        return stamp, picture

    def _check_room(self, name: str, same: int, count: int, size: int) -> None:
        used = sum(stamp[1] for stamp, picture in self._read.values() if picture is not None)
        if same >= MAX_PER_NAME:
            full = f'{same} pictures of {name!r}'
        elif count >= MAX_PICTURES:
            full = f'{count} pictures'
        elif used + size > MAX_BYTES:
            full = f'{used} bytes of pictures'
        else:
            return
        raise InputError(f'the gallery has {full} and takes no more; remove some first')

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one add at a time, so that the limits hold."""
        with (self.folder / _LOCK).open('wb') as file:
            until_s = time.monotonic() + _LOCK_TIMEOUT_S
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError as error:
                    if time.monotonic() > until_s:
                        raise StorageError(
                            f'another process holds {file.name}; end it or try again'
                        ) from error
                    time.sleep(0.02)
            yield


def checked_name(name: str) -> str:
    """Return a name as vocabularies have it.

    Raises:
        VocabularyError: It is blank or too long.
        InputError: It has characters that cannot be shown.
    """
    (checked,) = Vocabulary((name,)).names
    if not checked.isprintable():
        raise InputError(f'the name {checked!r} has characters that cannot be shown')
    return checked


def _write(path: Path, content: bytes) -> None:
    """Write a new file whole or not at all, even where the power fails; for one at a time."""
    temporary = path.with_name(_TEMPORARY)
    try:
        with temporary.open('wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    with suppress(OSError):  # some file systems have no such thing for folders
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
