"""A dataset as an mcap file that Foxglove opens: the pictures, and over them what was found.

One file, as the mcap library writes it (https://mcap.dev/spec), with ROS 2 messages, so that
`ros2 bag play`, rosbags and Foxglove read it alike. Of a camera `/front` it has

- `/front/compressed`: its pictures, the bytes of the dataset's files;
- `/front/annotations`: boxes, outlines of masks and names, which Foxglove's Image panel draws;
- `/front/detections`: the same for programs, `vision_msgs/msg/Detection2DArray`;
- `/front/caption`: sentences, where there are any;
- `/front/record`: all that is known of the image, a line of JSON.

Every image has its annotations, and its detections if it was looked at, even if there are none.
"""

from collections.abc import Iterable, Iterator
import colorsys
import contextlib
from pathlib import Path, PurePosixPath
import re
from typing import Any
import zlib

import cv2

from vlm_ros.data.formats.bag_messages import Color, Messages, typestore
from vlm_ros.data.formats.exporting import LOOKED, Written
from vlm_ros.data.formats.masks import outlines_of
from vlm_ros.data.formats.pictures import kept_picture
from vlm_ros.data.media import open_media
from vlm_ros.errors import ImageError, InputError, VlmRosError
from vlm_ros.images import decode_compressed, Image
from vlm_ros.records import DetectionRecord, FrameRecord, SkippedRecord
from vlm_ros.results import Status
from vlm_ros.whole_files import writing

JPEG_QUALITY = 95
KINDS = {'.jpg': 'jpeg', '.jpeg': 'jpeg', '.png': 'png', '.webp': 'webp'}
"""The pictures that Foxglove shows as they are; all others become JPEG."""
_NS = 1_000_000_000
_MASK_FILL = 0.25
_ALARM: Color = (0.8, 0.1, 0.1)


def write_annotated_bag(
    records: Iterable[FrameRecord], path: Path, *, images: Path | None = None
) -> Written:
    """Write a dataset as an mcap file; the same records give the same bytes.

    What a person rejected is left out, and what a person named otherwise has that name. Stamps are
    those of the images; videos count from 0, photographs are a second apart.

    Args:
        records: The images, in the order of their sources.
        path: The file, which ends in `.mcap`.
        images: The folder that the records' files are relative to. Pictures that were not kept
            are read from their sources again.

    Raises:
        InputError: A picture is missing, or a source has changed.
        StorageError: The disk is full, or the folder cannot be written; nothing has changed.
    """
    from mcap.writer import Writer

    if path.suffix.lower() != '.mcap':
        raise InputError(f'{path} does not end in .mcap, so no program would take it for a bag')
    with writing(path) as stream, contextlib.ExitStack() as stack:
        writer = Writer(stream)
        writer.start(profile='ros2', library='vlm_ros')
        bag = _Bag(writer, _Pictures(images, stack))
        for record in records:
            bag.add(record)
        writer.finish()
    return Written(path, bag.images, bag.boxes, 0, bag.rejected, tuple(bag.left_out), ())


class _Bag:
    def __init__(self, writer: Any, pictures: '_Pictures') -> None:
        self._writer, self._pictures = writer, pictures
        self._cameras: dict[tuple[str, str], str] = {}
        self._schemas: dict[str, int] = {}
        self._channels: dict[tuple[str, str], int] = {}
        self._sequences: dict[int, int] = {}
        self._keys: set[str] = set()
        self.images = self.boxes = self.rejected = 0
        self.left_out: list[SkippedRecord] = []

    def add(self, record: FrameRecord) -> None:
        if record.key in self._keys:
            raise InputError(
                f'two images have the key {record.key}; merge the records before exporting'
            )
        self._keys.add(record.key)
        if record.is_rejected:
            self.left_out.append(SkippedRecord(name=record.key, reason='rejected in review'))
            return
        camera = self._camera(record)
        stamp_ns = stamp_of(record)
        messages = Messages(stamp_ns, camera.strip('/').replace('/', '_'))
        kept = [row for row in record.detections if not row.is_rejected]
        self.rejected += len(record.detections) - len(kept)
        content, kind = self._pictures.of(record)
        self._write(f'{camera}/compressed', stamp_ns, messages.image(content, kind))
        self._write(f'{camera}/annotations', stamp_ns, _drawn(record, kept, messages))
        if record.status in LOOKED:
            detections = [
                messages.detection(row.name, row.score, row.xyxy, row.track_id) for row in kept
            ]
            self._write(f'{camera}/detections', stamp_ns, messages.detections(detections))
        if record.caption is not None:
            caption = record.caption
            failed = f'{caption.status.name}: {caption.message}'
            text = caption.text if caption.status is Status.OK else failed
            self._write(f'{camera}/caption', stamp_ns, messages.text(text))
        self._write(f'{camera}/record', stamp_ns, messages.record(record))
        self.images += 1
        self.boxes += len(kept)

    def _camera(self, record: FrameRecord) -> str:
        # Photographs of a folder are its frames; a bag's and a video's source is one file. Of a
        # live topic, each run is a source, and all are one camera.
        run_of = record.source.rpartition('#')[0]
        place = run_of if run_of and run_of == record.topic else record.source
        if _is_photograph(record):
            place = str(PurePosixPath(record.source).parent)
        key = (place, record.topic)
        if key not in self._cameras:
            name = _name(place)
            wanted = [_camera_of(record.topic) or name]
            wanted += [f'{name}{wanted[0]}' if record.topic else name]
            wanted += [f'{wanted[1]}_{number}' for number in range(2, len(self._cameras) + 3)]
            taken = set(self._cameras.values())
            self._cameras[key] = next(camera for camera in wanted if camera not in taken)
        return self._cameras[key]

    def _write(self, topic: str, stamp_ns: int, message: Any) -> None:
        store = typestore()
        kind = message.__msgtype__
        channel = self._channels.get((topic, kind))
        if channel is None:
            if kind not in self._schemas:
                definition, _ = store.generate_msgdef(kind, ros_version=2)
                self._schemas[kind] = self._writer.register_schema(
                    kind, 'ros2msg', definition.encode()
                )
            channel = self._writer.register_channel(
                topic, 'cdr', self._schemas[kind], {'topic_type_hash': store.hash_rihs01(kind)}
            )
            self._channels[topic, kind] = channel
        sequence = self._sequences.get(channel, 0)
        self._sequences[channel] = sequence + 1
        content = bytes(store.serialize_cdr(message, kind))
        self._writer.add_message(channel, stamp_ns, content, stamp_ns, sequence)


class _Pictures:
    """The pictures of records: the dataset's files, or else their sources read once more."""

    def __init__(self, folder: Path | None, stack: contextlib.ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._source = ''
        self._frames: Iterator[Any] = iter(())

    def of(self, record: FrameRecord) -> tuple[bytes, str]:
        """Return the content of a file, and of which kind it is."""
        if not record.image.file or self._folder is None:
            return _jpeg(self._again(record)), 'jpeg'
        path = kept_picture(self._folder, record)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise InputError(
                f'the picture {path} of {record.key} cannot be read: {error.strerror or error}; '
                'put it back'
            ) from error
        kind = KINDS.get(path.suffix.lower())
        if kind:
            return content, kind
        try:
            return _jpeg(decode_compressed(content)), 'jpeg'
        except ImageError as error:
            raise InputError(f'the picture {path} cannot be read: {error}') from error

    def _again(self, record: FrameRecord) -> Image:
        if record.source != self._source:
            self._stack.close()
            self._source = record.source
            media = self._stack.enter_context(open_media(record.source, on_skipped=_pass))
            if media.is_live:
                raise InputError(
                    f'{record.source} shows other things by now; annotate it again, and keep the '
                    'pictures'
                )
            self._frames = iter(media)
        for frame in self._frames:
            # A photograph counts in its folder, and is the first of its file.
            if _is_photograph(record) or (frame.topic, frame.index) == (
                record.topic,
                record.index,
            ):
                image: Image = frame.image
                return image
        raise InputError(
            f'{record.source} has no image {record.index} any more; annotate it again, and keep '
            'the pictures'
        )


def stamp_of(record: FrameRecord) -> int:
    """Return when an image was taken, in nanoseconds; for photographs, a second each."""
    if record.stamp_ns is not None:
        return record.stamp_ns
    if record.time_s is not None:
        return round(record.time_s * _NS)
    return record.index * _NS


def _drawn(record: FrameRecord, kept: list[DetectionRecord], messages: Messages) -> Any:
    width, height = record.image.width, record.image.height
    thickness = max(2.0, width / 400)
    font_px = max(12.0, width / 50)
    outlines, labels = [], []
    for index, row in enumerate(kept):
        label = row.name
        color = _color(label)
        left, top, right, bottom = row.xyxy
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        outlines.append(messages.outline(corners, color, thickness, 0.0))
        if row.mask is not None:
            where = f'box {index} of {record.key}'
            outlines += [
                messages.outline([(x + 0.5, y + 0.5) for x, y in points], color, 1.0, _MASK_FILL)
                for points in outlines_of(row.mask, (height, width), where)
                if len(points) > 2
            ]
        number = '' if row.track_id is None else f' #{row.track_id}'
        text = f'{label} {row.score:.2f}{number}'
        # Above the box where there is room, and else in it.
        place = (left, top if top >= 1.5 * font_px else top + 1.5 * font_px)
        labels.append(messages.label(text, place, color, font_px))
    if record.status is not None and (record.status not in LOOKED or record.message):
        text = ': '.join(part for part in (record.status.name, record.message) if part)
        labels.append(messages.label(text, (0.0, float(height)), _ALARM, font_px))
    return messages.annotations(outlines, labels)


def _jpeg(image: Image) -> bytes:
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    done, content = cv2.imencode('.jpg', cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise ImageError('a picture cannot be written as JPEG')
    return bytes(content.tobytes())


def _pass(_name: str, _error: VlmRosError) -> None:
    """Say nothing of what is not in the records either."""


def _is_photograph(record: FrameRecord) -> bool:
    return record.stamp_ns is None and record.time_s is None


def _color(label: str) -> Color:
    """Return a label's colour, the same in every process."""
    return colorsys.hsv_to_rgb(zlib.crc32(label.encode()) % 360 / 360, 0.9, 0.95)


def _camera_of(topic: str) -> str:
    """Return what a camera's topics have in common."""
    return topic.rstrip('/').removesuffix('/compressed')


def _name(source: str) -> str:
    stem = re.sub(r'[^A-Za-z0-9]+', '_', PurePosixPath(source).stem).strip('_')
    if not stem:
        return '/images'
    return f'/source_{stem}' if stem[0].isdigit() else f'/{stem}'
