"""Rows of a Parquet file, one small batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pliant.ingest.blob import Blob
from pliant.ingest.rows import Table
from pliant.media import UnreadableError, first_line

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_BUFFER_BYTES = 2**20  # without it a whole column of a row group is held
_BATCH_BYTES = 4 * 2**20
_MAX_BATCH_ROWS = 1024


def parquet_table(blob: Blob) -> Table:
    """Open a Parquet file.

    Raises:
        UnreadableError: it is none.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(blob.path, pre_buffer=False, buffer_size=_BUFFER_BYTES)
        schema = file.schema_arrow
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UnreadableError(
            "NotParquet", f"no Parquet file that opens: {first_line(error)}"
        ) from error
    return schema_table(schema, _rows(file))


def schema_table(schema: pa.Schema, rows: Iterator[dict[str, Any] | UnreadableError]) -> Table:
    """Describe a table by its Arrow schema.

    Raises:
        UnreadableError: two columns have one name.
    """
    names = list(schema.names)
    if len(set(names)) < len(names):
        raise UnreadableError("BadHeader", f"columns must have different names: {names!r}"[:300])
    return Table(
        columns=names,
        texts=[field.name for field in schema if _is_text(field.type)],
        plain=[field.name for field in schema if _is_plain(field.type)],
        rows=rows,
    )


def _rows(file: pq.ParquetFile) -> Iterator[dict[str, Any] | UnreadableError]:
    import pyarrow as pa

    for group in range(file.num_row_groups):
        about = file.metadata.row_group(group)
        per_row = max(1, about.total_byte_size // max(1, about.num_rows))
        size = max(1, min(_MAX_BATCH_ROWS, _BATCH_BYTES // per_row))
        done = 0
        try:
            for batch in file.iter_batches(size, [group], use_threads=False):
                yield from batch_rows(batch)
                done += batch.num_rows
        except (pa.ArrowException, OSError, ValueError) as error:
            reason = f"row group {group} cannot be read: {first_line(error)}"
            for _ in range(about.num_rows - done):
                yield UnreadableError("BrokenRowGroup", reason)


def batch_rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any] | UnreadableError]:
    """Give the rows of a batch, and an error in place of one with a broken value."""
    import pyarrow as pa

    try:
        yield from _without_nanoseconds(batch).to_pylist()
        return
    except (pa.ArrowException, ValueError, OverflowError, TypeError):
        pass
    for index in range(batch.num_rows):
        try:
            yield _without_nanoseconds(batch.slice(index, 1)).to_pylist()[0]
        except (pa.ArrowException, ValueError, OverflowError, TypeError) as error:
            yield UnreadableError("BadRow", f"a value of the row is broken: {first_line(error)}")


def _without_nanoseconds(batch: pa.RecordBatch) -> pa.RecordBatch:
    import pyarrow as pa

    for index, field in enumerate(batch.schema):
        kind = field.type
        if pa.types.is_timestamp(kind) and kind.unit == "ns":
            coarse = pa.timestamp("us", kind.tz)
        elif pa.types.is_time64(kind) and kind.unit == "ns":
            coarse = pa.time64("us")
        elif pa.types.is_duration(kind) and kind.unit == "ns":
            coarse = pa.duration("us")
        else:
            continue
        batch = batch.set_column(index, field.name, batch.column(index).cast(coarse, safe=False))
    return batch


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return (
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _is_plain(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _is_plain(kind.value_type)
    if pa.types.is_nested(kind):
        return all(_is_plain(kind.field(index).type) for index in range(kind.num_fields))
    return not any(
        test(kind)
        for test in (
            pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary,
            pa.types.is_binary_view,
        )
    )  # fmt: skip
