"""The reference engine: BERT in torch, without padding; every token is a row of one matrix.

Equal to transformers' BertModel, and faster on a CPU: queries, keys and values are one product,
linear layers never see padding, and attention runs per group of texts of like length. Letters: N
tokens of all texts, H hidden size, A heads, T tokens of one text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from pliant.encoder.arithmetic import choose_dtype
from pliant.encoder.backbone import Hidden
from pliant.encoder.backends.attention import NOT_THERE, attend
from pliant.encoder.backends.linear import Linear
from pliant.errors import UnavailableError

WASTE = 1.15
"""Padded over real tokens up to which texts of like length attend together; measured."""


class Group(NamedTuple):
    """Texts of like length, next to each other, that attend in one product.

    Attributes:
        rows: which of the N tokens are theirs.
        num_texts: how many texts.
        places: [rows] where each token stands among num_texts times the longest length; None when
            all texts are equally long.
        bias: [num_texts, T] added to the scores: 0, or a large negative number for padding.
    """

    rows: slice
    num_texts: int
    places: Tensor | None = None
    bias: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Packed:
    """Token ids of texts, shortest first, without padding.

    Attributes:
        tokens: [N] ids.
        positions: [N] place of each token in its text.
        texts: [N] which text of the batch a token belongs to.
        groups: what attends together.
    """

    tokens: Tensor
    positions: Tensor
    texts: Tensor
    groups: tuple[Group, ...]


def pack(
    texts: Sequence[npt.NDArray[np.int32]], device: torch.device, dtype: torch.dtype
) -> Packed:
    """Put the tokens of texts one after the other, shortest text first."""
    lengths = np.array([len(tokens) for tokens in texts], dtype=np.int64)
    order = np.argsort(lengths, kind="stable")
    tokens = np.concatenate([texts[index] for index in order])
    positions = np.concatenate([np.arange(length) for length in lengths[order]])
    groups: list[Group] = []
    start = 0
    for part in _alike(lengths[order]):
        rows = slice(start, start + int(part.sum()))
        groups.append(_group(rows, part, positions[rows], device, dtype))
        start = rows.stop
    return Packed(
        torch.from_numpy(tokens.astype(np.int64)).to(device),
        torch.from_numpy(positions).to(device),
        torch.from_numpy(np.repeat(order, lengths[order])).to(device),
        tuple(groups),
    )


def _alike(lengths: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """Cut ascending lengths into runs that waste little when padded to their longest."""
    cuts, first, total = [], 0, 0
    for index, length in enumerate(lengths.tolist()):
        if index > first and length * (index - first + 1) > WASTE * (total + length):
            cuts.append(index)
            first, total = index, 0
        total += length
    return np.split(lengths, cuts)


def _group(
    rows: slice,
    lengths: npt.NDArray[np.int64],
    positions: npt.NDArray[np.int64],
    device: torch.device,
    dtype: torch.dtype,
) -> Group:
    longest = int(lengths[-1])
    if lengths[0] == longest:
        return Group(rows, len(lengths))
    places = np.repeat(np.arange(len(lengths)) * longest, lengths) + positions
    bias = np.where(np.arange(longest) < lengths[:, None], 0.0, NOT_THERE)
    return Group(
        rows,
        len(lengths),
        torch.from_numpy(places).to(device),
        torch.from_numpy(bias).to(device, dtype),
    )


def unpack(states: Tensor, packed: Packed) -> tuple[Tensor, Tensor]:
    """Give padded states [B, T, H] and their mask [B, T] in the order of the batch."""
    num_texts, longest = int(packed.texts.max()) + 1, int(packed.positions.max()) + 1
    padded = states.new_zeros((num_texts, longest, states.shape[1]))
    mask = states.new_zeros((num_texts, longest))
    padded[packed.texts, packed.positions] = states
    mask[packed.texts, packed.positions] = 1
    return padded, mask


@dataclass(frozen=True, slots=True)
class Block:
    """Weights of one transformer block."""

    qkv: Linear
    out: Linear
    norm_attention: tuple[Tensor, Tensor]
    up: Linear
    down: Linear
    norm_output: tuple[Tensor, Tensor]


class TorchBert:
    """Weights in one dtype on one device, and the forward pass over them."""

    def __init__(
        self, weights: Mapping[str, Tensor], config: Mapping[str, Any], precision: str, device: str
    ) -> None:
        self._source = weights
        self._dtype = choose_dtype(precision, device)
        self._device = torch.device(device)
        self.eps = float(config["layer_norm_eps"])
        self.num_heads = int(config["num_attention_heads"])
        self.words = self._take("embeddings.word_embeddings.weight")
        types = self._take("embeddings.token_type_embeddings.weight")
        self.places = self._take("embeddings.position_embeddings.weight") + types[0]
        self.norm = self._norm("embeddings.LayerNorm")
        self.blocks = [self._block(index) for index in range(int(config["num_hidden_layers"]))]
        del self._source

    @torch.inference_mode()
    def __call__(self, texts: Sequence[npt.NDArray[np.int32]]) -> Hidden:
        """Run the network: hidden states [B, T, H] and their mask."""
        packed = pack(texts, self._device, self._dtype)
        return Hidden(*unpack(self.forward(packed), packed))

    def forward(self, packed: Packed) -> Tensor:
        """Run all blocks: [N] token ids to [N, H] states."""
        x = F.embedding(packed.tokens, self.words) + F.embedding(packed.positions, self.places)
        x = F.layer_norm(x, x.shape[-1:], *self.norm, self.eps)
        for block in self.blocks:
            attended = block.out(self._attend(block.qkv(x), packed.groups))
            x = F.layer_norm(attended.add_(x), x.shape[-1:], *block.norm_attention, self.eps)
            grown = block.down(block.up(x))
            x = F.layer_norm(grown.add_(x), x.shape[-1:], *block.norm_output, self.eps)
        return x

    def _attend(self, qkv: Tensor, groups: tuple[Group, ...]) -> Tensor:
        """Attention within each text: [N, 3 H] to [N, H]."""
        if len(groups) == 1:
            return self._attend_group(qkv, groups[0])
        return torch.cat([self._attend_group(qkv[group.rows], group) for group in groups])

    def _attend_group(self, qkv: Tensor, group: Group) -> Tensor:
        if group.places is None or group.bias is None:
            return attend(qkv, group.num_texts, self.num_heads)
        padded = qkv.new_zeros((group.bias.numel(), qkv.shape[1]))
        padded[group.places] = qkv
        return attend(padded, group.num_texts, self.num_heads, group.bias)[group.places]

    def _block(self, index: int) -> Block:
        name = f"encoder.layer.{index}"
        parts = [f"{name}.attention.self.{part}" for part in ("query", "key", "value")]
        return Block(
            qkv=self._linear(*parts),
            out=self._linear(f"{name}.attention.output.dense"),
            norm_attention=self._norm(f"{name}.attention.output.LayerNorm"),
            up=self._linear(f"{name}.intermediate.dense", gelu=True),
            down=self._linear(f"{name}.output.dense"),
            norm_output=self._norm(f"{name}.output.LayerNorm"),
        )

    def _linear(self, *names: str, gelu: bool = False) -> Linear:
        weight = torch.cat([self._take(f"{name}.weight") for name in names])
        bias = torch.cat([self._take(f"{name}.bias") for name in names])
        return Linear(weight, bias, gelu)

    def _norm(self, name: str) -> tuple[Tensor, Tensor]:
        return self._take(f"{name}.weight"), self._take(f"{name}.bias")

    def _take(self, name: str) -> Tensor:
        for known in (name, f"bert.{name}"):
            if known in self._source:
                return self._source[known].to(self._device, self._dtype)
        raise UnavailableError(f"the weights hold no tensor {name!r}, which a BERT needs")
