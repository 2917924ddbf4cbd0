"""The embedding stage: prepared rows to vectors to the store, acknowledged per source.

Embedding and upsert are one actor call of at most one batch, so a retry by Ray writes the same
keys again and changes nothing.
"""

from __future__ import annotations

import pickle
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
from ray.data import ActorPoolStrategy, Dataset

from pliant.config import Config
from pliant.ingest.failure import Failure

if TYPE_CHECKING:
    import numpy as np

    from pliant.encoder import Encoder
    from pliant.store import MilvusStore, StoredRow

FAILURE_COLUMNS = pa.struct(
    [(name, pa.string()) for name in ("source", "locator", "stage", "error", "message")]
    + [("time", pa.timestamp("us", tz="UTC"))]
)
ACK_COLUMNS = pa.schema(
    [
        ("source_key", pa.string()),
        ("generation", pa.string()),
        ("written", pa.map_(pa.string(), pa.int64())),  # modality -> rows
        ("failures", pa.list_(FAILURE_COLUMNS)),
        ("expected", pa.int64()),  # null until the source's end mark came
        ("read_s", pa.float64()),
        ("prepare_s", pa.float64()),
        ("embed_s", pa.float64()),
        ("upsert_s", pa.float64()),
        ("started_at", pa.float64()),  # of the batch: seconds since 1970
        ("acknowledged_at", pa.float64()),
    ]
)


class EmbedTask(Config):
    """Everything an embedding actor needs to know."""

    uri: str
    token: str | None = None
    collection: str
    model: str
    subnetwork: str
    threads: int | None = None
    batch_size: int = 256


@dataclass(slots=True)
class _Ack:
    source_key: str
    generation: str
    written: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    failures: list[dict[str, Any]] = field(default_factory=list)
    expected: int | None = None
    read_s: float = 0.0
    prepare_s: float = 0.0


def embedded(
    rows: Dataset, task: EmbedTask, *, num_actors: int, num_cpus: float, num_gpus: float
) -> Dataset:
    """Embed and write the rows of `pliant.ingest.dataset`; gives `ACK_COLUMNS`."""
    return rows.map_batches(
        EmbedStage,
        fn_constructor_args=(task,),
        batch_size=task.batch_size,
        batch_format="pyarrow",
        compute=ActorPoolStrategy(size=num_actors, max_tasks_in_flight_per_actor=2),
        num_cpus=num_cpus,
        num_gpus=num_gpus,
    )


class EmbedStage:
    """The actor of the embedding stage: one encoder and one connection to the store."""

    def __init__(self, task: EmbedTask) -> None:
        from pliant.encoder import load
        from pliant.store.milvus import MilvusStore

        self._task = task
        self._store: MilvusStore = MilvusStore.open(task.uri, token=task.token, start=False)
        self._encoder: Encoder = load(task.model, threads=task.threads)
        self._subnetwork = self._encoder.subnetwork(task.subnetwork)
        self._encoder.encode(["warm"], subnetwork=self._subnetwork)

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Embed and upsert one batch; the result says what is now in the store."""
        acks = _Acks()
        rows = []
        for row in batch.to_pylist():
            if row["kind"] == "row":
                rows.append(row)
            else:
                acks.mark(row)
        before = time.perf_counter()
        vectors, rows = self._embed(rows, acks)
        embed_s = time.perf_counter() - before
        self._upsert(rows, vectors, acks)
        return acks.table(embed_s, time.perf_counter() - before - embed_s)

    def _embed(
        self, rows: list[dict[str, Any]], acks: _Acks
    ) -> tuple[list[np.ndarray], list[dict[str, Any]]]:
        from pliant.encoder import Batch

        items = [pickle.loads(row.pop("item")) for row in rows]  # noqa: S301 our own bytes
        if not rows:
            return [], []
        try:
            return list(self._encoder.embed(Batch(tuple(items)), self._subnetwork)), rows
        except (RuntimeError, MemoryError):
            return self._embed_one_by_one(items, rows, acks)

    def _embed_one_by_one(
        self, items: list[Any], rows: list[dict[str, Any]], acks: _Acks
    ) -> tuple[list[np.ndarray], list[dict[str, Any]]]:
        """After a batch failed: find the row that cannot be embedded, keep its neighbours."""
        from pliant.encoder import Batch

        vectors, kept = [], []
        for item, row in zip(items, rows, strict=True):
            try:
                vectors.append(self._encoder.embed(Batch((item,)), self._subnetwork)[0])
                kept.append(row)
            except Exception as error:  # noqa: BLE001 a bad row is one bad row
                acks.fail(row, "embed", type(error).__name__, str(error))
        return vectors, kept

    def _upsert(self, rows: list[dict[str, Any]], vectors: list[np.ndarray], acks: _Acks) -> None:
        import numpy as np

        from pliant.store import StoredRows

        if not rows:
            return
        space_id = self._encoder.space_id_of(self._subnetwork)
        stored = StoredRows(space_id, [_stored(row) for row in rows], np.stack(vectors))
        refused = self._store.upsert(self._task.collection, stored)
        for row in rows:
            if row["id"] in refused:
                acks.fail(row, "upsert", "InvalidRow", refused[row["id"]])
            else:
                acks.wrote(row)


def _stored(row: dict[str, Any]) -> StoredRow:
    from pliant.store import StoredRow

    names = ("id", "modality", "source", "locator", "text", "thumbnail", "source_key", "generation")
    values = {name: row[name] for name in names}
    return StoredRow(**values, metadata=orjson.loads(row["metadata"]))


class _Acks:
    """The acknowledgements of one batch, by source."""

    def __init__(self) -> None:
        self._by_source: dict[str, _Ack] = {}

    def _of(self, row: dict[str, Any]) -> _Ack:
        key = row["source_key"]
        if key not in self._by_source:
            self._by_source[key] = _Ack(key, row["generation"] or "")
        return self._by_source[key]

    def wrote(self, row: dict[str, Any]) -> None:
        self._of(row).written[row["modality"]] += 1

    def mark(self, row: dict[str, Any]) -> None:
        ack = self._of(row)
        if row["kind"] == "end":
            ack.expected = row["expected"]
            ack.read_s, ack.prepare_s = row["read_s"] or 0.0, row["prepare_s"] or 0.0
        else:
            ack.failures.append({name.name: row[name.name] for name in FAILURE_COLUMNS})

    def fail(self, row: dict[str, Any], stage: str, error: str, message: str) -> None:
        failed = Failure(row["source"], row["locator"], stage, error, message)
        values = {name.name: getattr(failed, name.name) for name in FAILURE_COLUMNS}
        self._of(row).failures.append(values)

    def table(self, embed_s: float, upsert_s: float) -> pa.Table:
        now = time.time()
        share = 1 / max(1, len(self._by_source))
        rows = [
            {
                "source_key": ack.source_key,
                "generation": ack.generation,
                "written": list(ack.written.items()),
                "failures": ack.failures,
                "expected": ack.expected,
                "read_s": ack.read_s,
                "prepare_s": ack.prepare_s,
                "embed_s": embed_s * share,
                "upsert_s": upsert_s * share,
                "started_at": now - embed_s - upsert_s,
                "acknowledged_at": now,
            }
            for ack in self._by_source.values()
        ]
        return pa.Table.from_pylist(rows, schema=ACK_COLUMNS)


def acknowledgements(acks: Dataset) -> Iterator[dict[str, Any]]:
    """Run the pipeline; give each acknowledgement as soon as it comes."""
    for table in acks.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
        yield from table.to_pylist()  # pyright: ignore[reportAttributeAccessIssue]
