"""How many rows the sources will give: for the time left, and for `pliant embed --dry-run`.

Exact for Parquet, whose footer says it; elsewhere a guess from the size of the file.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pliant.config import Config
from pliant.ingest.readers import READERS
from pliant.ingest.suffixes import ARCHIVES, DOCUMENTS, IMAGES, OFFICE, TABLES, VIDEOS
from pliant_jobs.embed_config import EmbedConfig

if TYPE_CHECKING:
    from pliant.encoder import Encoder
    from pliant.ingest.source import Source

BYTES_A_ROW = {
    "text": 1_000,
    "table": 400,
    "image": sys.maxsize,
    "video": 400_000,
    "page": 40_000,
}
KINDS = {
    **dict.fromkeys(READERS, "text"),
    **dict.fromkeys(TABLES, "table"),
    **dict.fromkeys(IMAGES, "image"),
    **dict.fromkeys(VIDEOS, "video"),
    **dict.fromkeys((*OFFICE, *ARCHIVES, *DOCUMENTS), "page"),
}


class DryRun(Config):
    """What `pliant embed --dry-run --json` prints."""

    sources: int
    failed: int
    bytes: int
    by_suffix: dict[str, int]
    expected_rows: int
    estimated_seconds: float


def expected_rows(sources: Sequence[Source]) -> int:
    """Estimate how many rows all sources give."""
    return sum(_rows(source) for source in sources)


def dry_run(config: EmbedConfig) -> int:
    """Count sources and bytes, estimate the time by encoding for a second; writes nothing."""
    from pliant.encoder import load
    from pliant.ingest.discover import discover
    from pliant.ingest.source import Source

    found = list(discover(config.sources, config.discover_options()))
    sources = [source for source in found if isinstance(source, Source)]
    rows = expected_rows(sources)
    report = DryRun(
        sources=len(found),
        failed=len(found) - len(sources),
        bytes=sum(source.size_bytes for source in sources),
        by_suffix=dict(Counter(Path(source.path).suffix.lower() for source in sources)),
        expected_rows=rows,
        estimated_seconds=round(rows / _rows_per_s(load(config.model)), 1) if rows else 0.0,
    )
    if config.as_json:
        print(report.model_dump_json())  # noqa: T201
    else:
        kinds = ", ".join(f"{count:,} {name}" for name, count in report.by_suffix.items())
        print(  # noqa: T201
            f"{report.sources:,} sources ({kinds}), {report.bytes / 1e6:,.1f} MB, "
            f"{report.failed:,} of them cannot be read\n"
            f"about {rows:,} rows and {report.estimated_seconds:,.0f} s; nothing was written"
        )
    return 0


def _rows(source: Source) -> int:
    suffix = Path(source.path).suffix.lower()
    if suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet

        try:
            return pyarrow.parquet.read_metadata(source.path).num_rows
        except (OSError, pa.ArrowInvalid):
            return 1
    return max(1, source.size_bytes // BYTES_A_ROW[KINDS.get(suffix, "image")])


def _rows_per_s(encoder: Encoder) -> float:
    texts = [
        "A sentence of ordinary length, such as a chunk of a document holds many of. " * 8
    ] * 16
    encoder.encode(texts[:1])
    started, rows = time.perf_counter(), 0
    while time.perf_counter() - started < 1:
        encoder.encode(texts)
        rows += len(texts)
    return rows / (time.perf_counter() - started)
