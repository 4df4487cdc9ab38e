"""The profile of CARLA: messages as its bridge sends them, read back from a bag."""

import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import Writer
from rosbags.typesys import get_types_from_msg, get_typestore, Stores
from world import needs_drawing, SIZE_WH, World

from vlm_ros.data.formats import TruthBox
from vlm_ros.errors import InputError
from vlm_ros.simulation import carla
from vlm_ros.simulation.projection import Camera
from vlm_ros.vocabularies import named

OBJECT = """std_msgs/Header header
uint32 id
uint8 detection_level
bool object_classified
geometry_msgs/Pose pose
geometry_msgs/Twist twist
geometry_msgs/Accel accel
geometry_msgs/Polygon polygon
shape_msgs/SolidPrimitive shape
uint8 classification
uint8 classification_certainty
uint32 classification_age
"""
ARRAY = 'std_msgs/Header header\nderived_object_msgs/Object[] objects\n'
CAR, WALKER, OTHER = 6, 4, 9
# At the origin of the map, 1.5 m high, looking along x: the axes of tf's optical frames.
LOOKS = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]], float)
CAMERA = Camera.of((800, 600), (400, 400, 400, 300), rotation=LOOKS, position_m=(0, 0, 1.5))


@pytest.fixture(scope='module')
def store():
    found = get_typestore(Stores.ROS2_JAZZY)
    found.register(get_types_from_msg(OBJECT, 'derived_object_msgs/msg/Object'))
    found.register(get_types_from_msg(ARRAY, 'derived_object_msgs/msg/ObjectArray'))
    return found


@pytest.fixture
def received(store, tmp_path):
    """Write objects `(id, class, position, dimensions)` into a bag, and read the message back."""

    def go(*rows, **changes):
        types = store.types

        def make(name, *values):
            return types[f'{name}'](*values)

        zero = make('geometry_msgs/msg/Vector3', 0.0, 0.0, 0.0)
        header = make('std_msgs/msg/Header', make('builtin_interfaces/msg/Time', 7, 0), 'map')
        turn = make('geometry_msgs/msg/Quaternion', *changes.get('turn', (0.0, 0.0, 0.0, 1.0)))
        empty = make('geometry_msgs/msg/Polygon', [])
        shape = changes.get('shape', 1)
        objects = [
            make(
                'derived_object_msgs/msg/Object',
                header,
                number,
                0,
                kind != OTHER,
                make('geometry_msgs/msg/Pose', make('geometry_msgs/msg/Point', *at), turn),
                make('geometry_msgs/msg/Twist', zero, zero),
                make('geometry_msgs/msg/Accel', zero, zero),
                empty,
                make('shape_msgs/msg/SolidPrimitive', shape, np.array(size, np.float64), empty),
                kind,
                255,
                1,
            )
            for number, kind, at, size in rows
        ]
        kind = 'derived_object_msgs/msg/ObjectArray'
        with Writer(tmp_path / 'drive', version=9) as writer:
            topic = writer.add_connection(carla.OBJECTS_TOPIC, kind, typestore=store)
            writer.write(topic, 7, store.serialize_cdr(make(kind, header, objects), kind))
        with AnyReader([tmp_path / 'drive'], default_typestore=store) as reader:
            [(connection, _, data)] = reader.messages()
            return reader.deserialize(data, connection.msgtype)

    return go


def test_topics_are_those_of_the_bridge():
    topics = carla.CameraTopics('ego_vehicle', 'rgb_front')
    assert topics.image == '/carla/ego_vehicle/rgb_front/image'
    assert topics.camera_info == '/carla/ego_vehicle/rgb_front/camera_info'
    assert carla.CameraTopics('', 'rgb_street').image == '/carla/rgb_street/image'


def test_a_car_and_a_walker_by_hand(received):
    msg = received(
        (24, CAR, (22.0, 0.0, 0.0), (4.0, 2.0, 1.5)),
        (31, WALKER, (10.25, -2.0, 0.9), (0.5, 0.5, 1.8)),
    )
    walker, car = carla.see(carla.things_of(msg), CAMERA)
    # The car's rear is 20 m ahead, 1 m to both sides, from the ground to the camera's height.
    assert (car.number, car.label, car.distance_m) == (24, 'Car', 20)
    assert car.xyxy == pytest.approx((380, 300, 420, 330))
    # The walker's front is 10 m ahead, 1.75 m to 2.25 m to the right, the farthest left edge
    # 10.5 m ahead; from the ground to 0.3 m above the camera.
    assert (walker.number, walker.label, walker.distance_m) == (31, 'Pedestrian', 10)
    right, left = 400 + 400 * 0.225, 400 + 400 * 1.75 / 10.5
    assert walker.xyxy == pytest.approx((left, 300 - 12, right, 300 + 60))
    assert (car.occlusion, walker.occlusion) == (None, None)
    assert car.truth() == TruthBox('Car', car.xyxy, track_id=24)


def test_a_turned_car_is_longer_in_the_picture(received):
    quarter = (0.0, 0.0, np.sin(np.pi / 4), np.cos(np.pi / 4))
    msg = received((1, CAR, (21.0, 0.0, 0.0), (4.0, 2.0, 1.5)), turn=quarter)
    [car] = carla.see(carla.things_of(msg), CAMERA)
    assert car.xyxy == pytest.approx((360, 300, 440, 330))


def test_depth_tells_what_is_hidden(received):
    msg = received((24, CAR, (22.0, 0.0, 0.0), (4.0, 2.0, 1.5)))
    things = carla.things_of(msg)
    depth = np.full((600, 800), 20.0, np.float32)
    [free] = carla.see(things, CAMERA, depth_m=depth)
    assert free.occlusion == 0
    depth[:, :390] = 8.0  # a wall before its left quarter
    [behind] = carla.see(things, CAMERA, depth_m=depth)
    assert behind.occlusion == pytest.approx(0.25, abs=0.03)
    depth[:] = 8.0
    [hidden] = carla.see(things, CAMERA, depth_m=depth)
    assert hidden.occlusion == 1
    assert hidden.truth().difficult and not behind.truth().difficult
    with pytest.raises(InputError, match='the same size'):
        carla.see(things, CAMERA, depth_m=depth[:9])


def test_what_has_no_name_and_the_ego_are_left_out(received):
    msg = received(
        (1, OTHER, (20.0, 0.0, 0.0), (4.0, 2.0, 1.5)),
        (2, CAR, (0.0, 0.0, 0.0), (4.0, 2.0, 1.5)),
        (3, CAR, (20.0, 4.0, 0.0), (4.0, 2.0, 1.5)),
        (4, CAR, (-20.0, 0.0, 0.0), (4.0, 2.0, 1.5)),
        (5, CAR, (4000.0, 0.0, 0.0), (4.0, 2.0, 1.5)),
    )
    seen = carla.see(carla.things_of(msg, ego=2), CAMERA)
    assert [row.number for row in seen] == [3]
    assert [row.label for row in carla.relabel(seen, 'kitti')] == ['Car']
    assert [row.label for row in carla.relabel(seen, 'coco')] == ['car']


@pytest.mark.parametrize(
    ('size', 'changes', 'match'),
    [
        ((4.0, 2.0), {}, 'object 5 is no solid box'),
        ((4.0, 2.0, 1.5), {'shape': 2}, 'object 5 is no solid box'),
        ((4.0, -2.0, 1.5), {}, 'object 5: an object cannot be'),
        ((4.0, 2.0, 1.5), {'turn': (0.0, 0.0, 0.0, 0.0)}, 'object 5: .* no quaternion'),
    ],
)
def test_impossible_objects_are_named(received, size, changes, match):
    with pytest.raises(InputError, match=match):
        carla.things_of(received((5, CAR, (1.0, 0.0, 0.0), size), **changes))


def test_every_class_and_tag_has_a_name_of_the_vocabulary():
    labels = named('carla')
    assert set(carla.CLASSES.values()) <= set(labels.labels)
    assert {entry.number for entry in labels.classes} == set(range(len(carla.PALETTE)))
    assert len(set(carla.PALETTE)) == len(carla.PALETTE)
    assert carla.PALETTE[labels.find('Car').number] == (0, 0, 142)


def test_tags_are_read_in_colours_and_bare(received):
    tags = np.zeros((600, 800), np.uint8)
    tags[:300] = 11
    tags[310:320, 380:420] = 14
    tags[590:] = 29  # a rock, which 0.9.14 does not have
    colours = np.array(carla.PALETTE, np.uint8)[tags]
    np.testing.assert_array_equal(carla.tags_of(colours), tags)
    bare = np.dstack([tags, np.zeros_like(tags), np.zeros_like(tags)])
    np.testing.assert_array_equal(carla.tags_of(bare), tags)
    strange = colours.copy()
    strange[0, 0] = 1, 2, 3
    assert carla.tags_of(strange)[0, 0] == carla.UNKNOWN_TAG
    msg = received((24, CAR, (22.0, 0.0, 0.0), (4.0, 2.0, 1.5)))
    [car] = carla.see(carla.things_of(msg), CAMERA)
    assert carla.share_of_tag(car, tags) == pytest.approx(1 / 3)
    assert carla.share_of_tag(car, tags, ['Unlabeled']) == 1
    assert carla.share_of_tag(car, np.zeros_like(tags)) == 0


@needs_drawing
def test_hidden_parts_are_those_that_the_simulator_hides(received):
    """MuJoCo's toys, told as CARLA's objects would be, with its picture of the depth."""
    from scipy.spatial.transform import Rotation

    held = 0
    for seed in (2, 3):
        with World(seed, toys=8, boards=('cat', 'cup')) as world:
            world.step(0.4)
            shot = world.shoot()
            rows = []
            for thing in shot.things:
                geom = world.geom(thing.number)
                if thing.label in ('cube', 'cat', 'cup'):
                    turn = world.data.geom_xmat[geom].reshape(3, 3)
                    cuboid = carla.Cuboid.of(
                        world.data.geom_xpos[geom],
                        Rotation.from_matrix(turn).as_quat(),
                        2 * world.model.geom_size[geom],
                    )
                    rows.append(carla.Thing(thing.number, 'Car', cuboid))
            by_number = {thing.number: thing for thing in shot.things}
            for seen in carla.see(rows, world.camera, depth_m=shot.depth_m):
                true = by_number[seen.number]
                # What is nearer to the thing than the tolerance is taken for part of it.
                assert seen.occlusion == pytest.approx(true.occlusion, abs=0.08)
                assert seen.truncation == pytest.approx(true.truncation, abs=0.05)
                held += true.occlusion > 0.05
    assert held >= 2
    assert world.camera.size_wh == SIZE_WH
