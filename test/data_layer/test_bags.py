"""`data.bags`: real bags, written by rosbags and by the mcap library, whole and damaged."""

from pathlib import Path
import sqlite3

import cv2
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
import numpy as np
import pytest
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
        (
            lambda p: bag_file(p).write_bytes(bag_file(p).read_bytes()[:-40]),
            'mcap recover|reindex',
        ),
        (lambda p: bag_file(p).write_bytes(b''), 'empty'),
        (lambda p: bag_file(p).write_bytes(b'GIF89a' * 100), 'magic'),
        (lambda p: bag_file(p).unlink(), 'missing'),
        (break_metadata, 'reindex'),
    ],
)
def test_a_damaged_bag_is_one_line_that_names_a_mend(tmp_path, damage, words):
    path = record(tmp_path / 'drive')
    damage(path)
    with pytest.raises(SourceError, match=words) as caught:
        open_media(str(path))
    assert '\n' not in str(caught.value)


def test_damage_in_the_middle_ends_the_reading_there(tmp_path):
    path = record(tmp_path / 'drive', storage=StoragePlugin.SQLITE3, mode=CompressionMode.MESSAGE)
    with sqlite3.connect(next(path.glob('*.db3'))) as connection:
        connection.execute('update messages set data = ? where id = 10', (b'no zstd',))
    read = []
    with Bag(path) as bag, pytest.raises(SourceError, match='what comes after') as caught:
        read.extend(bag)
    assert '\n' not in str(caught.value)
    assert read


def test_a_bag_without_images_says_what_it_has(tmp_path):
    path = record(tmp_path / 'talk', messages=[('/chatter', String, 0, String('hello'))])
    with pytest.raises(SourceError, match=r'no topic of images; it has: /chatter \(std_msgs'):
        open_media(str(path))


@pytest.mark.parametrize(
    ('topic', 'words'),
    [
        ('/camera/front/image', f'did you mean {FRONT}'),
        ('/nothing', rf'Topics of images: {FRONT} \(6\), {REAR} \(6\)'),
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
