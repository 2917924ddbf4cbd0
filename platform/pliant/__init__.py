"""Pliant: elastic multimodal embeddings.

The public names are loaded when they are first used, so that importing the package stays cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pliant.content import Image, Record, Text, Video

if TYPE_CHECKING:
    from pliant.elastic.subnetwork import SubNetwork
    from pliant.encoder import Encoder, load

__all__ = ["Encoder", "Image", "Record", "SubNetwork", "Text", "Video", "load"]
__version__ = "0.1.0"

_HOMES = {
    "Encoder": "pliant.encoder",
    "load": "pliant.encoder",
    "SubNetwork": "pliant.elastic.subnetwork",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'pliant' has no attribute {name!r}")
