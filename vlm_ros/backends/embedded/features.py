"""What is where in an image, out of 1000 ImageNet classes, from two dense passes.

A network that ends in average pooling classifies any window: a window's features are the mean of
its cells'. So one pass over the whole image serves every window of it, at the price of one crop,
and a class's own direction in the cells' features is the class activation map of
https://arxiv.org/abs/1512.04150, which says where in the window the evidence lies.
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
class Classifier:
    """The network's last layer: `(1000, 1280)` float32 weights and `(1000,)` bias."""

    weights: FloatArray
    bias: FloatArray

    def probabilities(self, features: FloatArray) -> FloatArray:
        """Probabilities `(N, 1000)` of `(N, 1280)` features."""
        return softmax(self._product(features, self.weights.T) + self.bias)

    def direction(self, shares: FloatArray) -> FloatArray:
        """Direction `(1280,)` in features that speaks for classes with `(1000,)` shares."""
        return self._product(shares, self.weights)

    @staticmethod
    def _product(left: FloatArray, right: FloatArray) -> FloatArray:
        # Not numpy's: the threads of its OpenBLAS spin while they wait. On two busy cores that is
        # 8 ms instead of 0.8 ms for six windows.
        product = torch.from_numpy(left) @ torch.from_numpy(right)
        return np.asarray(product.numpy(), np.float32)


@dataclass(frozen=True, eq=False)
class Level:
    """One dense pass.

    Attributes:
        cells: `(rows, columns, 1280)` float32, the features of each cell.
        windows: `(W, 4)` int, `left top right bottom` in cells, end exclusive.
        probabilities: `(W, 1000)` float32, what each window is.
        classifier: What turns features into classes.
    """

    cells: FloatArray
    windows: npt.NDArray[np.intp]
    probabilities: FloatArray
    classifier: Classifier

    def pool(self, xyxy: FloatArray) -> FloatArray:
        """Probabilities `(N, 1000)` of boxes given in fractions of the image `(N, 4)`."""
        rows, columns, channels = self.cells.shape
        across = _cover(xyxy[:, 0], xyxy[:, 2], columns)
        down = _cover(xyxy[:, 1], xyxy[:, 3], rows)
        weights = (down[:, :, None] * across[:, None, :]).reshape(len(xyxy), -1)
        weights /= weights.sum(1, keepdims=True)
        pooled = np.asarray(weights @ self.cells.reshape(-1, channels), np.float32)
        return self.classifier.probabilities(pooled)

    def activation(self, shares: FloatArray) -> FloatArray:
        """How much each cell speaks for some classes: `(rows, columns)` float32, else 0.

        Args:
            shares: `(1000,)`, the classes' shares in what is looked for; they sum to 1.
        """
        # Logits have no zero of their own: their mean over all classes is what speaks for nothing.
        shares = shares - np.float32(1 / len(shares))
        logits = self.cells @ self.classifier.direction(shares) + shares @ self.classifier.bias
        return np.asarray(np.maximum(logits, 0), np.float32)


class FeatureExtractor:
    """The network, made ready.

    Args:
        weights: Its state dict, a `.pth` file.
        threads: CPU threads to run on.
    """

    def __init__(self, weights: Path, threads: int) -> None:
        # weights_only: a pickle could run anything.
        state = torch.load(weights, map_location='cpu', weights_only=True)
        arrays = {name: tensor.numpy() for name, tensor in state.items()}
        self._network = EfficientNetLite0(arrays, threads)
        self._classifier = Classifier(arrays['_fc.weight'], arrays['_fc.bias'])

    def run(self, image: Image, scale_px: int) -> Level:
        """Classify every window of an `(H, W, 3)` uint8 RGB image.

        Args:
            image: The image, of any size.
            scale_px: Square root of the area it is scaled to.
        """
        columns, rows = _grid(image.shape[1], image.shape[0], scale_px)
        size = (columns * STRIDE_PX, rows * STRIDE_PX)
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        pixels = (small.astype(np.float32) - PIXEL_MEAN) / PIXEL_SCALE
        cells = self._network.run(pixels[None])[0]
        windows = _windows(rows, columns)
        means = np.stack(
            [cells[top:bottom, left:right].mean((0, 1)) for left, top, right, bottom in windows]
        )
        probabilities = self._classifier.probabilities(means)
        return Level(cells, windows, probabilities, self._classifier)


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
