"""What of a dataset's records goes into files that other programs train on."""

from collections.abc import Iterable, Iterator, Sequence
import contextlib
from dataclasses import dataclass, field
import os
from pathlib import Path, PurePosixPath
import secrets

from vlm_ros.data.formats.pictures import kept_picture
from vlm_ros.errors import InputError, StorageError, VocabularyError
from vlm_ros.records import DetectionRecord, FrameRecord, SkippedRecord
from vlm_ros.results import Status
from vlm_ros.whole_files import writing

LOOKED = (Status.OK, Status.NOTHING_FOUND, Status.UNSURE)
"""The statuses of images that were looked at."""


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        path: The file that names all the others: what training is pointed at.
        images: How many images.
        boxes: How many boxes.
        clipped: How many of them reached out of their image and were cut off there.
        rejected: How many boxes were left out because a person said so.
        left_out: Images and boxes that could not be written, and why, in their order.
        unrecognized: Names that could not be looked for in some image that was written: where
            there are things of these names, they have no boxes.
    """

    path: Path
    images: int
    boxes: int
    clipped: int
    rejected: int
    left_out: tuple[SkippedRecord, ...]
    unrecognized: tuple[str, ...]


@dataclass(frozen=True)
class ExportedBox:
    """A box to write.

    Attributes:
        number: Of its label in the vocabulary, from 0.
        label: The name that a person gave it, or else the model's.
        xyxy: Inside the image, in pixels; right and bottom exclusive; not empty.
        detection: The rest of it.
    """

    number: int
    label: str
    xyxy: tuple[float, float, float, float]
    detection: DetectionRecord


@dataclass
class Export:
    """Chooses what is written, and counts what is not.

    Left out are images that nobody looked at, or could not: as images without boxes they would
    teach a model that there is nothing in them. So are images whose boxes are all impossible,
    those without boxes where not all names could be looked for, and what a person rejected.

    Args:
        vocabulary: The names, in the order of their numbers.
        folder: Where the files go.
        images: The folder that the records' files are relative to; None leaves pictures alone.
        pictures: The folder, relative to `folder`, that pictures are put in.

    Raises:
        VocabularyError: A name is blank or there twice.
    """

    vocabulary: Sequence[str]
    folder: Path
    images: Path | None
    pictures: str
    boxes: int = field(default=0, init=False)
    clipped: int = field(default=0, init=False)
    rejected: int = field(default=0, init=False)
    keys: list[str] = field(default_factory=list, init=False)
    left_out: list[SkippedRecord] = field(default_factory=list, init=False)
    unrecognized: set[str] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        self.vocabulary = checked_names(self.vocabulary)
        self._numbers = {label: number for number, label in enumerate(self.vocabulary)}

    def frames(
        self, records: Iterable[FrameRecord], labels: str = ''
    ) -> Iterator[tuple[FrameRecord, str, list[ExportedBox]]]:
        """Yield each image to write, the name of its picture, and its boxes.

        Args:
            records: The images.
            labels: The file of an image's labels, relative to the folder, with `{}` for its key;
                empty for one file for all. That of an image which is left out is removed.

        Raises:
            InputError: A key is there twice, a label is not in the vocabulary, or a picture is
                missing.
            StorageError: A picture cannot be put in its place.
        """
        seen: set[str] = set()
        for record in records:
            if record.key in seen:
                raise InputError(
                    f'two images have the key {record.key}; merge the records before exporting'
                )
            seen.add(record.key)
            name = picture_name(record)
            boxes: list[ExportedBox] = []
            reason = _unfit(record)
            if not reason:
                boxes, reason = self._chosen(record)
            if reason:
                self.left_out.append(SkippedRecord(name=record.key, reason=reason))
                self._forget(record, name, labels)
                continue
            if self.images is not None:
                self._place(record, self.images, name)
            self.keys.append(record.key)
            self.boxes += len(boxes)
            self.unrecognized.update(record.unrecognized)
            yield record, name, boxes

    def written(self, path: Path) -> Written:
        """Return what came of it; `path` is the file that names the others."""
        return Written(
            path,
            len(self.keys),
            self.boxes,
            self.clipped,
            self.rejected,
            tuple(self.left_out),
            tuple(sorted(self.unrecognized)),
        )

    def _chosen(self, record: FrameRecord) -> tuple[list[ExportedBox], str]:
        boxes = []
        unusable = 0
        width, height = record.image.width, record.image.height
        for index, detection in enumerate(record.detections):
            if detection.is_rejected:
                self.rejected += 1
                continue
            label = detection.name
            if label not in self._numbers:
                raise InputError(
                    f'box {index} of {record.key} is a {label!r}, which is not in the vocabulary; '
                    'add the name to it'
                )
            left, top, right, bottom = detection.xyxy
            xyxy = (max(left, 0.0), max(top, 0.0), min(right, width), min(bottom, height))
            if xyxy[2] <= xyxy[0] or xyxy[3] <= xyxy[1]:
                unusable += 1
                name = f'box {index} ({label}) of {record.key}'
                reason = f'{list(detection.xyxy)} covers nothing of the image'
                self.left_out.append(SkippedRecord(name=name, reason=reason))
                continue
            self.clipped += xyxy != detection.xyxy
            boxes.append(ExportedBox(self._numbers[label], label, xyxy, detection))
        if not boxes and unusable:
            return [], 'not one of its boxes can be used'
        if not boxes and record.status is Status.UNSURE:
            return [], 'has no boxes, but not all names could be looked for'
        return boxes, ''

    def _place(self, record: FrameRecord, images: Path, name: str) -> None:
        if not record.image.file:
            raise InputError(f'the picture of {record.key} was not kept; export without pictures')
        source = kept_picture(images, record)
        target = self.folder / self.pictures / name
        if target.exists() and target.samefile(source):
            return
        temporary = target.with_name(f'.{name}.{secrets.token_hex(4)}.part')
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(source.resolve(), temporary)  # takes no room
            temporary.replace(target)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
            # Another disk, or one without links.
            content = _content(source, record.key)
            with writing(target) as stream:
                stream.write(content)

    def _forget(self, record: FrameRecord, name: str, labels: str) -> None:
        # What an earlier export wrote would still be trained on.
        stale = [self.folder / labels.format(record.key)] if labels else []
        if self.images is not None:
            picture = self.folder / self.pictures / name
            # The dataset's own folder may be the one that is exported to.
            if picture.resolve() != (self.images / record.image.file).resolve():
                stale.append(picture)
        for file in stale:
            try:
                file.unlink(missing_ok=True)
            except OSError as error:
                raise StorageError(
                    f'{file} of an earlier export cannot be removed: {error.strerror or error}'
                ) from error


def _content(picture: Path, key: str) -> bytes:
    try:
        return picture.read_bytes()
    except OSError as error:
        raise InputError(
            f'the picture {picture} of {key} cannot be read: {error.strerror or error}'
        ) from error


def checked_names(vocabulary: Sequence[str]) -> tuple[str, ...]:
    """Return the names of a vocabulary.

    Raises:
        VocabularyError: There is none; one is blank, not printable or there twice.
    """
    names = tuple(vocabulary)
    if not names:
        raise VocabularyError('a dataset needs at least one name in its vocabulary')
    for index, name in enumerate(names):
        if not name.strip() or name != name.strip() or not name.isprintable():
            raise VocabularyError(f'name {index} of the vocabulary, {name!r}, cannot be written')
        if name in names[:index]:
            raise VocabularyError(f'{name!r} is in the vocabulary twice')
    return names


def picture_name(record: FrameRecord) -> str:
    """Return the name of an image's file in an export: its key, which no other image has."""
    return record.key + (PurePosixPath(record.image.file).suffix or '.jpg')


def write_text(path: Path, rows: Iterable[str]) -> None:
    """Write a text file of these lines, whole or not at all.

    Raises:
        StorageError: The disk is full, or the folder cannot be written.
    """
    with writing(path) as stream:
        for row in rows:
            stream.write(row.encode() + b'\n')


def _unfit(record: FrameRecord) -> str:
    if record.is_rejected:
        return 'rejected in review'
    if record.status is None:
        return 'nobody was asked to look for boxes'
    if record.status not in LOOKED:
        why = f': {record.message}' if record.message else ''
        return f'could not be looked at ({record.status.name}){why}'
    return ''
