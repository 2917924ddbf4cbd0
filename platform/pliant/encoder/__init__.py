"""The encoder: content to unit vectors of one space."""

from pliant.encoder.backbone import Backbone, BackboneInfo, Batch, Item, ModelCard
from pliant.encoder.encoder import Encoder
from pliant.encoder.load import BUILT_IN, load
from pliant.vectors.embeddings import Embeddings

__all__ = [
    "BUILT_IN",
    "Backbone",
    "BackboneInfo",
    "Batch",
    "Embeddings",
    "Encoder",
    "Item",
    "ModelCard",
    "load",
]
