"""Readers of tables: content columns, an id and metadata from every row."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

from pliant.config import nearest
from pliant.content import Content, MetadataValue, Record, modality_of
from pliant.ingest.blob import Blob, attempt
from pliant.ingest.cells import cell_parts
from pliant.ingest.failure import Failure
from pliant.ingest.parquet import parquet_table
from pliant.ingest.rows import Table, csv_table, jsonl_table
from pliant.ingest.values import json_value
from pliant.media import UnreadableError

_CONTENT_NAMES = ("text", "content", "body", "passage", "document", "sentence", "description")
_MEDIA_NAMES = ("image", "video")


def read_jsonl(blob: Blob) -> Iterator[Record | Failure]:
    """Give one record per line; "row=17" is the 18th line of the file."""
    with Path(blob.source.path).open("rb") as file:
        yield from _records(blob, jsonl_table(blob, file))


def read_csv(blob: Blob) -> Iterator[Record | Failure]:
    """Give one record per row; "row=17" is the 18th row after the header."""
    with Path(blob.source.path).open("rb") as file:
        yield from _records(blob, csv_table(blob, file))


def read_parquet(blob: Blob) -> Iterator[Record | Failure]:
    """Give one record per row; "row=17" is the 18th row."""
    yield from _records(blob, parquet_table(blob))


def _records(blob: Blob, table: Table) -> Iterator[Record | Failure]:
    columns = _Columns(blob, table)
    index = -1
    for number, row in enumerate(table.rows):
        if row is None:
            continue
        index += 1
        if blob.limits.max_rows is not None and index >= blob.limits.max_rows:
            raise UnreadableError(
                "TooManyRows", f"the table goes on; max_rows allows {blob.limits.max_rows:,}"
            )
        name = columns.identify(row)
        locator = f"row={number}"
        yield attempt(blob, index, locator, partial(_record, blob, columns, row, name, locator))
    if index < 0:
        raise UnreadableError("NoRows", "the table holds no rows")


def _record(
    blob: Blob,
    columns: _Columns,
    row: dict[str, Any] | UnreadableError,
    name: str | UnreadableError,
    locator: str,
) -> Record:
    if isinstance(row, UnreadableError):
        raise row
    if isinstance(name, UnreadableError):
        raise name
    content, small = columns.parts(row)
    metadata = {**blob.metadata, **columns.values(row)}
    return Record(
        id=name or locator,
        content=content,
        source=blob.source.source,
        locator=locator,
        metadata=metadata,
        modality=modality_of(content),
        thumbnail=small,
    )


class _Columns:
    """Which columns are what, and the ids that were seen (8 bytes each)."""

    def __init__(self, blob: Blob, table: Table) -> None:
        options = blob.options
        self._blob = blob
        self._id = options.id_column
        self._seen: set[int] = set()
        wanted = [*options.content_columns, *(options.metadata_columns or ())]
        for name in [*wanted, *([self._id] if self._id else [])]:
            if table.fixed and name not in table.columns:
                raise _missing(name, table)
        self._content = options.content_columns or (_content_column(table),)
        self._all = options.metadata_columns is None
        self._names = set(table.plain if self._all else options.metadata_columns or ())
        self._open = self._all and not table.fixed

    def identify(self, row: dict[str, Any] | UnreadableError) -> str | UnreadableError:
        """Give the record's id by the id column, or nothing without one."""
        if self._id is None or isinstance(row, UnreadableError):
            return ""
        value = row.get(self._id)
        if value is None or value == "" or isinstance(value, dict | list | bytes):
            return UnreadableError(
                "MissingId",
                f"the id column {self._id!r} holds {value!r}; give text or a number"[:300],
            )
        text = str(value)
        digest = int.from_bytes(blake2b(text.encode("utf8", "replace"), digest_size=8).digest())
        if digest in self._seen:
            return UnreadableError(
                "DuplicateId", f"the id {text[:80]!r} stands in an earlier row; ids must differ"
            )
        self._seen.add(digest)
        return "id=" + text.replace("%", "%25").replace(";", "%3B")

    def parts(self, row: dict[str, Any]) -> tuple[Content, bytes]:
        """Give the content of a row in the order of the content columns, and a thumbnail."""
        cells = [cell_parts(self._blob, row.get(name)) for name in self._content]
        content = tuple(part for parts, _ in cells for part in parts)
        if not content:
            given = ", ".join(self._content)
            raise UnreadableError(
                "EmptyRow",
                f"nothing to embed: the row is empty in {given}; "
                f"it has {', '.join(row) or 'no columns'}"[:500],
            )
        return content, next((small for _, small in cells if small), b"")

    def values(self, row: dict[str, Any]) -> dict[str, MetadataValue]:
        """Give the metadata of a row; the id is always among it."""
        return {
            name: json_value(value)
            for name, value in row.items()
            if name == self._id
            or (name not in self._content and (self._open or name in self._names))
        }


def _content_column(table: Table) -> str:
    lower: dict[str, str] = {}
    for name in table.columns:
        lower.setdefault(name.lower(), name)
    for name in _CONTENT_NAMES:
        if lower.get(name) in table.texts:
            return lower[name]
    if len(table.texts) == 1:
        return table.texts[0]
    for name in _MEDIA_NAMES:
        if name in lower:
            return lower[name]
    raise UnreadableError(
        "NoContentColumn",
        "it is not clear which column to embed; set content_columns to some of: "
        f"{', '.join(table.columns) or 'none'}"[:500],
    )


def _missing(name: str, table: Table) -> UnreadableError:
    hint = nearest(name, table.columns)
    return UnreadableError(
        "MissingColumn",
        f"there is no column {name!r}{hint}; the columns are {', '.join(table.columns)}"[:500],
    )
