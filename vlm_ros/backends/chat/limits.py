"""How finely each kind of model looks at an image: tiles and pixels, and where they end.

Vision is nearly all of the work: SmolVLM makes 13 tiles of a 1080p image and needs 16 times as
long for them as for one, Qwen2.5-VL 1222 tokens. So every kind has a limit of its own here, which
`max_tiles` or `max_pixels` moves; small things and small print need more than the default.
"""

from dataclasses import dataclass
import math
from typing import Any

from vlm_ros.errors import BackendError


@dataclass(frozen=True)
class Limit:
    """The default of a kind of model.

    Attributes:
        tiles: How many tiles of the vision tower's own size an image makes at most, a reduced
            image of the whole included; 0 where that does not apply.
        pixels: How many pixels an image is reduced to at most; 0 where that does not apply.
    """

    tiles: int = 0
    pixels: int = 0


QWEN2_TOKEN_PX = 28 * 28
QWEN3_TOKEN_PX = 32 * 32
QWEN_TOKENS = 512
"""Tokens of an image: 640x480 as it is (391), 1080p at 0.44 of its width. The library's default
is 1280 for Qwen2.5-VL and 16384 for Qwen3-VL."""

LIMITS = {
    'smolvlm': Limit(tiles=1),  # 512 px, 64 tokens a tile
    'idefics3': Limit(tiles=1),  # 364 px, 169 tokens
    'internvl': Limit(tiles=1),  # 448 px, 256 tokens
    'llava_next': Limit(tiles=3),  # 336 px, 576 tokens; the fewest it was trained on
    'llava_onevision': Limit(tiles=3),  # 384 px, 729 tokens
    'qwen2_vl': Limit(pixels=QWEN_TOKENS * QWEN2_TOKEN_PX),
    'qwen2_5_vl': Limit(pixels=QWEN_TOKENS * QWEN2_TOKEN_PX),
    'qwen3_vl': Limit(pixels=QWEN_TOKENS * QWEN3_TOKEN_PX),
    'qwen3_5': Limit(pixels=QWEN_TOKENS * QWEN3_TOKEN_PX),
}
"""Of models that are not here, such as LLaVA 1.5, PaliGemma and Gemma, one image always makes the
same number of tokens."""


def limit_of(model_type: str, max_tiles: int, max_pixels: int) -> Limit:
    """Return the limit of a kind of model, moved by what the user chose; 0 for the default.

    Raises:
        BackendError: The kind of model has no such limit, or it is negative.
    """
    limit = LIMITS.get(model_type, Limit())
    for name, chosen, default in (
        ('max_tiles', max_tiles, limit.tiles),
        ('max_pixels', max_pixels, limit.pixels),
    ):
        if chosen < 0:
            raise BackendError(f'{name} must not be negative, got {chosen}')
        if chosen and not default:
            raise BackendError(f'{name} does not apply to {model_type} models; leave it out')
    return Limit(max_tiles or limit.tiles, max_pixels or limit.pixels)


def image_options(limit: Limit, processor: Any, model: Any) -> dict[str, Any]:
    """Return what to tell a processor at every call, so that it keeps to a limit.

    LLaVA-NeXT and OneVision choose among shapes that the processor and the model must both know,
    so their shapes are changed where they are.

    Raises:
        BackendError: The model has no shape of so few tiles.
    """
    images = processor.image_processor
    if limit.pixels:
        size = dict(images.size)
        most = min(limit.pixels, int(size['longest_edge']))
        least = min(int(size['shortest_edge']), most)
        return {'size': {'shortest_edge': least, 'longest_edge': most}}
    if not limit.tiles:
        return {}
    if hasattr(images, 'image_grid_pinpoints'):
        _keep_shapes(limit.tiles, images, model)
        return {}
    if hasattr(images, 'crop_to_patches'):
        # A reduced image of the whole comes on top of two tiles and more.
        patches = max(1, limit.tiles - 1)
        return {'crop_to_patches': limit.tiles > 1, 'max_patches': patches}
    if limit.tiles < _FEWEST_SPLIT:
        return {'do_image_splitting': False}
    # A grid of n by n and the whole; images that are not square make fewer.
    side = math.isqrt(limit.tiles - 1) * int(images.max_image_size['longest_edge'])
    return {
        'do_image_splitting': True,
        'size': {'longest_edge': min(side, int(images.size['longest_edge']))},
    }


_FEWEST_SPLIT = 5
"""Two by two tiles and the whole."""


def _keep_shapes(tiles: int, images: Any, model: Any) -> None:
    side = int(model.config.vision_config.image_size)
    every = [list(shape) for shape in images.image_grid_pinpoints]
    kept = [(h, w) for h, w in every if (h // side) * (w // side) + 1 <= tiles]
    if not kept:
        fewest = min((h // side) * (w // side) + 1 for h, w in every)
        raise BackendError(f'max_tiles={tiles} is too few for this model; use {fewest} or more')
    images.image_grid_pinpoints = [list(shape) for shape in kept]
    model.config.image_grid_pinpoints = [list(shape) for shape in kept]
