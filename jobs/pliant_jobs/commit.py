"""Completes sources: what is stale goes, then the ledger row is written, last.

Knows the plan and the ledger; nothing of Ray. Every step may be repeated: after a kill
the next run finds the source open, or complete.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from pliant.store.ledger import Entry
from pliant_jobs import killpoints
from pliant_jobs.plan import Plan, rest_s
from pliant_jobs.tally import Done

if TYPE_CHECKING:
    from pliant.store.lease import LeaseKeeper
    from pliant.store.ledger import Ledger

DeleteStale = Callable[[Mapping[str, str]], int]
"""Deletes rows of complete sources that are of another generation; gives how many."""
SOURCES_A_COMMIT = 200
COMMIT_EVERY_S = 2.0


class Commits:
    """Collects complete sources and parts, and commits them a few at a time.

    Args:
        ledger: of the collection.
        keeper: the lease under which this job writes.
        plan: what the job does.
        delete_stale: deletes rows of other generations.
        options: the hash of everything but the bytes that rows depend on.
    """

    def __init__(
        self,
        ledger: Ledger,
        keeper: LeaseKeeper,
        plan: Plan,
        delete_stale: DeleteStale,
        options: str,
    ) -> None:
        self._ledger = ledger
        self._delete = delete_stale
        self._keeper = keeper
        self._plan = plan
        self._sources = {source.key: source for source in plan.todo}
        self._options = options
        self._done: list[Done] = []
        self._parts: dict[str, list[Entry]] = {key: list(of) for key, of in plan.parts.items()}
        self._flushed = time.monotonic()
        self.deleted = 0
        self.seconds = 0.0

    def add(self, done: Done) -> None:
        """Take a complete source or part."""
        self._done.append(done)
        if len(self._done) >= SOURCES_A_COMMIT:
            self.flush()

    def tick(self) -> None:
        """Commit what has waited long enough; called often."""
        if self._done and time.monotonic() - self._flushed >= COMMIT_EVERY_S:
            self.flush()

    def flush(self) -> None:
        """Commit everything that is complete.

        Raises:
            UnavailableError: the store is away, or another job has taken over.
        """
        done, self._done, before = self._done, [], time.perf_counter()
        self._flushed = time.monotonic()
        if not done:
            return
        if not killpoints.without("fence"):
            self._keeper.check()
        entries = [entry for one in done if (entry := self._entry(one))]
        whole = [one for one in done if one.part is None]
        if killpoints.without("order"):
            self._write(entries)
        self._delete_stale(whole)
        killpoints.reach("after_delete")
        self._write(entries)
        self._ledger.forget([part for one in whole for part in self._parts.pop(one.source_key, ())])
        self.seconds += time.perf_counter() - before

    def _write(self, entries: list[Entry]) -> None:
        with killpoints.during("ledger_row"):
            self._ledger.write(entries)

    def _delete_stale(self, whole: list[Done]) -> None:
        """Delete rows of other generations; a source that could not be read keeps what it has."""
        complete = {
            one.source_key: one.generation
            for one in whole
            if one.generation and one.source_key in self._plan.stale
        }
        if complete and not killpoints.without("delete"):
            self.deleted += self._delete(complete)

    def _entry(self, done: Done) -> Entry | None:
        """Give the ledger row; none for a part with failures, whose rows are to be tried again."""
        source = self._sources[done.source_key]
        base = Entry(
            done.source_key,
            uri=source.uri,
            source=source.source,
            generation=done.generation,
            fingerprint=done.fingerprint,
            options=self._options,
            stamp=self._plan.stamps[done.source_key],
            count=done.rows,
            failed=done.failed,
            time=time.time(),
        )
        if done.part is not None:
            if done.failed:
                return None
            entry = replace(base, state="part", part=done.part, records=done.records)
            self._parts.setdefault(done.source_key, []).append(entry)
            return entry
        if not done.failed:
            whole = sum(part.count for part in self._resumed(done))
            return replace(base, state="done", count=done.rows + whole)
        return self._failed(base, done)

    def _resumed(self, done: Done) -> list[Entry]:
        resume = self._plan.resumes.get(done.source_key)
        if resume is None or resume.generation != done.generation:
            return []
        return self._plan.parts.get(done.source_key, [])[: resume.parts]

    def _failed(self, base: Entry, done: Done) -> Entry:
        before = self._plan.entries.get(done.source_key)
        again = before is not None and before.generation == done.generation
        attempts = before.attempts + 1 if before and again else 1
        error = done.error or {}
        words = "\n".join(str(error.get(name, "")) for name in _WORDS)
        state = "partial" if done.rows else "failed"
        due = base.time + rest_s(attempts)
        return replace(base, state=state, attempts=attempts, due=due, error=words)


_WORDS = ("locator", "stage", "error", "message")
