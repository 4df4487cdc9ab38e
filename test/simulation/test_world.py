"""The simulated world: what its camera shows, and that its truth is true."""

import numpy as np
import pytest
from weather import dim, fog, noise, rain
from world import COLOURS, needs_drawing, SIZE_WH, World

pytestmark = needs_drawing
FRAMES = 6


def film(seed, frames=FRAMES):
    shots = []
    with World(seed) as world:
        for _ in range(frames):
            shots.append(world.shoot())
            world.step(0.2)
    return shots


@pytest.fixture(scope='module')
def shots():
    return film(3)


def test_the_same_seed_gives_the_same_film_and_another_does_not(shots):
    for first, second in zip(shots[:3], film(3, 3), strict=True):
        np.testing.assert_array_equal(first.image, second.image)
        assert first.boxes() == second.boxes()
    assert [row.colour for row in film(4, 1)[0].things] != [row.colour for row in shots[0].things]


def test_things_move_and_keep_their_numbers(shots):
    assert all(shot.image.shape == (SIZE_WH[1], SIZE_WH[0], 3) for shot in shots)
    for shot in shots:
        assert [thing.number for thing in shot.things] == list(range(1, 8))
        assert [thing.label for thing in shot.things][-2:] == ['cat', 'cup']
    first, last = shots[0].things, shots[-1].things
    assert sum(a.xyxy != b.xyxy for a, b in zip(first, last, strict=True)) >= 5


def test_boxes_hold_all_pixels_of_their_things_and_those_have_the_colour(shots):
    looked = 0
    for shot in shots:
        for thing in shot.things:
            if thing.xyxy is None:
                continue
            left, top, right, bottom = map(int, thing.xyxy)
            cut = thing.mask[top:bottom, left:right]
            assert cut.sum() == thing.mask.sum() > 0
            assert cut[0].any() and cut[-1].any() and cut[:, 0].any() and cut[:, -1].any()
            if thing.colour and thing.mask.sum() > 200:
                mean = shot.image[thing.mask].mean(axis=0)
                # What is seen is the paint in light and shade: nearest in direction.
                near = {
                    name: np.dot(mean, rgb) / np.linalg.norm(rgb) for name, rgb in COLOURS.items()
                }
                assert max(near, key=near.get) == thing.colour
                looked += 1
    assert looked > 10


def test_pixels_of_things_are_as_far_as_the_things(shots):
    with World(3) as world:
        shot = world.shoot()
        camera = world.camera
        checked = 0
        for thing in shot.things:
            if thing.mask.sum() > 100:
                middle = world.data.geom_xpos[world.geom(thing.number)]
                depth = float(camera.seen(middle[None])[0, 2])
                radius = float(world.model.geom_rbound[world.geom(thing.number)])
                found = shot.depth_m[thing.mask]
                assert depth - radius <= found.min() <= found.max() <= depth + radius
                checked += 1
    assert checked >= 4


def test_what_is_hidden_and_cut_off_is_told():
    with World(0, toys=1, boards=('person',)) as world:
        board = world.geom(2)
        body = int(world.model.geom_bodyid[board])
        joint = int(world.model.jnt_qposadr[world.model.body_jntadr[body]])
        toy = int(world.model.jnt_qposadr[0])

        def at(toy_x, toy_y, board_x):
            import mujoco

            world.data.qpos[toy : toy + 3] = toy_x, toy_y, 0.4
            world.data.qpos[joint] = board_x - world.model.body_pos[body][0]
            mujoco.mj_forward(world.model, world.data)
            return world.shoot().things

        toy_free, board_free = at(-1.2, 0.8, 0.8)
        assert (toy_free.occlusion, board_free.occlusion) == (0, 0)
        assert (toy_free.truncation, board_free.truncation) == (0, 0)
        # A board is as wide as what its photograph shows, seen a little from above.
        left, top, right, bottom = board_free.xyxy
        assert (right - left) / (bottom - top) == pytest.approx(340 / 497, rel=0.12)
        toy_before, board_behind = at(0.0, 0.8, 0.0)
        assert toy_before.occlusion == 0
        assert 0.02 < board_behind.occlusion < 0.6
        hidden, _ = at(0.0, 3.5, 0.0)
        assert hidden.occlusion > 0.5
        assert hidden.occlusion == 1 or hidden.xyxy is not None
        _, cut = at(0.0, 0.8, 2.6)
        assert 0.1 < cut.truncation < 0.95
        assert cut.xyxy[2] == SIZE_WH[0]
        _, gone = at(0.0, 0.8, 9.0)
        assert gone.xyxy is None and gone.truth() is None


def test_weather_changes_what_it_should_and_nothing_else(shots):
    image, depth_m = shots[-1].image, shots[-1].depth_m
    np.testing.assert_array_equal(dim(image, 1.0), image)
    assert dim(image, 0.4).mean() == pytest.approx(0.4 * image.mean(), abs=0.6)
    # At the visibility's distance a twentieth of what was there is left.
    wall = np.full((4, 4, 3), 100, np.uint8)
    seen = fog(wall, np.full((4, 4), 8.0, np.float32), 8.0)
    assert seen[0, 0].tolist() == [195, 200, 204]
    half = fog(wall, np.full((4, 4), 4.0, np.float32), 8.0)
    assert 100 < half[0, 0, 0] < 195
    misty = fog(image, depth_m, 12.0)
    near, far = depth_m < np.quantile(depth_m, 0.3), depth_m > np.quantile(depth_m, 0.7)
    kept = [misty[area].std() / image[area].std() for area in (near, far)]
    assert kept[1] < 0.7 * kept[0] < 0.7
    np.testing.assert_array_equal(rain(image, 40, 5), rain(image, 40, 5))
    wet = rain(image, 40, 5)
    assert 0.002 < (wet != image).any(axis=2).mean() < 0.2
    assert (wet >= image).all()
    grey = np.full((120, 160, 3), 128, np.uint8)
    assert noise(grey, 6.0, 1).std() == pytest.approx(6.0, rel=0.05)
    assert (noise(grey, 6.0, 1) != noise(grey, 6.0, 2)).any()
