"""Engines: what executes a network. An engine changes speed, never the space.

`torch` is the reference and runs everything, on GPUs too; `openvino` compiles BERTs for CPUs and
needs no torch. Neither is imported before a network is loaded.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt

from pliant.encoder.backbone import Hidden
from pliant.errors import InvalidInputError

ENGINES = ("auto", "torch", "openvino")

Network = Callable[[Sequence[npt.NDArray[np.int32]]], Hidden]
"""Token ids of each text to hidden states; what an engine makes of weights."""

_log = logging.getLogger("pliant")


@dataclass(frozen=True, slots=True)
class Runtime:
    """Where and how networks run.

    Attributes:
        device: cpu, cuda or cuda:N.
        precision: fp32 or bf16.
        engine: the one asked for, out of ENGINES.
        threads: cores to use; None leaves it to the engine.
    """

    device: str = "cpu"
    precision: str = "fp32"
    engine: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            allowed = ", ".join(ENGINES)
            raise InvalidInputError(f"engine {self.engine!r}: must be one of {allowed}")
        if self.threads is not None and self.threads < 1:
            raise InvalidInputError(f"threads {self.threads}: must be 1 or more")


def choose_engine(runtime: Runtime, model: str, compiles: bool) -> str:
    """Give the engine of a text network: the one asked for, or the fastest that runs it.

    Args:
        runtime: where it runs and what was asked for.
        model: its name, for messages.
        compiles: whether the compiled engine knows its architecture.

    Raises:
        InvalidInputError: the compiled engine was asked for and cannot run it.
    """
    if runtime.engine == "torch":
        return "torch"
    obstacle = _obstacle(runtime, compiles)
    if obstacle is None:
        return "openvino"
    if runtime.engine == "openvino":
        raise InvalidInputError(f"engine 'openvino': {obstacle}; allowed for {model!r}: torch")
    if runtime.device == "cpu":
        _log.info("model %r runs by torch: %s", model, obstacle)
    return "torch"


def _obstacle(runtime: Runtime, compiles: bool) -> str | None:
    if runtime.device != "cpu":
        return f"it runs on CPUs, and the device is {runtime.device}"
    if not compiles:
        return "it knows BERT and no other architecture"
    if find_spec("openvino") is None:
        return "the package openvino is not installed"
    return None
