"""What happened to every source of a job: counts, completeness, failures. Knows no Ray."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import compress
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


@dataclass(frozen=True, slots=True)
class Done:
    """A source, or a part of one, whose every row is in the store or has failed.

    Attributes:
        source_key: which source.
        generation: of its rows; empty when it could not be read at all.
        part: number of the part; None for the whole source.
        records: so many records of the source are read at the end of the part.
        rows: how many rows it has, those of earlier runs included.
        failed: how many rows failed.
        fingerprint: of the source's bytes.
        error: the first failure.
    """

    source_key: str
    generation: str
    part: int | None = None
    records: int = 0
    rows: int = 0
    failed: int = 0
    fingerprint: str = ""
    error: Mapping[str, Any] | None = None


@dataclass(slots=True)
class _Part:
    ids: set[str] = field(default_factory=set)
    written: int = 0
    failed: int = 0
    end: Mapping[str, Any] | None = None

    @property
    def is_done(self) -> bool:
        return self.end is not None and len(self.ids) >= self.end["expected"]


@dataclass(slots=True)
class _Open:
    written: int = 0
    failed: int = 0
    skipped: int = 0
    done: set[int] = field(default_factory=set)
    parts: int | None = None
    error: Mapping[str, Any] | None = None
    open: dict[int, _Part] = field(default_factory=dict)


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

    @property
    def num_open(self) -> int:
        """Sources that are not complete."""
        return len(self._open)

    def fail_source(self, failure: Failure) -> None:
        """Count a source that failed before it was read."""
        self.seen += 1
        self.failed_sources += 1
        self.failures.append({name: getattr(failure, name) for name in FAILED_TABLE.names})

    def rest(self, source: str, error: str, attempts: int) -> None:
        """Count a source that failed in earlier runs and was not tried in this one."""
        locator, stage, name, message = error.split("\n", 3)
        times = "once" if attempts == 1 else f"{attempts} times"
        note = f"{message} (failed {times}; not tried again: `pliant failed retry`)"
        failure = Failure(source, locator, stage, name, note)
        self.failed_sources += 1
        self.failures.append({name: getattr(failure, name) for name in FAILED_TABLE.names})

    def add(self, ack: Mapping[str, Any]) -> Done | None:
        """Count one acknowledgement; says what it completes."""
        source = self._open.setdefault(ack["source_key"], _Open())
        if ack["part"] in source.done:
            return None
        part = source.open.setdefault(ack["part"], _Part())
        written = {key: kind for key, kind in ack["written"] if key not in part.ids}
        failed = [one not in part.ids for one in ack["failed"]]
        failures = list(compress(ack["failures"], failed))
        part.ids.update(written, ack["failed"])
        part.written += len(written)
        part.failed += len(failures)
        self.by_modality.update(written.values())
        self.failures += failures
        self._clock(ack, len(written))
        source.written += len(written)
        source.failed += len(failures)
        source.error = source.error or next(iter(failures), None)
        if ack["expected"] is not None:
            part.end = ack
        return self._completed(ack, source, part) if part.is_done else None

    def _clock(self, ack: Mapping[str, Any], written: int) -> None:
        for stage in STAGES:
            self.seconds[stage] += ack[f"{stage}_s"]
        self.started = self.started or ack["started_at"]
        self.first_ack = self.first_ack or ack["acknowledged_at"]
        if ack["acknowledged_at"] == self.first_ack:
            self.first_batch += written
        self.last_ack = max(self.last_ack or 0.0, ack["acknowledged_at"])

    def _completed(self, ack: Mapping[str, Any], source: _Open, part: _Part) -> Done | None:
        end = part.end
        assert end is not None
        key, generation = ack["source_key"], ack["generation"]
        del source.open[ack["part"]]
        source.done.add(ack["part"])
        source.skipped += end["skipped"]
        if end["parts"] is not None:
            source.parts = end["parts"]
        if source.parts is None or len(source.done) < source.parts:
            rows = part.written + end["skipped"]
            records = end["records"]
            if not records:
                return None
            return Done(key, generation, ack["part"], records, rows, part.failed)
        return self._close(key, generation, end["fingerprint"] or "", source)

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

    def _close(self, key: str, generation: str, fingerprint: str, source: _Open) -> Done:
        rows = source.written + source.skipped
        if rows or not source.failed:
            self.embedded += 1
        else:
            self.failed_sources += 1
        del self._open[key]
        return Done(
            key,
            generation,
            rows=rows,
            failed=source.failed,
            fingerprint=fingerprint,
            error=source.error,
        )


def write_failed(
    failures: Iterable[Mapping[str, Any]], path: Path, job: Mapping[str, str] | None = None
) -> None:
    """Write the failed table (INTERFACE section 2).

    Args:
        failures: its rows.
        path: where to.
        job: what `pliant failed retry` needs to know, kept in the file's own metadata.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    schema = FAILED_TABLE.with_metadata(dict(job)) if job else FAILED_TABLE
    table = pa.Table.from_pylist([dict(row) for row in failures], schema=schema)
    pyarrow.parquet.write_table(table, path)
