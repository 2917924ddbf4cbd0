"""A query and its hits, and how Milvus's answer becomes hits.

This module knows no client.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pliant.content import MetadataValue
from pliant.errors import InvalidInputError
from pliant.store.rows import metadata_of
from pliant.store.schema import SEARCHABLE, Layout

MAX_HITS = 16_384


@dataclass(frozen=True, slots=True)
class Query:
    """A search in one collection.

    Attributes:
        collection: where.
        vector: float32 [D], in the collection's space.
        space_id: the space of the vector.
        filter: an expression of the filter language, or None.
        params: values for the `{name}` in the filter.
        limit: at most so many hits.
        offset: leave out so many of the best hits.
        group_by: a field of which every value is answered once, by its best row.
        thumbnails: whether hits carry thumbnails.
        fresh: see every row written before; a server answers faster without.
    """

    collection: str
    vector: np.ndarray
    space_id: str
    filter: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    limit: int = 10
    offset: int = 0
    group_by: str | None = None
    thumbnails: bool = False
    fresh: bool = True


@dataclass(frozen=True, slots=True)
class Hit:
    """A row that was found.

    Attributes:
        id: its key.
        score: how near it is; higher is better.
        source: as the user typed it, joined with the path below it.
        locator: where in the source.
        modality: what kind of row it is.
        text: its text.
        metadata: every user column that is not null, under the user's name.
        thumbnail: a small encoded picture, or empty.
    """

    id: str
    score: float
    source: str
    locator: str
    modality: str
    text: str
    metadata: dict[str, MetadataValue]
    thumbnail: bytes = b""


def check_query(query: Query, layout: Layout) -> None:
    """Refuse what no back end can answer.

    Raises:
        InvalidInputError: says what is wrong and what is allowed.
    """
    if query.limit < 1 or query.offset < 0 or query.limit + query.offset > MAX_HITS:
        raise InvalidInputError(
            f"limit {query.limit} and offset {query.offset} are not possible: limit is at least 1, "
            f"offset at least 0, together at most {MAX_HITS}"
        )
    if query.group_by is None:
        return
    groups = [*SEARCHABLE, *(n for n, k in layout.typed.items() if k in ("string", "int", "bool"))]
    if query.group_by not in groups:
        raise InvalidInputError(
            f"cannot group by {query.group_by!r}; possible are: {', '.join(groups)}"
        )
    if layout.backend == "milvus23":
        raise InvalidInputError("this Milvus server cannot group hits: it is older than 2.6")


def fields_of(query: Query, layout: Layout) -> list[str]:
    """Name the fields a hit is made of: no vector, which nobody reads."""
    shown = ["source", "locator", "modality", "text", *layout.typed, "$meta"]
    return [*shown, "thumbnail"] if query.thumbnails else shown


def to_hit(found: Mapping[str, Any], layout: Layout) -> Hit:
    """Convert one of Milvus's hits."""
    entity = dict(found["entity"])
    return Hit(
        id=str(found["id"]),
        score=float(found["distance"]),
        source=entity.get("source", ""),
        locator=entity.get("locator", ""),
        modality=entity.get("modality", ""),
        text=entity.get("text", ""),
        metadata=metadata_of(entity, layout),
        thumbnail=base64.b64decode(entity.get("thumbnail") or ""),
    )


def breadth(query: Query) -> int:
    """Give the breadth of a graph search: at least what is wanted, and twice a page."""
    return min(MAX_HITS, max(100, 2 * (query.limit + query.offset)))
