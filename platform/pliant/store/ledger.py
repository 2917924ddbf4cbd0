"""The ledger: what each source of a collection was when its rows were complete.

Kept for all collections of a store in one place, by their uid: a collection that was dropped and
made again begins with nothing. Written by the one job that holds the lease. This module knows
neither files nor jobs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from pliant.content import row_key
from pliant.store import statements
from pliant.store.connection import Connection
from pliant.store.expressions import among
from pliant.store.lease import Lease, lease_of
from pliant.store.ledger_tables import TEXT_BYTES, open_table
from pliant.store.rows import clip

if TYPE_CHECKING:
    from pliant.store.milvus import MilvusStore

State = Literal["done", "partial", "failed", "part"]
KEYS_A_SCAN = 500
SCAN_ALL_FROM = 5000


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the ledger.

    Attributes:
        source_key: which source.
        state: all its rows are there ("done"); all but some that failed ("partial"); none
            ("failed"); or this is a complete part of a source that is still open ("part").
        uri: the source's absolute normalised URI.
        source: the source as it was typed.
        generation: of its rows.
        fingerprint: of its bytes.
        options: everything else the rows depend on, hashed.
        stamp: what the source looked like from outside.
        count: how many rows it, or the part, has.
        failed: how many rows failed.
        attempts: how often it failed in a row.
        due: not tried again before, seconds since 1970.
        error: the first failure: locator, stage, error and message, joined by newlines.
        part: number of the part; -1 for the whole source.
        records: so many records of the source are read at the end of the part.
        time: when it was written, seconds since 1970.
    """

    source_key: str
    state: State = "done"
    uri: str = ""
    source: str = ""
    generation: str = ""
    fingerprint: str = ""
    options: str = ""
    stamp: str = ""
    count: int = 0
    failed: int = 0
    attempts: int = 0
    due: float = 0.0
    error: str = ""
    part: int = -1
    records: int = 0
    time: float = 0.0


class Ledger:
    """The rows of the ledger that belong to one collection.

    Args:
        store: where.
        name: the collection.
        seen: the last owner's lease, where the present one is the caller's own.
    """

    def __init__(self, store: MilvusStore, name: str, seen: Lease | None = None) -> None:
        layout = store.layout(name)
        self._connection = store.connection
        self._name = name
        self._uid = layout.uid
        self.lease = seen or lease_of(layout)
        self._table = open_table(store.connection, _COLUMNS)

    @property
    def is_trusted(self) -> bool:
        """Whether the last writer of the collection used this ledger.

        It did not if an embedded store was written by its owner's URL, or was copied back.
        """
        marks = {row["stamp"] for row in self._table.rows(_fence(self._uid), ["stamp"])}
        return not marks or self.lease is None or marks == {self.lease.nonce}

    def entries(self) -> Iterator[Entry]:
        """Give every row, in no order; none when they are not to be trusted."""
        if self.is_trusted:
            for row in self._table.rows(self._uid, list(_COLUMNS)):
                yield Entry(**row)

    def write(self, entries: Sequence[Entry]) -> None:
        """Write rows; a row of the same source and part is replaced."""
        self._table.put([self._values(entry) for entry in entries])

    def forget(self, entries: Iterable[Entry]) -> None:
        """Delete rows."""
        self._table.delete([self._key(entry) for entry in entries])

    def belong_to(self, lease: Lease) -> None:
        """Note whose rows follow; rows that are not to be trusted are deleted."""
        if not self.is_trusted:
            self._table.drop(self._uid)
        fence = _fence(self._uid)
        row = {**asdict(Entry(lease.nonce)), "stamp": lease.nonce}
        self._table.put([{**row, "id": row_key(fence, ""), "collection": fence}])
        self.lease = lease

    def rows_of(self, source_keys: Sequence[str]) -> Iterator[tuple[str, str, str]]:
        """Give source key, generation and key of the rows that the collection has of sources."""
        names = ["source_key", "generation", "id"]
        wanted = set(source_keys)
        conditions = [""]
        if len(wanted) <= SCAN_ALL_FROM:
            pages = range(0, len(source_keys), KEYS_A_SCAN)
            conditions = [among("source_key", source_keys[at : at + KEYS_A_SCAN]) for at in pages]
        for where in conditions:
            for row in statements.scan(self._connection, self._name, where, names):
                if row["source_key"] in wanted:
                    yield row["source_key"], row["generation"], row["id"]

    def covers_collection(self) -> bool:
        """Tell whether every row is of a source and generation that the ledger has; reads all keys.

        Asked once, after a job that went on where another died: sources that were not among its
        arguments may still be half written.
        """
        entries = (entry for entry in self.entries() if entry.state != "part")
        known = {entry.source_key: entry.generation for entry in entries}
        rows = statements.scan(self._connection, self._name, "", ["source_key", "generation"])
        return all(
            known.get(row["source_key"]) == row["generation"] for row in rows if row["source_key"]
        )

    def _key(self, entry: Entry) -> str:
        return row_key(self._uid, f"{entry.source_key}/{entry.part}")

    def _values(self, entry: Entry) -> dict[str, Any]:
        values = {name: getattr(entry, name) for name in _COLUMNS}  # asdict is five times slower
        texts = {name: clip(values[name], TEXT_BYTES) for name in ("error", "source", "uri")}
        return {**values, **texts, "id": self._key(entry), "collection": self._uid}


def forget_collection(connection: Connection, uid: str) -> None:
    """Delete all rows of a collection that is being dropped."""
    if uid:
        table = open_table(connection, _COLUMNS)
        table.drop(uid)
        table.drop(_fence(uid))


def _fence(uid: str) -> str:
    return f"{uid}/fence"


_KINDS: dict[str, type] = {"str": str, "State": str, "int": int, "float": float}
_COLUMNS: dict[str, type] = {item.name: _KINDS[str(item.type)] for item in fields(Entry)}
