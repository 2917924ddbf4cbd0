"""`pliant bench ingest`: what the pipeline costs over the encoder it feeds.

A Parquet file of real texts goes through `pliant embed` and through a plain encode loop, in turn,
each in a process of its own on the same cores. The job's rate is measured between its first and
its last acknowledged batch; start-up is a figure of its own.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
from pydantic import Field

from pliant.config import Config, parse
from pliant.errors import UnavailableError
from pliant_jobs.bench.report import BenchReport, finish
from pliant_jobs.bench.texts import real_texts


class IngestBenchConfig(Config):
    """Measure the embedding job beside a bare encode loop, on rows of about 128 tokens."""

    rows: int = Field(default=20_000, ge=500, description="Rows of the Parquet file.")
    tokens: int = Field(default=128, ge=8, le=254, description="Tokens in a row, about.")
    rounds: int = Field(default=3, ge=1, description="Rounds, each measuring both in turn.")
    model: str = Field(default="pliant-mini", description="Model.")
    report: Path | None = Field(default=None, description="Where to write the report (JSON).")
    quiet: bool = Field(default=False, description="No progress.")


def main(argv: Sequence[str]) -> int:
    """Run `pliant bench ingest`; gives the exit code."""
    config = parse(IngestBenchConfig, argv, prog="pliant bench ingest")
    finish(run(config), config.report)
    return 0


def run(config: IngestBenchConfig) -> BenchReport:
    """Measure; the figures are medians over the rounds."""
    with tempfile.TemporaryDirectory(prefix="pliant-bench-") as folder:
        whole = _table(Path(folder) / "whole.parquet", config.rows, config.tokens)
        fifth = _table(Path(folder) / "fifth.parquet", config.rows // 5, config.tokens)
        points = []
        for number in range(config.rounds):
            points.append({"round": number, "kind": "bare_loop", **_bare_loop(whole, config)})
            points.append({"round": number, "kind": "job", **_job(whole, config)})
            _say(config, points[-2:])
        small = {"round": 0, "kind": "job_fifth", **_job(fifth, config)}
    return BenchReport.of(
        "ingest",
        settings={**config.model_dump(mode="json", exclude={"report", "quiet"})},
        figures=_figures(points, small),
        rows=[*points, small],
    )


def _figures(points: Sequence[dict[str, Any]], small: dict[str, Any]) -> dict[str, float]:
    bare = [point for point in points if point["kind"] == "bare_loop"]
    jobs = [point for point in points if point["kind"] == "job"]
    shares = [
        ours["rows_per_s"] / theirs["rows_per_s"] for ours, theirs in zip(jobs, bare, strict=True)
    ]
    memory = statistics.median(job["peak_memory_bytes"] for job in jobs)
    return {
        "share_of_bare_loop": statistics.median(shares),
        "memory_growth_5x": memory / small["peak_memory_bytes"],
        "startup_s": statistics.median(job["startup_s"] for job in jobs),
        "rows_per_s": statistics.median(job["rows_per_s"] for job in jobs),
        "ledger_share": statistics.median(
            job["ledger_s"] / (job["seconds"] - job["startup_s"]) for job in jobs
        ),
    }


def _table(path: Path, rows: int, tokens: int) -> Path:
    texts = real_texts(rows, tokens)
    table = pa.table({"id": pa.array(range(len(texts))), "text": texts})
    pyarrow.parquet.write_table(table, path, row_group_size=2_000)
    return path


def _bare_loop(path: Path, config: IngestBenchConfig) -> dict[str, float]:
    threads = str(os.cpu_count() or 1)
    module = "pliant_jobs.bench.bare_loop"
    found = json.loads(_run([sys.executable, "-m", module, str(path), config.model, threads]))
    return {**found, "rows_per_s": found["rows"] / found["seconds"]}


def _job(path: Path, config: IngestBenchConfig) -> dict[str, float]:
    uri = path.parent / "store" / "bench.db"
    command = [sys.executable, "-m", "pliant_jobs"]
    where = ["--uri", str(uri)]
    flags = ["--content-columns", "text", "--id-column", "id", "--model", config.model]
    embed = ["embed", str(path), "--collection", "bench", *where, *flags, "--quiet", "--json"]
    try:
        report = json.loads(_run([*command, *embed]))
    finally:
        _run([*command, "collections", "drop", "bench", *where])
        _run([*command, "store", "stop", *where])
    names = ("rows_per_s", "startup_s", "seconds", "peak_memory_bytes", "ledger_s")
    return {"rows": report["rows"]["written"], **{name: report[name] for name in names}}


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise UnavailableError(f"{' '.join(command[:6])} …: {done.stderr.strip()[-300:]}")
    return done.stdout


def _say(config: IngestBenchConfig, points: Sequence[dict[str, Any]]) -> None:
    if not config.quiet:
        words = ", ".join(f"{point['kind']} {point['rows_per_s']:.1f} rows/s" for point in points)
        print(f"round {points[0]['round']}: {words}", file=sys.stderr, flush=True)  # noqa: T201
