"""Images of a ROS bag, read without a ROS installation.

rosbags reads what `ros2 bag record` writes: mcap and sqlite3, a folder or a single file,
compressed by file, by message or by chunk; and the `.bag` files of ROS 1. Of mcap files that it
refuses, `broken_bags` reads what it can.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
import difflib
import itertools
import logging
from pathlib import Path
from typing import Any

from vlm_ros.data.bag_files import is_bag, open_bag, reason_of, SUFFIXES, what_is_whole
from vlm_ros.data.broken_bags import BrokenBag
from vlm_ros.data.frames import Frame, Media
from vlm_ros.errors import SourceError, VlmRosError
from vlm_ros.images import decode, decode_compressed, Image

__all__ = ['SUFFIXES', 'Bag', 'ImageTopic', 'Span', 'image_topics', 'is_bag']

RAW_TYPE, COMPRESSED_TYPE = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'

_ZSTD = b'\x28\xb5\x2f\xfd'
_LISTED = 12
"""So many topics a message names."""
_NANOSECONDS = 1e9
_END_NS = 2**63 - 1  # what files have room for
_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImageTopic:
    """A topic of images in a bag.

    Attributes:
        name: As it was recorded.
        msgtype: `RAW_TYPE` or `COMPRESSED_TYPE`.
        count: How many messages it has.
    """

    name: str
    msgtype: str
    count: int


@dataclass(frozen=True)
class Span:
    """A stretch of a bag, by the time of recording.

    Attributes:
        start_ns: Leave out what was recorded earlier; None for the bag's beginning.
        stop_ns: Leave out what was recorded then and later; None for the bag's end.
        before: How many images of each topic come earlier; they are counted on from there.
    """

    start_ns: int | None = None
    stop_ns: int | None = None
    before: tuple[tuple[str, int], ...] = ()


class Bag(Media):
    """The images of a bag in the order in which they were recorded, of all its cameras by default.

    Args:
        path: A rosbag2 folder, an `.mcap`, `.db3` or `.bag` file.
        topics: The topics to read, `camera/image` and `/camera/image` alike; empty for every topic
            of raw or compressed images.
        start_s: Leave out what was recorded earlier, in seconds since the bag's first message.
        stop_s: Leave out what was recorded then and later.
        loop: Whether to start again at the end, for ever.
        every: Yield each so-many-th image of each topic only.
        on_skipped: Told of each message that cannot be read; logged by default.

    Raises:
        SourceError: It cannot be opened, or does not have these topics.
    """

    def __init__(
        self,
        path: Path,
        *,
        topics: Sequence[str] = (),
        start_s: float | None = None,
        stop_s: float | None = None,
        loop: bool = False,
        every: int = 1,
        on_skipped: Callable[[str, VlmRosError], None] | None = None,
    ) -> None:
        self.source = str(path)
        self._loop = loop
        self._every = every
        self._on_skipped = on_skipped or _log_skipped
        self._closed = False
        self._reader = open_bag(path)
        self._path = path
        try:
            self._connections = _chosen(self._reader, path, topics)
            self.topics = _image_topics(self._connections)
            self.first_ns = self._reader.start_time if self._reader.message_count else 0
            self._span = Span(self._moment(start_s), self._moment(stop_s))
            if start_s is None and stop_s is None:
                self.length = sum(-(-topic.count // every) for topic in self.topics)
        except BaseException:
            self._reader.close()
            raise

    def __iter__(self) -> Iterator[Frame]:
        """Yield the images.

        Raises:
            SourceError: The bag is damaged from here on, or not one image of it can be read.
        """
        while True:
            yielded = 0
            for frame in self.stretch(self._span, lambda _, index, __: index % self._every == 0):
                yielded += 1
                yield frame
                if self._closed:
                    return
            if not yielded:
                raise SourceError(
                    f'{self.source} has no image that can be read, '
                    f'{"of " + _listed(self.topics) if self.topics else "and no message at all"}'
                )
            if not self._loop:
                return

    def close(self) -> None:
        """Let go of the bag."""
        if not self._closed:
            self._closed = True
            self._reader.close()

    def stretch(
        self, span: Span, wants: Callable[[str, int, float], bool] = lambda *_: True
    ) -> Iterator[Frame]:
        """Yield the images of a part of the bag once; may be asked again and again.

        Args:
            span: The part.
            wants: Asked of each image, before it is decoded, with its topic, its number among the
                topic's and the seconds since the bag's first message.

        Raises:
            SourceError: The bag is damaged from here on.
        """
        counts = Counter(dict(span.before))
        for connection, recorded_ns, content in self._messages(span):
            index = counts[connection.topic]
            counts[connection.topic] += 1
            time_s = self.seconds(recorded_ns)
            if not wants(connection.topic, index, time_s):
                continue
            try:
                msg = self._reader.deserialize(_unpacked(content), connection.msgtype)
                image = _image(msg, connection.msgtype)
            except Exception as error:  # noqa: BLE001 - whatever damaged bytes make of a message
                name = f'message {index} of {connection.topic} in {self.source}'
                self._on_skipped(name, SourceError(f'{name} cannot be read: {reason_of(error)}'))
                continue
            stamp = msg.header.stamp
            stamp_ns = stamp.sec * 1_000_000_000 + stamp.nanosec
            yield Frame(
                image,
                self.source,
                index,
                time_s,
                connection.topic,
                stamp_ns or recorded_ns,  # nobody set it
            )
        self._tell_damage(span)

    def _tell_damage(self, span: Span) -> None:
        # Each is told of by one span, wherever the bag is cut.
        for damage in getattr(self._reader, 'damage', ()):
            start_ns, stop_ns = span.start_ns, span.stop_ns
            is_later = stop_ns is not None and damage.time_ns >= stop_ns
            is_earlier = start_ns is not None and damage.time_ns < start_ns
            if not is_later and not is_earlier:
                self._on_skipped(self.source, SourceError(damage.reason))

    def times(self, *, stop_s: float | None = None) -> Iterator[tuple[str, int]]:
        """Yield topic and time of recording, in nanoseconds, of each image; decodes none.

        Args:
            stop_s: Go no further, in seconds since the bag's first message.

        Raises:
            SourceError: The bag is damaged from here on.
        """
        for connection, recorded_ns, _ in self._messages(Span(stop_ns=self._moment(stop_s))):
            yield connection.topic, recorded_ns

    def seconds(self, recorded_ns: int) -> float:
        """Return how long after the bag's first message something was recorded."""
        return (recorded_ns - self.first_ns) / _NANOSECONDS

    def moment(self, time_s: float) -> int:
        """Return the nanosecond that is so long after the bag's first message."""
        moment_ns = self.first_ns + time_s * _NANOSECONDS
        return self.first_ns + round(time_s * _NANOSECONDS) if moment_ns < _END_NS else _END_NS

    def _moment(self, time_s: float | None) -> int | None:
        return None if time_s is None else self.moment(time_s)

    def _messages(self, span: Span) -> Iterator[tuple[Any, int, bytes]]:
        yielded = 0
        try:
            for message in self._reader.messages(self._connections, span.start_ns, span.stop_ns):
                yielded += 1
                yield message
        except Exception as error:
            if self._closed:
                return
            if not self._mend():
                reason = reason_of(error)
                raise SourceError(
                    f'{self.source} is damaged, what comes after cannot be read: {reason}; '
                    'record it again'
                ) from error
            rest = self._reader.messages(self._connections, span.start_ns, span.stop_ns)
            yield from itertools.islice(rest, yielded, None)

    def _mend(self) -> bool:
        """Go on with what is whole; returns whether there is more than has been read so far."""
        if isinstance(self._reader, BrokenBag) or (broken := what_is_whole(self._path)) is None:
            return False
        self._reader.close()
        self._reader = broken
        wanted = {(row.topic, row.msgtype) for row in self._connections}
        self._connections = [
            row for row in broken.connections if (row.topic, row.msgtype) in wanted
        ]
        return True


def image_topics(path: Path) -> tuple[ImageTopic, ...]:
    """Return the topics of images that a bag has.

    Raises:
        SourceError: It cannot be opened.
    """
    reader = open_bag(path)
    try:
        return _image_topics(_image_connections(reader))
    finally:
        reader.close()


def _unpacked(content: bytes) -> bytes:
    # No message begins so: the first byte says how it is serialised, and is 0.
    if not content.startswith(_ZSTD):
        return content
    from zstandard import ZstdDecompressor

    return ZstdDecompressor().decompressobj().decompress(content)


def _chosen(reader: Any, path: Path, topics: Sequence[str]) -> list[Any]:
    connections = _image_connections(reader)
    there = _image_topics(connections)
    if not topics:
        if not there:
            types = sorted({f'{c.topic} ({c.msgtype})' for c in reader.connections})
            raise SourceError(f'{path} has no topic of images; it has: {_some(types)}')
        return connections
    wanted = {'/' + topic.strip().lstrip('/') for topic in topics}
    for topic in sorted(wanted - {known.name for known in there}):
        other = next((c.msgtype for c in reader.connections if c.topic == topic), None)
        if other is not None:
            raise SourceError(
                f'{topic} of {path} holds {other}, not images; topics of images: {_listed(there)}'
            )
        close = difflib.get_close_matches(topic, [known.name for known in there], 1)
        hint = f', did you mean {close[0]}?' if close else ';'
        raise SourceError(f'{path} has no topic {topic}{hint} topics of images: {_listed(there)}')
    return [connection for connection in connections if connection.topic in wanted]


def _image_connections(reader: Any) -> list[Any]:
    return [c for c in reader.connections if c.msgtype in (RAW_TYPE, COMPRESSED_TYPE)]


def _image_topics(connections: Sequence[Any]) -> tuple[ImageTopic, ...]:
    counts: dict[tuple[str, str], int] = {}
    for connection in connections:
        key = (connection.topic, connection.msgtype)
        counts[key] = counts.get(key, 0) + connection.msgcount
    return tuple(ImageTopic(*key, count) for key, count in sorted(counts.items()))


def _listed(topics: Sequence[ImageTopic]) -> str:
    return _some([f'{topic.name} ({topic.count})' for topic in topics])


def _some(names: Sequence[str]) -> str:
    rest = len(names) - _LISTED
    more = [f'and {rest} more'] if rest > 0 else []
    return ', '.join([*names[:_LISTED], *more]) or 'none'


def _image(msg: Any, msgtype: str) -> Image:
    if msgtype == COMPRESSED_TYPE:
        return decode_compressed(msg.data, format=msg.format)
    return decode(
        msg.data,
        width=msg.width,
        height=msg.height,
        encoding=msg.encoding,
        step=msg.step,
        is_bigendian=bool(msg.is_bigendian),
    )


def _log_skipped(name: str, error: VlmRosError) -> None:
    _LOGGER.warning('%s', error)
