"""User metadata: JSON values from columns, sidecars and paths."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from pliant.content import MetadataValue
from pliant.ingest.options import ReadOptions, path_regex
from pliant.ingest.source import Source, readable
from pliant.ingest.suffixes import sidecar_of
from pliant.media import UnreadableError, first_line

_MAX_DEPTH = 32
_MAX_VALUES = 10_000
_MAX_SIDECAR = 2**20
_INT64 = 2**63


def json_value(value: object) -> MetadataValue:
    """Turn a value of a table into a JSON value: times are ISO 8601, NaN and infinities are null.

    Raises:
        UnreadableError: bytes or objects, more than 32 levels or 10,000 values.
    """
    return _convert(value, 0, [_MAX_VALUES])


def source_metadata(source: Source, options: ReadOptions) -> dict[str, MetadataValue]:
    """Collect what every record of a source carries: path parts, then the sidecar.

    Raises:
        UnreadableError: the sidecar is no JSON object.
    """
    return {**_path_parts(source, options.path_pattern), **_sidecar(source)}


def typed(text: str) -> MetadataValue:
    """Read an integer from a part of a path; any other text stays text."""
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else text


def column_parser(texts: Sequence[str]) -> Callable[[str], MetadataValue]:
    """Choose the type of a CSV column from a sample; a later value that does not fit stays text."""
    given = [text for text in texts if text]
    for pattern, convert in _CSV_TYPES:
        if given and all(pattern.fullmatch(text) for text in given):
            return lambda text: _parsed(text, pattern, convert)
    return str


def _parsed(
    text: str, pattern: re.Pattern[str], convert: Callable[[str], MetadataValue]
) -> MetadataValue:
    if not text:
        return None
    return convert(text) if pattern.fullmatch(text) else text


_CSV_TYPES: list[tuple[re.Pattern[str], Callable[[str], MetadataValue]]] = [
    (re.compile(r"0|-?[1-9][0-9]{0,17}"), int),
    (re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,17})?([eE][+-]?[0-9]{1,2})?"), float),
    (re.compile(r"true|false", re.IGNORECASE), lambda text: text.lower() == "true"),
]


def _path_parts(source: Source, pattern: str | None) -> dict[str, MetadataValue]:
    if pattern is None:
        return {}
    found = path_regex(pattern).search(source.path)
    return (
        {name: typed(readable(text)) for name, text in found.groupdict().items()} if found else {}
    )


def _sidecar(source: Source) -> dict[str, MetadataValue]:
    path = sidecar_of(source.path)
    if path is None:
        return {}
    name = readable(Path(path).name)
    with Path(path).open("rb") as file:
        data = file.read(_MAX_SIDECAR + 1)
    if len(data) > _MAX_SIDECAR:
        raise UnreadableError("BadSidecar", f"its sidecar {name!r} is larger than 1 MiB")
    try:
        loaded = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise UnreadableError(
            "BadSidecar", f"its sidecar {name!r} is not JSON: {first_line(error)}"
        ) from error
    if not isinstance(loaded, dict):
        raise UnreadableError("BadSidecar", f"its sidecar {name!r} must hold a JSON object")
    return {key: json_value(value) for key, value in loaded.items()}


def _convert(value: object, depth: int, budget: list[int]) -> MetadataValue:
    budget[0] -= 1
    if depth > _MAX_DEPTH or budget[0] < 0:
        raise UnreadableError(
            "MetadataTooLarge",
            f"a metadata value has more than {_MAX_DEPTH} levels or {_MAX_VALUES:,} values",
        )
    if isinstance(value, Mapping):
        return {_text(str(key)): _convert(item, depth + 1, budget) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_convert(item, depth + 1, budget) for item in value]
    return _scalar(value)


def _scalar(value: object) -> MetadataValue:
    if value is None or isinstance(value, bool):
        return value
    for kinds, convert in _SCALARS:
        if isinstance(value, kinds):
            return convert(value)
    raise UnreadableError(
        "UnsupportedMetadata",
        f"a metadata value is of type {type(value).__name__}; JSON values are allowed",
    )


def _number(value: Any) -> MetadataValue:
    if isinstance(value, int):
        return value if -_INT64 <= value < _INT64 else str(value)
    return float(value) if math.isfinite(value) else None


def _text(value: str) -> str:
    return value if value.isascii() else value.encode("utf8", "replace").decode()


_SCALARS: list[tuple[type | tuple[type, ...], Callable[[Any], MetadataValue]]] = [
    (str, _text),
    ((int, float, Decimal), _number),
    ((datetime, date, time), lambda value: value.isoformat()),
    (timedelta, timedelta.total_seconds),
    (UUID, str),
]
