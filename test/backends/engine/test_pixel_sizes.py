"""Sizes of inputs that keep the shape of the image."""

import numpy as np
import pytest
import torch

import vlm_ros.backends.engine  # noqa: F401 - before transformers: it mends torchvision
from vlm_ros.backends.engine.pixels import Pixels

from transformers import GroundingDinoImageProcessor  # isort: skip
from transformers.image_transforms import get_size_with_aspect_ratio  # isort: skip

SIZES = [(480, 640), (1080, 1920), (1920, 1080), (64, 64), (1, 1), (3, 3), (64, 70), (7, 500)]
SIZES += [(96, 400), (63, 95), (1333, 799), (800, 1333), (720, 1281), (33, 100)]


@pytest.mark.parametrize('limits', [(64, 96), (800, 1333), (480, 800)])
def test_sizes_are_the_librarys(limits):
    size = {'shortest_edge': limits[0], 'longest_edge': limits[1]}
    pixels = Pixels(GroundingDinoImageProcessor(size=size))
    rng = np.random.default_rng(3)
    for height, width in [*SIZES, *rng.integers(40, 3000, (200, 2)).tolist()]:
        image = np.broadcast_to(np.zeros(3, np.uint8), (height, width, 3))
        assert pixels.size_hw(image) == get_size_with_aspect_ratio((height, width), *limits)


@pytest.mark.parametrize('shape', [(300, 451), (48, 32), (20, 20), (150, 200)])
def test_fast_pixels_have_the_exact_ones_shape_and_nearly_their_values(shape, photos):
    processor = GroundingDinoImageProcessor(size={'shortest_edge': 64, 'longest_edge': 96})
    image = np.ascontiguousarray(photos['chelsea'][: shape[0], : shape[1]])
    made = [
        Pixels(processor, preprocess=how)([image], device=torch.device('cpu'), dtype=torch.float32)
        for how in ('fast', 'exact')
    ]
    assert made[0].shape == made[1].shape == (1, 3, *Pixels(processor).size_hw(image))
    assert (made[0] - made[1]).abs().mean() < 0.05  # of values from -2 to 2
    assert made[1].std() > 0.2
