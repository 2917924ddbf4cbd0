"""A collection's fields and index in pymilvus's words."""

from __future__ import annotations

from typing import Any

from pymilvus import CollectionSchema, DataType, MilvusClient
from pymilvus.milvus_client import IndexParams

from pliant.store.rows import MAX_ARRAY_ITEMS
from pliant.store.schema import (
    BUILT_IN,
    MAX_VARCHAR_BYTES,
    Backend,
    CollectionSpec,
    FieldType,
    typed_fields,
)


def to_schema(spec: CollectionSpec, backend: Backend) -> CollectionSchema:
    """Give the fields of a collection."""
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=True)
    for name, size in BUILT_IN.items():
        schema.add_field(name, DataType.VARCHAR, max_length=size, is_primary=name == "id")
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=spec.dim)
    for name, kind in typed_fields(spec.metadata_fields, backend).items():
        schema.add_field(name, nullable=True, **_TYPES[kind])
    return schema


def to_index(backend: Backend) -> IndexParams:
    """Give the index: exact in an embedded store, a graph on a server."""
    index = MilvusClient.prepare_index_params()
    if backend == "lite":
        index.add_index("vector", index_type="FLAT", metric_type="COSINE")
    else:
        index.add_index(
            "vector",
            index_type="HNSW",
            metric_type="COSINE",
            params={"M": 16, "efConstruction": 200},
        )
    return index


_VARCHAR = {"max_length": MAX_VARCHAR_BYTES}
_ARRAY = {"datatype": DataType.ARRAY, "max_capacity": MAX_ARRAY_ITEMS}
_TYPES: dict[FieldType, dict[str, Any]] = {
    "string": {"datatype": DataType.VARCHAR, **_VARCHAR},
    "int": {"datatype": DataType.INT64},
    "float": {"datatype": DataType.DOUBLE},
    "bool": {"datatype": DataType.BOOL},
    "json": {"datatype": DataType.JSON},
    "array<string>": {**_ARRAY, "element_type": DataType.VARCHAR, **_VARCHAR},
    "array<int>": {**_ARRAY, "element_type": DataType.INT64},
    "array<float>": {**_ARRAY, "element_type": DataType.DOUBLE},
    "array<bool>": {**_ARRAY, "element_type": DataType.BOOL},
}
