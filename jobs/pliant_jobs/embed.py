"""`pliant embed`: files, folders, globs and tables become rows of a collection.

discover -> read -> chunk -> prepare -> embed + upsert, as one streaming Ray Data pipeline.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pliant
from pliant.config import parse
from pliant.errors import InvalidInputError
from pliant_jobs.embed_config import EmbedConfig
from pliant_jobs.report import EmbedReport, Rows, Sources, Stage, readable, write_json

if TYPE_CHECKING:
    from pliant_jobs.job import Job
    from pliant_jobs.stream import Stream
    from pliant_jobs.tally import Tally

EXIT_DONE, EXIT_NOTHING, EXIT_TOO_MANY_FAILED = 0, 1, 3
EXIT_STOPPED = {"SIGINT": 130, "SIGTERM": 143}
MODALITIES = ("text", "image", "video", "page")


def main(argv: Sequence[str]) -> int:
    """Run `pliant embed`; gives the exit code."""
    config = parse(EmbedConfig, argv, prog="pliant embed", positional="sources")
    if config.dry_run:
        from pliant_jobs.estimate import dry_run

        return dry_run(config)
    report = run(config)
    print(report.model_dump_json() if config.as_json else readable(report))  # noqa: T201
    code, reason = verdict(report, config.max_failed)
    if reason:
        print(f"pliant: {reason}", file=sys.stderr)  # noqa: T201
    return code


def verdict(report: EmbedReport, max_failed: str | None) -> tuple[int, str]:
    """Give the exit code of a finished job (INTERFACE section 1) and why, where it is not 0."""
    if report.interrupted:
        return EXIT_STOPPED[report.interrupted], ""
    if max_failed is not None and report.rows.failed > failures_allowed(max_failed, report.rows):
        why = f"{report.rows.failed:,} rows failed, more than --max-failed {max_failed}"
        return EXIT_TOO_MANY_FAILED, why
    if report.rows.written or report.sources.unchanged or report.sources.removed:
        return EXIT_DONE, ""
    why = f"{report.rows.failed:,} rows failed" if report.rows.failed else "no sources were found"
    return EXIT_NOTHING, f"nothing could be embedded: {why}"


def failures_allowed(max_failed: str, rows: Rows) -> float:
    """Give how many failed rows `--max-failed` (a number, or a percentage of rows) allows.

    Raises:
        InvalidInputError: neither a number nor a percentage.
    """
    text = max_failed.strip()
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        number = -1.0
    if number < 0 or (not text.endswith("%") and number != int(number)):
        raise InvalidInputError(
            f"--max-failed takes a number such as 10 or a percentage such as 5%, not {max_failed!r}"
        )
    return number / 100 * (rows.written + rows.failed) if text.endswith("%") else number


def run(
    config: EmbedConfig, stream: Stream | None = None, *, only: frozenset[str] | None = None
) -> EmbedReport:
    """Embed everything; gives the report, also when SIGINT or SIGTERM stops the job.

    Args:
        config: what to embed, and where to.
        stream: what runs the pipeline; Ray by default.
        only: of the sources, those that are spelt so, however often they failed before.

    Raises:
        InvalidInputError: an option or a source is wrong, or the collection has another space.
        NotFoundError: a source or the model does not exist.
        UnavailableError: the store or Ray does not answer.
    """
    from pliant_jobs.job import Job
    from pliant_jobs.memory import PeakMemory
    from pliant_jobs.progress import progress
    from pliant_jobs.stop import Stopped, stoppable

    if config.max_failed is not None:
        failures_allowed(config.max_failed, Rows())
    with progress(quiet=config.quiet) as screen, PeakMemory() as memory, stoppable():
        job = Job(config, screen, stream, only=only)
        try:
            job.run()
        except Stopped as stopped:
            job.interrupted = stopped.name
            screen.say(f"stopped by {stopped.name}; what was acknowledged is in the collection")
    return _report(job, memory.peak_bytes)


def _report(job: Job, peak_memory_bytes: int) -> EmbedReport:
    tally, config = job.tally, job.config
    seconds = time.time() - job.started
    report = EmbedReport(
        version=pliant.__version__,
        collection=config.collection,
        uri=config.uri,
        model=config.model,
        space_id=job.space_id,
        subnetwork=job.subnetwork,
        sources=Sources(
            seen=tally.seen,
            embedded=tally.embedded,
            unchanged=job.unchanged,
            removed=job.removed,
            failed=tally.failed_sources,
        ),
        rows=Rows(written=tally.written, failed=len(tally.failures), deleted=job.deleted),
        by_modality=_by_modality(tally),
        seconds=round(seconds, 3),
        startup_s=round(tally.started - job.started if tally.started else seconds, 3),
        rows_per_s=round(tally.rows_per_s, 3),
        peak_memory_bytes=peak_memory_bytes,
        stages=[Stage(**stage) for stage in tally.stages()],
        ledger_s=round(job.ledger_s, 3),
        failed_table=_write_failed(tally, config),
        interrupted=job.interrupted,
    )
    if config.report:
        write_json(report, config.report)
    return report


def _write_failed(tally: Tally, config: EmbedConfig) -> str | None:
    from pliant_jobs.retry import job_of
    from pliant_jobs.tally import write_failed

    if not tally.failures and not config.failed:
        return None
    path = config.failed_path()
    write_failed(tally.failures, path, job_of(config))
    return str(path)


def _by_modality(tally: Tally) -> dict[str, int]:
    others = {kind: rows for kind, rows in tally.by_modality.items() if kind not in MODALITIES}
    return {**{kind: tally.by_modality[kind] for kind in MODALITIES}, **others}
