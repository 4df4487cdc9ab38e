"""What is where in an image, out of 1000 ImageNet classes, from two dense passes.

A network that ends in average pooling classifies any window: the pooled logits are the mean of the
logits of the window's cells. So one pass over the whole image serves every window of it, at the
price of one crop, and the cells' logits are the class activation maps of
https://arxiv.org/abs/1512.04150, which say where in the window the evidence lies.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch

from vlm_ros.alignment import softmax
from vlm_ros.backends.embedded.efficientnet import EfficientNetLite0, STRIDE_PX
from vlm_ros.boxes import FloatArray
from vlm_ros.tasks import Image

WINDOW_CELLS = 7
"""Cells a side of the 224 pixels the network was trained on: probabilities mean most there."""
SCALES_PX = (224, 448)
"""Square roots of the two passes' areas: things that fill the image, and a quarter of it."""
MAX_ASPECT = 4.0
"""Longer images are squeezed to this aspect, so that the narrow side keeps some cells."""
PIXEL_MEAN, PIXEL_SCALE = 127.0, 128.0
"""What EfficientNet-Lite was trained with."""


@dataclass(frozen=True, eq=False)
class Level:
    """One dense pass.

    Attributes:
        logits: `(rows, columns, 1000)` float32, what each cell says.
        windows: `(W, 4)` int, `left top right bottom` in cells, end exclusive.
        probabilities: `(W, 1000)` float32, what each window is.
    """

    logits: FloatArray
    windows: npt.NDArray[np.intp]
    probabilities: FloatArray

    def pool(self, xyxy: FloatArray) -> FloatArray:
        """Probabilities `(N, 1000)` of boxes given in fractions of the image `(N, 4)`."""
        rows, columns, classes = self.logits.shape
        across = _cover(xyxy[:, 0], xyxy[:, 2], columns)
        down = _cover(xyxy[:, 1], xyxy[:, 3], rows)
        weights = (down[:, :, None] * across[:, None, :]).reshape(len(xyxy), -1)
        weights /= weights.sum(1, keepdims=True)
        return softmax(weights @ self.logits.reshape(-1, classes))


class FeatureExtractor:
    """The network, made ready.

    Args:
        weights: Its state dict, a `.pth` file.
    """

    def __init__(self, weights: Path) -> None:
        # weights_only: a pickle could run anything.
        state = torch.load(weights, map_location='cpu', weights_only=True)
        self._network = EfficientNetLite0(state).eval()

    def run(self, image: Image, scale_px: int) -> Level:
        """Classify every cell and window of an `(H, W, 3)` uint8 RGB image."""
        columns, rows = _grid(image.shape[1], image.shape[0], scale_px)
        size = (columns * STRIDE_PX, rows * STRIDE_PX)
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        pixels = (small.astype(np.float32) - PIXEL_MEAN) / PIXEL_SCALE
        with torch.inference_mode():
            # (H, W, 3) as a (1, 3, H, W) view already lies in memory as channels_last wants it.
            maps = self._network(torch.from_numpy(pixels).permute(2, 0, 1)[None])
            cells = maps[0].flatten(1).T
            logits = torch.addmm(
                self._network.classifier_bias, cells, self._network.classifier.T
            ).numpy()
        logits = logits.reshape(rows, columns, -1)
        windows = _windows(rows, columns)
        means = [
            logits[top:bottom, left:right].mean((0, 1)) for left, top, right, bottom in windows
        ]
        return Level(logits, windows, softmax(means))


def _grid(width: int, height: int, scale_px: int) -> tuple[int, int]:
    """Columns and rows of cells for an image, keeping its aspect as far as cells allow."""
    aspect = min(max(width / height, 1 / MAX_ASPECT), MAX_ASPECT)
    side = scale_px / STRIDE_PX
    return max(1, round(side * aspect**0.5)), max(1, round(side / aspect**0.5))


def _windows(rows: int, columns: int) -> npt.NDArray[np.intp]:
    """Windows of 7x7 cells, half overlapping; a map about that size is one window."""
    vertical, horizontal = _spans(rows), _spans(columns)
    if rows * columns <= 1.5 * WINDOW_CELLS**2:
        vertical, horizontal = [(0, rows)], [(0, columns)]
    return np.array(
        [(left, top, right, bottom) for top, bottom in vertical for left, right in horizontal]
    )


def _spans(cells: int) -> list[tuple[int, int]]:
    length = min(WINDOW_CELLS, cells)
    count = 1 + -(-(cells - length) // (WINDOW_CELLS // 2 + 1))
    starts = np.linspace(0, cells - length, count).round().astype(int)
    return [(int(start), int(start) + length) for start in starts]


def _cover(low: FloatArray, high: FloatArray, cells: int) -> FloatArray:
    """How much of each cell `(N, cells)` the intervals from `low` to `high` in [0, 1] cover."""
    edges = np.arange(cells, dtype=np.float32)
    ends = np.minimum(high[:, None] * cells, edges + 1)
    covered = ends - np.maximum(low[:, None] * cells, edges)
    # A box of no extent still lies in some cell.
    return np.asarray(np.clip(covered, 0, 1) + 1e-6, np.float32)
