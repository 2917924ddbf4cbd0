"""Writes the Parquet table of the corpus from a hand-written CSV file."""

from pathlib import Path

import pyarrow as pa
from pyarrow import csv, parquet

_TYPES = {"number": pa.int32(), "mass": pa.float64(), "year": pa.int64()}


def write_parquet(manuscript: Path, target: Path) -> None:
    """Write the rows with typed columns; an empty year is null."""
    target.parent.mkdir(parents=True, exist_ok=True)
    table = csv.read_csv(manuscript, convert_options=csv.ConvertOptions(column_types=_TYPES))
    parquet.write_table(table, target, compression="zstd")
