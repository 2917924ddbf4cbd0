"""Where the ledger's rows lie: a SQLite file in an embedded store's folder, or a collection.

Plain rows of named values; this module knows nothing of what they mean.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

from pymilvus import CollectionSchema, DataType, MilvusClient

from pliant.errors import InvalidInputError, UnavailableError
from pliant.store import statements
from pliant.store.connection import Connection
from pliant.store.expressions import among, equal
from pliant.store.schema import LEDGER

FILE = "ledger.sqlite"
BUSY_S = 60.0
ROWS_A_CALL = 2000
TEXT_BYTES = 8192
Columns = Mapping[str, type]
Row = dict[str, Any]


class Table(Protocol):
    """Rows with an `id` and a `collection`."""

    def rows(self, collection: str, names: Sequence[str]) -> Iterator[Row]:
        """Give the rows of a collection."""
        ...

    def put(self, rows: Sequence[Row]) -> None:
        """Write rows; one with a known id is replaced."""
        ...

    def delete(self, ids: Sequence[str]) -> None:
        """Delete rows by id."""
        ...

    def drop(self, collection: str) -> None:
        """Delete all rows of a collection."""
        ...


def open_table(connection: Connection, columns: Columns) -> Table:
    """Give the table of a store, which is made if there is none."""
    if connection.address.is_server:
        return MilvusTable(connection, columns)
    return SqliteTable(Path(connection.address.uri), columns)


class SqliteTable:
    """A table in a file beside an embedded store's data: one transaction a call."""

    def __init__(self, folder: Path, columns: Columns) -> None:
        self._path = folder.resolve() / FILE
        kinds = {str: "TEXT", int: "INTEGER", float: "REAL"}
        names = ", ".join(f'"{name}" {kinds[kind]}' for name, kind in columns.items())
        self._names = ["id", "collection", *columns]
        self._run("PRAGMA journal_mode=WAL")
        self._run(f"CREATE TABLE IF NOT EXISTS entries (id PRIMARY KEY, collection, {names})")

    def rows(self, collection: str, names: Sequence[str]) -> Iterator[Row]:
        """Give the rows of a collection."""
        chosen = ", ".join(f'"{name}"' for name in names)
        with closing(self._open()) as database:
            query = f"SELECT {chosen} FROM entries WHERE collection = ?"  # noqa: S608 our names
            for values in database.execute(query, (collection,)):
                yield dict(zip(names, values, strict=True))

    def put(self, rows: Sequence[Row]) -> None:
        """Write rows; one with a known id is replaced."""
        marks = ", ".join("?" * len(self._names))
        values = [tuple(row[name] for name in self._names) for row in rows]
        names = ", ".join(f'"{name}"' for name in self._names)
        self._run(f"INSERT OR REPLACE INTO entries ({names}) VALUES ({marks})", values)  # noqa: S608

    def delete(self, ids: Sequence[str]) -> None:
        """Delete rows by id."""
        self._run("DELETE FROM entries WHERE id = ?", [(one,) for one in ids])

    def drop(self, collection: str) -> None:
        """Delete all rows of a collection."""
        self._run("DELETE FROM entries WHERE collection = ?", [(collection,)])

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=BUSY_S)

    def _run(self, statement: str, values: Sequence[tuple[Any, ...]] | None = None) -> None:
        try:
            with closing(self._open()) as database, database:
                if values is None:
                    database.execute(statement)
                else:
                    database.executemany(statement, values)
        except sqlite3.Error as error:
            raise UnavailableError(f"the ledger {self._path} cannot be written: {error}") from error


class MilvusTable:
    """A table in a collection of its own, beside the data."""

    def __init__(self, connection: Connection, columns: Columns) -> None:
        self._connection = connection
        self._columns = columns
        self._ensure()

    def rows(self, collection: str, names: Sequence[str]) -> Iterator[Row]:
        """Give the rows of a collection."""
        where = equal("collection", collection)
        for row in statements.scan(self._connection, LEDGER, where, names):
            yield {name: row[name] for name in names}  # they come with their ids

    def put(self, rows: Sequence[Row]) -> None:
        """Write rows; one with a known id is replaced."""
        for at in range(0, len(rows), ROWS_A_CALL):
            page = [{**row, "vector": [0.0, 1.0]} for row in rows[at : at + ROWS_A_CALL]]
            statements.write(self._connection, LEDGER, page)

    def delete(self, ids: Sequence[str]) -> None:
        """Delete rows by id."""
        for at in range(0, len(ids), statements.PAGE_ROWS):
            self._delete(among("id", ids[at : at + statements.PAGE_ROWS]))

    def drop(self, collection: str) -> None:
        """Delete all rows of a collection."""
        self._delete(equal("collection", collection))

    def _delete(self, where: str) -> None:
        options = self._connection.options()
        self._connection.call(lambda client: client.delete(LEDGER, filter=where, **options), LEDGER)

    def _ensure(self) -> None:
        """Make the collection if there is none; of two that try, one does."""
        if self._exists():
            return
        index = MilvusClient.prepare_index_params()
        index.add_index("vector", index_type="FLAT", metric_type="L2")
        options = self._connection.options()
        try:
            self._connection.call(
                lambda client: client.create_collection(
                    LEDGER,
                    schema=_schema(self._columns),
                    index_params=index,
                    consistency_level="Strong",
                    **options,
                )
            )
        except InvalidInputError:
            if not self._exists():
                raise

    def _exists(self) -> bool:
        options = self._connection.options()
        return bool(self._connection.call(lambda client: client.has_collection(LEDGER, **options)))


def _schema(columns: Columns) -> CollectionSchema:
    kinds = {str: DataType.VARCHAR, int: DataType.INT64, float: DataType.DOUBLE}
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("id", DataType.VARCHAR, max_length=64, is_primary=True)
    schema.add_field("collection", DataType.VARCHAR, max_length=64)
    for name, kind in columns.items():
        size = {"max_length": TEXT_BYTES} if kind is str else {}
        schema.add_field(name, kinds[kind], **size)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)
    return schema
