"""A BERT forward pass without padding: every token of a batch is a row of one matrix.

Equal to transformers' BertModel, and faster on a CPU: queries, keys and values are one product,
linear layers never see padding, and attention runs per group of texts of equal length, without a
mask. Letters: N tokens of all texts, H hidden size, A heads, T tokens of one text.
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

from pliant.encoder.backends.attention import attend
from pliant.encoder.backends.linear import Linear
from pliant.errors import UnavailableError


class Group(NamedTuple):
    """Texts of one length, next to each other: rows start to start + num_texts * length."""

    start: int
    num_texts: int
    length: int


@dataclass(frozen=True, slots=True)
class Packed:
    """Token ids of texts, shortest first, without padding.

    Attributes:
        tokens: [N] ids.
        positions: [N] place of each token in its text.
        groups: runs of texts of equal length.
        order: [B] which text of the batch stands where.
    """

    tokens: Tensor
    positions: Tensor
    groups: tuple[Group, ...]
    order: npt.NDArray[np.int64]


def pack(texts: Sequence[npt.NDArray[np.int32]], device: torch.device) -> Packed:
    """Put the tokens of texts one after the other, shortest text first."""
    lengths = np.array([len(tokens) for tokens in texts], dtype=np.int64)
    order = np.argsort(lengths, kind="stable")
    tokens = np.concatenate([texts[index] for index in order])
    positions = np.concatenate([np.arange(length) for length in lengths[order]])
    groups: list[Group] = []
    start = 0
    for length, count in zip(*np.unique(lengths, return_counts=True), strict=True):
        groups.append(Group(start, int(count), int(length)))
        start += int(count * length)
    return Packed(
        torch.from_numpy(tokens.astype(np.int64)).to(device),
        torch.from_numpy(positions).to(device),
        tuple(groups),
        order,
    )


def unpack(states: Tensor, packed: Packed) -> tuple[Tensor, Tensor]:
    """Give padded states [B, T, H] and their mask [B, T] in the order of the batch."""
    longest = packed.groups[-1].length
    padded = states.new_zeros((len(packed.order), longest, states.shape[1]))
    mask = states.new_zeros((len(packed.order), longest))
    first = 0
    for start, count, length in packed.groups:
        rows = torch.from_numpy(packed.order[first : first + count]).to(states.device)
        block = states[start : start + count * length]
        padded[rows, :length] = block.view(count, length, -1)
        mask[rows, :length] = 1
        first += count
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


class Bert:
    """Weights in one dtype on one device, and the forward pass over them."""

    def __init__(
        self,
        weights: Mapping[str, Tensor],
        config: Mapping[str, Any],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self._source = weights
        self._dtype = dtype
        self._device = device
        self.eps = float(config["layer_norm_eps"])
        self.num_heads = int(config["num_attention_heads"])
        self.words = self._take("embeddings.word_embeddings.weight")
        types = self._take("embeddings.token_type_embeddings.weight")
        self.places = self._take("embeddings.position_embeddings.weight") + types[0]
        self.norm = self._norm("embeddings.LayerNorm")
        self.blocks = [self._block(index) for index in range(int(config["num_hidden_layers"]))]
        del self._source

    def __call__(self, packed: Packed) -> Tensor:
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
            return attend(qkv, groups[0].num_texts, self.num_heads)
        attended = qkv.new_empty((len(qkv), qkv.shape[1] // 3))
        for group in groups:
            rows = slice(group.start, group.start + group.num_texts * group.length)
            attended[rows] = attend(qkv[rows], group.num_texts, self.num_heads)
        return attended

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


def fits(config: Mapping[str, Any]) -> bool:
    """Whether this forward pass is that of a model with this config.json."""
    return (
        config.get("model_type") == "bert"
        and config.get("hidden_act") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and not config.get("is_decoder", False)
        and not config.get("quantization_config")
    )
