"""Rows of SQLite databases, read only, and never their views, triggers or functions."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pliant.config import nearest
from pliant.ingest.blob import Blob
from pliant.ingest.columnar import objects_table
from pliant.ingest.rows import Table
from pliant.media import UnreadableError, first_line


def database_tables(blob: Blob) -> Generator[tuple[str, Table | UnreadableError]]:
    """Give each table as "table=NAME", or the one that `table` names.

    Raises:
        UnreadableError: no database, or no such table.
    """
    try:
        with closing(_open(blob)) as connection:
            for name in _names(blob, connection):
                yield f"table={_escaped(name)}", _table(connection, name)
    except sqlite3.Error as error:
        raise UnreadableError(
            "BrokenDatabase", f"the SQLite database cannot be read: {first_line(error)}"
        ) from error


def _open(blob: Blob) -> sqlite3.Connection:
    place = quote(str(Path(blob.path).resolve()))
    connection = sqlite3.connect(f"file:{place}?mode=ro&immutable=1", uri=True)
    connection.text_factory = lambda data: data.decode("utf8", "surrogateescape")
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA query_only = ON")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, min(blob.limits.max_bytes, 2**31 - 1))
    return connection


def _names(blob: Blob, connection: sqlite3.Connection) -> list[str]:
    found = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite@_%' "
        "ESCAPE '@' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name"
    )
    names = [str(name) for (name,) in found]
    if blob.options.table is None:
        return names
    if blob.options.table not in names:
        raise UnreadableError(
            "MissingTable",
            f"there is no table {blob.options.table!r}{nearest(blob.options.table, names)}; "
            f"the tables are {', '.join(names) or 'none'}"[:500],
        )
    return [blob.options.table]


def _table(connection: sqlite3.Connection, name: str) -> Table | UnreadableError:
    quoted = '"' + name.replace('"', '""') + '"'
    try:
        cursor = connection.execute(f"SELECT * FROM {quoted}")  # noqa: S608 quoted above
        columns = [str(given[0]) for given in cursor.description]
        return objects_table(columns, _rows(cursor, columns))
    except sqlite3.Error as error:
        return UnreadableError("BrokenTable", f"the table cannot be read: {first_line(error)}")


def _rows(cursor: sqlite3.Cursor, columns: list[str]) -> Iterator[dict[str, Any] | UnreadableError]:
    while True:
        try:
            row = cursor.fetchone()
        except (sqlite3.Error, MemoryError) as error:
            yield UnreadableError("BrokenTable", f"the table breaks off here: {first_line(error)}")
            return
        if row is None:
            return
        yield dict(zip(columns, row, strict=True))


def _escaped(name: str) -> str:
    clean = name.encode("utf8", "replace").decode()
    return clean.replace("%", "%25").replace(";", "%3B")
