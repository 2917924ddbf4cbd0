"""The one protocol with several model families behind it, and what passes through it.

A backbone turns content into items (CPU) and items into hidden states (device). It knows nothing
about files, stores or batching by cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from pliant.content import Content, Role
from pliant.elastic.subnetwork import SubNetwork
from pliant.encoder.pooling import Pooling
from pliant.errors import InvalidInputError

if TYPE_CHECKING:
    from torch import Tensor

PATCH_SIDE = 29
"""Pixels of the side of one cost unit: 81 for a picture of 260, which costs what 81 tokens do."""


@dataclass(frozen=True, slots=True)
class BackboneInfo:
    """What a model is.

    Attributes:
        name: built-in name or directory.
        modalities: kinds of part that it understands.
        layers: blocks of the trunk.
        hidden: size of a hidden state.
        widths: fractions of width that it offers.
        max_tokens: tokens of content that fit in one text, special tokens taken off.
    """

    name: str
    modalities: tuple[str, ...]
    layers: int
    hidden: int
    widths: tuple[float, ...]
    max_tokens: int


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One prepared item; picklable, unpadded.

    Attributes:
        tokens: [T] token ids with special tokens, empty when there is no text.
        visuals: [F, S, S, 3] pixels per picture (F = 1) or video, in order.
    """

    tokens: npt.NDArray[np.int32]
    visuals: tuple[npt.NDArray[np.uint8], ...] = ()

    @property
    def cost(self) -> int:
        """Tokens and patches: the one unit of work."""
        return len(self.tokens) + self.num_patches

    @property
    def num_patches(self) -> int:
        """Cost of the pictures and frames."""
        return sum(
            len(frames) * -(-frames.shape[1] * frames.shape[2] // PATCH_SIDE**2)
            for frames in self.visuals
        )


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Prepared items, not padded: any selection of them is a batch again."""

    items: tuple[Item, ...]

    def __len__(self) -> int:
        return len(self.items)

    @property
    def costs(self) -> npt.NDArray[np.int64]:
        """[B] tokens and patches of each item."""
        return np.array([item.cost for item in self.items], dtype=np.int64)

    def take(self, indices: Iterable[int]) -> Batch:
        """Select items by position, in the order given."""
        return Batch(tuple(self.items[int(index)] for index in indices))

    @staticmethod
    def join(batches: Iterable[Batch]) -> Batch:
        """Put batches one after the other."""
        return Batch(tuple(item for batch in batches for item in batch.items))


class Hidden(NamedTuple):
    """What a backbone gives to pooling: numpy arrays, or tensors on the device.

    Attributes:
        states: [B, T, H] hidden states; for a model that mixes parts, one per part.
        mask: [B, T] 0 for padding; otherwise 1, or the weight of a part.
    """

    states: npt.NDArray[np.float32] | Tensor
    mask: npt.NDArray[np.float32] | Tensor


class Backbone(Protocol):
    """A model family."""

    @property
    def info(self) -> BackboneInfo:
        """What the model is; cheap."""
        ...

    @property
    def card(self) -> ModelCard:
        """What people should know about the model."""
        ...

    @property
    def pooling(self) -> Pooling:
        """How its hidden states become one vector."""
        ...

    @property
    def engine(self) -> str:
        """What executes its text network: openvino or torch."""
        ...

    def num_streams(self, batch: Batch) -> int:
        """Give how many micro-batches of a batch should run at a time."""
        ...

    def identity(self) -> Mapping[str, Any]:
        """Give everything of the model that decides its vectors, as JSON values."""
        ...

    def prepare(
        self, contents: Sequence[Content], role: Role, truncate: bool
    ) -> list[Item | InvalidInputError]:
        """Tokenise, decode and resize on the CPU; one result per content. Needs no weights."""
        ...

    def forward(self, batch: Batch, subnetwork: SubNetwork) -> Hidden:
        """Run the network; loads the weights at the first call."""
        ...

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Give start and end character of each token, without special tokens or truncation."""
        ...


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What `pliant models show` prints about a model.

    Attributes:
        text: the model card, Markdown.
        licences: of weights and data, by part.
        prompts: put before a text, by role.
        weights: whether the weights are on this machine.
        similarity: what compares two vectors.
    """

    text: str
    licences: Mapping[str, str] = field(default_factory=dict)
    prompts: Mapping[str, str] = field(default_factory=dict)
    weights: bool = True
    similarity: str = "cosine"
