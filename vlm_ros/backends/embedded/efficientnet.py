"""EfficientNet-Lite0 as a dense feature extractor.

The network of https://arxiv.org/abs/1905.11946 in its Lite0 form: ReLU6, no squeeze-and-excite.
Batch normalization is folded into the convolutions when the weights are loaded, and the image may
have any size: the last feature map has one cell for each 32x32 pixels.
"""

from typing import TypeAlias

import torch
from torch import nn
from torch.nn import functional

STRIDE_PX = 32
"""Pixels of the input for one cell of the feature map, in each direction."""
CHANNELS = 1280
BATCH_NORM_EPSILON = 1e-3

# Kernel, stride, expansion, channels in, channels out, repeats: table 1 of the paper at width and
# depth 1. Lite models leave the stem and the head unscaled.
_STAGES = (
    (3, 1, 1, 32, 16, 1),
    (3, 2, 6, 16, 24, 2),
    (5, 2, 6, 24, 40, 2),
    (3, 2, 6, 40, 80, 3),
    (5, 1, 6, 80, 112, 3),
    (5, 2, 6, 112, 192, 4),
    (3, 1, 6, 192, 320, 1),
)

StateDict: TypeAlias = dict[str, torch.Tensor]


class _Convolution(nn.Module):
    """A convolution with its batch normalization folded in, padded as TensorFlow's SAME."""

    def __init__(self, weights: StateDict, convolution: str, norm: str, stride: int = 1) -> None:
        super().__init__()
        kernel = weights[f'{convolution}.weight']
        scale = weights[f'{norm}.weight'] / torch.sqrt(
            weights[f'{norm}.running_var'] + BATCH_NORM_EPSILON
        )
        self.kernel = nn.Parameter(
            (kernel * scale[:, None, None, None]).contiguous(memory_format=torch.channels_last),
            requires_grad=False,
        )
        shift = weights[f'{norm}.bias'] - weights[f'{norm}.running_mean'] * scale
        self.shift = nn.Parameter(shift, requires_grad=False)
        self.stride = stride
        self.groups = kernel.shape[0] if kernel.shape[1] == 1 else 1
        # With an input that is a multiple of the stride, SAME pads one less at the top and left.
        total = kernel.shape[2] - stride
        self.padding = (total // 2, total - total // 2) * 2

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        if self.padding[0] == self.padding[1]:
            return functional.conv2d(
                maps, self.kernel, self.shift, self.stride, self.padding[0], groups=self.groups
            )
        maps = functional.pad(maps, self.padding)
        return functional.conv2d(maps, self.kernel, self.shift, self.stride, groups=self.groups)


class _Block(nn.Module):
    """Expand, convolve each channel by itself, project: MBConv without squeeze-and-excite."""

    def __init__(self, weights: StateDict, prefix: str, expansion: int, stride: int) -> None:
        super().__init__()
        self.expand = (
            _Convolution(weights, f'{prefix}._expand_conv', f'{prefix}._bn0')
            if expansion > 1
            else None
        )
        self.depthwise = _Convolution(
            weights, f'{prefix}._depthwise_conv', f'{prefix}._bn1', stride
        )
        self.project = _Convolution(weights, f'{prefix}._project_conv', f'{prefix}._bn2')
        same_channels = self.project.kernel.shape[0] == _channels_in(self)
        self.residual = stride == 1 and same_channels

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        wide = maps if self.expand is None else functional.relu6(self.expand(maps), inplace=True)
        inner: torch.Tensor = self.project(functional.relu6(self.depthwise(wide), inplace=True))
        return torch.add(inner, maps, out=inner) if self.residual else inner


def _channels_in(block: _Block) -> int:
    """Channels that a block takes."""
    first = block.depthwise if block.expand is None else block.expand
    return first.kernel.shape[1] * first.groups


class EfficientNetLite0(nn.Module):
    """The network, from its published state dict.

    Args:
        weights: The state dict, with the names the PyTorch port of the model gives them.
    """

    def __init__(self, weights: StateDict) -> None:
        super().__init__()
        self.stem = _Convolution(weights, '_conv_stem', '_bn0', stride=2)
        blocks: list[nn.Module] = []
        for _kernel, stride, expansion, _in, _out, repeats in _STAGES:
            for repeat in range(repeats):
                prefix = f'_blocks.{len(blocks)}'
                blocks.append(_Block(weights, prefix, expansion, stride if repeat == 0 else 1))
        self.blocks = nn.Sequential(*blocks)
        self.head = _Convolution(weights, '_conv_head', '_bn1')

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the feature map `(B, 1280, H / 32, W / 32)` of `(B, 3, H, W)` pixels."""
        maps = functional.relu6(self.stem(pixels), inplace=True)
        return functional.relu6(self.head(self.blocks(maps)), inplace=True)
