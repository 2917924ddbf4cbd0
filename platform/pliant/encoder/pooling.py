"""Hidden states to one vector per item: [B, T, H] to [B, D].

The modes and their names are sentence-transformers'; several modes are concatenated. Arrays are
numpy's or torch's, whichever the engine gave.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pliant.errors import InvalidInputError

if TYPE_CHECKING:
    from torch import Tensor

Array = Any
"""A numpy array or a torch tensor: what is written here means the same for both."""
Pool = Callable[[Array, Array], Array]


def mean(states: Array, mask: Array) -> Array:
    """Average the real tokens, or the parts by their weights: [B, T, H] to [B, H]."""
    weights = mask[:, :, None]
    return (states * weights).sum(1) / weights.sum(1).clip(1e-9)


def cls(states: Array, mask: Array) -> Array:
    """Take the first real token: [B, T, H] to [B, H]."""
    return _at(states, ((mask != 0) * 1).argmax(1))


def largest(states: Array, mask: Array) -> Array:
    """Take the maximum over the real tokens: [B, T, H] to [B, H]."""
    best = (states - (mask == 0)[:, :, None] * 1e30).max(1)
    return getattr(best, "values", best)  # torch gives the places too


def mean_sqrt_len(states: Array, mask: Array) -> Array:
    """Sum the real tokens over the root of their number: [B, T, H] to [B, H]."""
    weights = mask[:, :, None]
    return (states * weights).sum(1) / weights.sum(1).clip(1e-9) ** 0.5


def weighted_mean(states: Array, mask: Array) -> Array:
    """Average with weights 1, 2, 3, … from the first real token on: [B, T, H] to [B, H]."""
    return mean(states, mask.cumsum(1) * mask)


def last_token(states: Array, mask: Array) -> Array:
    """Take the last real token on either padding side: [B, T, H] to [B, H]."""
    real = mask != 0
    return _at(states, (real.cumsum(1) * real).argmax(1))


def unit(vectors: Array) -> Array:
    """Bring vectors to length 1: [B, D] to [B, D]."""
    return vectors / ((vectors**2).sum(1) ** 0.5).clip(1e-12)[:, None]


def as_numpy(values: Array) -> npt.NDArray[np.float32]:
    """Give an array of either kind as numpy's, on the CPU."""
    return values if isinstance(values, np.ndarray) else values.float().cpu().numpy()


POOLS: dict[str, Pool] = {
    "cls": cls,
    "max": largest,
    "mean": mean,
    "mean_sqrt_len_tokens": mean_sqrt_len,
    "weightedmean": weighted_mean,
    "lasttoken": last_token,
}
ACTIVATIONS = ("Identity", "Tanh", "ReLU", "GELU", "SiLU")


@dataclass(frozen=True, slots=True)
class Dense:
    """A linear layer after pooling.

    Attributes:
        path: its safetensors file, read at the first use.
        out_features: dimensions that it gives.
        activation: one of ACTIVATIONS.
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

    def __call__(self, states: Array, mask: Array) -> Array:
        """Pool and project: [B, T, H] and [B, T] to [B, D]."""
        states, mask = _float(states), _float(mask)
        parts = [POOLS[mode](states, mask) for mode in self.modes]
        if self.dense:
            return self._project(parts)
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts, 1) if isinstance(states, np.ndarray) else _cat(parts)

    def _project(self, parts: list[Array]) -> Tensor:
        """Run the dense layers, by torch: [B, H] each to [B, D]."""
        import torch
        import torch.nn.functional as F

        functions: dict[str, Callable[[Tensor], Tensor]] = {
            "Identity": torch.clone,
            "Tanh": torch.tanh,
            "ReLU": F.relu,
            "GELU": F.gelu,
            "SiLU": F.silu,
        }
        pooled = _cat([torch.as_tensor(part) for part in parts])
        for layer in self.dense:
            weights = {
                key: value.to(pooled.device) for key, value in self._load(layer.path).items()
            }
            linear = F.linear(pooled, weights["linear.weight"], weights.get("linear.bias"))
            pooled = functions[layer.activation](linear)
        return pooled

    def _load(self, path: Path) -> dict[str, Tensor]:
        if path not in self._weights:
            from safetensors.torch import load_file

            self._weights[path] = {name: value.float() for name, value in load_file(path).items()}
        return self._weights[path]


def _float(values: Array) -> Array:
    return (
        values.astype(np.float32, copy=False) if isinstance(values, np.ndarray) else values.float()
    )


def _cat(parts: list[Tensor]) -> Tensor:
    import torch

    return torch.cat(parts, 1)


def _at(states: Array, index: Array) -> Array:
    return states[list(range(len(states))), index]
