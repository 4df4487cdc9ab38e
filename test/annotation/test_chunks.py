"""`annotation.chunks` and `reading`: pieces of real bags and videos, read in any order."""

import shutil

import cv2
from mcap.writer import Writer as McapWriter
import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores
from skimage import data
import yaml

from vlm_ros.annotation.annotator import Annotator, Models
from vlm_ros.annotation.chunks import chunks_of
from vlm_ros.annotation.plan import AnnotationPlan
from vlm_ros.annotation.reading import Reader
from vlm_ros.backends.fake import FakeBackend
from vlm_ros.data.bags import Bag
from vlm_ros.data.frames import Frame
from vlm_ros.data.media import open_clip, open_media
from vlm_ros.errors import SourceError

STORE = get_typestore(Stores.ROS2_JAZZY)
Header = STORE.types['std_msgs/msg/Header']
RawImage = STORE.types['sensor_msgs/msg/Image']
Time = STORE.types['builtin_interfaces/msg/Time']
PHOTO = np.ascontiguousarray(data.astronaut()[:48, :64])
START_NS = 1_700_000_000_000_000_000
COUNT = 30


def view(index):
    return np.roll(PHOTO, 2 * index, axis=1)


def record(path, *, rates_hz, storage=StoragePlugin.MCAP, indices=None, damaged=()):
    """Write a bag of cameras that have rates of their own."""
    messages = sorted(
        (START_NS + round(index / rate_hz * 1e9), topic, index)
        for topic, rate_hz in rates_hz.items()
        for index in (range(COUNT) if indices is None else indices)
    )
    kind = RawImage.__msgtype__
    with Writer(path, version=9, storage_plugin=storage) as writer:
        connections = {
            topic: writer.add_connection(topic, kind, typestore=STORE) for topic in rates_hz
        }
        for stamp_ns, topic, index in messages:
            header = Header(stamp=Time(*divmod(stamp_ns, 1_000_000_000)), frame_id='camera')
            msg = RawImage(header, 48, 64, 'rgb8', 0, 192, view(index).reshape(-1))
            content = bytes(STORE.serialize_cdr(msg, kind))
            content = content[:50] if (topic, index) in damaged else content
            writer.write(connections[topic], stamp_ns, content)
    return str(path)


def video(path):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 10, (64, 48))
    for index in range(COUNT):
        writer.write(np.ascontiguousarray(view(index)[..., ::-1]))
    writer.release()
    return str(path)


def plan_of(*sources, chunk_frames=4, topics=(), **sampling):
    return AnnotationPlan(
        sources=sources,
        topics=topics,
        caption=True,
        chunk_frames=chunk_frames,
        sampling=sampling,
    )


def read(plan, chunks):
    """Return what is read of each chunk: `(topic, index)`, or the name of what is skipped."""
    with Reader(plan) as reader:
        return {
            chunk.number: [
                (item.topic, item.index) if isinstance(item, Frame) else getattr(item, 'name', '')
                for item in reader.items(chunk)
            ]
            for chunk in chunks
        }


def in_order(found):
    return [place for number in sorted(found) for place in found[number]]


@pytest.mark.parametrize('storage', list(StoragePlugin))
@pytest.mark.parametrize('sampling', [{}, {'every': 3}, {'rate_hz': 4.0}, {'rate_hz': 3.0}])
def test_pieces_of_a_bag_are_what_the_bag_is_in_any_order(tmp_path, storage, sampling):
    rates_hz = {'/front': 10.0, '/rear': 7.0}
    source = record(tmp_path / 'drive', rates_hz=rates_hz, storage=storage)
    plan = plan_of(source, **sampling)
    chunks = chunks_of(plan)
    found = read(plan, chunks)
    assert read(plan, reversed(chunks)) == found
    whole = plan_of(source, chunk_frames=10_000, **sampling)
    assert in_order(found) == in_order(read(whole, chunks_of(whole)))
    assert all(4 <= len(places) <= 5 for places in list(found.values())[:-1])
    assert [chunk.images for chunk in chunks] == [len(places) for places in found.values()]
    expected = range(0, COUNT, sampling.get('every', 1))
    if 'rate_hz' in sampling:  # the first of each period, of a camera by itself
        times = {index: index / rates_hz['/front'] for index in range(COUNT)}
        slots = [int(times[index] * sampling['rate_hz'] + 1e-3) for index in range(COUNT)]
        expected = [i for i in range(COUNT) if i == 0 or slots[i] != slots[i - 1]]
    front = [index for topic, index in in_order(found) if topic == '/front']
    assert front == list(expected)


def test_a_late_piece_reads_nothing_before_it(tmp_path, monkeypatch):
    source = record(tmp_path / 'drive', rates_hz={'/front': 10.0})
    plan = plan_of(source, start_s=0.55, stop_s=2.5)
    chunks = chunks_of(plan)
    assert [chunk.images for chunk in chunks] == [4, 4, 4, 4, 3]
    asked = []
    messages = Bag._messages

    def counted(bag, span):
        for message in messages(bag, span):
            asked.append((message[1] - START_NS) // 100_000_000)
            yield message

    monkeypatch.setattr(Bag, '_messages', counted)
    assert read(plan, chunks[-1:]) == {4: [('/front', index) for index in (22, 23, 24)]}
    assert asked == [22, 23, 24]
    assert read(plan, chunks[:1]) == {0: [('/front', index) for index in (6, 7, 8, 9)]}


def test_a_bag_of_files_that_go_back_in_time_is_cut_where_it_does_not(tmp_path):
    # Recorders close a file between two messages that arrived late.
    rates_hz = {'/front': 10.0}
    source = record(tmp_path / 'a', rates_hz=rates_hz, indices=[*range(8), 9, 10])
    other = record(tmp_path / 'b', rates_hz=rates_hz, indices=[8, *range(11, 18)])
    shutil.move(f'{other}/b.mcap', f'{source}/b.mcap')
    file = tmp_path / 'a' / 'metadata.yaml'
    metadata = yaml.safe_load(file.read_text())
    about = metadata['rosbag2_bagfile_information']
    about['relative_file_paths'].append('b.mcap')
    about['message_count'] = 18
    about['topics_with_message_count'][0]['message_count'] = 18
    file.write_text(yaml.safe_dump(metadata))
    plan = plan_of(source, chunk_frames=3)
    chunks = chunks_of(plan)
    assert [chunk.images for chunk in chunks] == [3, 3, 5, 3, 3, 1]
    found = read(plan, reversed(chunks))
    assert sorted(in_order(found)) == [('/front', index) for index in range(18)]
    assert len(found[2]) == 5  # the one that came late is among them


def test_damage_is_in_its_piece_and_everything_else_is_read(tmp_path):
    damaged = {('/front', 0), ('/front', 1), ('/front', 2), ('/front', 3), ('/front', 9)}
    source = record(tmp_path / 'drive', rates_hz={'/front': 10.0}, damaged=damaged)
    plan = plan_of(source)
    found = read(plan, chunks_of(plan))
    assert found[0] == [f'message {index} of /front in {source}' for index in range(4)]
    assert found[2] == [('/front', 8), f'message 9 of /front in {source}', *found[2][2:]]
    assert sum(isinstance(place, tuple) for place in in_order(found)) == COUNT - 5


def test_a_bag_that_breaks_off_is_read_up_to_there_in_any_order(tmp_path):
    source = record(tmp_path / 'drive', rates_hz={'/front': 10.0})
    file = tmp_path / 'drive' / 'drive.mcap'
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    # rosbags writes chunks of 1 MB, of which this bag has one; so nothing is left.
    with pytest.raises(SourceError, match='magic'):
        chunks_of(plan_of(source))
    source = tmp_path / 'small.mcap'
    with source.open('wb') as stream:
        writer = McapWriter(stream, chunk_size=20_000)
        writer.start(profile='ros2', library='test')
        definition, _ = STORE.generate_msgdef(RawImage.__msgtype__, ros_version=2)
        schema = writer.register_schema(RawImage.__msgtype__, 'ros2msg', definition.encode())
        channel = writer.register_channel('/front', 'cdr', schema)
        for index in range(COUNT):
            stamp_ns = START_NS + index * 100_000_000
            header = Header(stamp=Time(*divmod(stamp_ns, 1_000_000_000)), frame_id='camera')
            msg = RawImage(header, 48, 64, 'rgb8', 0, 192, view(index).reshape(-1))
            content = bytes(STORE.serialize_cdr(msg, RawImage.__msgtype__))
            writer.add_message(channel, stamp_ns, content, stamp_ns)
        writer.finish()
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    plan = plan_of(str(source))
    chunks = chunks_of(plan)
    found = read(plan, chunks)
    assert read(plan, reversed(chunks)) == found
    *images, last = in_order(found)
    assert 4 < len(images) < COUNT
    assert images == [('/front', index) for index in range(len(images))]
    assert last == str(source)


@pytest.mark.parametrize('sampling', [{}, {'every': 3}, {'rate_hz': 4.0}, {'start_s': 1.05}])
def test_pieces_of_a_video_are_what_the_video_is_in_any_order(tmp_path, sampling):
    source = video(tmp_path / 'walk.avi')
    plan = plan_of(source, **sampling)
    chunks = chunks_of(plan)
    found = read(plan, chunks)
    assert len(chunks) > 2
    assert read(plan, reversed(chunks)) == found
    assert [chunk.images for chunk in chunks] == [len(places) for places in found.values()]
    with open_media(source) as media:
        times = {frame.index: frame.time_s for frame in media}
    wanted = [index for index in times if index % sampling.get('every', 1) == 0]
    if 'rate_hz' in sampling:
        slots = {index: int(times[index] * 4 + 1e-3) for index in times}
        wanted = [index for index in times if index == 0 or slots[index] != slots[index - 1]]
    wanted = [index for index in wanted if times[index] >= sampling.get('start_s', 0)]
    assert [index for _, index in in_order(found)] == wanted


def test_a_video_that_breaks_off_says_so_in_one_piece_whoever_reads(tmp_path):
    source = tmp_path / 'walk.avi'
    video(source)
    source.write_bytes(source.read_bytes()[: source.stat().st_size * 11 // 20])
    plan = plan_of(str(source))
    chunks = chunks_of(plan)
    found = read(plan, chunks)
    assert len(found) > 4
    assert [str(source) in places for places in found.values()].count(True) == 1
    assert in_order(found)[-1] == str(source)
    assert read(plan, reversed(chunks)) == found
    assert read(plan, chunks[::2]) | read(plan, chunks[1::2]) == found
    assert {k: v for chunk in chunks for k, v in read(plan, [chunk]).items()} == found


def test_a_source_that_cannot_be_opened_does_not_keep_others_from_being_read(tmp_path):
    good = video(tmp_path / 'walk.avi')
    bad = tmp_path / 'drive.mcap'
    bad.write_bytes(b'no bag')
    plan = plan_of(str(bad), good)
    chunks = chunks_of(plan)
    assert [chunk.source for chunk in chunks] == [str(bad), *[good] * 8]
    assert in_order(read(plan, chunks)) == [str(bad), *(('', index) for index in range(COUNT))]
    with pytest.raises(SourceError, match='is no mcap file'):
        chunks_of(plan_of(str(bad)))


def test_names_that_look_like_cameras_and_protocols_are_files(tmp_path, monkeypatch):
    video(tmp_path / 'walk.avi')
    (tmp_path / '0001').mkdir()
    cv2.imwrite(str(tmp_path / '0001' / '0.png'), view(0))
    (tmp_path / 'walk.avi').rename(tmp_path / '2026-11-23T10:01:00.avi')
    monkeypatch.chdir(tmp_path)
    plan = plan_of('0001', '2026-11-23T10:01:00.avi', chunk_frames=100)
    assert [chunk.images for chunk in chunks_of(plan)] == [1, COUNT]
    assert len(in_order(read(plan, chunks_of(plan)))) == 1 + COUNT


def test_a_clip_shows_what_the_video_shows(tmp_path):
    source = video(tmp_path / 'walk.avi')
    with open_media(source) as media:
        frames = list(media)
    clip = open_clip(source)
    first = list(clip.stretch(10, lambda index, time_s: index >= 7))
    rest = list(clip.stretch(None))
    clip.close()
    assert [frame.index for frame in first] == [7, 8, 9]
    assert [frame.index for frame in rest] == list(range(10, COUNT))
    for frame in first + rest:
        np.testing.assert_array_equal(frame.image, frames[frame.index].image)
        assert frame.time_s == frames[frame.index].time_s


def test_photographs_that_cannot_be_read_are_skipped_in_their_place(tmp_path):
    for index in range(6):
        cv2.imwrite(str(tmp_path / f'{index}.png'), view(index)[..., ::-1])
    (tmp_path / '4.png').write_bytes(b'no picture')
    plan = plan_of(str(tmp_path), chunk_frames=2)
    chunks = chunks_of(plan)
    found = read(plan, reversed(chunks))
    assert in_order(found) == [*(('', i) for i in range(4)), str(tmp_path / '4.png'), ('', 5)]


def test_images_are_looked_at_together_where_the_model_gains_by_it(tmp_path):
    source = record(tmp_path / 'drive', rates_hz={'/front': 10.0})
    plan = AnnotationPlan(sources=(source,), vocabulary=('car', 'absent dog'), chunk_frames=100)
    with Reader(plan) as reader:
        frames = [item for item in reader.items(chunks_of(plan)[0]) if isinstance(item, Frame)]
    single = [Annotator(plan, Models(FakeBackend())).annotate(frame) for frame in frames[:8]]
    for options, calls in (
        ({'max_batch': 8}, 1),
        ({'max_batch': 8, 'oom_above': 4}, 1 + 2),
        ({'max_batch': 8, 'oom_above': 1}, 1 + 2 + 4 + 8),
        ({'max_batch': 8, 'script': 'crash ok ok ok ok ok ok ok ok'}, 1 + 8),
    ):
        model = FakeBackend(**options)
        annotator = Annotator(plan, Models(model))
        assert annotator.max_batch == 8
        assert list(annotator.annotate_batch(frames[:8], [''] * 8)) == single
        assert model.calls == calls
