"""The baseline of `pliant bench ingest`: encode the rows of a Parquet file in a plain loop.

Run as a program, so that its process is as fresh as the job's: prints one JSON line.
"""

from __future__ import annotations

import json
import sys
import time

import pyarrow.parquet

from pliant.encoder import load

ROWS_AT_ONCE = 2048


def main(path: str, model: str, threads: str) -> None:
    """Encode every row, tokenising included; reading is left out of the measured time."""
    encoder = load(model, threads=int(threads))
    texts: list[str] = pyarrow.parquet.read_table(path)["text"].to_pylist()
    encoder.encode(texts[:64])
    started = time.perf_counter()
    for first in range(0, len(texts), ROWS_AT_ONCE):
        encoder.encode(texts[first : first + ROWS_AT_ONCE])
    seconds = time.perf_counter() - started
    print(json.dumps({"rows": len(texts), "seconds": seconds}))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
