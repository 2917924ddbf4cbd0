"""One run of the embedding job: what changed is found, read, embedded, written and committed.

Discovery and the comparison with the ledger come first; where nothing changed, nothing else does.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pliant.errors import PliantError, UnavailableError
from pliant_jobs import killpoints
from pliant_jobs.commit import Commits
from pliant_jobs.embed_config import EmbedConfig
from pliant_jobs.keeper import Renewal, give_back, keeper_of, kept
from pliant_jobs.plan import Plan, Question, compare, find_open, gone
from pliant_jobs.stop import Stopped
from pliant_jobs.tally import Tally

if TYPE_CHECKING:
    from pliant.encoder import Encoder
    from pliant.ingest.source import Source
    from pliant.store.connection import Patience
    from pliant.store.lease import LeaseKeeper
    from pliant.store.ledger import Entry, Ledger
    from pliant.store.milvus import MilvusStore
    from pliant_jobs.progress import Progress
    from pliant_jobs.stream import Stream


@dataclass(frozen=True, slots=True)
class _Open:
    """An open collection with its ledger."""

    store: MilvusStore
    ledger: Ledger
    question: Question
    missing: Sequence[Entry]
    patience: Patience


class Job:
    """What a run counts, for its report."""

    def __init__(
        self,
        config: EmbedConfig,
        screen: Progress,
        stream: Stream | None = None,
        *,
        only: frozenset[str] | None = None,
    ) -> None:
        self.config = config
        self.tally = Tally()
        self.started = time.time()
        self.space_id = ""
        self.subnetwork = config.subnetwork
        self.unchanged = 0
        self.removed = 0
        self.deleted = 0
        self.ledger_s = 0.0
        self.interrupted: str | None = None
        self._only = only
        self._is_new = False
        self._screen = screen
        self._stream = stream

    def run(self) -> None:
        """Do it all; raises what `pliant_jobs.embed.run` says."""
        killpoints.arm()
        sources = self._discover()
        if not sources and not self.config.prune:
            return
        from pliant.encoder import load
        from pliant.store.connection import Patience
        from pliant.store.milvus import MilvusStore

        config = self.config
        encoder = load(config.model)
        self.space_id = encoder.space_id_of(config.subnetwork)
        self.subnetwork = encoder.subnetwork(config.subnetwork).name
        patience = Patience(config.store_wait_s, self._screen.say)
        with MilvusStore.open(config.uri, token=config.secret(), patience=patience) as store:
            existed = store.exists(config.collection)
            if not existed and not sources:
                return
            self._is_new = not existed
            self._ensure_collection(store, encoder, sources, existed=existed)
            self._compare_and_write(store, sources, patience)

    def _discover(self) -> list[Source]:
        from pliant.ingest.discover import discover
        from pliant.ingest.failure import Failure

        sources: list[Source] = []
        for found in discover(self.config.sources, self.config.discover_options()):
            killpoints.reach("discovery")
            if self._only is not None and found.source not in self._only:
                continue
            if isinstance(found, Failure):
                self.tally.fail_source(found)
            else:
                sources.append(found)
        self.tally.seen += len(sources)
        return sources

    def _ensure_collection(
        self, store: MilvusStore, encoder: Encoder, sources: Sequence[Source], *, existed: bool
    ) -> None:
        from pliant.store.schema import CollectionSpec
        from pliant_jobs.metadata import metadata_fields

        read_options = self.config.read_options()
        spec = CollectionSpec(
            dim=encoder.subnetwork(self.config.subnetwork).dim,
            space_id=self.space_id,
            model=self.config.model,
            subnetwork=self.subnetwork,
            metadata_fields={} if existed else metadata_fields(sources, read_options),
        )
        store.ensure(self.config.collection, spec)

    def _compare_and_write(
        self, store: MilvusStore, sources: Sequence[Source], patience: Patience
    ) -> None:
        from pliant.store.ledger import Ledger

        config = self.config
        question = Question(
            options=config.read_config(self.space_id).key,
            now=self.started,
            verify=config.verify,
            retry=self._only is not None,
        )
        before = time.perf_counter()
        ledger = Ledger(store, config.collection)
        plan, missing = self._plan(ledger, sources, question)
        self.ledger_s += time.perf_counter() - before
        if plan.todo or plan.refreshed or missing:
            keeper = keeper_of(store, config)
            keeper.acquire()
            if keeper.replaced != ledger.lease:  # somebody wrote since the comparison
                ledger = Ledger(store, config.collection, seen=keeper.replaced)
                plan, missing = self._plan(ledger, sources, question)
            self._write(_Open(store, ledger, question, missing, patience), plan, keeper)
        self.unchanged = plan.unchanged
        for entry in plan.rests:
            self.tally.rest(entry.source, entry.error, entry.attempts)

    def _plan(
        self, ledger: Ledger, sources: Sequence[Source], question: Question
    ) -> tuple[Plan, list[Entry]]:
        entries = list(ledger.entries())
        plan = compare(sources, entries, question)
        config = self.config
        if not config.prune:
            return plan, []
        found = {source.key for source in sources}
        return plan, gone(entries, config.sources, config.root, found)

    def _write(self, to: _Open, plan: Plan, keeper: LeaseKeeper) -> None:
        """Change the collection, under a lease that this job has acquired."""
        clean = self._is_new or (keeper.found_clean and to.ledger.is_trusted)
        to.ledger.belong_to(keeper.lease)
        try:
            with kept(self.config, keeper, to.patience) as renewal:
                self._prune(to)
                to.ledger.write(plan.refreshed)
                if plan.todo:
                    self._find_open(to, plan, clean=clean)
                    self._run_pipeline(to, plan, keeper, renewal)
        except (PliantError, Stopped):
            give_back(self.config, keeper)
            raise
        keeper.release(clean=clean or (bool(plan.todo) and to.ledger.covers_collection()))

    def _find_open(self, to: _Open, plan: Plan, *, clean: bool) -> None:
        before = time.perf_counter()
        find_open(plan, to.ledger, to.question.options, clean=clean)
        self.ledger_s += time.perf_counter() - before

    def _prune(self, to: _Open) -> None:
        keys = sorted({entry.source_key for entry in to.missing})
        if keys:
            self.deleted += to.store.delete_sources(self.config.collection, keys)
            killpoints.reach("after_delete")
            to.ledger.forget(to.missing)
            self.removed = len(keys)

    def _run_pipeline(self, to: _Open, plan: Plan, keeper: LeaseKeeper, renewal: Renewal) -> None:
        from pliant_jobs.estimate import expected_rows
        from pliant_jobs.stream import Work, stream

        config = self.config
        self._screen.say(f"embedding {len(plan.todo):,} sources into {config.collection!r}")
        commits = Commits(
            to.ledger,
            keeper,
            plan,
            lambda complete: to.store.delete_stale(config.collection, complete),
            to.question.options,
        )
        work = Work(plan.todo, plan.resumes, self.space_id, keeper.lease.fence)
        num_rows = expected_rows(plan.todo)
        try:
            for ack in (self._stream or stream)(config, work):
                renewal.check()
                if ack is not None and (done := self.tally.add(ack)):
                    commits.add(done)
                commits.tick()
                self._screen.update(self.tally, self.tally.seen, num_rows)
            commits.flush()
        except Stopped:
            commits.flush()
            raise
        finally:
            self.deleted += commits.deleted
            self.ledger_s += commits.seconds
        if self.tally.num_open:
            raise UnavailableError(
                f"the pipeline ended before {self.tally.num_open:,} sources were complete; "
                "run the same command again to go on"
            )
        to.store.flush(config.collection)
