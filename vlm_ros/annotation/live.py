"""A dataset that grows while cameras run.

Records wait in memory until there are as many as a chunk has, or somebody asks; then they become a
part, whole or not at all, as those of recordings do. What a process that was killed has left is
completed by the next one with the same plan.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
import contextlib
from dataclasses import dataclass
from pathlib import Path
import threading
import time

from vlm_ros.annotation.chunks import Chunk
from vlm_ros.annotation.entries import key_of
from vlm_ros.annotation.exports import export
from vlm_ros.annotation.live_camera import LiveCamera, Place, run_number
from vlm_ros.annotation.merging import merge
from vlm_ros.annotation.parts import (
    IMAGES,
    is_picture_of_ours,
    read_part,
    write_image,
    write_part,
)
from vlm_ros.annotation.plan import AnnotationPlan
from vlm_ros.annotation.run import begin, held, new_manifest
from vlm_ros.data.frames import Frame
from vlm_ros.errors import StorageError
from vlm_ros.records import FrameRecord, ModelRecord, SkippedRecord, SourceRecord
from vlm_ros.records.manifest import ANNOTATIONS, write_manifest
from vlm_ros.runtime.candidates import one_line
from vlm_ros.whole_files import remove

BEGIN_ANEW = 'remove this one'
"""What begins a live dataset anew, where `vlm-ros annotate` has `--anew`."""
_MAX_REASONS = 100
"""So many are told apart in a part."""


@dataclass
class _Skips:
    """Images of a run that were skipped for one reason."""

    first: str
    count: int = 0


class LiveDataset:
    """Keeps what was annotated; any thread may call it.

    Args:
        plan: What is wanted; its sources are the cameras' topics.
        folder: Where the dataset is made, or gone on with; nobody else may write there meanwhile.
        models: What does the work.

    Attributes:
        folder: Where it is.
        trouble: Why nothing could be written at the last attempt; empty where it could.
        images: How many records there are, those of earlier runs included.

    Raises:
        InputError: The folder holds what another plan, or another model, made, or something else,
            or another process is writing there.
        StorageError: The disk is full, or the folder cannot be written.
    """

    def __init__(
        self, plan: AnnotationPlan, folder: Path, models: tuple[ModelRecord, ...]
    ) -> None:
        self.trouble = ''
        self.images = 0
        self._plan = plan
        self.folder = folder
        # Kept while files are written, which whoever only counts does not wait for.
        self._lock = threading.RLock()
        self._counting = threading.Lock()
        self._records: list[FrameRecord] = []
        self._skipped: dict[tuple[str, str], _Skips] = {}
        self._since_s: float | None = None
        self._frames: Counter[str] = Counter()
        self._last_ns: dict[str, int] = {}
        with contextlib.ExitStack() as stack:
            stack.enter_context(held(folder))
            self._manifest = begin(folder, new_manifest(plan, models, ()), anew=BEGIN_ANEW)
            before = self._manifest.sources
            self._dropped = Counter({row.source: row.dropped for row in before})
            self._numbers = sorted(_part_numbers(folder))
            self._is_merged, self._is_exported = self._read(), False
            if not self._is_merged:
                self._merge()
            self._holding = stack.pop_all()

    @property
    def parts(self) -> int:
        """How many parts are written, those of earlier runs included."""
        return len(self._numbers)

    def camera(self, topic: str) -> LiveCamera:
        """Return a camera of the plan that begins a run of its own."""
        with self._lock:
            runs = run_number(topic, [*self._frames, *self._dropped])
            return LiveCamera(topic, self._plan.sampling, runs, self._last_ns.get(topic))

    def annotate(self, frame: Frame, work: Callable[[str], FrameRecord]) -> FrameRecord:
        """Have an image annotated whose picture is kept, where the plan wants that.

        While a whole chunk waits that could not be written, no more images are taken.

        Args:
            frame: The image and its place.
            work: Annotates it, told where its picture is.

        Raises:
            StorageError: The disk is full, or the folder cannot be written.
            Exception: What `work` raises; the picture is gone then.
        """
        if len(self._records) >= self._plan.chunk_frames:
            self.write_part()
        if not self._plan.images:
            return work('')
        with self._attempt():
            file = write_image(self.folder, key_of(frame), frame.image, self._plan.images)
        try:
            return work(file)
        except BaseException:
            with contextlib.suppress(StorageError):
                remove(self.folder / file)
            raise

    def add(self, record: FrameRecord) -> None:
        """Keep a record.

        Raises:
            StorageError: It waits, because the disk is full or the folder cannot be written.
        """
        with self._lock:
            self._wait()
            self._records.append(record)
            self._frames[record.source] += 1
            self.images += 1
            if record.stamp_ns is not None:
                self._last_ns[record.topic] = record.stamp_ns
            if len(self._records) >= self._plan.chunk_frames:
                self.write_part()

    def skip(self, place: Place, error: Exception) -> None:
        """Note that an image could not be looked at; the same error again is only counted."""
        self._skip(place.source, f'image {place.index} of {place.source}', _reason(error))

    def skip_camera(self, source: str, reason: str) -> None:
        """Note that nothing came of a camera."""
        self._skip(source, source, reason)

    def drop(self, source: str, count: int = 1) -> None:
        """Count images that went by while the models were busy."""
        with self._counting:
            self._dropped[source] += count

    def dropped(self) -> int:
        """How many images went by, those of earlier runs included."""
        with self._counting:
            return self._dropped.total()

    def waits_s(self) -> float:
        """Seconds for which the oldest of what is not written yet has waited; 0 for nothing."""
        since_s = self._since_s
        return 0.0 if since_s is None else time.monotonic() - since_s

    def write_part(self) -> None:
        """Write what waits.

        Raises:
            StorageError: It cannot be written, and goes on waiting.
        """
        with self._lock, self._attempt():
            if self._since_s is None:
                return
            number = self._numbers[-1] + 1 if self._numbers else 0
            self._is_merged = self._is_exported = False
            write_part(self.folder, number, self._records, self._skipped_records())
            self._numbers.append(number)
            self._records.clear()
            self._skipped.clear()
            self._since_s = None
            self._write_manifest(self._manifest.skipped)

    def finish(self, formats: Iterable[str] = ()) -> None:
        """Make it whole: write what waits, put the parts together, and export them.

        More can be added afterwards; without more it does nothing the second time.

        Raises:
            StorageError: The disk is full, or the folder cannot be written; parts stay.
        """
        with self._lock, self._attempt():
            self.write_part()
            if not self._is_merged:
                self._merge()
            if self.images and not self._is_exported:
                export(self._plan, self.folder, formats)
                self._is_exported = True

    def close(self) -> None:
        """Let others write in the folder; may be repeated. What waits is not written."""
        with self._lock:
            self._holding.close()

    def _wait(self) -> None:
        if self._since_s is None:
            self._since_s = time.monotonic()

    def _skip(self, source: str, name: str, reason: str) -> None:
        with self._lock:
            self._wait()
            if (source, reason) not in self._skipped and len(self._skipped) >= _MAX_REASONS:
                reason = 'for other reasons'
            self._skipped.setdefault((source, reason), _Skips(name)).count += 1

    @contextlib.contextmanager
    def _attempt(self) -> Iterator[None]:
        try:
            yield
        except StorageError as error:
            self.trouble = str(error)
            raise
        self.trouble = ''

    def _skipped_records(self) -> Iterator[SkippedRecord]:
        for (_, reason), skips in self._skipped.items():
            more = f' (and {skips.count - 1} more)' if skips.count > 1 else ''
            yield SkippedRecord(name=skips.first + more, reason=reason)

    def _merge(self) -> None:
        chunks = [Chunk(number, '') for number in self._numbers]
        _, skipped = merge(self.folder, chunks, track=self._plan.track)
        self._write_manifest(skipped)
        self._is_merged = True

    def _write_manifest(self, skipped: tuple[SkippedRecord, ...]) -> None:
        with self._counting:
            sources = tuple(
                SourceRecord(
                    source=source,
                    topics=(source.rpartition('#')[0],),
                    frames=self._frames[source],
                    dropped=self._dropped[source],
                )
                for source in dict.fromkeys([*self._frames, *self._dropped])
            )
        self._manifest = self._manifest.model_copy(update={'sources': sources, 'skipped': skipped})
        write_manifest(self.folder, self._manifest)

    def _read(self) -> bool:
        """Learn what the parts hold; returns whether all of it is merged."""
        kept = set()
        for number in self._numbers:
            for record in read_part(self.folder, number):
                self._frames[record.source] += 1
                self.images += 1
                kept.add(record.image.file)
                if record.stamp_ns is not None:
                    self._last_ns[record.topic] = record.stamp_ns
        _remove_pictures(self.folder / IMAGES, kept)
        try:
            with (self.folder / ANNOTATIONS).open('rb') as stream:
                return sum(1 for _ in stream) == self.images
        except OSError:
            return not self._numbers


def _reason(error: Exception) -> str:
    # Without the picture's name, so that a full disk is one reason and not one for each image.
    if isinstance(error, StorageError) and isinstance(error.__cause__, OSError):
        return f'the picture cannot be written: {error.__cause__.strerror}'
    return one_line(error)


def _part_numbers(folder: Path) -> Iterator[int]:
    for path in (folder / 'parts').glob('*.jsonl'):
        if path.stem.isdigit():
            yield int(path.stem)


def _remove_pictures(folder: Path, kept: set[str]) -> None:
    """Remove those of images that were lost with their records."""
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if f'{IMAGES}/{path.name}' not in kept and is_picture_of_ours(path.name):
            remove(path)
