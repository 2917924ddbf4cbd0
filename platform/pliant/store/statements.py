"""The statements that a store sends: write, query, scan, nearest, delete.

Each is one or more idempotent calls on a connection. This module knows conditions as text, rows
as the client takes them, and nothing of the layout of a collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from pymilvus import MilvusClient

from pliant.errors import InvalidInputError
from pliant.store.connection import Connection, TooLargeError
from pliant.store.expressions import ALL, among, quoted
from pliant.store.hits import Query, breadth
from pliant.store.rows import Values

PAGE_ROWS = 4096
FETCH_ROWS = 256


def write(connection: Connection, name: str, rows: list[Values]) -> None:
    """Write rows in one call; in two when the server finds it too large.

    Raises:
        InvalidInputError: one row alone is too large.
    """
    try:
        connection.call(lambda client: _replace(connection, client, name, rows), name)
    except TooLargeError as error:
        if len(rows) == 1:
            raise InvalidInputError(f"row {rows[0]['id']!r} is too large: {error}") from error
        half = len(rows) // 2
        write(connection, name, rows[:half])
        write(connection, name, rows[half:])


def query(connection: Connection, name: str, where: str, fields: Sequence[str]) -> list[Any]:
    """Give fields of the rows that match, at most one message of them."""
    found: Any = connection.call(
        lambda client: client.query(
            name,
            filter=where,
            output_fields=list(fields),
            consistency_level="Strong",
            **connection.options(),
        ),
        name,
    )
    return list(found)


def count(connection: Connection, name: str, where: str = "") -> int:
    """Count the rows that match."""
    return int(query(connection, name, where, ["count(*)"])[0]["count(*)"])


def scan(connection: Connection, name: str, where: str, fields: Sequence[str]) -> Iterator[Any]:
    """Give all rows that match; a server in pages, Lite (which sorts for each page) at once."""
    if connection.backend == "lite":
        yield from query(connection, name, where or ALL, fields)
        return
    last = ""
    while True:
        after = f"id > {quoted(last)}" + (f" and ({where})" if where else "")
        page = _page(connection, name, after, fields)
        yield from page
        if len(page) < PAGE_ROWS:
            return
        last = max(str(row["id"]) for row in page)


def delete(connection: Connection, name: str, where: str) -> int:
    """Delete what matches; counted before, because back ends disagree on what they report."""
    found = count(connection, name, where)
    if found:
        connection.call(
            lambda client: client.delete(name, filter=where, **connection.options()), name
        )
    return found


def delete_keys(connection: Connection, name: str, keys: Sequence[str]) -> int:
    """Delete rows by key; give how many there were."""
    pages = range(0, len(keys), PAGE_ROWS)
    return sum(delete(connection, name, among("id", keys[at : at + PAGE_ROWS])) for at in pages)


def nearest(
    connection: Connection, asked: Query, vector: np.ndarray, where: str, fields: Sequence[str]
) -> list[Any]:
    """Give the nearest rows with their fields; of many, the fields page by page."""
    if asked.limit <= FETCH_ROWS:
        return _search(connection, asked, vector, where, fields)
    found = _search(connection, asked, vector, where, ["id"])
    return _fill(connection, asked.collection, found, fields)


def _page(connection: Connection, name: str, where: str, fields: Sequence[str]) -> list[Any]:
    """Give the first rows in the order of their keys, as pymilvus's iterator asks for them.

    That iterator itself is of no use: against an older server it reads as of its own clock. With
    `iterator` pymilvus sends the consistency the collection was made with, which is Strong.
    """
    found: Any = connection.call(
        lambda client: client.query(
            name,
            filter=where,
            output_fields=[*fields, "id"],
            limit=PAGE_ROWS,
            iterator="True",
            reduce_stop_for_best=True,
            **connection.options(),
        ),
        name,
    )
    return list(found)


def _replace(connection: Connection, client: MilvusClient, name: str, rows: list[Values]) -> None:
    """Replace rows: Lite's upsert merges into the old row, its insert replaces it."""
    if connection.backend == "lite":
        client.insert(name, rows, **connection.options())
    else:
        client.upsert(name, rows, **connection.options())


def _search(
    connection: Connection, asked: Query, vector: np.ndarray, where: str, fields: Sequence[str]
) -> list[Any]:
    grouped = {"group_by_field": asked.group_by} if asked.group_by else {}
    wanted = dict.fromkeys([*fields, *grouped.values()])
    found: Any = connection.call(
        lambda client: client.search(
            asked.collection,
            data=[vector],
            anns_field="vector",
            filter=where,
            limit=asked.limit,
            output_fields=list(wanted),
            search_params={"offset": asked.offset, "params": {"ef": breadth(asked)}},
            consistency_level="Strong" if asked.fresh else "Bounded",
            **grouped,
            **connection.options(),
        ),
        asked.collection,
    )
    return list(found[0])


def _fill(connection: Connection, name: str, found: list[Any], fields: Sequence[str]) -> list[Any]:
    """Fetch the fields of hits, for a message has its limit; deleted rows are left out."""
    entities: dict[str, Any] = {}
    keys = [str(one["id"]) for one in found]
    for at in range(0, len(keys), FETCH_ROWS):
        rows = query(connection, name, among("id", keys[at : at + FETCH_ROWS]), fields)
        entities |= {str(row["id"]): row for row in rows}
    return [
        {"id": key, "distance": one["distance"], "entity": entities[key]}
        for key, one in zip(keys, found, strict=True)
        if key in entities
    ]
