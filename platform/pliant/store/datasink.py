"""MilvusDatasink: rows of any Ray Data program into a collection. The one module here with Ray."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from ray.data import Datasink
from ray.data.block import Block, BlockAccessor

from pliant.content import row_key
from pliant.errors import InvalidInputError
from pliant.store.connection import Patience
from pliant.store.milvus import MilvusStore
from pliant.store.rows import StoredRow, StoredRows
from pliant.store.schema import CollectionSpec

WAIT_S = 600.0
ROWS_A_WRITE = 1024
_FIELDS = ("text", "locator", "source", "source_key", "generation", "thumbnail")


class MilvusDatasink(Datasink[int]):
    """Writes the rows of a dataset into a collection: `ds.write_datasink(MilvusDatasink(…))`.

    A row needs `vector` (numbers, one length for all) and `id`, or `source` and perhaps `locator`,
    of which the key is then a hash. `text`, `modality`, `thumbnail`, `source_key` and `generation`
    are stored as such; every other column is metadata that filters may name.

    Keys are a function of the row and a write replaces, so that a task that Ray runs again changes
    nothing. A task returns when the store has acknowledged its rows: a slow store slows the
    dataset down (`concurrency` bounds how many tasks write). A store that is away is waited for.

    Args:
        uri: a folder of Milvus Lite, or `http(s)://host:port`.
        collection: made when it does not exist, for the vectors of the first block.
        space_id: what the vectors are comparable with, `Encoder.space_id`. Without one, only
            collections that were made without one can be written.
        token: of a server.
        wait_s: how long to wait for a store that is away, seconds.

    Raises:
        InvalidInputError: a column is missing, a row cannot be stored, or another space.
        UnavailableError: the store stays away.
    """

    def __init__(
        self,
        uri: str,
        collection: str,
        space_id: str | None = None,
        token: str | None = None,
        wait_s: float = WAIT_S,
    ) -> None:
        self._uri = uri
        self._collection = collection
        self._space_id = space_id
        self._token = token
        self._wait_s = wait_s
        self._store: MilvusStore | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the driver's connection out: every task opens its own."""
        return {**self.__dict__, "_store": None}

    def on_write_start(self, schema: pa.Schema | None = None) -> None:
        """Open the store in the driver, which starts an embedded store's owner and keeps it."""
        del schema
        self._store = self._open(start=True)

    def write(self, blocks: Iterable[Block], ctx: object) -> int:
        """Write blocks; gives the number of rows."""
        del ctx
        rows = 0
        with self._open(start=False) as store:
            for block in blocks:
                columns: Any = BlockAccessor.for_block(block).to_batch_format("numpy")
                rows += self._write(store, columns) if len(next(iter(columns.values()), ())) else 0
        return rows

    def on_write_complete(self, write_result: object) -> None:
        """Move what was written into the embedded store's files, and let it go."""
        del write_result
        if self._store is not None and self._store.exists(self._collection):
            self._store.flush(self._collection)
        self._close()

    def on_write_failed(self, error: Exception) -> None:
        """Let the store go; what was acknowledged stays."""
        del error
        self._close()

    @property
    def min_rows_per_write(self) -> int:
        """So many rows go to one task, where blocks are small."""
        return ROWS_A_WRITE

    def _open(self, *, start: bool) -> MilvusStore:
        patience = Patience(self._wait_s)
        return MilvusStore.open(self._uri, self._token, start=start, patience=patience)

    def _close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    def _write(self, store: MilvusStore, columns: Mapping[str, Any]) -> int:
        if "vector" not in columns:
            raise InvalidInputError(f"rows need a column 'vector', given {', '.join(columns)}")
        vectors = np.stack([np.asarray(one, dtype=np.float32) for one in columns["vector"]])
        space_id = self._space_id or f"external-{vectors.shape[1]}"
        spec = CollectionSpec(vectors.shape[1], space_id, "external")
        if not store.exists(self._collection):
            store.ensure(self._collection, spec)
        rows = _rows({name: _plain(column) for name, column in columns.items() if name != "vector"})
        refused = store.upsert(self._collection, StoredRows(space_id, rows, vectors))
        if refused:
            key, reason = next(iter(refused.items()))
            raise InvalidInputError(f"{len(refused)} rows cannot be stored; row {key!r}: {reason}")
        return len(rows)


def _rows(columns: Mapping[str, Sequence[Any]]) -> list[StoredRow]:
    if "id" not in columns and "source" not in columns:
        raise InvalidInputError(
            f"rows need a column 'id' or 'source' for their keys, given {', '.join(columns)}"
        )
    rows = []
    for values in zip(*columns.values(), strict=True):
        row = dict(zip(columns, values, strict=True))
        given = {name: row.pop(name) for name in _FIELDS if row.get(name) is not None}
        name = row.pop("id", None)
        key = row_key(given["source"], given.get("locator", "")) if name is None else str(name)
        modality = row.pop("modality", None) or "text"
        metadata = {name: value for name, value in row.items() if name not in _FIELDS}
        defaults = {"source": key, **given}
        rows.append(StoredRow(id=key, modality=modality, metadata=metadata, **defaults))
    return rows


def _plain(column: Any) -> list[Any]:
    return [one.tolist() if isinstance(one, np.ndarray | np.generic) else one for one in column]
