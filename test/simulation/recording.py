"""A drive through the simulated world as a bag, with the truth beside."""

import cv2
from rosbags.rosbag2 import Writer
from rosbags.typesys import get_typestore, Stores
from weather import dim, fog, noise, rain
from world import LABELS, SIZE_WH, STEP_S, World

from vlm_ros.data.formats import TruthImage, TruthSet
from vlm_ros.images import raw

STORE = get_typestore(Stores.ROS2_JAZZY)
RAW, COMPRESSED = '/carla/ego_vehicle/rgb_front/image', '/rear/image/compressed'
START_NS = 1_700_000_000_000_000_000


def shots_of(seed, frames, **more):
    """Take pictures of one world, so many in a row."""
    shots = []
    with World(seed, **more) as world:
        for _ in range(frames):
            shots.append(world.shoot())
            world.step(STEP_S)
    return shots


def in_weather(shot, seed):
    """Return the picture at dusk, in fog and rain, through a poor sensor."""
    return noise(rain(dim(fog(shot.image, shot.depth_m, 8.0), 0.6), 60, seed), 6.0, seed)


def write_bag(path, images):
    """Write pictures as bgra8, as CARLA's bridge sends them, and as PNG; returns the stamps."""
    types = STORE.types
    header_of, time_of = types['std_msgs/msg/Header'], types['builtin_interfaces/msg/Time']
    kinds = {RAW: 'sensor_msgs/msg/Image', COMPRESSED: 'sensor_msgs/msg/CompressedImage'}
    width, height = SIZE_WH
    stamps = []
    with Writer(path, version=9) as writer:
        topics = {
            name: writer.add_connection(name, kind, typestore=STORE)
            for name, kind in kinds.items()
        }
        for number, image in enumerate(images):
            stamp_ns = START_NS + number * round(STEP_S * 1e9)
            header = header_of(time_of(*divmod(stamp_ns, 1_000_000_000)), 'camera')
            pixels = cv2.cvtColor(image, cv2.COLOR_RGB2BGRA).reshape(-1)
            done, png = cv2.imencode('.png', image[..., ::-1])
            assert done and pixels.tobytes() == bytes(raw.encode(image, 'bgra8'))
            for name, values in (
                (RAW, (height, width, 'bgra8', 0, 4 * width, pixels)),
                (COMPRESSED, ('bgr8; png compressed bgr8', png.reshape(-1))),
            ):
                msg = types[kinds[name]](header, *values)
                writer.write(topics[name], stamp_ns, STORE.serialize_cdr(msg, kinds[name]))
            stamps.append(stamp_ns)
    return stamps


def truth_of(records, stamps, shots):
    """Return the truth of annotated messages, found by their stamps."""
    by_stamp = dict(zip(stamps, shots, strict=True))
    return TruthSet(
        tuple(
            TruthImage(record.key, record.key, *SIZE_WH, by_stamp[record.stamp_ns].boxes())
            for record in records
        ),
        LABELS,
    )
