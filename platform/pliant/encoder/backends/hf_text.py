"""Text models from a local Hugging Face or sentence-transformers directory.

BERTs run by an engine; every other architecture runs by transformers' AutoModel. Nothing is
fetched, no code from the directory runs, and only safetensors are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

from pliant.content import Content, Role, Text, text_of
from pliant.elastic.subnetwork import SubNetwork
from pliant.encoder.arithmetic import num_threads, precision_of, set_threads
from pliant.encoder.backbone import BackboneInfo, Batch, Hidden, Item, ModelCard
from pliant.encoder.backends import bert
from pliant.encoder.backends.layout import Layout
from pliant.encoder.backends.tokens import TextTokenizer
from pliant.encoder.checkpoint import hash_of, load_weights, map_weights, weight_files
from pliant.encoder.engines import Network, Runtime, choose_engine
from pliant.encoder.pooling import Pooling
from pliant.errors import InvalidInputError, NotFoundError

_LOADING = Lock()
"""Held while a network is loaded, so that two threads do not load it twice."""


class HfText:
    """A text backbone."""

    def __init__(self, layout: Layout, runtime: Runtime) -> None:
        self.layout = layout
        self.runtime = runtime
        self.engine = choose_engine(runtime, layout.name, bert.fits(layout.config))
        self._networks: dict[str, Network] = {}
        self._tokenizer = TextTokenizer(layout.trunk, layout.max_length, layout.lower_case)
        self.info = BackboneInfo(
            name=layout.name,
            modalities=("text",),
            layers=_number(layout.config, "num_hidden_layers", "n_layers", "num_layers"),
            hidden=_number(layout.config, "hidden_size", "dim", "d_model"),
            widths=(1.0,),
            max_tokens=layout.max_length - self._tokenizer.num_special,
        )

    @property
    def card(self) -> ModelCard:
        """The directory's own README, and its licence when the README names it."""
        path = self.layout.root / "README.md"
        text = path.read_text(encoding="utf8", errors="replace") if path.is_file() else ""
        return ModelCard(
            text=text,
            licences={"weights": _licence(text)},
            prompts={str(role): prompt for role, prompt in self.layout.prompts.items()},
            weights=self._has_weights(),
            similarity=self.layout.similarity,
        )

    @property
    def pooling(self) -> Pooling:
        """As `1_Pooling` and `2_Dense` say."""
        return self.layout.pooling

    def identity(self) -> Mapping[str, Any]:
        """Give hashes of weights and tokenizer, prompts, and what happens to a long text."""
        files = [*weight_files(self.layout.trunk), *(d.path for d in self.pooling.dense)]
        words = ("tokenizer.json", "vocab.txt", "sentencepiece.bpe.model", "vocab.json")
        present = [self.layout.trunk / word for word in words]
        return {
            "checkpoint": [hash_of(path) for path in files],
            "tokenizer": next((hash_of(path) for path in present if path.is_file()), ""),
            "prompts": dict(self.layout.prompts),
            "long_text": {"policy": "head", "max_length": self.layout.max_length},
            "lower_case": self.layout.lower_case,
        }

    def prepare(
        self, contents: Sequence[Content], role: Role, truncate: bool
    ) -> list[Item | InvalidInputError]:
        """Put the role's prompt before each text and tokenise it."""
        prompt = self.layout.prompts.get(role, "")
        errors = [_problem(content, self.layout.name) for content in contents]
        texts = [
            prompt + text_of(content)
            for content, error in zip(contents, errors, strict=True)
            if error is None
        ]
        found = iter(self.tokenise(texts, truncate))
        return [error if error is not None else next(found) for error in errors]

    def tokenise(self, texts: Sequence[str], truncate: bool) -> list[Item | InvalidInputError]:
        """Give one item per text, or the error in its place."""
        return [
            tokens if isinstance(tokens, InvalidInputError) else Item(tokens)
            for tokens in self._tokenizer.ids(texts, truncate)
        ]

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Give start and end character of each token, without special tokens or truncation."""
        return self._tokenizer.offsets(text)

    def num_streams(self, batch: Batch) -> int:  # noqa: ARG002 the same for every batch
        """The compiled engine runs one micro-batch on each core; torch shares all cores."""
        return num_threads(self.runtime.threads) if self.engine == "openvino" else 1

    def forward(self, batch: Batch, subnetwork: SubNetwork) -> Hidden:
        """Run the network on the texts of a batch."""
        network = self._network(precision_of(subnetwork, self.runtime.precision))
        return network([item.tokens for item in batch.items])

    def _network(self, precision: str) -> Network:
        with _LOADING:
            if precision not in self._networks:
                self._networks[precision] = self._load(precision)
        return self._networks[precision]

    def _load(self, precision: str) -> Network:
        files, config = weight_files(self.layout.trunk), self.layout.config
        if self.engine == "openvino":
            from pliant.encoder.engines.openvino import OpenVinoBert

            streams = num_threads(self.runtime.threads)
            return OpenVinoBert(map_weights(files), config, precision, streams)
        set_threads(self.runtime.threads)
        if bert.fits(config):
            from pliant.encoder.engines.torch import TorchBert

            return TorchBert(load_weights(files), config, precision, self.runtime.device)
        from pliant.encoder.backends.general import GeneralNetwork

        return GeneralNetwork(self.layout, precision, self.runtime.device)

    def _has_weights(self) -> bool:
        try:
            return all(path.is_file() for path in weight_files(self.layout.trunk))
        except NotFoundError:
            return False


def _problem(content: Content, name: str) -> InvalidInputError | None:
    for part in content:
        if not isinstance(part, Text):
            kind = type(part).__name__.lower()
            return InvalidInputError(f"model {name!r} does not take {kind}s; allowed: text")
    if not text_of(content).strip():
        return InvalidInputError("nothing to embed: the text is empty; give at least one word")
    return None


def _number(config: Mapping[str, Any], *names: str) -> int:
    for name in names:
        if name in config:
            return int(config[name])
    raise InvalidInputError(f"config.json names none of {', '.join(names)}")


def _licence(readme: str) -> str:
    for line in readme.splitlines()[:40]:
        if line.lower().startswith("license:"):
            return line.partition(":")[2].strip()
    return "not stated"
