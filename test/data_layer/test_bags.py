"""`data.bags`: real bags, written by rosbags and by the mcap library, whole and damaged."""

from pathlib import Path
import shutil
import sqlite3

import cv2
from mcap.reader import make_reader
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
import numpy as np
import pytest
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores
from skimage import data

from vlm_ros.data.bags import Bag, image_topics, is_bag
from vlm_ros.data.media import open_media
from vlm_ros.errors import SourceError

STORE = get_typestore(Stores.ROS2_JAZZY)
Time = STORE.types['builtin_interfaces/msg/Time']
Header = STORE.types['std_msgs/msg/Header']
RawImage = STORE.types['sensor_msgs/msg/Image']
CompressedImage = STORE.types['sensor_msgs/msg/CompressedImage']
String = STORE.types['std_msgs/msg/String']
PHOTO = np.ascontiguousarray(data.astronaut()[:96, :128])
START_NS = 1_700_000_000_000_000_000
PERIOD_NS = 100_000_000
COUNT = 6
ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'
FRONT, REAR = '/camera/front/image_raw', '/camera/rear/image_raw/compressed'


def view(index):
    """Return what is recorded at an index."""
    return np.roll(PHOTO, 8 * index, axis=1)


def header(index):
    stamp_ns = START_NS + index * PERIOD_NS - 5_000_000  # taken a little before it was recorded
    return Header(stamp=Time(*divmod(stamp_ns, 1_000_000_000)), frame_id='camera')


def raw(index, encoding='rgb8'):
    pixels = view(index)
    if encoding == 'bgra8':
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGRA)
    height, width = pixels.shape[:2]
    step = width * pixels.shape[2]
    return RawImage(header(index), height, width, encoding, 0, step, pixels.reshape(-1))


def compressed(index):
    content = cv2.imencode('.png', view(index)[..., ::-1])[1]
    return CompressedImage(header(index), 'rgb8; png compressed bgr8', content)


def record(path, *, storage=StoragePlugin.MCAP, mode=None, messages=None):
    """Write a bag; the messages are `(topic, type, time, message or bytes)`."""
    if messages is None:
        messages = [
            row
            for index in range(COUNT)
            for row in (
                (FRONT, RawImage, index, raw(index, 'bgra8')),
                (REAR, CompressedImage, index, compressed(index)),
                ('/chatter', String, index, String('hello')),
            )
        ]
    writer = Writer(path, version=9, storage_plugin=storage)
    if mode is not None:
        writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        connections = {}
        for topic, kind, index, msg in messages:
            if topic not in connections:
                name = kind.__msgtype__
                connections[topic] = writer.add_connection(topic, name, typestore=STORE)
            content = msg
            if not isinstance(msg, bytes):
                content = STORE.serialize_cdr(msg, kind.__msgtype__)
            writer.write(connections[topic], START_NS + index * PERIOD_NS, content)
    return path


@pytest.mark.parametrize('storage', list(StoragePlugin))
@pytest.mark.parametrize('mode', [None, CompressionMode.FILE, CompressionMode.MESSAGE])
def test_every_storage_and_compression_is_read(tmp_path, storage, mode):
    path = record(tmp_path / 'drive', storage=storage, mode=mode)
    with open_media(str(path)) as media:
        assert media.length == 2 * COUNT
        frames = list(media)
    assert [(frame.topic, frame.index) for frame in frames] == [
        (topic, index) for index in range(COUNT) for topic in (FRONT, REAR)
    ]
    for frame in frames:
        np.testing.assert_array_equal(frame.image, view(frame.index))
        assert frame.time_s == pytest.approx(frame.index * 0.1)
        assert frame.stamp_ns == START_NS + frame.index * PERIOD_NS - 5_000_000


@pytest.mark.parametrize('compression', ['NONE', 'LZ4', 'ZSTD'])
def test_a_file_of_the_mcap_library_is_read(tmp_path, compression):
    path = tmp_path / 'other.mcap'
    with path.open('wb') as stream:
        writer = McapWriter(stream, compression=CompressionType[compression])
        writer.start(profile='ros2', library='test')
        definition, _ = STORE.generate_msgdef(RawImage.__msgtype__, ros_version=2)
        schema = writer.register_schema(RawImage.__msgtype__, 'ros2msg', definition.encode())
        channel = writer.register_channel(FRONT, 'cdr', schema)
        for index in range(COUNT):
            content = bytes(STORE.serialize_cdr(raw(index), RawImage.__msgtype__))
            when = START_NS + index * PERIOD_NS
            writer.add_message(channel, when, content, when)
        writer.finish()
    with Bag(path) as bag:
        for index, frame in enumerate(bag):
            np.testing.assert_array_equal(frame.image, view(index))
    assert index == COUNT - 1


def test_a_bag_of_ros_1_is_read(tmp_path):
    path = tmp_path / 'drive.bag'
    store = get_typestore(Stores.ROS1_NOETIC)
    kind = RawImage.__msgtype__
    with Ros1Writer(path) as writer:
        connection = writer.add_connection(FRONT, kind, typestore=store)
        for index in range(COUNT):
            stamp_ns = START_NS + index * PERIOD_NS
            stamp = store.types['builtin_interfaces/msg/Time'](*divmod(stamp_ns, 1_000_000_000))
            header = store.types['std_msgs/msg/Header'](index, stamp, 'camera')
            pixels = view(index).reshape(-1)
            msg = store.types[kind](header, 96, 128, 'rgb8', 0, 384, pixels)
            writer.write(connection, stamp_ns, store.serialize_ros1(msg, kind))
    assert read_images(path) == ([(FRONT, index) for index in range(COUNT)], [])


def test_topics_times_and_every_choose(tmp_path):
    path = record(tmp_path / 'drive')
    assert [(t.name, t.count) for t in image_topics(path)] == [(FRONT, COUNT), (REAR, COUNT)]

    def indices(**options):
        with Bag(path, **options) as bag:
            frames = list(bag)
        if 'start_s' not in options:
            assert bag.length == len(frames)
        return [(frame.topic, frame.index) for frame in frames]

    assert indices(topics=[FRONT.lstrip('/')]) == [(FRONT, i) for i in range(COUNT)]
    assert indices(topics=[REAR], every=4) == [(REAR, 0), (REAR, 4)]
    assert len(indices(topics=[FRONT], start_s=0.2, stop_s=0.4)) == 2


def test_a_loop_starts_again(tmp_path):
    with Bag(record(tmp_path / 'drive'), topics=[FRONT], loop=True) as bag:
        frames = [frame.index for frame, _ in zip(bag, range(COUNT + 2), strict=False)]
    assert frames == [*range(COUNT), 0, 1]


def test_a_message_that_cannot_be_read_is_told_and_left_out(tmp_path):
    rows = [(FRONT, RawImage, index, raw(index)) for index in range(COUNT)]
    short = raw(2)
    short.data = short.data[:100]
    rows[2] = (FRONT, RawImage, 2, short)
    rows[4] = (FRONT, RawImage, 4, b'\x00\x01\x00\x00rubbish')
    path = record(tmp_path / 'drive', messages=rows)
    told = []
    with Bag(path, on_skipped=lambda name, error: told.append(str(error))) as bag:
        assert [frame.index for frame in bag] == [0, 1, 3, 5]
    assert len(told) == 2
    assert all('\n' not in line and FRONT in line for line in told)
    assert told[0].startswith(f'message 2 of {FRONT} in {path} cannot be read')


def test_a_stamp_that_nobody_set_is_that_of_recording(tmp_path):
    msg = raw(0)
    msg.header = Header(stamp=Time(0, 0), frame_id='')
    path = record(tmp_path / 'drive', messages=[(FRONT, RawImage, 3, msg)])
    with Bag(path) as bag:
        assert [frame.stamp_ns for frame in bag] == [START_NS + 3 * PERIOD_NS]


def bag_file(path):
    return next(Path(path).glob('*.mcap'))


def break_metadata(path):
    (path / 'metadata.yaml').write_text('rosbag2_bagfile_information: 7')


@pytest.mark.parametrize(
    ('damage', 'words'),
    [
        (lambda p: bag_file(p).write_bytes(bag_file(p).read_bytes()[:20]), 'Truncated'),
        (lambda p: bag_file(p).write_bytes(b''), 'is empty: nothing was recorded'),
        (lambda p: bag_file(p).write_bytes(b'GIF89a' * 100), 'is no mcap file'),
        (lambda p: bag_file(p).unlink(), 'missing'),
        (lambda p: (break_metadata(p), bag_file(p).write_bytes(b'')), 'reindex'),
    ],
)
def test_a_bag_of_which_nothing_is_left_is_one_line(tmp_path, damage, words):
    path = record(tmp_path / 'drive')
    damage(path)
    with pytest.raises(SourceError, match=words) as caught:
        open_media(str(path))
    assert '\n' not in str(caught.value)


def test_a_damaged_compressed_message_is_skipped_alone(tmp_path):
    path = record(tmp_path / 'drive', storage=StoragePlugin.SQLITE3, mode=CompressionMode.MESSAGE)
    with sqlite3.connect(next(path.glob('*.db3'))) as connection:
        connection.execute('update messages set data = ? where id = 4', (ZSTD_MAGIC + b'no',))
        connection.execute('update messages set data = ? where id = 10', (b'no zstd',))
    connection.close()
    places, told = read_images(path)
    # Of three topics, the front one's are the first, the fourth, and so on.
    assert places == [row for row in chunked_places() if row not in ((FRONT, 1), (FRONT, 3))]
    assert [line.partition(' cannot be read')[0] for line in told] == [
        f'message {index} of {FRONT} in {path}' for index in (1, 3)
    ]


def chunked(path, compression='ZSTD', chunk_size=30_000, use_chunking=True, others=False):
    """Write a file of the mcap library with chunks of one to three images, out of order."""
    with path.open('wb') as stream:
        writer = McapWriter(
            stream,
            compression=CompressionType[compression],
            chunk_size=chunk_size,
            use_chunking=use_chunking,
        )
        writer.start(profile='ros2', library='test')
        channels = {}
        for topic, kind in ((FRONT, RawImage), (REAR, CompressedImage)):
            definition, _ = STORE.generate_msgdef(kind.__msgtype__, ros_version=2)
            schema = writer.register_schema(kind.__msgtype__, 'ros2msg', definition.encode())
            channels[topic] = writer.register_channel(topic, 'cdr', schema)
        if others:
            schema = writer.register_schema('foxglove.Log', 'protobuf', b'')
            channels['/log'] = writer.register_channel('/log', 'protobuf', schema)
        for index in (0, 2, 1, 3, 5, 4):
            when = START_NS + index * PERIOD_NS
            for topic, msg in ((FRONT, raw(index)), (REAR, compressed(index))):
                content = bytes(STORE.serialize_cdr(msg, msg.__msgtype__))
                writer.add_message(channels[topic], when, content, when)
            if others:
                writer.add_message(channels['/log'], when, b'hello', when)
        writer.finish()
    return path


@pytest.mark.parametrize('compression', ['NONE', 'LZ4', 'ZSTD'])
def test_a_damaged_chunk_is_told_and_the_others_are_read(tmp_path, compression):
    path = chunked(tmp_path / 'a.mcap', compression)
    with path.open('rb') as stream:
        index = make_reader(stream).get_summary().chunk_indexes
    assert len(index) > 3
    content = bytearray(path.read_bytes())
    place = index[2].chunk_start_offset + index[2].chunk_length - 300
    content[place : place + 200] = bytes(200)
    path.write_bytes(content)
    places, told = read_images(path)
    lost = [row for row in chunked_places() if row not in places]
    assert lost
    assert places == [row for row in chunked_places() if row not in lost]
    (line,) = told
    assert line.startswith(f'{path} is damaged at byte {index[2].chunk_start_offset}: ')
    assert '\n' not in line
    # Cut by time, each part reads what the whole reads, and one of them tells.
    found, lines = [], []
    for start_s, stop_s in ((None, 0.15), (0.15, 0.35), (0.35, None)):
        some, said = read_images(path, start_s=start_s, stop_s=stop_s)
        found += some
        lines += said
    assert (found, lines) == (places, told)


def chunked_places():
    return [(topic, index) for index in range(COUNT) for topic in (FRONT, REAR)]


def read_images(path, **options):
    """Return what is read, known by what it shows, and what is told."""
    told, places = [], []
    with Bag(path, on_skipped=lambda name, error: told.append(str(error)), **options) as bag:
        span = bag._span
        for frame in bag.stretch(span):
            index = round(frame.time_s * 10)
            np.testing.assert_array_equal(frame.image, view(index))
            places.append((frame.topic, index))
    return places, told


def test_messages_out_of_order_and_without_index_are_read_in_order(tmp_path):
    path = chunked(tmp_path / 'a.mcap', use_chunking=False)
    assert read_images(path) == (chunked_places(), [])
    found = []
    for start_s, stop_s in ((None, 0.15), (0.15, 0.35), (0.35, None)):
        found += read_images(path, start_s=start_s, stop_s=stop_s)[0]
    assert found == chunked_places()


@pytest.mark.parametrize('use_chunking', [True, False])
@pytest.mark.parametrize('share', [0.4, 0.97])
def test_a_recording_that_was_cut_off_is_read_up_to_there(tmp_path, use_chunking, share):
    path = chunked(tmp_path / 'a.mcap', use_chunking=use_chunking)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    places, told = read_images(path)
    assert places
    assert set(places) <= set(chunked_places())
    assert [index for _, index in places] == sorted(index for _, index in places)
    assert len(told) == 1
    assert 'breaks off at byte' in told[0]


def test_the_folder_of_a_killed_recorder_is_read(tmp_path):
    path = record(tmp_path / 'drive')
    (path / 'metadata.yaml').unlink()
    content = bag_file(path).read_bytes()
    bag_file(path).write_bytes(content[: 2 * len(content) // 3])
    assert is_bag(path)
    record(tmp_path / 'whole', messages=[(FRONT, RawImage, i, raw(i)) for i in range(COUNT)])
    (tmp_path / 'whole' / 'metadata.yaml').unlink()
    with open_media(str(tmp_path / 'whole')) as media:
        assert [frame.index for frame in media] == list(range(COUNT))
    shutil.copy(bag_file(tmp_path / 'whole'), path / 'drive_1.mcap')
    told = []
    with open_media(str(path), on_skipped=lambda name, error: told.append(str(error))) as media:
        frames = list(media)
    assert len(frames) >= COUNT
    assert len(told) == 1
    (path / 'drive_1.mcap').rename(path / 'photo.png')
    assert not is_bag(path)


def test_a_file_that_the_metadata_names_and_that_is_gone_is_told(tmp_path):
    path = record(tmp_path / 'drive')
    shutil.copy(bag_file(path), path / 'other.mcap')
    (path / 'drive.mcap').unlink()
    places, told = read_images(path)
    assert len(places) == 2 * COUNT
    assert 'missing' in told[0]


def test_messages_of_other_kinds_are_left_alone(tmp_path):
    path = chunked(tmp_path / 'a.MCAP', others=True)
    assert read_images(path) == (chunked_places(), [])


def test_a_log_that_was_not_closed_is_not_left_out_in_silence(tmp_path):
    path = record(tmp_path / 'drive', storage=StoragePlugin.SQLITE3)
    file = next(path.glob('*.db3'))
    file.with_name(f'{file.name}-wal').write_bytes(b'some messages')
    with pytest.raises(SourceError, match=r'sqlite3 .*db3 .pragma wal_checkpoint'):
        open_media(str(path))


def test_damage_in_the_middle_of_a_database_ends_the_reading_there(tmp_path):
    path = record(tmp_path / 'drive', storage=StoragePlugin.SQLITE3)
    file = next(path.glob('*.db3'))
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2 // 4096 * 4096] + bytes(len(content) // 4))
    with pytest.raises(SourceError, match='malformed') as caught:
        read_images(path)
    assert '\n' not in str(caught.value)


def test_a_range_may_end_far_behind_the_bag(tmp_path):
    for storage in StoragePlugin:
        path = record(tmp_path / storage.name, storage=storage)
        assert len(read_images(path, start_s=0.25, stop_s=1e300)[0]) == 6


def test_a_bag_without_images_says_what_it_has(tmp_path):
    path = record(tmp_path / 'talk', messages=[('/chatter', String, 0, String('hello'))])
    with pytest.raises(SourceError, match=r'no topic of images; it has: /chatter \(std_msgs'):
        open_media(str(path))


@pytest.mark.parametrize(
    ('topic', 'words'),
    [
        ('/camera/front/image', f'did you mean {FRONT}'),
        ('/nothing', rf'topics of images: {FRONT} \(6\), {REAR} \(6\)'),
        ('/chatter', 'holds std_msgs/msg/String, not images'),
    ],
)
def test_a_topic_that_is_not_there_lists_those_that_are(tmp_path, topic, words):
    with pytest.raises(SourceError, match=words):
        open_media(str(record(tmp_path / 'drive')), topics=[topic])


def test_a_bag_whose_images_are_all_damaged_is_told(tmp_path):
    path = record(tmp_path / 'drive', messages=[(FRONT, RawImage, 0, b'\x00\x01\x00\x00x')])
    with (
        Bag(path, on_skipped=lambda *_: None) as bag,
        pytest.raises(SourceError, match='no image'),
    ):
        list(bag)


def test_photographs_beside_no_metadata_are_no_bag(tmp_path):
    assert not is_bag(tmp_path)
    with pytest.raises(SourceError, match='not a bag'):
        open_media('sample:', topics=['/image'])
