"""Rows that a complete source no longer gives: deleted once the new ones are acknowledged."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pliant.store.milvus import MilvusStore

SOURCES_A_DELETE = 200


class StaleRows:
    """Collects complete sources and deletes what is left of their earlier generations."""

    def __init__(self, store: MilvusStore, collection: str, *, enabled: bool) -> None:
        self._store = store
        self._collection = collection
        self._enabled = enabled
        self._complete: dict[str, str] = {}
        self._deleted = 0

    def completed(self, source_key: str, generation: str) -> None:
        """Note that every row of this generation of the source is in the store."""
        if self._enabled and generation:
            self._complete[source_key] = generation
        if len(self._complete) >= SOURCES_A_DELETE:
            self.finish()

    def finish(self) -> int:
        """Delete what is stale; gives the number of rows deleted so far."""
        if self._complete:
            self._deleted += self._store.delete_stale(self._collection, self._complete)
            self._complete = {}
        return self._deleted
