"""One look at an image: everything the networks say about it, whatever it is asked for later."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from vlm_ros.backends.embedded.features import FeatureExtractor, Level, SCALES_PX
from vlm_ros.backends.embedded.ssd import SsdMobileNet
from vlm_ros.boxes import FloatArray, non_max_suppression
from vlm_ros.tasks import Image, Ticket

LARGEST_SIDE_PX = 480
"""The shorter side that images are scaled down to: no pass sees more than 448 pixels of it."""
MIN_BOX_SCORE = 0.15
"""Boxes whose best class scores less are noise; raw scores of true finds are 0.3 and more."""
MAX_BOXES = 100
SAME_BOX_IOU = 0.6
"""What SSD's own non-maximum suppression takes for one thing (https://arxiv.org/abs/1512.02325)."""
TILE_ASPECT = 1.6
"""Images longer than this, such as 16:9, are also looked at in squares: the box network sees every
image as a square, and a person squeezed to half the width is not one it knows."""
MAX_TILES = 4
CUT_EDGE = 0.04
"""How near to a tile's edge, in its size, a box counts as cut by it: half a cell of the finest map
that predicts boxes, rounded up."""


@dataclass(frozen=True, eq=False)
class Look:
    """What was seen.

    Attributes:
        boxes: `(B, 4)` float32 xyxy, fractions of the image.
        box_scores: `(B, 23)` float32 in [0, 1], as the box network gives them.
        box_probabilities: `(B, 1000)` float32, what fills each box.
        levels: The dense passes, coarse first.
    """

    boxes: FloatArray
    box_scores: FloatArray
    box_probabilities: FloatArray
    levels: tuple[Level, ...]


def look(image: Image, ssd: SsdMobileNet, features: FeatureExtractor, ticket: Ticket) -> Look:
    """Run both networks; `ticket` is checked between their passes."""
    image = _reduced(image)
    found = []
    for tile in _tiles(image.shape[1], image.shape[0]):
        ticket.check()
        found.append(_look_at_tile(image, tile, ssd))
    boxes = np.concatenate([boxes for boxes, _ in found])
    scores = np.concatenate([scores for _, scores in found])
    boxes, scores = _strongest(boxes, scores)
    levels = []
    for scale_px in SCALES_PX:
        ticket.check()
        levels.append(features.run(image, scale_px))
    return Look(boxes, scores, what_fills(boxes, levels), tuple(levels))


def _reduced(image: Image) -> Image:
    """Scale a large image down, once for all passes."""
    height, width = image.shape[:2]
    scale = LARGEST_SIDE_PX / min(height, width)
    if scale >= 1:
        return image
    size = (round(width * scale), round(height * scale))
    reduced: Image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return reduced


def _look_at_tile(
    image: Image, tile: tuple[int, int, int, int], ssd: SsdMobileNet
) -> tuple[FloatArray, FloatArray]:
    """Run the box network on a part of the image; boxes as fractions of the whole."""
    left, top, right, bottom = tile
    height, width = image.shape[:2]
    found = ssd.run(np.ascontiguousarray(image[top:bottom, left:right]), MIN_BOX_SCORE)
    boxes, scores = found.xyxy, found.scores
    if (right - left, bottom - top) != (width, height):
        # A thing that the cut halves is left to the neighbouring tile and the whole image.
        low, high = boxes < CUT_EDGE, boxes > 1 - CUT_EDGE
        cut = (low[:, 0] & (left > 0)) | (high[:, 2] & (right < width))
        cut |= (low[:, 1] & (top > 0)) | (high[:, 3] & (bottom < height))
        boxes, scores = boxes[~cut], scores[~cut]
    scale = np.array([right - left, bottom - top] * 2, np.float32)
    boxes = (boxes * scale + np.array([left, top] * 2)) / np.array([width, height] * 2)
    return np.clip(boxes, 0, 1).astype(np.float32), scores


def _tiles(width: int, height: int) -> list[tuple[int, int, int, int]]:
    """The whole image, and overlapping squares along a long one."""
    tiles = [(0, 0, width, height)]
    side, length = sorted((width, height))
    if side < length / TILE_ASPECT:
        count = min(MAX_TILES, -(-length // side))
        for start in np.linspace(0, length - side, count).round().astype(int):
            box = (start, 0, start + side, side)
            tiles.append(box if width > height else (box[1], box[0], box[3], box[2]))
    return [(int(left), int(top), int(right), int(low)) for left, top, right, low in tiles]


def _strongest(boxes: FloatArray, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """One box a thing and class: neighbouring anchors find the same."""
    kept: set[int] = set()
    for column in range(scores.shape[1]):
        chosen = np.flatnonzero(scores[:, column] >= MIN_BOX_SCORE)
        order = non_max_suppression(boxes[chosen], scores[chosen, column], SAME_BOX_IOU)
        kept.update(int(index) for index in chosen[order])
    indices = sorted(kept, key=lambda index: -float(scores[index].max()))[:MAX_BOXES]
    return boxes[indices], scores[indices]


def what_fills(boxes: FloatArray, levels: Sequence[Level]) -> FloatArray:
    """Probabilities `(B, 1000)` of what fills each box `(B, 4)`, in fractions of the image.

    From the level where the box covers most nearly as many cells as the network was trained on.
    """
    if not len(boxes):
        return np.zeros((0, levels[0].probabilities.shape[1]), np.float32)
    coarse, fine = (level.pool(boxes) for level in levels)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    # Halfway, on a logarithmic scale, between an image's area and the fine level's window.
    return np.where(area[:, None] > 0.5, coarse, fine)
