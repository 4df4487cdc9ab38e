"""EfficientNet-Lite0 as a dense feature extractor.

The network of https://arxiv.org/abs/1905.11946 in its Lite0 form: ReLU6, no squeeze-and-excite.
It is put together here as an OpenVINO graph from the published weights, with batch normalization
folded into the convolutions, and takes images of any size: the last feature map has one cell for
each 32x32 pixels.
"""

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import openvino
from openvino import opset13 as ops

from vlm_ros.backends.engine.openvino_cpu import compile_for_cpu
from vlm_ros.boxes import FloatArray

STRIDE_PX = 32
"""Pixels of the input for one cell of the feature map, in each direction."""
CHANNELS = 1280
BATCH_NORM_EPSILON = 1e-3

_STAGES = ((1, 1), (2, 2), (2, 2), (2, 3), (1, 3), (2, 4), (1, 1))
"""Stride and repeats of the stages: table 1 of the paper at depth 1; the weights say the rest."""

Weights: TypeAlias = Mapping[str, FloatArray]


class EfficientNetLite0:
    """The network, compiled for this processor.

    Args:
        weights: The published state dict, with the names the PyTorch port of the model gives them.
        threads: CPU threads to run on.
    """

    def __init__(self, weights: Weights, threads: int) -> None:
        self._network = compile_for_cpu(_build(weights), threads)

    def run(self, pixels: FloatArray) -> FloatArray:
        """Return the feature map `(B, H / 32, W / 32, 1280)` of `(B, H, W, 3)` float32 pixels."""
        # The request's own memory is used again by the next run.
        return np.array(self._network.infer([pixels], share_inputs=True)[0], np.float32)


def _build(weights: Weights) -> openvino.Model:
    pixels = ops.parameter([-1, -1, -1, 3], np.float32)
    maps = ops.transpose(pixels, np.array([0, 3, 1, 2]))
    maps = _relu6(_convolve(maps, weights, '_conv_stem', '_bn0', stride=2))
    strides = [
        stride if repeat == 0 else 1 for stride, repeats in _STAGES for repeat in range(repeats)
    ]
    for number, stride in enumerate(strides):
        maps = _block(maps, weights, f'_blocks.{number}', stride)
    maps = _relu6(_convolve(maps, weights, '_conv_head', '_bn1'))
    return openvino.Model([ops.transpose(maps, np.array([0, 2, 3, 1]))], [pixels])


def _block(maps: openvino.Node, weights: Weights, name: str, stride: int) -> openvino.Node:
    """Expand, convolve each channel by itself, project: MBConv without squeeze-and-excite."""
    inner = maps
    if f'{name}._expand_conv.weight' in weights:
        inner = _relu6(_convolve(inner, weights, f'{name}._expand_conv', f'{name}._bn0'))
    inner = _relu6(_convolve(inner, weights, f'{name}._depthwise_conv', f'{name}._bn1', stride))
    inner = _convolve(inner, weights, f'{name}._project_conv', f'{name}._bn2')
    is_residual = stride == 1 and _channels(inner) == _channels(maps)
    return ops.add(inner, maps) if is_residual else inner


def _channels(maps: openvino.Node) -> int:
    return int(maps.output(0).get_partial_shape()[1].get_length())


def _convolve(
    maps: openvino.Node, weights: Weights, convolution: str, norm: str, stride: int = 1
) -> openvino.Node:
    """Convolve, with the batch normalization folded in, padded as TensorFlow's SAME."""
    kernel = weights[f'{convolution}.weight']
    scale = weights[f'{norm}.weight'] / np.sqrt(
        weights[f'{norm}.running_var'] + BATCH_NORM_EPSILON
    )
    shift = weights[f'{norm}.bias'] - weights[f'{norm}.running_mean'] * scale
    kernel = kernel * scale[:, None, None, None]
    # With an input that is a multiple of the stride, SAME pads one less at the top and left.
    total = kernel.shape[2] - stride
    begin, end = [total // 2] * 2, [total - total // 2] * 2
    if kernel.shape[1] == 1:
        maps = ops.group_convolution(maps, kernel[:, None], [stride] * 2, begin, end, [1, 1])
    else:
        maps = ops.convolution(maps, kernel, [stride] * 2, begin, end, [1, 1])
    return ops.add(maps, shift[:, None, None])


def _relu6(maps: openvino.Node) -> openvino.Node:
    return ops.clamp(maps, 0.0, 6.0)
