"""EfficientNet-Lite2 in torch: a picture to 1,000 class scores.

No squeeze-and-excitation, ReLU6, TensorFlow's "same" padding (the odd pixel goes right and below),
BatchNorm eps 1e-3 folded into the convolutions. Input is (x - 127) / 128 at 260 pixels a side.
Source: arXiv:1905.11946, table 1, scaled by width 1.1 and depth 1.2 ("lite2").
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

_EPS = 1e-3


class Stage(NamedTuple):
    """Blocks of one shape: the first one may shrink the map."""

    repeats: int
    kernel: int
    stride: int
    expands: bool


STAGES = (
    Stage(1, 3, 1, expands=False),
    Stage(3, 3, 2, expands=True),
    Stage(3, 5, 2, expands=True),
    Stage(4, 3, 2, expands=True),
    Stage(4, 5, 1, expands=True),
    Stage(5, 5, 2, expands=True),
    Stage(1, 3, 1, expands=True),
)


class Conv(NamedTuple):
    """A convolution with its BatchNorm folded in."""

    weight: Tensor
    bias: Tensor
    stride: int
    groups: int

    def __call__(self, x: Tensor) -> Tensor:
        """Convolve: [B, C, S, S] to [B, C', S / stride, S / stride]."""
        x = same_pad(x, self.weight.shape[-1], self.stride)
        return F.conv2d(x, self.weight, self.bias, self.stride, groups=self.groups)


class Block(NamedTuple):
    """Expand, filter each channel, project; with a shortcut where shapes agree."""

    expand: Conv | None
    depthwise: Conv
    project: Conv

    def __call__(self, x: Tensor) -> Tensor:
        """Run the three convolutions: [B, C, S, S] to [B, C', S', S']."""
        grown = F.relu6(self.expand(x)) if self.expand is not None else x
        shrunk = self.project(F.relu6(self.depthwise(grown)))
        return shrunk + x if shrunk.shape == x.shape else shrunk


class EfficientNetLite2:
    """Weights in one dtype on one device, and the forward pass over them."""

    def __init__(
        self,
        weights: Mapping[str, Tensor],
        dtype: torch.dtype = torch.float32,
        device: torch.device | None = None,
    ) -> None:
        def place(tensor: Tensor) -> Tensor:
            return tensor.to(device, dtype)

        def conv(name: str, norm: str, stride: int = 1) -> Conv:
            weight, bias = fold(weights, name, norm)
            placed = place(weight).contiguous(memory_format=torch.channels_last)
            return Conv(placed, place(bias), stride, len(weight) if weight.shape[1] == 1 else 1)

        self._dtype = dtype
        self.stem = conv("_conv_stem", "_bn0", 2)
        self.blocks: list[Block] = []
        numbers = count()
        for stage in STAGES:
            for repeat in range(stage.repeats):
                name = f"_blocks.{next(numbers)}"
                expand = conv(f"{name}._expand_conv", f"{name}._bn0") if stage.expands else None
                stride = stage.stride if repeat == 0 else 1
                self.blocks.append(
                    Block(
                        expand,
                        conv(f"{name}._depthwise_conv", f"{name}._bn1", stride),
                        conv(f"{name}._project_conv", f"{name}._bn2"),
                    )
                )
        self.head = conv("_conv_head", "_bn1")
        self.classify = place(weights["_fc.weight"]), place(weights["_fc.bias"])

    def features(self, pixels: Tensor) -> Tensor:
        """Give the last feature map: uint8 [B, 260, 260, 3] to [B, 1280, 9, 9]."""
        x = (pixels.permute(0, 3, 1, 2).to(self._dtype) - 127) / 128
        x = F.relu6(self.stem(x.contiguous(memory_format=torch.channels_last)))
        for block in self.blocks:
            x = block(x)
        return F.relu6(self.head(x))

    def __call__(self, pixels: Tensor) -> Tensor:
        """Score the classes: uint8 [B, 260, 260, 3] to fp32 [B, 1000]."""
        pooled = self.features(pixels).mean((2, 3))
        return F.linear(pooled, *self.classify).float()


def same_pad(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Pad as TensorFlow's "same" does, so that the output has ceil(side / stride) pixels."""
    if kernel == 1:
        return x
    height, width = (_missing(side, kernel, stride) for side in x.shape[-2:])
    return F.pad(x, (width // 2, width - width // 2, height // 2, height - height // 2))


def _missing(side: int, kernel: int, stride: int) -> int:
    outputs = -(-side // stride)
    return max((outputs - 1) * stride + kernel - side, 0)


def fold(weights: Mapping[str, Tensor], conv: str, norm: str) -> tuple[Tensor, Tensor]:
    """Fold a BatchNorm into the convolution before it: weight and bias."""
    scale = weights[f"{norm}.weight"] / (weights[f"{norm}.running_var"] + _EPS).sqrt()
    weight = weights[f"{conv}.weight"] * scale.view(-1, 1, 1, 1)
    return weight, weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale
