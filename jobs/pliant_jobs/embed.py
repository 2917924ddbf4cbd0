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
    from pliant.encoder import Encoder
    from pliant.ingest.source import Source
    from pliant.store.milvus import MilvusStore
    from pliant_jobs.progress import Progress
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
    if report.rows.written or report.sources.unchanged:
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


def run(config: EmbedConfig) -> EmbedReport:
    """Embed everything; gives the report, also when SIGINT or SIGTERM stops the job.

    Raises:
        InvalidInputError: an option or a source is wrong, or the collection has another space.
        NotFoundError: a source or the model does not exist.
        UnavailableError: the store or Ray does not answer.
    """
    from pliant_jobs.memory import PeakMemory
    from pliant_jobs.progress import progress
    from pliant_jobs.stop import Stopped, stoppable

    if config.max_failed is not None:
        failures_allowed(config.max_failed, Rows())
    with progress(quiet=config.quiet) as screen, PeakMemory() as memory, stoppable():
        job = _Job(config, screen)
        try:
            job.run()
        except Stopped as stopped:
            job.interrupted = stopped.name
            screen.say(f"stopped by {stopped.name}; what was acknowledged is in the collection")
    return job.report(memory.peak_bytes)


class _Job:
    def __init__(self, config: EmbedConfig, screen: Progress) -> None:
        from pliant_jobs.tally import Tally

        self._config = config
        self._screen = screen
        self._started = time.time()
        self._tally: Tally = Tally()
        self._space_id = ""
        self._subnetwork = config.subnetwork
        self._deleted = 0
        self.interrupted: str | None = None

    def run(self) -> None:
        sources = self._discover()
        if not sources:
            return
        from pliant.encoder import load
        from pliant.store.milvus import MilvusStore

        config = self._config
        encoder = load(config.model)
        self._space_id = encoder.space_id_of(config.subnetwork)
        self._subnetwork = encoder.subnetwork(config.subnetwork).name
        self._screen.say(f"embedding {len(sources):,} sources into {config.collection!r}")
        with MilvusStore.open(config.uri, token=config.secret()) as store:
            existed = store.exists(config.collection)
            self._ensure_collection(store, encoder, sources, existed=existed)
            self._stream(store, sources, clean=existed)

    def _discover(self) -> list[Source]:
        from pliant.ingest.discover import discover
        from pliant.ingest.failure import Failure

        sources: list[Source] = []
        for found in discover(self._config.sources, self._config.discover_options()):
            if isinstance(found, Failure):
                self._tally.fail_source(found)
            else:
                sources.append(found)
        self._tally.seen += len(sources)
        return sources

    def _ensure_collection(
        self, store: MilvusStore, encoder: Encoder, sources: Sequence[Source], *, existed: bool
    ) -> None:
        from pliant.store.schema import CollectionSpec
        from pliant_jobs.metadata import metadata_fields

        read_options = self._config.read_options()
        spec = CollectionSpec(
            dim=encoder.subnetwork(self._config.subnetwork).dim,
            space_id=self._space_id,
            model=self._config.model,
            subnetwork=self._subnetwork,
            metadata_fields={} if existed else metadata_fields(sources, read_options),
        )
        store.ensure(self._config.collection, spec)

    def _stream(self, store: MilvusStore, sources: Sequence[Source], *, clean: bool) -> None:
        from pliant_jobs.estimate import expected_rows
        from pliant_jobs.stale import StaleRows
        from pliant_jobs.stream import stream

        stale = StaleRows(store, self._config.collection, enabled=clean)
        num_rows = expected_rows(sources)
        for ack in stream(self._config, sources):
            if ack is not None and self._tally.add(ack):
                stale.completed(ack["source_key"], ack["generation"])
            self._screen.update(self._tally, self._tally.seen, num_rows)
        self._deleted = stale.finish()
        store.flush(self._config.collection)

    def report(self, peak_memory_bytes: int) -> EmbedReport:
        tally, config = self._tally, self._config
        seconds = time.time() - self._started
        report = EmbedReport(
            version=pliant.__version__,
            collection=config.collection,
            uri=config.uri,
            model=config.model,
            space_id=self._space_id,
            subnetwork=self._subnetwork,
            sources=Sources(seen=tally.seen, embedded=tally.embedded, failed=tally.failed_sources),
            rows=Rows(written=tally.written, failed=len(tally.failures), deleted=self._deleted),
            by_modality=_by_modality(tally),
            seconds=round(seconds, 3),
            startup_s=round(tally.started - self._started if tally.started else seconds, 3),
            rows_per_s=round(tally.rows_per_s, 3),
            peak_memory_bytes=peak_memory_bytes,
            stages=[Stage(**stage) for stage in tally.stages()],
            failed_table=self._write_failed(),
            interrupted=self.interrupted,
        )
        if config.report:
            write_json(report, config.report)
        return report

    def _write_failed(self) -> str | None:
        from pliant_jobs.tally import write_failed

        if not self._tally.failures and not self._config.failed:
            return None
        path = self._config.failed_path()
        write_failed(self._tally.failures, path)
        return str(path)


def _by_modality(tally: Tally) -> dict[str, int]:
    others = {kind: rows for kind, rows in tally.by_modality.items() if kind not in MODALITIES}
    return {**{kind: tally.by_modality[kind] for kind in MODALITIES}, **others}
