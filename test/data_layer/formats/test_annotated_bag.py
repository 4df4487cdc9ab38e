"""Annotated bags, read back by rosbags and by the mcap library with its own decoder of ROS 2."""

from itertools import chain

from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from vlm_ros.data.bags import Bag
from vlm_ros.data.formats.annotated_bag import stamp_of, write_annotated_bag
from vlm_ros.data.formats.bag_messages import typestore
from vlm_ros.data.media import open_media
from vlm_ros.errors import InputError, StorageError
from vlm_ros.images import decode_compressed
from vlm_ros.records import CaptionRecord, FrameRecord, ImageRecord
from vlm_ros.results import Status

# As released with vision_msgs 4.1.1.
HASHES = {
    'vision_msgs/msg/Detection2DArray': (
        'RIHS01_214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968'
    ),
    'vision_msgs/msg/Detection2D': (
        'RIHS01_0d12b69df5c593b3455b7346fac8205437a7d4bcb09b9e0e0b2dde787ded38ea'
    ),
}
LINE_LOOP = 2


def read(path):
    """Return the messages of each topic, decoded by the definitions in the file alone."""
    found = {}
    with path.open('rb') as stream:
        reader = make_reader(stream, decoder_factories=[DecoderFactory()])
        assert reader.get_header().profile == 'ros2'
        for _, channel, row, message in reader.iter_decoded_messages(log_time_order=False):
            found.setdefault(channel.topic, []).append((row.log_time, message))
    return found


def stamped(header):
    return header.stamp.sec * 10**9 + header.stamp.nanosec


def captioned(entry, text, status=Status.OK, message=''):
    caption = CaptionRecord(text=text, score=0.5, status=status, message=message)
    return entry.model_copy(update={'caption': caption})


def test_the_definitions_are_the_released_ones():
    assert {kind: typestore().hash_rihs01(kind) for kind in HASHES} == HASHES


def test_mcap_and_rosbags_read_what_was_written(dataset, tmp_path):
    records = list(dataset.records)
    records[0] = captioned(records[0], 'a cat')
    records[3] = captioned(records[3], '', Status.FAILED, 'out of memory')
    path = tmp_path / 'drive.mcap'
    written = write_annotated_bag(records, path, images=dataset.folder)
    assert (written.images, written.boxes, written.rejected) == (6, 5, 1)
    assert [row.name for row in written.left_out] == ['drive-front-000005']
    kept = [record for record in records if record.key != 'drive-front-000005']
    stamps = [record.stamp_ns for record in kept]

    topics = read(path)
    assert list(topics) == [
        '/front/compressed', '/front/annotations', '/front/detections', '/front/caption',
        '/front/record',
    ]  # fmt: skip
    for record, (when, message) in zip(kept, topics['/front/compressed'], strict=True):
        assert when == stamped(message.header) == record.stamp_ns
        assert bytes(message.data) == (dataset.folder / record.image.file).read_bytes()
        assert message.format == ('png' if record.image.file.endswith('png') else 'jpeg')
    assert [when for when, _ in topics['/front/annotations']] == stamps
    assert [message.data for _, message in topics['/front/record']] == [r.line() for r in kept]
    assert [message.data for _, message in topics['/front/caption']] == [
        'a cat', 'FAILED: out of memory'
    ]  # fmt: skip

    # Only of images that were looked at, and also of those with nothing in them.
    looked = dict(topics['/front/detections'])
    assert list(looked) == [stamps[index] for index in (0, 1, 2, 5)]
    cat = looked[stamps[0]].detections[0]
    assert (cat.id, cat.results[0].hypothesis.class_id) == ('7', 'cat')
    assert cat.results[0].hypothesis.score == pytest.approx(0.91)
    center = cat.bbox.center.position
    edges = (center.x - cat.bbox.size_x / 2, center.y - cat.bbox.size_y / 2)
    assert edges == pytest.approx((80.25, 60))
    assert (cat.bbox.size_x, cat.bbox.size_y) == pytest.approx((240.25, 240))
    (cup,) = looked[stamps[1]].detections
    assert (cup.results[0].hypothesis.class_id, cup.id) == ('coffee cup', '')
    assert looked[stamps[2]].detections == []

    with AnyReader([path]) as reader:
        count = 0
        for connection, when, content in reader.messages():
            message = reader.deserialize(content, connection.msgtype)
            count += 1
            if connection.topic == '/front/detections':
                assert stamped(message.header) == when
                assert len(message.detections) == len(looked[when].detections)
        assert count == sum(map(len, topics.values()))
        assert {c.topic: c.msgtype for c in reader.connections} == {
            '/front/compressed': 'sensor_msgs/msg/CompressedImage',
            '/front/annotations': 'foxglove_msgs/msg/ImageAnnotations',
            '/front/detections': 'vision_msgs/msg/Detection2DArray',
            '/front/caption': 'std_msgs/msg/String',
            '/front/record': 'std_msgs/msg/String',
        }
    with Bag(path) as bag:
        assert [frame.stamp_ns for frame in bag] == stamps


def test_what_foxglove_draws(dataset, tmp_path):
    path = tmp_path / 'drive.mcap'
    write_annotated_bag(dataset.records, path, images=dataset.folder)
    drawn = [message for _, message in read(path)['/front/annotations']]
    cat, person, *parts = drawn[0].points
    assert [(point.x, point.y) for point in cat.points] == [
        (80.25, 60), (320.5, 60), (320.5, 300), (80.25, 300)
    ]  # fmt: skip
    assert {line.type for line in drawn[0].points} == {LINE_LOOP}
    assert cat.outline_color != person.outline_color
    # The third box, and the two parts of its mask.
    assert len(parts) == 3
    xs = [[p.x for p in part.points] for part in parts[1:]]
    spans = sorted((min(row), max(row)) for row in xs)
    # Through the middles of pixels, in coordinates that count from the corner of the first.
    assert spans == [(80.5, 320.5), (400.5, 439.5)]
    assert all(part.fill_color.a == 0.25 for part in parts[1:])
    assert [text.text for text in drawn[0].texts] == ['cat 0.91 #7', 'person 0.20', 'cat 0.50']
    assert [text.text for text in drawn[1].texts] == ['coffee cup 0.50']
    # Nothing found is an empty picture; could not look says so.
    assert (drawn[2].points, drawn[2].texts) == ([], [])
    (alarm,) = drawn[3].texts
    assert alarm.text == 'FAILED: the model ran out of memory'
    assert (drawn[4].points, drawn[4].texts) == ([], [])


def test_the_same_records_give_the_same_bytes(dataset, tmp_path):
    for name in ('a.mcap', 'b.mcap'):
        write_annotated_bag(iter(dataset.records), tmp_path / name, images=dataset.folder)
    assert (tmp_path / 'a.mcap').read_bytes() == (tmp_path / 'b.mcap').read_bytes()


def test_a_missing_picture_leaves_what_was_there(dataset, tmp_path):
    path = tmp_path / 'out' / 'drive.mcap'
    write_annotated_bag(dataset.records, path, images=dataset.folder)
    before = path.read_bytes()
    (dataset.folder / dataset.records[-1].image.file).unlink()
    with pytest.raises(InputError, match=r'drive-front-000006 is missing; put it back'):
        write_annotated_bag(dataset.records, path, images=dataset.folder)
    assert [entry.name for entry in path.parent.iterdir()] == ['drive.mcap']
    assert path.read_bytes() == before
    (tmp_path / 'file').write_text('')
    with pytest.raises(StorageError, match='choose another folder'):
        write_annotated_bag([], tmp_path / 'file' / 'a.mcap')
    with pytest.raises(InputError, match=r'does not end in \.mcap'):
        write_annotated_bag([], tmp_path / 'a.bag')
    with pytest.raises(InputError, match='merge the records'):
        write_annotated_bag(dataset.records[:1] * 2, tmp_path / 'b.mcap', images=dataset.folder)


@pytest.mark.parametrize(
    ('times', 'stamp_ns'),
    [
        ({'stamp_ns': 17, 'time_s': 2.5}, 17),
        ({'stamp_ns': 0}, 0),  # a simulation begins
        ({'time_s': 2.5}, 2_500_000_000),
        ({}, 4_000_000_000),
    ],
)
def test_an_image_is_stamped_with_the_best_time_there_is(times, stamp_ns):
    image = ImageRecord(width=1, height=1)
    assert stamp_of(FrameRecord(key='a', source='b', index=4, image=image, **times)) == stamp_ns


def entry_of(frame, key):
    height, width = frame.image.shape[:2]
    return FrameRecord(
        key=key,
        source=frame.name,
        topic=frame.topic,
        index=frame.index,
        stamp_ns=frame.stamp_ns,
        time_s=frame.time_s,
        image=ImageRecord(width=width, height=height),
        status=Status.NOTHING_FOUND,
    )


def test_pictures_that_were_not_kept_are_read_again(dataset, tmp_path):
    drives = [tmp_path / 'one.mcap', tmp_path / 'two.mcap']
    for drive in drives:
        write_annotated_bag(dataset.records, drive, images=dataset.folder)
    sources = [*map(str, drives), 'sample:chelsea']
    frames = []
    for source in sources:
        with open_media(source) as media:
            frames += [frame for frame in media if frame.index % 2 == 0]
    assert len(frames) == 7
    records = [entry_of(frame, f'k{number}') for number, frame in enumerate(frames)]
    path = tmp_path / 'again.mcap'
    write_annotated_bag(records, path)
    topics = read(path)
    # Two drives with a camera of one name do not become one camera.
    pictures = [topics[f'{camera}/compressed'] for camera in ('/front', '/two/front', '/images')]
    assert [len(rows) for rows in pictures] == [3, 3, 1]
    for frame, (_, message) in zip(frames, chain.from_iterable(pictures), strict=True):
        pixels = decode_compressed(message.data)
        assert pixels.shape == frame.image.shape
        assert np.abs(pixels.astype(int) - frame.image).mean() < 3  # JPEG
    gone = records[0].model_copy(update={'index': 99})
    with pytest.raises(InputError, match='has no image 99 any more'):
        write_annotated_bag([gone], path)


def test_the_runs_of_a_live_topic_are_one_camera(dataset, tmp_path):
    runs = [
        dataset.records[0].model_copy(update={'key': f'run{run}', 'source': f'/front#{run}'})
        for run in (1, 2, 3)
    ]
    path = tmp_path / 'live.mcap'
    write_annotated_bag(runs, path, images=dataset.folder)
    topics = read(path)
    assert {topic.split('/')[1] for topic in topics} == {'front'}
    assert len(topics['/front/compressed']) == 3
