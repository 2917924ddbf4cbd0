"""The encoder: a backbone, its pooling and the elastic cut. Content in, unit vectors out.

It knows nothing about files or stores.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pliant.content import Content, Image, Role, Text, Video
from pliant.elastic.subnetwork import SubNetwork
from pliant.encoder.backbone import Backbone, BackboneInfo, Batch, Item, ModelCard
from pliant.encoder.batching import micro_batches, share
from pliant.encoder.checkpoint import digest_of
from pliant.encoder.pooling import as_numpy, unit
from pliant.errors import InvalidInputError
from pliant.vectors.embeddings import Embeddings

if TYPE_CHECKING:
    from torch import Tensor

ROLES: tuple[Role, ...] = ("query", "document")
WINDOW = 2048
"""Inputs that `encode` prepares while the window before them runs."""


class Encoder:
    """Turns content into unit vectors of one space.

    Weights are loaded at the first forward pass, so a process that only prepares holds none.
    """

    def __init__(self, backbone: Backbone) -> None:
        self.backbone = backbone

    @property
    def info(self) -> BackboneInfo:
        """What the model is."""
        return self.backbone.info

    @property
    def card(self) -> ModelCard:
        """What people should know about the model."""
        return self.backbone.card

    @property
    def name(self) -> str:
        """The built-in name, or the directory."""
        return self.info.name

    @property
    def engine(self) -> str:
        """What executes the text network: openvino or torch."""
        return self.backbone.engine

    @cached_property
    def dim(self) -> int:
        """Dimensions of the full network's vectors."""
        return self.backbone.pooling.dim(self.info.hidden)

    @property
    def max_tokens(self) -> int:
        """Tokens of content that fit in one text, special tokens taken off."""
        return self.info.max_tokens

    @property
    def space_id(self) -> str:
        """What the full network's vectors are comparable with: 16 hex digits."""
        return self.space_id_of(None)

    def space_id_of(self, document_subnetwork: SubNetwork | str | None) -> str:
        """Give the space whose documents are embedded by a sub-network.

        Precision is no part of it: the arithmetic may differ between machines.
        """
        cut = self.subnetwork(document_subnetwork)
        return digest_of(
            {
                **self.backbone.identity(),
                "pooling": list(self.backbone.pooling.modes),
                "depth": cut.depth,
                "width": cut.width,
                "skip": list(cut.skip),
                "stitch": cut.stitch,
                "resolution": cut.resolution,
                "frames": cut.frames,
                "dim": cut.dim,
                "normalised": True,
            }
        )

    def subnetwork(self, name: SubNetwork | str | None = None) -> SubNetwork:
        """Give the sub-network of that name, checked against what this model offers.

        Raises:
            InvalidInputError: not offered; names the value and what is allowed.
        """
        full = SubNetwork(self.info.layers, 1.0, self.dim)
        if name is None or name == "full":
            return full
        if name == "auto":
            raise InvalidInputError(
                "sub-network 'auto' is chosen by a running service; allowed here: full or "
                f"a name such as {full.name}"
            )
        chosen = SubNetwork.parse(name) if isinstance(name, str) else name
        self._check(chosen, full)
        return chosen

    def _check(self, chosen: SubNetwork, full: SubNetwork) -> None:
        offered = (
            ("depth", chosen.depth, chosen.depth == full.depth, f"{full.depth}"),
            ("width", chosen.width, chosen.width in self.info.widths, _listed(self.info.widths)),
            ("dim", chosen.dim, chosen.dim <= full.dim, f"1 to {full.dim}"),
            ("precision", chosen.precision, chosen.precision != "int8", "fp32, bf16"),
            ("skip", chosen.skip, not chosen.skip, "none"),
            ("stitch", chosen.stitch, chosen.stitch is None, "none"),
            ("resolution", chosen.resolution, chosen.resolution is None, "the model's own"),
            ("frames", chosen.frames, chosen.frames is None, "all"),
        )
        for word, value, fits, allowed in offered:
            if not fits:
                raise InvalidInputError(
                    f"sub-network {chosen.name!r}: {word} {value} is not offered by "
                    f"{self.name!r}; allowed: {allowed}"
                )

    def prepare(
        self, contents: Sequence[Content], role: Role = "document", *, truncate: bool = True
    ) -> Batch:
        """Tokenise, decode and resize on the CPU.

        Args:
            contents: what to embed.
            role: chooses the prompt.
            truncate: cut a text that is too long; otherwise it is an error.

        Raises:
            InvalidInputError: the first item that cannot be embedded, with its position.
        """
        return self._prepare(contents, role, truncate, 0)

    def _prepare(
        self, contents: Sequence[Content], role: Role, truncate: bool, first: int
    ) -> Batch:
        items: list[Item] = []
        for index, item in enumerate(self.prepare_each(contents, role, truncate=truncate), first):
            if isinstance(item, InvalidInputError):
                if len(contents) == 1 and first == 0:
                    raise item
                raise InvalidInputError(f"input {index}: {item}") from item
            items.append(item)
        return Batch(tuple(items))

    def prepare_each(
        self, contents: Sequence[Content], role: Role = "document", *, truncate: bool = True
    ) -> list[Item | InvalidInputError]:
        """Prepare, with an error in the place of each item that cannot be embedded."""
        if role not in ROLES:
            raise InvalidInputError(f"role {role!r}: must be one of {', '.join(ROLES)}")
        return self.backbone.prepare(contents, role, truncate)

    def forward(self, batch: Batch, subnetwork: SubNetwork | str | None = None) -> Tensor:
        """Run one batch as it is: unit vectors [B, D] in fp32, on the device."""
        import torch

        return torch.as_tensor(self._vectors(batch, self.subnetwork(subnetwork)))

    def embed(
        self, batch: Batch, subnetwork: SubNetwork | str | None = None
    ) -> npt.NDArray[np.float32]:
        """Run any number of items in micro-batches by cost: unit vectors [B, D]."""
        cut = self.subnetwork(subnetwork)
        values = np.empty((len(batch), cut.dim), dtype=np.float32)
        streams = self.backbone.num_streams(batch)
        parts = list(micro_batches(batch, share(batch, streams)))

        def run(positions: list[int]) -> None:
            values[positions] = as_numpy(self._vectors(batch.take(positions), cut))

        if streams == 1 or len(parts) == 1:
            for positions in parts:
                run(positions)
        else:
            with ThreadPoolExecutor(streams, thread_name_prefix="embed") as pool:
                list(pool.map(run, parts))
        return values

    def _vectors(self, batch: Batch, cut: SubNetwork) -> Any:
        """Run one batch: unit vectors [B, D], of numpy or torch as the engine gives them."""
        hidden = self.backbone.forward(batch, cut)
        return unit(self.backbone.pooling(hidden.states, hidden.mask)[:, : cut.dim])

    def encode(
        self,
        inputs: Sequence[str | Image | Video | Content],
        role: Role = "document",
        subnetwork: SubNetwork | str | None = None,
    ) -> Embeddings:
        """Embed strings, pictures, videos or interleaved content.

        The next window of inputs is prepared while the one before it runs.

        Raises:
            InvalidInputError: an input that cannot be embedded, a bad role or sub-network.
        """
        cut = self.subnetwork(subnetwork)
        if isinstance(inputs, str):
            raise InvalidInputError("encode takes a list of inputs; given one string")
        contents = [_content(given, index) for index, given in enumerate(inputs)]
        values = [self.embed(batch, cut) for batch in self._prepared(contents, role)]
        return Embeddings(np.concatenate([np.empty((0, cut.dim), np.float32), *values]))

    def _prepared(self, contents: Sequence[Content], role: Role) -> Iterator[Batch]:
        starts = range(0, len(contents), WINDOW)

        def window(start: int) -> Batch:
            return self._prepare(contents[start : start + WINDOW], role, True, start)

        if len(starts) <= 1:
            yield from map(window, starts)
            return
        with ThreadPoolExecutor(1, thread_name_prefix="prepare") as pool:
            following = pool.submit(window, 0)
            for start in starts[1:]:
                batch, following = following.result(), pool.submit(window, start)
                yield batch
            yield following.result()

    def count_tokens(self, text: str) -> int:
        """Count the tokens of a text, without special tokens or truncation."""
        return len(self.token_offsets(text))

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Give start and end character of each token, without special tokens or truncation."""
        return self.backbone.token_offsets(text)


def _content(given: str | Image | Video | Content, index: int) -> Content:
    if isinstance(given, str):
        return (Text(given),)
    if isinstance(given, (Text, Image, Video)):
        return (given,)
    if isinstance(given, tuple) and all(isinstance(part, (Text, Image, Video)) for part in given):
        return given
    raise InvalidInputError(
        f"input {index} is a {type(given).__name__}; allowed: a string, Text, Image, Video, or a "
        "tuple of Text, Image and Video"
    )


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)
