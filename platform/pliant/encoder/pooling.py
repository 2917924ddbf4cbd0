"""Hidden states to one vector per item: [B, T, H] to [B, D].

The modes and their names are sentence-transformers'; several modes are concatenated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from pliant.errors import InvalidInputError

Pool = Callable[[Tensor, Tensor], Tensor]


def mean(states: Tensor, mask: Tensor) -> Tensor:
    """Average the real tokens, or the parts by their weights: [B, T, H] to [B, H]."""
    weights = mask.unsqueeze(-1)
    return (states * weights).sum(1) / weights.sum(1).clamp(min=1e-9)


def cls(states: Tensor, mask: Tensor) -> Tensor:
    """Take the first real token: [B, T, H] to [B, H]."""
    return _at(states, mask.ne(0).int().argmax(1))


def largest(states: Tensor, mask: Tensor) -> Tensor:
    """Take the maximum over the real tokens: [B, T, H] to [B, H]."""
    return states.masked_fill(mask.eq(0).unsqueeze(-1), -torch.inf).amax(1)


def mean_sqrt_len(states: Tensor, mask: Tensor) -> Tensor:
    """Sum the real tokens over the root of their number: [B, T, H] to [B, H]."""
    weights = mask.unsqueeze(-1)
    return (states * weights).sum(1) / weights.sum(1).clamp(min=1e-9).sqrt()


def weighted_mean(states: Tensor, mask: Tensor) -> Tensor:
    """Average with weights 1, 2, 3, … from the first real token on: [B, T, H] to [B, H]."""
    return mean(states, mask.cumsum(1) * mask)


def last_token(states: Tensor, mask: Tensor) -> Tensor:
    """Take the last real token on either padding side: [B, T, H] to [B, H]."""
    return _at(states, mask.shape[1] - 1 - mask.ne(0).int().flip(1).argmax(1))


POOLS: dict[str, Pool] = {
    "cls": cls,
    "max": largest,
    "mean": mean,
    "mean_sqrt_len_tokens": mean_sqrt_len,
    "weightedmean": weighted_mean,
    "lasttoken": last_token,
}
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "Identity": lambda x: x,
    "Tanh": torch.tanh,
    "ReLU": F.relu,
    "GELU": F.gelu,
    "SiLU": F.silu,
}


@dataclass(frozen=True, slots=True)
class Dense:
    """A linear layer after pooling.

    Attributes:
        path: its safetensors file, read at the first use.
        out_features: dimensions that it gives.
        activation: a name in ACTIVATIONS.
    """

    path: Path
    out_features: int
    activation: str


class Pooling:
    """Pooling modes, then dense layers; arithmetic in fp32."""

    def __init__(
        self,
        modes: tuple[str, ...] = ("mean",),
        dense: tuple[Dense, ...] = (),
        truncate_dim: int | None = None,
    ) -> None:
        for mode in modes:
            if mode not in POOLS:
                raise InvalidInputError(f"pooling {mode!r}: must be one of {', '.join(POOLS)}")
        self.modes = modes
        self.dense = dense
        self.truncate_dim = truncate_dim
        self._weights: dict[Path, dict[str, Tensor]] = {}

    def dim(self, hidden: int) -> int:
        """Dimensions after pooling, for states of a hidden size."""
        whole = self.dense[-1].out_features if self.dense else hidden * len(self.modes)
        return min(whole, self.truncate_dim or whole)

    def __call__(self, states: Tensor, mask: Tensor) -> Tensor:
        """Pool and project: [B, T, H] and [B, T] to [B, D]."""
        states, mask = states.float(), mask.float()
        pooled = torch.cat([POOLS[mode](states, mask) for mode in self.modes], dim=1)
        for layer in self.dense:
            weights = self._load(layer.path)
            linear = F.linear(
                pooled,
                weights["linear.weight"].to(pooled.device),
                bias.to(pooled.device)
                if (bias := weights.get("linear.bias")) is not None
                else None,
            )
            pooled = ACTIVATIONS[layer.activation](linear)
        return pooled

    def _load(self, path: Path) -> dict[str, Tensor]:
        if path not in self._weights:
            from safetensors.torch import load_file

            self._weights[path] = {name: value.float() for name, value in load_file(path).items()}
        return self._weights[path]


def _at(states: Tensor, index: Tensor) -> Tensor:
    return states[torch.arange(len(states), device=states.device), index]
