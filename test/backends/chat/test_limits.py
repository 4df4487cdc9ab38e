"""How many tiles and pixels an image makes."""

import numpy as np
import pytest

from vlm_ros.backends.chat.limits import LIMITS, QWEN2_TOKEN_PX, QWEN_TOKENS
from vlm_ros.backends.chat.loading import KINDS
from vlm_ros.errors import BackendError

WIDE = np.random.default_rng(5).integers(0, 255, (270, 480, 3), np.uint8)


def inputs(model):
    return model._reader._process([WIDE], [''], 'What?')


@pytest.mark.parametrize(
    ('kind', 'max_tiles', 'tiles'),
    [
        ('smolvlm', 0, 1),
        ('smolvlm', 4, 1),
        ('smolvlm', 5, 5),
        ('smolvlm', 17, 13),
        ('idefics3', 0, 1),
        ('idefics3', 17, 13),
        ('internvl', 0, 1),
        ('internvl', 3, 3),
        ('llava_next', 0, 3),
        ('llava_next', 5, 5),
        ('llava_onevision', 0, 3),
    ],
)
def test_tiles(kind, max_tiles, tiles, load):
    pixels = inputs(load(kind, max_tiles=max_tiles))['pixel_values']
    made = pixels.shape[1] if pixels.ndim == 5 else pixels.shape[0]
    assert made == tiles
    assert made <= (max_tiles or LIMITS[kind].tiles)


@pytest.mark.parametrize('kind', ['qwen2_vl', 'qwen2_5_vl', 'qwen3_vl', 'qwen3_5'])
def test_pixels(kind, load):
    side = 14 if 'qwen2' in kind else 16
    every, few = (
        inputs(load(kind, max_pixels=most))['image_grid_thw'][0].prod().item() * side**2
        for most in (0, 30_000)
    )
    assert 15_000 < few <= 30_000 < every


def test_defaults_are_for_kinds_there_are():
    assert set(LIMITS) <= set(KINDS)
    assert LIMITS['qwen2_5_vl'].pixels == QWEN_TOKENS * QWEN2_TOKEN_PX == 401_408


def test_limits_that_cannot_be_kept_are_refused(load):
    with pytest.raises(BackendError, match='use 3 or more'):
        load('llava_next', max_tiles=2)
    with pytest.raises(BackendError, match='max_tiles does not apply to llava models'):
        load('llava', max_tiles=2)
    with pytest.raises(BackendError, match='max_pixels does not apply to smolvlm models'):
        load('smolvlm', max_pixels=100_000)
    with pytest.raises(BackendError, match='negative'):
        load('smolvlm', max_tiles=-1)
