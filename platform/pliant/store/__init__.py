"""Vectors in Milvus: one embedded folder with one owner process, or a server by URL.

The names are loaded when they are first used: importing pymilvus costs most of a second.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pliant.store.datasink import MilvusDatasink
    from pliant.store.hits import Hit, Query
    from pliant.store.lite import LiteHandle, lite_url
    from pliant.store.milvus import MilvusStore
    from pliant.store.rows import StoredRow, StoredRows
    from pliant.store.schema import CollectionInfo, CollectionSpec

__all__ = [
    "CollectionInfo",
    "CollectionSpec",
    "Hit",
    "LiteHandle",
    "MilvusDatasink",
    "MilvusStore",
    "Query",
    "StoredRow",
    "StoredRows",
    "lite_url",
]

_HOMES = {
    "CollectionInfo": "pliant.store.schema",
    "CollectionSpec": "pliant.store.schema",
    "Hit": "pliant.store.hits",
    "LiteHandle": "pliant.store.lite",
    "MilvusDatasink": "pliant.store.datasink",
    "MilvusStore": "pliant.store.milvus",
    "Query": "pliant.store.hits",
    "StoredRow": "pliant.store.rows",
    "StoredRows": "pliant.store.rows",
    "lite_url": "pliant.store.lite",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'pliant.store' has no attribute {name!r}")
