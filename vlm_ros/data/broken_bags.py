"""What can still be read of mcap files that rosbags refuses.

Those are files that were cut off when a recorder was killed, that are damaged in the middle, that
hold messages of other kinds beside those of ROS, or that have no index and messages out of order
(as rosbag2 writes them without chunks). The records are the mcap library's
(https://mcap.dev/spec): chunks are found by the index at the end of a file, or where that is
missing one after the other, up to the break.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
import heapq
from pathlib import Path
from typing import Any, BinaryIO

_MAGIC = b'\x89MCAP0\r\n'
_NO_START_NS = 2**63 - 1
Message = tuple[int, int, bytes]
"""Time of recording in nanoseconds, number of the channel, content."""


@dataclass(frozen=True)
class Connection:
    """A topic of one type, as rosbags has it."""

    topic: str
    msgtype: str
    msgcount: int


@dataclass(frozen=True)
class Damage:
    """A place that cannot be read.

    Attributes:
        time_ns: When its first message was recorded; of a break, the last one before it.
        reason: What is wrong, and which file it is in.
    """

    time_ns: int
    reason: str


def is_mcap(path: Path) -> bool:
    """Whether a file begins as an mcap file does."""
    try:
        with path.open('rb') as stream:
            return stream.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def has_index(path: Path) -> bool:
    """Whether an mcap file names its chunks and their times at its end."""
    with path.open('rb') as stream:
        return bool(_indexed_chunks(stream)[0])


class BrokenBag:
    """Reads what is whole of mcap files, in the way of rosbags' `AnyReader`.

    Each chunk is unpacked once when it is opened, to find those that are damaged.

    Args:
        paths: The files, in their order.

    Attributes:
        connections: Topics of ROS messages.
        start_time: When the first message was recorded, in nanoseconds.
        message_count: How many can be read.
        damage: What cannot, in the order of the files.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        from rosbags.typesys import get_typestore, Stores

        self._store = get_typestore(Stores.ROS2_JAZZY)
        self._files: list[_File] = []
        try:
            for path in paths:
                self._files.append(_File(path))
        except BaseException:
            self.close()
            raise
        counts: Counter[tuple[str, str]] = Counter()
        for file in self._files:
            for channel, place in file.places.items():
                counts[place] += file.counts[channel]
        self.connections = [Connection(*place, count) for place, count in counts.items()]
        self.start_time = min((file.start_ns for file in self._files), default=_NO_START_NS)
        self.message_count = counts.total()
        self.damage = tuple(damage for file in self._files for damage in file.damage)

    def messages(
        self, connections: Collection[Connection], start: int | None, stop: int | None
    ) -> Iterator[tuple[Connection, int, bytes]]:
        """Yield messages, file by file, in the order of their times."""
        wanted = {(row.topic, row.msgtype): row for row in connections}
        for file in self._files:
            for time_ns, channel, content in file.messages(start, stop):
                connection = wanted.get(file.places.get(channel, ('', '')))
                if connection is not None:
                    yield connection, time_ns, content

    def deserialize(self, content: bytes, msgtype: str) -> Any:
        """Return a message."""
        return self._store.deserialize_cdr(content, msgtype)

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.stream.close()


@dataclass(frozen=True)
class _Piece:
    """A chunk, or a message that is in none: where it is, and the times of its messages."""

    offset: int
    first_ns: int
    last_ns: int


class _File:
    """One mcap file; `places` has topic and type of each channel of ROS messages."""

    def __init__(self, path: Path) -> None:
        self.stream: BinaryIO = path.open('rb')
        self.damage: list[Damage] = []
        self.places: dict[int, tuple[str, str]] = {}
        self.counts: Counter[int] = Counter()
        self._path = path
        self._schemas: dict[int, str] = {}
        self._pieces: list[_Piece] = []
        pieces = self._indexed()
        for piece in self._scanned() if pieces is None else pieces:
            self._check(piece)
        self._pieces.sort(key=lambda piece: (piece.first_ns, piece.offset))
        self.start_ns = min((piece.first_ns for piece in self._pieces), default=_NO_START_NS)

    def messages(self, start: int | None, stop: int | None) -> Iterator[Message]:
        """Yield messages by their times, equal ones in the order of their chunks."""
        waiting: list[tuple[int, int, int, Any]] = []
        for piece in self._pieces:
            if start is not None and piece.last_ns < start:
                continue
            if stop is not None and piece.first_ns >= stop:
                break
            while waiting and waiting[0][0] < piece.first_ns:
                yield _message(heapq.heappop(waiting))
            for number, row in enumerate(self._rows(piece)):
                if _is_message(row) and _is_within(row.log_time, start, stop):
                    heapq.heappush(waiting, (row.log_time, piece.offset, number, row))
        while waiting:
            yield _message(heapq.heappop(waiting))

    def _indexed(self) -> list[_Piece] | None:
        """Return the chunks that the index names; None where there is no index."""
        chunks, others = _indexed_chunks(self.stream)
        for row in others:
            self._note(row)
        return [
            _Piece(row.chunk_start_offset, row.message_start_time, row.message_end_time)
            for row in chunks
        ] or None

    def _scanned(self) -> Iterator[_Piece]:
        """Yield chunks and messages from the beginning to where the file breaks off."""
        from mcap.records import Chunk
        from mcap.stream_reader import StreamReader

        self.stream.seek(0)
        rows = StreamReader(self.stream, emit_chunks=True).records
        last_ns = offset = 0
        try:
            for row in rows:
                next_offset = self.stream.tell()
                if isinstance(row, Chunk):
                    last_ns = max(last_ns, row.message_end_time)
                    yield _Piece(offset, row.message_start_time, row.message_end_time)
                elif _is_message(row):
                    last_ns = max(last_ns, row.log_time)
                    yield _Piece(offset, row.log_time, row.log_time)
                else:
                    self._note(row)
                offset = next_offset
                self.stream.seek(offset)
        except Exception:  # noqa: BLE001 - whatever damaged bytes make of it
            self.damage.append(
                Damage(
                    last_ns, f'{self._path} breaks off at byte {offset}; what comes before is read'
                )
            )

    def _check(self, piece: _Piece) -> None:
        try:
            for row in self._rows(piece):
                self._note(row)
                if _is_message(row):
                    self.counts[row.channel_id] += 1
        except Exception as error:  # noqa: BLE001 - whatever damaged bytes make of it
            why = f'{type(error).__name__}: {" ".join(str(error).split())}'.removesuffix(': ')
            reason = f'{self._path} is damaged at byte {piece.offset}: {why}; the rest is read'
            self.damage.append(Damage(piece.first_ns, reason))
        else:
            self._pieces.append(piece)

    def _rows(self, piece: _Piece) -> list[Any]:
        from mcap.records import Chunk
        from mcap.stream_reader import breakup_chunk, StreamReader

        self.stream.seek(piece.offset)
        reader = StreamReader(self.stream, skip_magic=True, emit_chunks=True)
        row = next(iter(reader.records))
        if isinstance(row, Chunk):
            return list(breakup_chunk(row, validate_crc=True))
        if not _is_message(row):
            raise ValueError('no chunk is there')
        return [row]

    def _note(self, row: Any) -> None:
        from mcap.records import Channel, Schema

        if isinstance(row, Schema):
            self._schemas[row.id] = row.name
        elif isinstance(row, Channel) and row.message_encoding == 'cdr':
            self.places[row.id] = (row.topic, self._schemas.get(row.schema_id, ''))


def _indexed_chunks(stream: BinaryIO) -> tuple[list[Any], list[Any]]:
    """Return the index of the chunks, and schemas and channels; nothing where there is none."""
    from mcap.reader import make_reader

    try:
        summary = make_reader(stream).get_summary()
    except Exception:  # noqa: BLE001 - whatever damaged bytes make of it
        return [], []
    if summary is None or not summary.chunk_indexes:
        return [], []
    return summary.chunk_indexes, [*summary.schemas.values(), *summary.channels.values()]


def _is_message(row: Any) -> bool:
    from mcap.records import Message as Row

    return isinstance(row, Row)


def _is_within(time_ns: int, start: int | None, stop: int | None) -> bool:
    return (start is None or time_ns >= start) and (stop is None or time_ns < stop)


def _message(waiting: tuple[int, int, int, Any]) -> Message:
    time_ns, _, _, row = waiting
    return time_ns, row.channel_id, bytes(row.data)
