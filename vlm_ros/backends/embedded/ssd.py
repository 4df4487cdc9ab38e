"""Region proposals and 23 OpenImages classes from an SSD MobileNetV2.

The network is the TFLite model that MediaPipe's Objectron looks for objects with
(https://arxiv.org/abs/1512.02325, https://arxiv.org/abs/1801.04381), trained on OpenImages v4.
Its own decoding is a MediaPipe graph, so boxes are decoded here from the raw outputs.
"""

from dataclasses import dataclass
from pathlib import Path
import tempfile

import cv2
import numpy as np
import openvino

from vlm_ros.backends.engine.openvino_cpu import compile_for_cpu
from vlm_ros.boxes import FloatArray
from vlm_ros.tasks import Image

INPUT_PX = 300
FEATURE_MAPS = (19, 10, 5, 3, 2, 1)
"""Cells a side of the six maps that predict boxes."""
MIN_SCALE, MAX_SCALE = 0.2, 0.95
LOWEST_MAP = ((0.1, 1.0), (0.2, 2.0), (0.2, 0.5))
"""Scale and aspect ratio of the lowest map's three anchors; it leaves small squares out."""
ASPECT_RATIOS = (1.0, 2.0, 0.5, 3.0, 1 / 3)
BOX_CODER_SCALES = (10.0, 10.0, 5.0, 5.0)
"""What the encoded y, x, height and width are divided by, as in the SSD paper's training code."""
LABELS_END = 184
"""In the packed asset, the model's bytes follow a list of labels of this many bytes."""


@dataclass(frozen=True, eq=False)
class ScoredBoxes:
    """Boxes as anchors give them: a thing has several.

    Attributes:
        xyxy: `(B, 4)` float32, fractions of the image, not clipped.
        scores: `(B, 23)` float32 in [0, 1]; classes are independent of each other.
    """

    xyxy: FloatArray
    scores: FloatArray


class SsdMobileNet:
    """The detector.

    Args:
        asset: The file `objectron_solution_packed_assets.data`.
        threads: CPU threads to run on.
    """

    def __init__(self, asset: Path, threads: int) -> None:
        content = asset.read_bytes()
        # The first label stands for the background, which the model scores but nobody wants.
        self.labels = tuple(content[:LABELS_END].decode().strip().split('\n')[1:])
        # OpenVINO reads this format from files only.
        with tempfile.NamedTemporaryFile(suffix='.tflite') as file:
            file.write(content[LABELS_END:])
            file.flush()
            self._network = compile_for_cpu(openvino.Core().read_model(file.name), threads)
        self._anchors = make_anchors()

    def run(self, image: Image, min_score: float) -> ScoredBoxes:
        """Return the boxes of an `(H, W, 3)` uint8 RGB image whose best class scores enough.

        Args:
            image: The image, of any size.
            min_score: In (0, 1).
        """
        small = cv2.resize(image, (INPUT_PX, INPUT_PX), interpolation=cv2.INTER_AREA)
        pixels = small[None].astype(np.float32) * np.float32(2 / 255) - np.float32(1)
        outputs = self._network.infer([pixels], share_inputs=True)
        encoded = outputs['raw_outputs/box_encodings'][0]
        logits = outputs['raw_outputs/class_predictions'][0, :, 1:]
        chosen = logits.max(1) >= np.log(min_score / (1 - min_score))
        scores = 1 / (1 + np.exp(-np.maximum(logits[chosen], -60)))
        return ScoredBoxes(decode(encoded[chosen], self._anchors[chosen]), scores)


def make_anchors() -> FloatArray:
    """Return the anchors `(1917, 4)` as centre y, centre x, height, width in [0, 1]."""
    count = len(FEATURE_MAPS)
    scales = [MIN_SCALE + (MAX_SCALE - MIN_SCALE) * i / (count - 1) for i in range(count)] + [1.0]
    anchors = []
    for level, cells in enumerate(FEATURE_MAPS):
        shapes = [(scales[level], ratio) for ratio in ASPECT_RATIOS]
        shapes.append((float(np.sqrt(scales[level] * scales[level + 1])), 1.0))
        if level == 0:
            shapes = list(LOWEST_MAP)
        sizes = [(scale / np.sqrt(ratio), scale * np.sqrt(ratio)) for scale, ratio in shapes]
        centres = (np.arange(cells) + 0.5) / cells
        y, x = np.meshgrid(centres, centres, indexing='ij')
        grid = np.stack([y, x], -1).reshape(-1, 1, 2).repeat(len(sizes), 1)
        size = np.broadcast_to(np.array(sizes), (*grid.shape[:2], 2))
        anchors.append(np.concatenate([grid, size], -1).reshape(-1, 4))
    centres_and_sizes: FloatArray = np.concatenate(anchors).astype(np.float32)
    return centres_and_sizes


def decode(encoded: FloatArray, anchors: FloatArray) -> FloatArray:
    """Turn encodings `(N, 4)` relative to anchors into `xyxy` fractions of the image."""
    offsets = encoded / np.array(BOX_CODER_SCALES, np.float32)
    centre = anchors[:, :2] + offsets[:, :2] * anchors[:, 2:]
    half = np.exp(np.minimum(offsets[:, 2:], 4.0)) * anchors[:, 2:] / 2
    return np.concatenate([(centre - half)[:, ::-1], (centre + half)[:, ::-1]], 1)
