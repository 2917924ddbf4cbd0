"""The report of `pliant embed`: the JSON of INTERFACE section 2 and its readable form."""

from __future__ import annotations

from pathlib import Path

from pliant.config import Config


class Sources(Config):
    """Counts of sources; `seen` = `embedded` + `unchanged` + `failed`."""

    seen: int = 0
    embedded: int = 0
    unchanged: int = 0
    removed: int = 0
    failed: int = 0


class Rows(Config):
    """Counts of rows in the collection."""

    written: int = 0
    failed: int = 0
    deleted: int = 0


class Stage(Config):
    """One stage: rows that passed it, rows that failed in it, busy seconds over all workers."""

    name: str
    rows: int
    failed: int
    seconds: float


class EmbedReport(Config):
    """What an embedding job did."""

    job: str = "embed"
    version: str
    collection: str
    uri: str
    model: str
    space_id: str
    subnetwork: str
    sources: Sources
    rows: Rows
    by_modality: dict[str, int]
    seconds: float
    startup_s: float
    rows_per_s: float
    peak_memory_bytes: int
    stages: list[Stage]
    ledger_s: float = 0.0
    failed_table: str | None = None
    interrupted: str | None = None


def write_json(report: Config, path: Path) -> None:
    """Write a report as one JSON document."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(report.model_dump_json(indent=2) + "\n", encoding="utf8")


def readable(report: EmbedReport) -> str:
    """Give the report as a few lines for people."""
    sources, rows = report.sources, report.rows
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in report.by_modality.items() if count)
    gib = report.peak_memory_bytes / 2**30
    speed = f"{report.rows_per_s:.1f} rows/s, {gib:.2f} GiB at the peak"
    lines = [
        f"{report.collection}: {rows.written:,} rows written from {sources.embedded:,} sources"
        + (f" ({kinds})" if kinds else ""),
        f"  {report.seconds:.1f} s ({report.startup_s:.1f} s start-up), {speed}",
        f"  model {report.model}, sub-network {report.subnetwork}, space {report.space_id}",
    ]
    if sources.unchanged or sources.removed:
        lines.append(
            f"  {sources.unchanged:,} sources unchanged, {sources.removed:,} removed; "
            f"{report.seconds / max(1, sources.seen) * 1e6:,.0f} µs a source"
        )
    if rows.deleted:
        lines.append(f"  {rows.deleted:,} stale rows deleted")
    if rows.failed:
        lines.append(
            f"  {rows.failed:,} rows failed ({sources.failed:,} sources): {report.failed_table}"
        )
    if report.interrupted:
        lines.append(f"  stopped by {report.interrupted}: run the same command again to go on")
    return "\n".join(lines)
