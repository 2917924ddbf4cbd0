"""A linear layer whose weight is laid out once for oneDNN on a CPU; elsewhere torch's own."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


class Linear:
    """x W^T + b, with an exact GELU after it when asked: [N, I] to [N, O]."""

    def __init__(self, weight: Tensor, bias: Tensor, gelu: bool = False) -> None:
        self._bias = bias
        self._gelu = gelu
        self._packed = weight.device.type == "cpu" and torch.backends.mkldnn.is_available()
        self._weight = (
            torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), 2048)
            if self._packed
            else weight
        )

    def __call__(self, x: Tensor) -> Tensor:
        """Apply it."""
        if self._packed:
            after = "gelu" if self._gelu else "none"
            return torch.ops.mkldnn._linear_pointwise(
                x, self._weight, self._bias, after, [], "none" if self._gelu else ""
            )
        linear = F.linear(x, self._weight, self._bias)
        return F.gelu(linear) if self._gelu else linear
