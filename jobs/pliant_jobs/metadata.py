"""Which typed metadata fields a new collection gets: those that a sample of the sources shows.

Milvus Lite cannot add a field later, so the sample is read before the collection is made. What
the sample does not show, or shows with several types, goes to the dynamic field.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from pliant.content import MetadataValue, Record
from pliant.ingest.isolate import IsolatedReader
from pliant.ingest.options import ReadOptions
from pliant.ingest.suffixes import TABLES
from pliant.ingest.values import source_metadata

if TYPE_CHECKING:
    from pliant.ingest.source import Source
    from pliant.store.schema import FieldType

SAMPLED_TABLES, SAMPLED_ROWS, SAMPLED_FILES = 64, 200, 200


def metadata_fields(sources: Sequence[Source], options: ReadOptions) -> dict[str, FieldType]:
    """Infer the metadata fields from a sample of the sources."""
    tables = [source for source in sources if Path(source.path).suffix.lower() in TABLES]
    others = [source for source in sources if source not in tables[:SAMPLED_TABLES]]
    return infer_fields([*_table_rows(tables, options), *_file_rows(others, options)])


def infer_fields(rows: Iterable[Mapping[str, MetadataValue]]) -> dict[str, FieldType]:
    """Give the type of every name whose values agree; nulls say nothing."""
    kinds: dict[str, set[FieldType]] = {}
    for row in rows:
        for name, value in row.items():
            if value is not None and (kind := _kind(value)):
                kinds.setdefault(name, set()).add(kind)
    fields: dict[str, FieldType] = {}
    for name, found in kinds.items():
        if kind := _merge(found):
            fields[name] = kind
    return fields


def _table_rows(
    tables: Sequence[Source], options: ReadOptions
) -> Iterator[Mapping[str, MetadataValue]]:
    if not tables:
        return
    with IsolatedReader() as reader:
        for source in tables[:SAMPLED_TABLES]:
            for found in islice(reader.read(source, options), SAMPLED_ROWS):
                if isinstance(found, Record):
                    yield found.metadata


def _file_rows(
    files: Sequence[Source], options: ReadOptions
) -> Iterator[Mapping[str, MetadataValue]]:
    for source in files[:SAMPLED_FILES]:
        yield source_metadata(source, options)


_SCALARS: dict[type, FieldType] = {bool: "bool", int: "int", float: "float", str: "string"}
_ARRAYS: dict[FieldType, FieldType] = {
    "bool": "array<bool>",
    "int": "array<int>",
    "float": "array<float>",
    "string": "array<string>",
}


def _kind(value: MetadataValue) -> FieldType | None:
    if isinstance(value, dict):
        return "json"
    if isinstance(value, list):
        kinds: set[FieldType] = {kind for item in value if (kind := _kind(item))}
        inner = _merge(kinds) if None not in value else None
        return _ARRAYS.get(inner, "json") if inner else ("json" if value else None)
    return _SCALARS.get(type(value))


def _merge(kinds: set[FieldType]) -> FieldType | None:
    if len(kinds) == 1:
        return next(iter(kinds))
    if kinds == {"int", "float"}:
        return "float"
    if kinds == {"array<int>", "array<float>"}:
        return "array<float>"
    return None
