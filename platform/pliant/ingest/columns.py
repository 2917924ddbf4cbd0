"""What the columns of a table are: content, an id, metadata."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Any

from pliant.config import nearest
from pliant.content import Content, MetadataValue
from pliant.ingest.blob import Blob
from pliant.ingest.cells import cell_parts
from pliant.ingest.options import template_columns
from pliant.ingest.rows import Table
from pliant.ingest.values import json_value
from pliant.media import UnreadableError

_CONTENT_NAMES = ("text", "content", "body", "passage", "document", "sentence", "description")
_MEDIA_NAMES = ("image", "video")


def plain_text(value: object) -> str:
    """Give a cell as text for people; empty for none and for bytes."""
    if value is None or isinstance(value, bytes):
        return ""
    if isinstance(value, str):
        return value
    found = json_value(value)
    return "" if found is None else str(found)


class Columns:
    """Which columns are what, and the ids that were seen (8 bytes each)."""

    def __init__(self, blob: Blob, table: Table) -> None:
        options = blob.options
        self._blob = blob
        self._id = options.id_column
        self._seen: set[int] = set()
        named = template_columns(options.template) if options.template else ()
        chosen = options.content_columns or named
        wanted = [*chosen, *(options.metadata_columns or ())]
        for name in [*wanted, *([self._id] if self._id else [])]:
            if table.fixed and name not in table.columns:
                raise _missing(name, table)
        self._content = chosen or _content_columns(table)
        self._template = options.template
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
        if self._template is not None:
            return self._filled(self._template, row), b""
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

    def _filled(self, template: str, row: dict[str, Any]) -> Content:
        values = {name: plain_text(row.get(name)) for name in self._content}
        if not any(text.strip() for text in values.values()):
            given = ", ".join(self._content)
            raise UnreadableError("EmptyRow", f"nothing to embed: the row is empty in {given}")
        text = re.sub(r"\{([^{}]+)\}", lambda found: values[found[1]], template)
        return cell_parts(self._blob, text)[0]

    def values(self, row: dict[str, Any]) -> dict[str, MetadataValue]:
        """Give the metadata of a row; the id is always among it."""
        return {
            name: json_value(value)
            for name, value in row.items()
            if name == self._id
            or (name not in self._content and (self._open or name in self._names))
        }


def _content_columns(table: Table) -> tuple[str, ...]:
    """Choose one column by its name or type; none when the table has no columns, hence no rows."""
    return (_content_column(table),) if table.columns else ()


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
