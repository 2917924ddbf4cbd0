"""The compiled engine: BERT on CPUs as an OpenVINO graph, built from the weights without torch.

Tokens are looked up outside the graph, in a table mapped from the weights' file. One request runs
on one core, and several run at a time. Letters: B texts, T tokens, H hidden size, A heads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from queue import SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt

from pliant.encoder.backbone import Hidden
from pliant.encoder.engines.silent import openvino, opset15
from pliant.errors import UnavailableError

Array = npt.NDArray[np.float32]
Node = openvino.Node
NOT_THERE = -1e4
"""Added to the score of a padded token: its exponential is 0."""
_HINTS = {"fp32": "f32", "bf16": "bf16"}


class OpenVinoBert:
    """A compiled BERT, and as many requests as may run at a time."""

    def __init__(
        self, weights: Mapping[str, Array], config: Mapping[str, Any], precision: str, streams: int
    ) -> None:
        graph = BertGraph(weights, config)
        self._words = graph.take("embeddings.word_embeddings.weight")
        types = graph.take("embeddings.token_type_embeddings.weight")
        self._places = graph.take("embeddings.position_embeddings.weight") + types[0]
        options = {
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": streams,
            "ENABLE_CPU_PINNING": False,  # pinned, the actors of one machine would share a core
        }
        try:
            self._compiled = openvino.Core().compile_model(graph.build(), "CPU", options)
        except RuntimeError as error:
            first = str(error).strip().splitlines()[0]
            raise UnavailableError(f"OpenVINO does not compile the network: {first}") from error
        self._requests: SimpleQueue[openvino.InferRequest] = SimpleQueue()
        for _ in range(streams):
            self._requests.put(self._compiled.create_infer_request())

    def __call__(self, texts: Sequence[npt.NDArray[np.int32]]) -> Hidden:
        """Run the network: hidden states [B, T, H] in fp32, and their mask."""
        ids, mask = pad(texts)
        embedded = self._words[ids] + self._places[: ids.shape[1]]
        bias = np.where(mask > 0, np.float32(0), np.float32(NOT_THERE))[:, None, None, :]
        request = self._requests.get()
        try:
            states = request.infer((embedded, bias), share_inputs=True)[0]
        finally:
            self._requests.put(request)
        return Hidden(states, mask)


class BertGraph:
    """Writes a BERT's blocks as a graph: embedded tokens [B, T, H] to states [B, T, H]."""

    def __init__(self, weights: Mapping[str, Array], config: Mapping[str, Any]) -> None:
        self._weights = weights
        self._eps = float(config["layer_norm_eps"])
        self._num_heads = int(config["num_attention_heads"])
        self._num_blocks = int(config["num_hidden_layers"])
        self._hidden = int(config["hidden_size"])

    def build(self) -> openvino.Model:
        """Give the graph; its inputs are the embedded tokens and what is added to scores."""
        embedded = opset15.parameter([-1, -1, self._hidden], np.float32, name="embedded")
        bias = opset15.parameter([-1, 1, 1, -1], np.float32, name="bias")
        x = self._norm(embedded, "embeddings.LayerNorm")
        for index in range(self._num_blocks):
            x = self._block(x, bias, f"encoder.layer.{index}")
        inputs = [embedded, bias]
        return openvino.Model([x], inputs, "bert")  # pyright: ignore[reportGeneralTypeIssues] their stubs

    def take(self, name: str) -> Array:
        """Give a tensor by its name in a BERT, with or without a head above it.

        Raises:
            UnavailableError: the weights hold none.
        """
        for known in (name, f"bert.{name}"):
            if known in self._weights:
                return self._weights[known]
        raise UnavailableError(f"the weights hold no tensor {name!r}, which a BERT needs")

    def _block(self, x: Node, bias: Node, name: str) -> Node:
        attended = self._linear(
            self._attend(x, bias, f"{name}.attention.self"), f"{name}.attention.output.dense"
        )
        x = self._norm(opset15.add(attended, x), f"{name}.attention.output.LayerNorm")
        grown = opset15.gelu(self._linear(x, f"{name}.intermediate.dense"), "erf")
        shrunk = self._linear(grown, f"{name}.output.dense")
        return self._norm(opset15.add(shrunk, x), f"{name}.output.LayerNorm")

    def _attend(self, x: Node, bias: Node, name: str) -> Node:
        query, key, value = (self._heads(x, f"{name}.{p}") for p in ("query", "key", "value"))
        attended = opset15.scaled_dot_product_attention(query, key, value, bias)
        joined = opset15.transpose(attended, _integers(0, 2, 1, 3))
        return opset15.reshape(joined, _integers(0, 0, self._hidden), True)

    def _heads(self, x: Node, name: str) -> Node:
        """Project and cut into heads: [B, T, H] to [B, A, T, H / A]."""
        shape = _integers(0, 0, self._num_heads, self._hidden // self._num_heads)
        cut = opset15.reshape(self._linear(x, name), shape, True)
        return opset15.transpose(cut, _integers(0, 2, 1, 3))

    def _linear(self, x: Node, name: str) -> Node:
        product = opset15.matmul(x, self._constant(f"{name}.weight"), False, True)
        return opset15.add(product, self._constant(f"{name}.bias"))

    def _norm(self, x: Node, name: str) -> Node:
        centred = opset15.mvn(x, _integers(-1), True, self._eps, "inside_sqrt")
        scaled = opset15.multiply(centred, self._constant(f"{name}.weight"))
        return opset15.add(scaled, self._constant(f"{name}.bias"))

    def _constant(self, name: str) -> Node:
        return opset15.constant(self.take(name))


def pad(texts: Sequence[npt.NDArray[np.int32]]) -> tuple[npt.NDArray[np.int32], Array]:
    """Put texts into one matrix: ids [B, T], 0 after the end, and their mask [B, T]."""
    lengths = np.array([len(tokens) for tokens in texts])
    there = np.arange(lengths.max()) < lengths[:, None]
    ids = np.zeros(there.shape, np.int32)
    ids[there] = np.concatenate(texts)
    return ids, there.astype(np.float32)


def _integers(*values: int) -> Node:
    return opset15.constant(np.array(values, np.int64))
