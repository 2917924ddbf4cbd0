"""Rows on their way into a collection and back: types, limits, sizes.

This module knows the layout of a collection, and no client.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson

from pliant.content import MetadataValue
from pliant.errors import InvalidInputError
from pliant.store.schema import (
    BUILT_IN,
    MAX_VARCHAR_BYTES,
    FieldType,
    Layout,
    merge_kinds,
    shown_name,
    stored_name,
)

MAX_CALL_BYTES = 10_000_000
MAX_CALL_ROWS = 4096
MAX_JSON_BYTES = 65_536
MAX_ARRAY_ITEMS = 4096
_INT64 = range(-(2**63), 2**63)
_ROW_BYTES = 256

Values = dict[str, Any]
"""One row as the client takes it."""


@dataclass(frozen=True, slots=True)
class StoredRow:
    """One row but its vector.

    Attributes:
        id: the key; `pliant.content.row_key` makes it.
        modality: what kind of row it is.
        source: the source as the user typed it, joined with the path below it.
        locator: where in the source.
        text: what is shown as a snippet; cut at 65,535 bytes.
        thumbnail: a small encoded picture, at most 18 KB, or empty.
        source_key: the key of the source alone.
        generation: which state of the source and of the options made the row.
        metadata: user columns.
    """

    id: str
    modality: str
    source: str
    locator: str = ""
    text: str = ""
    thumbnail: bytes = b""
    source_key: str = ""
    generation: str = ""
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredRows:
    """Rows to write.

    Attributes:
        space_id: the space of the vectors.
        rows: what belongs to each vector.
        vectors: float32 [N, D].
    """

    space_id: str
    rows: Sequence[StoredRow]
    vectors: np.ndarray

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.rows) != len(self.vectors):
            raise InvalidInputError(
                f"{len(self.rows)} rows need as many vectors: given an array of shape "
                f"{list(self.vectors.shape)}, needed [{len(self.rows)}, D]"
            )


def check_vectors(vectors: np.ndarray, dim: int) -> np.ndarray:
    """Give vectors as float32 [N, D] that a collection can take.

    Raises:
        InvalidInputError: another number of dimensions, or a number that is none.
    """
    if vectors.shape[1] != dim:
        raise InvalidInputError(
            f"the collection holds vectors of {dim} dimensions, given {vectors.shape[1]}"
        )
    wrong = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(wrong):
        raise InvalidInputError(
            f"vector {wrong[0]} of {len(vectors)} holds NaN or infinity; "
            "only finite numbers can be stored or searched"
        )
    return np.ascontiguousarray(vectors, dtype=np.float32)


def to_values(row: StoredRow, vector: np.ndarray, layout: Layout) -> Values:
    """Convert a row to what the client takes.

    Raises:
        InvalidInputError: a value that does not fit its field; the message names the row.
    """
    try:
        values: Values = {name: _built_in(row, name) for name in BUILT_IN}
        values |= _metadata(row.metadata, layout)
    except InvalidInputError as error:
        where = ";".join(filter(None, (row.source, row.locator)))
        raise InvalidInputError(f"row {where!r}: {error}") from error
    return {**values, "vector": vector}


def metadata_of(entity: Mapping[str, Any], layout: Layout) -> dict[str, MetadataValue]:
    """Collect a stored row's metadata under the user's own names; nulls are left out."""
    hidden = {*BUILT_IN, "vector"}
    found = {
        shown_name(name): _plain(value, layout.fields.get(name))
        for name, value in entity.items()
        if name not in hidden and value is not None
    }
    return dict(sorted(found.items()))


def dynamic_kinds(rows: Sequence[StoredRow]) -> dict[str, FieldType]:
    """Give stored names and types of all metadata in some rows."""
    found: dict[str, list[FieldType]] = {}
    for row in rows:
        for name, value in row.metadata.items():
            if value is not None:
                found.setdefault(stored_name(name), []).append(kind_of(value))
    return {name: merge_kinds(kinds) for name, kinds in found.items()}


def kind_of(value: MetadataValue) -> FieldType:
    """Name the type of a value that is not null."""
    for kind, name in _KINDS.items():
        if type(value) is kind:
            return name
    if isinstance(value, list) and value:
        kinds = {type(item) for item in value}
        if kinds <= {int, float} and len(kinds) == 2:
            return "array<float>"
        if len(kinds) == 1 and (one := _KINDS.get(kinds.pop())):
            return _ARRAYS[one]
    return "json"


def latest(rows: StoredRows) -> list[int]:
    """Give the positions of the rows to write: of several with one key, the last."""
    return sorted({row.id: position for position, row in enumerate(rows.rows)}.values())


def calls(rows: Sequence[Values]) -> Iterator[list[Values]]:
    """Split rows into calls that a server accepts."""
    call: list[Values] = []
    room = MAX_CALL_BYTES
    for row in rows:
        size = size_bytes(row)
        if call and (size > room or len(call) >= MAX_CALL_ROWS):
            yield call
            call, room = [], MAX_CALL_BYTES
        call.append(row)
        room -= size
    if call:
        yield call


def size_bytes(values: Values) -> int:
    """Estimate a row's size on the wire."""
    total = _ROW_BYTES
    for value in values.values():
        if isinstance(value, np.ndarray):
            total += value.nbytes
        elif isinstance(value, str):
            total += len(value) if value.isascii() else len(value.encode("utf8"))
        elif value is not None:
            total += len(orjson.dumps(value))
    return total


def conform(name: str, value: MetadataValue, kind: FieldType) -> Any:
    """Give a metadata value as its field takes it; None for null and for numbers that are none.

    Raises:
        InvalidInputError: the value has another type or is too large.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if kind == "json":
        return _json(name, value)
    if kind.startswith("array<"):
        return _array(name, value, kind)
    fitted = _scalar(value, kind)
    if fitted is None:
        raise InvalidInputError(
            f"metadata column {name!r} is of type {kind}, given {value!r:.80} "
            f"({kind_of(value)}{_beyond(value)})"
        )
    if isinstance(fitted, str) and len(fitted.encode("utf8")) > MAX_VARCHAR_BYTES:
        raise InvalidInputError(
            f"metadata column {name!r} holds a text of {len(fitted.encode('utf8'))} bytes, "
            f"at most {MAX_VARCHAR_BYTES} can be stored"
        )
    return fitted


_KINDS: dict[type, FieldType] = {str: "string", int: "int", float: "float", bool: "bool"}
_ARRAYS: dict[FieldType, FieldType] = {
    "string": "array<string>",
    "int": "array<int>",
    "float": "array<float>",
    "bool": "array<bool>",
}


def _built_in(row: StoredRow, name: str) -> str:
    value = getattr(row, name)
    if name == "thumbnail":
        value = base64.b64encode(value).decode()
    value = clean(value)
    limit = BUILT_IN[name]
    if name == "text":
        return clip(value, limit)
    size = len(value.encode("utf8"))
    if size > limit:
        raise InvalidInputError(f"{name} has {size} bytes, at most {limit} can be stored")
    return value


def clean(text: str) -> str:
    """Replace what UTF-8 cannot hold (lone surrogates)."""
    return text.encode("utf8", "replace").decode("utf8")


def clip(text: str, limit: int) -> str:
    """Cut a text at a number of UTF-8 bytes, between characters."""
    data = text.encode("utf8")
    return text if len(data) <= limit else data[:limit].decode("utf8", "ignore")


def _metadata(metadata: Mapping[str, MetadataValue], layout: Layout) -> Values:
    """Fill every typed field (null if missing), and put the rest beside them."""
    typed = layout.typed
    noted = layout.spec.metadata_fields
    values: Values = dict.fromkeys(typed)
    dynamic: Values = {}
    for shown, value in metadata.items():
        name = stored_name(shown)
        fitted = conform(shown, value, noted.get(name, "json"))
        if name in typed:
            values[name] = fitted
        elif fitted is not None:
            dynamic[name] = fitted
    _json("dynamic", dynamic)
    return {**dynamic, **values}


def _scalar(value: Any, kind: FieldType) -> Any:
    """Give the value as the type holds it, or None when it does not fit."""
    if kind == "string":
        return clean(value) if isinstance(value, str) else None
    if isinstance(value, bool) or kind == "bool":
        return value if isinstance(value, bool) and kind == "bool" else None
    if kind == "float":
        return float(value) if isinstance(value, int | float) else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and value in _INT64 else None


def _beyond(value: object) -> str:
    return ", beyond 64 bits" if isinstance(value, int) and value not in _INT64 else ""


def _array(name: str, value: MetadataValue, kind: FieldType) -> list[Any]:
    item_kind: FieldType = next(one for one, many in _ARRAYS.items() if many == kind)
    if not isinstance(value, list) or len(value) > MAX_ARRAY_ITEMS:
        raise InvalidInputError(
            f"metadata column {name!r} is of type {kind} with at most {MAX_ARRAY_ITEMS} items, "
            f"given {value!r:.80}"
        )
    items = [conform(name, item, item_kind) for item in value]
    if any(item is None for item in items):
        raise InvalidInputError(f"metadata column {name!r} of type {kind} holds a null")
    return items


def _json(name: str, value: MetadataValue) -> Any:
    """Check that a value is JSON of a size that can be stored; NaN and infinity become null."""
    try:
        data = orjson.dumps(value)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"metadata column {name!r} is not JSON: {error}") from error
    if len(data) > MAX_JSON_BYTES:
        raise InvalidInputError(
            f"metadata column {name!r} holds {len(data)} bytes of JSON, "
            f"at most {MAX_JSON_BYTES} can be stored"
        )
    return orjson.loads(data)


def _plain(value: Any, kind: FieldType | None) -> MetadataValue:
    """Give a value that came from the wire as plain Python."""
    if kind and kind.startswith("array<"):
        return list(value)
    return value
