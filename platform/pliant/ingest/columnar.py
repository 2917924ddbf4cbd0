"""Rows of Arrow, Feather, ORC and Avro files, one batch at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import IO, Any

from pliant.ingest.blob import Blob
from pliant.ingest.parquet import batch_rows, schema_table
from pliant.ingest.rows import Table
from pliant.media import UnreadableError, first_line

_MAX_BATCH_ROWS = 1024
_SAMPLE_ROWS = 100


def arrow_table(blob: Blob) -> Table:
    """Open an Arrow file or stream; Feather files of version 2 are Arrow files.

    Raises:
        UnreadableError: it is neither.
    """
    import pyarrow as pa
    import pyarrow.ipc

    reasons: list[str] = []
    for opener in (pyarrow.ipc.open_file, pyarrow.ipc.open_stream):
        file = pa.OSFile(blob.path)  # never mapped: a file that shrinks would be a bus error
        try:
            reader = opener(file)
            return schema_table(reader.schema, _arrow_rows(reader))
        except (pa.ArrowException, OSError, ValueError) as error:
            reasons.append(first_line(error))
    raise UnreadableError("NotArrow", f"no Arrow file that opens: {reasons[0]}")


def _arrow_rows(reader: Any) -> Iterator[dict[str, Any] | UnreadableError]:
    import pyarrow as pa

    numbers = range(getattr(reader, "num_record_batches", 2**31))
    for number in numbers:
        try:
            in_file = hasattr(reader, "num_record_batches")
            batch = reader.get_batch(number) if in_file else reader.read_next_batch()
            batch.validate(full=True)
        except StopIteration:
            return
        except (pa.ArrowException, OSError, ValueError) as error:
            yield UnreadableError(
                "BrokenBatch",
                f"batch {number} cannot be read, nor what follows it: {first_line(error)}",
            )
            return
        for start in range(0, batch.num_rows, _MAX_BATCH_ROWS):
            yield from batch_rows(batch.slice(start, _MAX_BATCH_ROWS))


def orc_table(blob: Blob) -> Table:
    """Open an ORC file.

    Raises:
        UnreadableError: it is none.
    """
    import pyarrow as pa
    import pyarrow.orc

    try:
        file = pyarrow.orc.ORCFile(blob.path)
        return schema_table(file.schema, _orc_rows(file))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UnreadableError("NotOrc", f"no ORC file that opens: {first_line(error)}") from error


def _orc_rows(file: Any) -> Iterator[dict[str, Any] | UnreadableError]:
    import pyarrow as pa

    for number in range(file.nstripes):
        try:
            stripe = file.read_stripe(number)
        except (pa.ArrowException, OSError, ValueError) as error:
            yield UnreadableError("BrokenStripe", f"stripe {number}: {first_line(error)}")
            continue
        for start in range(0, stripe.num_rows, _MAX_BATCH_ROWS):
            yield from batch_rows(stripe.slice(start, _MAX_BATCH_ROWS))


def avro_table(file: IO[bytes]) -> Table:
    """Open an Avro file.

    Raises:
        UnreadableError: it is none.
    """
    import fastavro

    try:
        reader = fastavro.reader(file)
        schema = reader.writer_schema
    except Exception as error:
        raise UnreadableError("NotAvro", f"no Avro file that opens: {first_line(error)}") from error
    if not isinstance(schema, dict) or schema.get("type") != "record":
        raise UnreadableError("NotAvro", "the Avro file holds no records with fields")
    names = [str(field["name"]) for field in schema["fields"]]
    return objects_table(names, _avro_rows(reader))


def _avro_rows(reader: Any) -> Iterator[dict[str, Any] | UnreadableError]:
    try:
        yield from reader
    except Exception as error:  # noqa: BLE001 as above: what follows cannot be found
        yield UnreadableError(
            "BrokenBlock", f"a block cannot be read, nor what follows it: {first_line(error)}"
        )


def objects_table(names: Sequence[str], rows: Iterator[dict[str, Any] | UnreadableError]) -> Table:
    """Describe a table whose types its first rows show."""
    head = list(islice(rows, _SAMPLE_ROWS))
    seen = [row for row in head if isinstance(row, dict)]
    kinds = {name: {type(row[name]) for row in seen if row.get(name) is not None} for name in names}
    return Table(
        columns=names,
        texts=[name for name in names if kinds[name] == {str}],
        plain=[name for name in names if bytes not in kinds[name]],
        rows=chain(head, rows),
    )
