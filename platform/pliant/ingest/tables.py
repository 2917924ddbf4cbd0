"""Readers of tables: content columns, an id and metadata from every row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from pliant.content import Record, Text, modality_of
from pliant.ingest.blob import SKIPPED, Blob, attempt
from pliant.ingest.columnar import arrow_table, avro_table, orc_table
from pliant.ingest.columns import Columns, plain_text
from pliant.ingest.database import database_tables
from pliant.ingest.failure import Failure, failure_of
from pliant.ingest.parquet import parquet_table
from pliant.ingest.rows import Table, csv_table, jsonl_table
from pliant.ingest.sheets import sheet_tables
from pliant.media import UnreadableError

_SAMPLE_ROWS = 20
_SAMPLE_CHARS = 200


def read_jsonl(blob: Blob) -> Iterator[Record | Failure]:
    """Give one record per line; "row=17" is the 18th line of the file."""
    with Path(blob.path).open("rb") as file:
        yield from _one(blob, jsonl_table(blob, file))


def read_csv(blob: Blob) -> Iterator[Record | Failure]:
    """Give one record per row; "row=17" is the 18th row after the header."""
    with Path(blob.path).open("rb") as file:
        yield from _one(blob, csv_table(blob, file))


def read_tsv(blob: Blob) -> Iterator[Record | Failure]:
    """Give one record per row of a table whose columns are parted by tabs."""
    with Path(blob.path).open("rb") as file:
        yield from _one(blob, csv_table(blob, file, "\t"))


def read_parquet(blob: Blob) -> Iterator[Record | Failure]:
    """Give one record per row; "row=17" is the 18th row."""
    yield from _one(blob, parquet_table(blob))


def read_arrow(blob: Blob) -> Iterator[Record | Failure]:
    """Give one record per row of an Arrow file or stream, or a Feather file."""
    yield from _one(blob, arrow_table(blob))


def read_orc(blob: Blob) -> Iterator[Record | Failure]:
    """Give one record per row of an ORC file."""
    yield from _one(blob, orc_table(blob))


def read_avro(blob: Blob) -> Iterator[Record | Failure]:
    """Give one record per row of an Avro file."""
    with Path(blob.path).open("rb") as file:
        yield from _one(blob, avro_table(file))


def read_sheets(blob: Blob) -> Iterator[Record | Failure]:
    """Give one record per row of every sheet ("sheet=Prices;row=17", after the header)."""
    yield from _all(blob, sheet_tables(blob))


def read_database(blob: Blob) -> Iterator[Record | Failure]:
    """Give one record per row of every table, or of `table` ("table=users;row=17")."""
    with closing(database_tables(blob)) as tables:
        yield from _all(blob, tables)


def _one(blob: Blob, table: Table) -> Iterator[Record | Failure]:
    count = 0
    for item in _records(blob, table, "", 0):
        count += 1
        yield item
    if not count:
        raise UnreadableError("NoRows", "the table holds no rows")


def _all(
    blob: Blob, tables: Iterator[tuple[str, Table | UnreadableError]]
) -> Iterator[Record | Failure]:
    index = 0
    for place, table in tables:
        try:
            if isinstance(table, UnreadableError):
                raise table
            for item in _records(blob, table, f"{place};", index):
                index += 1
                yield item
        except UnreadableError as error:
            yield failure_of(error, blob.source.source, place)
            index += 1
    if not index:
        raise UnreadableError("NoRows", "the tables hold no rows")


def _records(blob: Blob, table: Table, place: str, first: int) -> Iterator[Record | Failure]:
    """Give the records of one table; `first` is the index of the first one in the source."""
    if blob.options.whole_table:
        yield attempt(blob, first, place.rstrip(";"), lambda: _whole(blob, table, place))
        return
    columns = Columns(blob, table)
    index = first - 1
    for number, row in enumerate(table.rows):
        if row is None:
            continue
        index += 1
        if blob.limits.max_rows is not None and index >= blob.limits.max_rows:
            raise UnreadableError(
                "TooManyRows", f"the table goes on; max_rows allows {blob.limits.max_rows:,}"
            )
        locator = f"{place}row={number}"
        name = columns.identify(row)
        if not blob.wants(index):
            yield Failure(blob.source.source, locator, "read", SKIPPED, "")
            continue
        yield attempt(blob, index, locator, partial(_record, blob, columns, row, (name, locator)))


def _record(
    blob: Blob,
    columns: Columns,
    row: dict[str, Any] | UnreadableError,
    place: tuple[str | UnreadableError, str],
) -> Record:
    name, locator = place
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


def _whole(blob: Blob, table: Table, place: str) -> Record:
    """Serialise a table: its name, its columns with their types, its first rows. METHODS 46."""
    rows = [row for row in islice(table.rows, _SAMPLE_ROWS) if isinstance(row, dict)]
    if not rows:
        raise UnreadableError("NoRows", "the table holds no rows")
    name = place.rstrip(";").partition("=")[2] or Path(blob.source.path).stem
    kinds = [f"{column} ({_kind(rows, column)})" for column in table.columns]
    lines = [f"Table: {name}", f"Columns: {', '.join(kinds)}"]
    lines += [
        " | ".join(plain_text(row.get(column))[:_SAMPLE_CHARS] for column in table.columns)
        for row in rows
    ]
    locator = place.rstrip(";")
    return Record(locator, (Text("\n".join(lines)),), blob.source.source, locator, blob.metadata)


def _kind(rows: list[dict[str, Any]], column: str) -> str:
    values = (row.get(column) for row in rows)
    return next((type(value).__name__ for value in values if value is not None), "empty")
