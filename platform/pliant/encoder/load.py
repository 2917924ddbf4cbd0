"""Loads an encoder by name: built in, a directory, or a repository id in the local cache."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from pliant.config import nearest
from pliant.encoder.arithmetic import choose_device, choose_precision
from pliant.encoder.backbone import Backbone
from pliant.encoder.backends.hf_text import HfText
from pliant.encoder.backends.layout import read_layout
from pliant.encoder.backends.mini import NAME as MINI
from pliant.encoder.backends.mini import Mini
from pliant.encoder.encoder import Encoder
from pliant.encoder.engines import Runtime
from pliant.errors import NotFoundError

BUILT_IN: dict[str, Callable[[Runtime], Backbone]] = {MINI: Mini}


def load(
    name: str = MINI,
    *,
    device: str | None = None,
    threads: int | None = None,
    precision: str | None = None,
    engine: str = "auto",
) -> Encoder:
    """Load an encoder; its weights are read at the first forward pass.

    Args:
        name: a built-in name, a Hugging Face or sentence-transformers directory, or a repository
            id that is already in the local Hugging Face cache. Nothing is fetched.
        device: "cpu", "cuda" or "cuda:N"; by default a GPU where there is one.
        threads: cores to use in this process; by default all of them, or one inside a Ray actor.
        precision: "fp32" or "bf16"; by default bf16 where the processor has it natively.
        engine: what executes text: "torch" (the reference), "openvino" (BERTs on CPUs), or
            "auto", the faster of those that run the model.

    Raises:
        NotFoundError: no such model on this machine.
        InvalidInputError: a device, a number of threads, a precision or an engine that cannot be.
    """
    chosen = choose_device(device)
    runtime = Runtime(chosen, choose_precision(precision, chosen), engine, threads)
    if name in BUILT_IN:
        return Encoder(BUILT_IN[name](runtime))
    return Encoder(HfText(read_layout(_find(name), name), runtime))


def _find(name: str) -> Path:
    directory = Path(name).expanduser()
    if directory.is_dir():
        return directory
    if _is_repository_id(name):
        from pliant.encoder.backends.hub import cached_snapshot

        if (snapshot := cached_snapshot(name)) is not None:
            return snapshot
    raise NotFoundError(
        f"model {name!r} is not on this machine{nearest(name, list(BUILT_IN))}; allowed: "
        f"{', '.join(BUILT_IN)}, a model directory, or a Hugging Face id in the local cache "
        "(hf download ID puts it there; nothing is fetched here)"
    )


def _is_repository_id(name: str) -> bool:
    words = name.split("/")
    return len(words) <= 2 and all(words) and os.sep not in words[-1] and ".." not in words
