"""What happened to every source of a job: counts, completeness, failures. Knows no Ray."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from pliant.ingest.failure import Failure

FAILED_TABLE = pa.schema(
    [(name, pa.string()) for name in ("source", "locator", "stage", "error", "message")]
    + [("time", pa.timestamp("us", tz="UTC"))]
)
STAGES = ("read", "prepare", "embed", "upsert")


@dataclass(slots=True)
class _Open:
    written: int = 0
    failed: int = 0
    expected: int | None = None


@dataclass(slots=True)
class Tally:
    """Adds up acknowledgements; holds only the sources that are still open."""

    seen: int = 0
    embedded: int = 0
    failed_sources: int = 0
    by_modality: Counter[str] = field(default_factory=Counter)
    failures: list[dict[str, Any]] = field(default_factory=list)
    seconds: Counter[str] = field(default_factory=Counter)
    first_ack: float | None = None
    first_batch: int = 0
    started: float | None = None
    last_ack: float | None = None
    _open: dict[str, _Open] = field(default_factory=dict)

    @property
    def written(self) -> int:
        """Rows acknowledged by the store."""
        return sum(self.by_modality.values())

    @property
    def rows_per_s(self) -> float:
        """Rows a second between the first and the last acknowledged batch (all, if only one)."""
        if self.first_ack is None or self.last_ack is None or self.last_ack <= self.first_ack:
            return self.written / max(sum(self.seconds.values()), 1e-9)
        return (self.written - self.first_batch) / (self.last_ack - self.first_ack)

    @property
    def done(self) -> int:
        """Sources that are complete, whether embedded or failed."""
        return self.embedded + self.failed_sources

    def fail_source(self, failure: Failure) -> None:
        """Count a source that failed before it was read."""
        self.seen += 1
        self.failed_sources += 1
        self.failures.append({name: getattr(failure, name) for name in FAILED_TABLE.names})

    def add(self, ack: Mapping[str, Any]) -> bool:
        """Count one acknowledgement; true when it completes its source."""
        source = self._open.setdefault(ack["source_key"], _Open())
        written = dict(ack["written"])
        self.by_modality.update(written)
        self.failures += ack["failures"]
        for stage in STAGES:
            self.seconds[stage] += ack[f"{stage}_s"]
        self.started = self.started or ack["started_at"]
        self.first_ack = self.first_ack or ack["acknowledged_at"]
        if ack["acknowledged_at"] == self.first_ack:
            self.first_batch += sum(written.values())
        self.last_ack = max(self.last_ack or 0.0, ack["acknowledged_at"])
        source.written += sum(written.values())
        source.failed += len(ack["failures"])
        if ack["expected"] is not None:
            source.expected = ack["expected"]
        if source.expected is None or source.written + source.failed < source.expected:
            return False
        self._close(ack["source_key"], source)
        return True

    def stages(self) -> list[dict[str, Any]]:
        """Give the busy seconds, rows and failures of each stage, for the report."""
        failed = Counter(failure["stage"] for failure in self.failures)
        passed = self.written + sum(failed[stage] for stage in STAGES)
        rows = []
        for stage in STAGES:
            passed -= failed[stage]
            seconds = round(self.seconds[stage], 3)
            rows.append(
                {"name": stage, "rows": passed, "failed": failed[stage], "seconds": seconds}
            )
        return rows

    def _close(self, key: str, source: _Open) -> None:
        if source.written or not source.failed:
            self.embedded += 1
        else:
            self.failed_sources += 1
        del self._open[key]


def write_failed(failures: Iterable[Mapping[str, Any]], path: Path) -> None:
    """Write the failed table (INTERFACE section 2)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist([dict(row) for row in failures], schema=FAILED_TABLE)
    pyarrow.parquet.write_table(table, path)
