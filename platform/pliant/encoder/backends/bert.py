"""Which models are BERTs as the engines run them. Knows no arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def fits(config: Mapping[str, Any]) -> bool:
    """Whether the engines' BERT is that of a model with this config.json."""
    return (
        config.get("model_type") == "bert"
        and config.get("hidden_act") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and not config.get("is_decoder", False)
        and not config.get("quantization_config")
    )
