"""`ImageFeed`: what it follows, when it listens, and what it says when nothing comes."""

import contextlib
import re
from threading import Barrier, Thread
import time

import cv2
import numpy as np
import pytest
import rclpy
from rclpy.duration import Duration
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, LivelinessPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header, String

from vlm_ros.errors import ImageError
from vlm_ros.nodes.conversions import image_to_msg
from vlm_ros.nodes.image_feed import Frame, ImageFeed

TIMEOUT_S = 20.0
RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT
LATCHED, VOLATILE = DurabilityPolicy.TRANSIENT_LOCAL, DurabilityPolicy.VOLATILE
PHOTO = np.random.default_rng(0).integers(0, 256, (6, 10, 3), np.uint8).repeat(16, 0).repeat(16, 1)
"""96x160 blocks."""


def raw(image=PHOTO):
    return image_to_msg(image, Header(frame_id='front'))


def compressed(extension='.jpg', image=PHOTO, text='jpeg'):
    msg = CompressedImage(header=Header(frame_id='front'), format=text)
    msg.data.frombytes(cv2.imencode(extension, image[..., ::-1])[1].tobytes())
    return msg


class Robot:
    """A node with feeds in one context and cameras in another, so that all goes over DDS."""

    def __init__(self):
        self.context, self.outside = rclpy.Context(), rclpy.Context()
        rclpy.init(context=self.context, args=['--ros-args', '-r', 'rear/image:=/back/video'])
        rclpy.init(context=self.outside)
        self.node = rclpy.create_node('looker', context=self.context, namespace='robot')
        self.driver = rclpy.create_node('driver', context=self.outside)
        self.feeds = []
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._thread = Thread(target=self._spin)
        self._thread.start()

    def _spin(self):
        with contextlib.suppress(ExternalShutdownException):
            self._executor.spin()

    def end(self):
        self.context.try_shutdown()
        self._thread.join(TIMEOUT_S)
        assert not self._thread.is_alive()
        for feed in self.feeds:
            feed.close()
        self.node.destroy_node()
        self.driver.destroy_node()
        self.outside.try_shutdown()

    def call(self, function, *args):
        """Call on the executor's thread, as nodes do."""
        task = self._executor.create_task(function, *args)
        self.until(task.done, 'the call')
        return task.result()

    def feed(self, topic='image'):
        """Return a feed with a listener, and the frames which that was given."""
        feed, frames = self.call(ImageFeed, self.node, topic), []
        self.feeds.append(feed)
        self.call(feed.add_listener, frames.append)
        return feed, frames

    def camera(self, topic='/robot/image', msg_type=Image, **qos):
        return self.driver.create_publisher(msg_type, topic, QoSProfile(**{'depth': 1} | qos))

    def requests(self, topic='/robot/image'):
        """What the subscriptions of a topic ask for."""
        infos = self.driver.get_subscriptions_info_by_topic(topic)
        return [(i.qos_profile.reliability, i.qos_profile.durability) for i in infos]

    @staticmethod
    def until(done, what='it'):
        until_s = time.monotonic() + TIMEOUT_S
        while not (result := done()):
            assert time.monotonic() < until_s, f'{what} did not happen'
            time.sleep(0.02)
        return result

    def seen(self, camera, msg, frames):
        """Publish until a frame is there, and return it."""
        frames.clear()

        def come():
            camera.publish(msg)
            time.sleep(0.02)
            return list(frames)

        return self.until(come, 'a frame')[0]

    def says(self, feed, *parts):
        """Wait until a feed's silence says all of it."""
        said = []

        def done():
            said.append(feed.silence())
            return all(part in said[-1] for part in parts)

        try:
            self.until(done)
        except AssertionError:
            raise AssertionError(f'says {said[-1]!r}') from None
        assert '\n' not in said[-1]
        return said[-1]


@pytest.fixture
def robot():
    robot = Robot()
    yield robot
    robot.end()


# Quality of service


@pytest.mark.parametrize('reliability', [RELIABLE, BEST_EFFORT])
@pytest.mark.parametrize('durability', [LATCHED, VOLATILE])
def test_the_publisher_is_followed(robot, reliability, durability):
    _, frames = robot.feed()
    camera = robot.camera(reliability=reliability, durability=durability)
    robot.until(lambda: robot.requests() == [(reliability, durability)], 'that request')
    assert robot.seen(camera, raw(), frames).header.frame_id == 'front'


def test_an_image_that_was_latched_before_arrives(robot):
    camera = robot.camera(durability=LATCHED)
    camera.publish(raw())
    _, frames = robot.feed()
    robot.until(lambda: frames, 'the latched image')
    np.testing.assert_array_equal(frames[0].image, PHOTO)


def test_a_latched_image_is_for_those_too_who_listen_later(robot):
    camera = robot.camera(durability=LATCHED)
    camera.publish(raw())
    feed, first = robot.feed()
    robot.until(lambda: first, 'the latched image')
    later = []
    robot.call(feed.add_listener, later.append)
    assert later == first


def test_a_live_image_of_before_is_not_for_those_who_listen_later(robot):
    camera = robot.camera()
    feed, first = robot.feed()
    robot.seen(camera, raw(), first)
    later = []
    robot.call(feed.add_listener, later.append)
    assert not later


def test_of_several_publishers_the_weakest_is_followed(robot):
    _, frames = robot.feed()
    strong = robot.camera(durability=LATCHED)
    robot.until(lambda: robot.requests() == [(RELIABLE, LATCHED)])
    weak = robot.camera(reliability=BEST_EFFORT, durability=LATCHED)
    robot.until(lambda: robot.requests() == [(BEST_EFFORT, LATCHED)])
    weakest = robot.camera(reliability=RELIABLE, durability=VOLATILE)
    robot.until(lambda: robot.requests() == [(BEST_EFFORT, VOLATILE)])
    for camera in (strong, weak, weakest):
        assert robot.seen(camera, raw(), frames)
    for camera in (weak, weakest):
        robot.driver.destroy_publisher(camera)
    robot.until(lambda: robot.requests() == [(RELIABLE, LATCHED)])


def test_a_camera_that_comes_back_otherwise_is_followed(robot):
    feed, frames = robot.feed()
    for reliability in (RELIABLE, BEST_EFFORT, RELIABLE):
        camera = robot.camera(reliability=reliability)
        assert robot.seen(camera, raw(), frames)
        robot.driver.destroy_publisher(camera)
        robot.says(feed, 'nobody publishes /robot/image')


def test_deadline_lifespan_and_liveliness_of_the_publisher_do_not_matter(robot):
    _, frames = robot.feed()
    camera = robot.camera(
        deadline=Duration(seconds=5),
        lifespan=Duration(seconds=5),
        liveliness=LivelinessPolicy.MANUAL_BY_TOPIC,
        liveliness_lease_duration=Duration(seconds=5),
    )
    assert robot.seen(camera, raw(), frames)


# Topics


@pytest.mark.parametrize('topic', ['/robot/image', '/robot/image/compressed'])
@pytest.mark.parametrize('extension', ['.jpg', '.png'])
def test_compressed_images_are_taken_where_there_are_no_others(robot, topic, extension):
    _, frames = robot.feed()
    camera = robot.camera(topic, CompressedImage)
    frame = robot.seen(camera, compressed(extension), frames)
    assert np.abs(frame.image.astype(int) - PHOTO).mean() < 30


def test_raw_images_go_before_compressed_ones(robot):
    _, frames = robot.feed()
    packed = robot.camera('/robot/image/compressed', CompressedImage)
    assert isinstance(robot.seen(packed, compressed(), frames).msg, CompressedImage)
    camera = robot.camera()
    assert isinstance(robot.seen(camera, raw(), frames).msg, Image)
    robot.until(lambda: not robot.requests('/robot/image/compressed'), 'only one subscription')


def test_every_camera_has_a_feed(robot):
    names = {'front/image': '/robot/front/image', 'rear/image': '/back/video', '/top': '/top'}
    feeds = [robot.feed(name) for name in names]
    assert [feed.topic for feed, _ in feeds] == list(names.values())
    while feeds:
        feed, frames = feeds.pop()
        assert robot.seen(robot.camera(feed.topic), raw(), frames)
        assert feed.received >= 1
        assert not any(other.received for other, _ in feeds)


# Listeners


def test_there_is_a_subscription_only_while_somebody_listens(robot):
    feed, frames = robot.feed()
    second = []
    robot.call(feed.add_listener, second.append)
    camera = robot.camera()
    assert robot.seen(camera, raw(), frames)
    robot.until(lambda: second and second[-1] is frames[-1])
    robot.call(feed.remove_listener, frames.append)
    frames.clear()
    assert robot.seen(camera, raw(), second)
    assert not frames
    robot.until(lambda: feed.newest is second[-1])
    robot.call(feed.remove_listener, second.append)
    assert feed.newest is None
    robot.until(lambda: not robot.requests(), 'no subscription')
    assert feed.silence() == '/robot/image is not read while no active node looks at it'
    received = feed.received
    camera.publish(raw())
    robot.call(feed.remove_listener, second.append)
    robot.call(feed.add_listener, frames.append)
    assert feed.newest is None
    assert robot.seen(camera, raw(), frames)
    assert feed.received > received
    assert len(robot.requests()) == 1


def test_the_publisher_is_followed_also_while_nobody_listens(robot):
    feed, frames = robot.feed()
    robot.call(feed.remove_listener, frames.append)
    robot.says(feed, 'nobody publishes')
    camera = robot.camera(durability=LATCHED)
    camera.publish(raw())
    robot.says(feed, 'is not read')
    robot.call(feed.add_listener, frames.append)
    assert robot.until(lambda: frames)


# Silence


def silent_s(text):
    return float(re.search(r'for ([\d.]+) s', text)[1])


def test_nobody_publishes(robot):
    feed, _ = robot.feed('front/image')
    text = feed.silence()
    assert text.startswith('nobody publishes /robot/front/image; ')
    assert 'no other topic carries images' in text
    cameras = [robot.camera(f'/camera_{i}/image') for i in range(7)]
    cameras.append(robot.camera('/camera_0/image/compressed', CompressedImage))
    robot.says(
        feed,
        'nobody publishes /robot/front/image; remap front/image:=TOPIC to one that carries '
        'images: /camera_0/image, /camera_1/image, /camera_2/image, /camera_3/image, '
        '/camera_4/image and 2 more',
    )


def test_a_camera_that_died(robot):
    feed, frames = robot.feed()
    camera = robot.camera()
    assert robot.seen(camera, raw(), frames)
    robot.driver.destroy_publisher(camera)
    robot.says(feed, 'nobody publishes /robot/image')


def test_another_type(robot):
    feed, frames = robot.feed()
    other = robot.camera('/robot/image', String)
    robot.says(feed, '/robot/image carries std_msgs/msg/String, which is no image; ')
    robot.driver.destroy_publisher(other)
    assert robot.seen(robot.camera(), raw(), frames)


def test_another_type_in_the_same_process(robot):
    other = robot.node.create_publisher(String, 'image', 1)
    feed, frames = robot.feed()
    robot.says(feed, '/robot/image carries std_msgs/msg/String, which is no image; ')
    camera = robot.camera()
    robot.says(feed, '/robot/image cannot be read: Failed to create subscription')
    robot.driver.destroy_publisher(camera)
    robot.call(robot.node.destroy_publisher, other)
    assert robot.seen(robot.camera(), raw(), frames)


def test_transports_that_are_not_read(robot):
    feed, frames = robot.feed()
    robot.camera('/robot/image/theora', String)
    robot.camera('/robot/image/compressedDepth', CompressedImage)
    robot.says(
        feed,
        '/robot/image is published only as /robot/image/compressedDepth, /robot/image/theora, '
        'which is not read; publish raw images or /robot/image/compressed',
    )
    camera = robot.camera('/robot/image/compressed', CompressedImage)
    assert robot.seen(camera, compressed(), frames)


@pytest.mark.parametrize('reliability', [RELIABLE, BEST_EFFORT])
def test_a_publisher_that_sends_nothing(robot, reliability):
    feed, frames = robot.feed()
    camera = robot.camera(reliability=reliability)
    text = robot.says(feed, '/robot/image has 1 publisher but sent nothing for ')
    assert ('config/fastdds.xml' in text) == (reliability == BEST_EFFORT)
    robot.until(lambda: silent_s(feed.silence()) > silent_s(text))
    start_s = time.monotonic()
    assert robot.seen(camera, raw(), frames)
    text = feed.silence()
    assert silent_s(text) <= time.monotonic() - start_s + 0.05  # it is rounded
    robot.camera(reliability=reliability)
    robot.says(feed, '/robot/image has 2 publishers but sent nothing for ')


def test_an_incompatible_policy_is_named(robot, monkeypatch):
    feed, _ = robot.feed()
    robot.camera(durability=LATCHED)
    robot.until(lambda: robot.requests() == [(RELIABLE, LATCHED)])
    # As it is until the next look at the graph.
    monkeypatch.setattr(feed, '_subscribe', lambda offer: None)
    robot.camera(reliability=BEST_EFFORT, durability=VOLATILE)
    text = robot.says(feed, '/robot/image has a publisher with an incompatible QoS policy: ')
    assert 'Best effort publisher and reliable subscription' in text
    assert 'Volatile publisher and transient local subscription' in text


# The end


def test_a_closed_feed_takes_nothing(robot):
    feed, frames = robot.feed()
    camera = robot.camera()
    assert robot.seen(camera, raw(), frames)
    robot.call(feed.close)
    assert feed.newest is None
    robot.until(lambda: not robot.requests(), 'no subscription')
    robot.call(feed.close)
    assert feed.received
    assert not list(robot.node.timers)


@pytest.mark.parametrize('is_destroyed', [False, True])
def test_a_feed_can_be_closed_after_the_context(robot, is_destroyed):
    feed, _ = robot.feed()
    robot.context.shutdown()
    if is_destroyed:
        robot.node.destroy_node()
    feed.close()
    feed.close()
    assert feed.newest is None


# Frames


def test_a_raw_frame_is_always_seen_in_full():
    frame = Frame(raw())
    assert frame.view(10) is frame.view(None)
    assert frame.view(None).scale == (1.0, 1.0)
    assert frame.image is frame.view(50).image
    assert not frame.image.flags.writeable


def test_a_compressed_frame_is_seen_reduced_and_once_for_each_size():
    frame = Frame(compressed(image=PHOTO[:95, :157]))
    small = frame.view(40)
    assert small.image.shape == (48, 79, 3)
    assert small.scale == (157 / 79, 95 / 48)
    assert frame.view(40) is small
    # Another number, the same array.
    assert frame.view(45) is small
    assert frame.view(20).image.shape == (24, 40, 3)
    assert frame.image.shape == (95, 157, 3)
    assert frame.view(95).image is frame.view(500).image is frame.image
    assert frame.view(95).scale == (1.0, 1.0)
    for view in (small, frame.view(20), frame.view(None)):
        assert not view.image.flags.writeable


def test_the_format_is_heeded():
    msg = compressed('.png', PHOTO[..., ::-1], 'rgb8; png compressed rgb8')
    np.testing.assert_array_equal(Frame(msg).image, PHOTO)


def test_threads_that_look_at_once_see_the_same():
    frame = Frame(compressed())
    barrier, seen = Barrier(8), []

    def look(enough_px):
        barrier.wait()
        seen.append((enough_px, frame.view(enough_px)))

    threads = [Thread(target=look, args=(size,)) for size in (40, None) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for size in (40, None):
        assert len({id(view) for enough_px, view in seen if enough_px == size}) == 1
    assert len(seen) == 8


@pytest.mark.parametrize('enough_px', [None, 10])
def test_a_bad_frame_is_an_image_error_each_time(enough_px):
    msg = compressed()
    msg.data = msg.data[:-10]
    frame = Frame(msg)
    for _ in range(2):
        with pytest.raises(ImageError):
            frame.view(enough_px)
