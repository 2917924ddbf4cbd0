"""Architectures without an engine of ours: transformers' AutoModel over padded texts, in torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoModel

from pliant.encoder.arithmetic import choose_dtype
from pliant.encoder.backbone import Hidden
from pliant.encoder.backends.layout import Layout
from pliant.errors import UnavailableError


class GeneralNetwork:
    """A network of any architecture that gives `last_hidden_state`."""

    def __init__(self, layout: Layout, precision: str, device: str) -> None:
        self._device = torch.device(device)
        pad = layout.config.get("pad_token_id")
        self._pad_id = pad if isinstance(pad, int) and pad >= 0 else 0
        network = _load(layout, choose_dtype(precision, device))
        self._network = network.to(self._device).eval()

    @torch.inference_mode()
    def __call__(self, texts: Sequence[npt.NDArray[np.int32]]) -> Hidden:
        """Run the network: hidden states [B, T, H] and their mask."""
        longest = max(len(tokens) for tokens in texts)
        ids = torch.full((len(texts), longest), self._pad_id, dtype=torch.long)
        mask = torch.zeros((len(texts), longest), dtype=torch.long)
        for row, tokens in enumerate(texts):
            ids[row, : len(tokens)] = torch.from_numpy(tokens.astype(np.int64))
            mask[row, : len(tokens)] = 1
        ids, mask = ids.to(self._device), mask.to(self._device)
        states = self._network(input_ids=ids, attention_mask=mask).last_hidden_state
        return Hidden(states, mask)


def _load(layout: Layout, dtype: torch.dtype) -> Any:
    try:
        return AutoModel.from_pretrained(
            layout.trunk,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=dtype,
        )
    except (OSError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise UnavailableError(f"model {layout.name!r} does not load: {first}") from error
