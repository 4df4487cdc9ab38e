"""The image source node, playing real files."""

import itertools

import cv2
import numpy as np
import pytest
from rclpy.parameter_client import AsyncParameterClient
from sensor_msgs.msg import CameraInfo, Image
import skimage.data

from vlm_ros.nodes.conversions import msg_to_image
from vlm_ros.nodes.image_source import ImageSourceNode


@pytest.fixture(scope='module')
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp('photographs')
    for name in ('chelsea', 'coffee'):
        image = getattr(skimage.data, name)()
        cv2.imwrite(str(folder / f'{name}.png'), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return folder


def start(graph, **parameters):
    graph.start(lambda _: ImageSourceNode(), image_source={'rate_hz': '20.0', **parameters})
    return graph.collect(Image, 'image'), graph.collect(CameraInfo, 'camera_info')


def test_a_photograph_is_played_again_and_again(graph, photographs):
    images, infos = start(graph, source=str(photographs / 'chelsea.png'), frame_id='front')
    graph.spin_until(lambda: len(images) >= 3 and len(infos) >= 3)
    assert np.array_equal(msg_to_image(images[0]), skimage.data.chelsea())
    assert images[0].encoding == 'rgb8'
    assert {m.header.frame_id for m in images + infos} == {'front'}
    stamps = [(m.header.stamp.sec, m.header.stamp.nanosec) for m in images]
    assert stamps == sorted(set(stamps))
    assert (infos[0].height, infos[0].width) == skimage.data.chelsea().shape[:2]
    assert not infos[0].k.any()


def test_a_folder_is_played_in_order_and_repeated(graph, photographs):
    images, _ = start(graph, source=str(photographs), repeat_s='0.2')
    graph.spin_until(lambda: len({(m.height, m.width) for m in images}) == 2 and len(images) > 12)
    shapes = [(m.height, m.width) for m in images]
    runs = [a for a, b in zip(shapes, [None, *shapes], strict=False) if a != b]
    assert all(a != b for a, b in itertools.pairwise(runs))
    assert len(runs) < len(shapes) / 2


def test_a_video_plays_to_its_end(graph, tmp_path):
    path = tmp_path / 'video.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 30.0, (300, 200))
    photo = cv2.resize(skimage.data.coffee(), (300, 200))
    for shift in range(30):
        writer.write(np.roll(photo, shift, axis=1))
    writer.release()
    images, _ = start(graph, source=str(path), loop='false', rate_hz='0.0')
    graph.spin_until(lambda: len(images) >= 10)
    graph.spin_for(1.5)
    count = len(images)
    graph.spin_for(0.5)
    assert len(images) == count <= 30
    assert AsyncParameterClient(graph.client, 'image_source').wait_for_services(5.0)


def test_a_source_that_is_not_there_is_said_and_the_node_lives_on(graph, capfd):
    start(graph, source='/no/such/file.mp4')
    graph.spin_until(
        AsyncParameterClient(graph.client, 'image_source').services_are_ready, 'the node to live'
    )
    graph.spin_for(0.3)
    lines = [line for line in capfd.readouterr().err.splitlines() if '/no/such/file.mp4' in line]
    assert len(lines) == 1
    assert '[ERROR]' in lines[0]
