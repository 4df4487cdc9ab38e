"""Solid boxes in pictures: by hand, and where the simulator draws them."""

import numpy as np
import pytest
from world import needs_drawing, SIZE_WH, World

from vlm_ros.errors import InputError
from vlm_ros.simulation.projection import Camera, Cuboid, project, rotation_of, spans

FORWARD = np.eye(3)
K = (100.0, 0.0, 50.0, 0.0, 100.0, 40.0, 0.0, 0.0, 1.0)
FROM_ABOVE_RIGHT = (0.0, 0.0, np.sin(np.pi / 8), np.cos(np.pi / 8))


def camera(**more):
    return Camera.of((100, 80), K, **{'rotation': FORWARD, 'position_m': (0, 0, 0), **more})


def cuboid(centre, size=(2, 2, 2), orientation=(0, 0, 0, 1)):
    return Cuboid.of(centre, orientation, size)


def test_a_cube_ahead_by_hand():
    # Its face is 9 m ahead: half a side is 100 / 9 pixels.
    found = project(cuboid((0, 0, 10)), camera())
    side = 100 / 9
    assert found.xyxy == pytest.approx((50 - side, 40 - side, 50 + side, 40 + side))
    assert (found.truncation, found.distance_m) == (0, 9)


def test_a_cube_half_out_of_the_picture():
    # Its face from x = 3.5 to 5.5 at 9 m; the picture ends at x = 4.5 there.
    found = project(cuboid((4.5, 0, 10)), camera())
    assert found.xyxy[2] == 100
    # On the left the farther face sets the edge: 3.5 / 11.
    assert found.xyxy[0] == pytest.approx(50 + 350 / 11)
    assert found.whole_xyxy[2] == pytest.approx(50 + 550 / 9)
    shown, whole = 100 - found.xyxy[0], found.whole_xyxy[2] - found.xyxy[0]
    assert found.truncation == pytest.approx(1 - shown / whole)


def test_a_turned_cube_is_as_wide_as_its_diagonal():
    # By 45 degrees about the vertical, which is y here: corners at sqrt(2) to both sides.
    turned = cuboid((0, 0, 10), orientation=(0, np.sin(np.pi / 8), 0, np.cos(np.pi / 8)))
    left, _, right, _ = project(turned, camera()).xyxy
    assert right - left == pytest.approx(2 * 100 * np.sqrt(2) / 10)


def test_behind_beside_and_around_the_camera():
    assert project(cuboid((0, 0, -10)), camera()) is None
    assert project(cuboid((30, 0, 10)), camera()) is None
    around = project(cuboid((0, 0, 0.5)), camera())
    assert around.xyxy == (0, 0, 100, 80)
    assert around.truncation > 0.9


def test_the_camera_may_be_anywhere():
    # At x = 5, looking along the world's x with the world's z upwards.
    looks = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]], float)
    moved = camera(rotation=looks, position_m=(5, 0, 1))
    found = project(cuboid((15, 0, 1)), moved)
    side = 100 / 9
    assert found.xyxy == pytest.approx((50 - side, 40 - side, 50 + side, 40 + side))
    # What is to the left in the world, at y = 2, is left in the picture.
    assert project(cuboid((15, 2, 1)), moved).xyxy[0] < found.xyxy[0]


def test_quaternions_turn_as_those_of_ros():
    quarter = (0, 0, np.sin(np.pi / 4), np.cos(np.pi / 4))
    np.testing.assert_allclose(rotation_of(quarter) @ (1, 0, 0), (0, 1, 0), atol=1e-12)


def test_rays_enter_at_the_near_face_and_leave_at_the_far_one():
    box = project(cuboid((0, 0, 10)), camera()).xyxy
    enter, leave = spans(cuboid((0, 0, 10)), camera(), box)
    middle = enter.shape[0] // 2, enter.shape[1] // 2
    assert enter[middle] == pytest.approx(9) and leave[middle] == pytest.approx(11)
    assert np.isfinite(enter).mean() > 0.8
    missed, _ = spans(cuboid((0, 0, 10)), camera(), (0, 0, 10, 10))
    assert np.isinf(missed).all()


@pytest.mark.parametrize(
    ('make', 'match'),
    [
        (lambda: camera(rotation=np.ones((3, 3))), 'rotation of the camera'),
        (lambda: camera(rotation=(0, 0, 0, 2)), 'no quaternion'),
        (lambda: camera(position_m=(0, np.nan, 0)), 'three finite numbers'),
        (
            lambda: Camera.of((9, 9), (0, 1, 2, 3), rotation=FORWARD, position_m=(0, 0, 0)),
            'no intrinsics',
        ),
        (
            lambda: Camera.of((0, 9), K, rotation=FORWARD, position_m=(0, 0, 0)),
            'has no pixels',
        ),
        (lambda: cuboid((0, 0, 1), size=(1, -1, 1)), 'cannot be'),
        (lambda: cuboid((0, 0, 1), orientation=(0, 0, 0, 0)), 'no quaternion'),
    ],
)
def test_what_is_impossible_is_refused(make, match):
    with pytest.raises(InputError, match=match) as caught:
        make()
    assert '\n' not in str(caught.value)


@needs_drawing
def test_boxes_are_where_the_simulator_draws_them():
    """MuJoCo's own picture of each cube, alone, is a pixel's width from the box at most."""
    held = 0
    for seed in (1, 3):
        with World(seed, toys=6, boards=('cat',)) as world:
            for _ in range(4):
                shot = world.shoot()
                for thing in shot.things:
                    geom = world.geom(thing.number)
                    if thing.label not in ('cube', 'cat') or thing.occlusion or thing.truncation:
                        continue
                    solid = Cuboid.of(
                        world.data.geom_xpos[geom],
                        world.data.geom_xmat[geom].reshape(3, 3),
                        2 * world.model.geom_size[geom],
                    )
                    found = project(solid, world.camera)
                    np.testing.assert_allclose(found.xyxy, thing.xyxy, atol=1.0)
                    enter, leave = spans(solid, world.camera, (0, 0, *SIZE_WH))
                    inside = np.isfinite(enter) & thing.mask
                    assert inside.sum() >= 0.97 * thing.mask.sum()
                    depth = shot.depth_m[inside]
                    assert (np.abs(depth - enter[inside]) < 0.03).mean() > 0.95
                    assert (leave[inside] >= enter[inside]).all()
                    held += 1
                world.step(0.25)
    assert held >= 8
