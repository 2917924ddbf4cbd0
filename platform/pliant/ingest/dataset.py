"""Sources to prepared rows as a streaming Ray Dataset: read, chunk and prepare in one CPU stage.

This module knows neither models nor stores: what prepares a content comes in as a `Preparer`.
"""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Protocol

import orjson
import pyarrow as pa
import ray.data
from ray.data import ActorPoolStrategy

from pliant.config import Config
from pliant.content import Content, Record, row_key, text_of
from pliant.errors import InvalidInputError
from pliant.ingest.chunk import ChunkOptions, chunk
from pliant.ingest.failure import Failure, failure_of
from pliant.ingest.fingerprint import READER_VERSION, fingerprint
from pliant.ingest.isolate import IsolatedReader
from pliant.ingest.options import ReadOptions
from pliant.ingest.source import Source

if TYPE_CHECKING:
    from ray.data import Dataset

ROWS_PER_BLOCK = 256

SOURCE_COLUMNS = pa.schema(
    [
        ("uri", pa.string()),
        ("source", pa.string()),
        ("path", pa.binary()),  # a name may be no UTF-8
        ("size_bytes", pa.int64()),
        ("mtime", pa.float64()),
        ("root", pa.binary()),
    ]
)

ROW_COLUMNS = pa.schema(
    [
        ("kind", pa.string()),  # row | failure | end
        ("source_key", pa.string()),
        ("generation", pa.string()),
        ("id", pa.string()),
        ("source", pa.string()),
        ("locator", pa.string()),
        ("modality", pa.string()),
        ("text", pa.string()),
        ("thumbnail", pa.binary()),
        ("metadata", pa.string()),
        ("item", pa.large_binary()),
        ("stage", pa.string()),
        ("error", pa.string()),
        ("message", pa.string()),
        ("time", pa.timestamp("us", tz="UTC")),
        ("expected", pa.int64()),
        ("read_s", pa.float64()),
        ("prepare_s", pa.float64()),
    ]
)


class Preparer(Protocol):
    """The CPU side of an encoder."""

    @property
    def space_id(self) -> str:
        """What its vectors are comparable with."""
        ...

    @property
    def max_tokens(self) -> int:
        """Tokens that fit in one text."""
        ...

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Give the character range of every token."""
        ...

    def prepare_each(self, contents: Sequence[Content]) -> Sequence[object | InvalidInputError]:
        """Prepare each content, or say what is wrong with it."""
        ...


class ReadConfig(Config):
    """How sources become rows; part of the generation of each row."""

    read: ReadOptions = ReadOptions()
    chunk: ChunkOptions = ChunkOptions()


@dataclass(frozen=True, slots=True)
class Workers:
    """Resources of the reading stage."""

    num_actors: int = 1
    num_cpus: float = 1.0
    rows_per_block: int = ROWS_PER_BLOCK


def prepared_rows(
    sources: Sequence[Source],
    config: ReadConfig,
    make_preparer: Callable[[], Preparer],
    workers: Workers | None = None,
) -> Dataset:
    """Give the dataset of `ROW_COLUMNS` of all sources: rows, failures and one end mark a source.

    A source's end mark carries `expected`: how many rows and failures it gave.
    """
    workers = workers or Workers()
    table = pa.Table.from_pylist([_source_row(one) for one in sources], schema=SOURCE_COLUMNS)
    return ray.data.from_arrow(_blocks(table, workers.num_actors)).map_batches(
        ReadStage,
        fn_constructor_args=(config, make_preparer, workers.rows_per_block),
        batch_size=None,
        batch_format="pyarrow",
        compute=ActorPoolStrategy(size=workers.num_actors, max_tasks_in_flight_per_actor=1),
        num_cpus=workers.num_cpus,
    )


class ReadStage:
    """The actor of the reading stage: isolated reader, chunker and `prepare`."""

    def __init__(
        self, config: ReadConfig, make_preparer: Callable[[], Preparer], rows_per_block: int
    ) -> None:
        self._config = config
        self._preparer = make_preparer()
        self._rows_per_block = rows_per_block
        self._reader = IsolatedReader()
        options = config.model_dump_json(exclude={"read": {"limits", "allow_hosts"}})
        self._options_hash = blake2b(options.encode(), digest_size=16).hexdigest()

    def __call__(self, sources: pa.Table) -> Iterator[pa.Table]:
        """Read each source; give its rows in blocks of about `rows_per_block`."""
        rows: list[dict[str, object]] = []
        for values in sources.to_pylist():
            for row in self._rows(_source(values)):
                rows.append(row)
                if len(rows) >= self._rows_per_block:
                    yield pa.Table.from_pylist(rows, schema=ROW_COLUMNS)
                    rows = []
        if rows:
            yield pa.Table.from_pylist(rows, schema=ROW_COLUMNS)

    def _rows(self, source: Source) -> Iterator[dict[str, object]]:
        started, prepare_s, expected = time.perf_counter(), 0.0, 0
        marks = {"source_key": source.key, "source": source.source}
        try:
            marks["generation"] = self._generation(source)
        except (OSError, InvalidInputError) as error:
            failed = failure_of(error, source.source, "")
            yield {**marks, **_failure_row(failed)}
            yield {**marks, "kind": "end", "expected": 1}
            return
        for group in _groups(self._pieces(source), self._rows_per_block):
            before = time.perf_counter()
            found = self._prepare(group, source.uri)
            prepare_s += time.perf_counter() - before
            expected += len(found)
            for row in found:
                yield {**marks, **row}
        read_s = time.perf_counter() - started - prepare_s
        end = {"kind": "end", "expected": expected, "read_s": read_s, "prepare_s": prepare_s}
        yield {**marks, **end}

    def _pieces(self, source: Source) -> Iterator[Record | Failure]:
        for found in self._reader.read(source, self._config.read):
            if isinstance(found, Failure):
                yield found
            else:
                yield from chunk(
                    found,
                    self._preparer.token_offsets,
                    self._config.chunk,
                    self._preparer.max_tokens,
                )

    def _prepare(self, group: list[Record | Failure], uri: str) -> list[dict[str, object]]:
        records = [found for found in group if isinstance(found, Record)]
        items = iter(self._preparer.prepare_each([record.content for record in records]))
        rows = []
        for found in group:
            if isinstance(found, Failure):
                rows.append(_failure_row(found))
                continue
            item = next(items)
            if isinstance(item, InvalidInputError):
                failed = Failure(
                    found.source, found.locator, "prepare", "InvalidContent", str(item)
                )
                rows.append(_failure_row(failed))
            else:
                rows.append(_record_row(found, uri, item))
        return rows

    def _generation(self, source: Source) -> str:
        parts = (
            fingerprint(source, self._config.read),
            self._preparer.space_id,
            self._options_hash,
            str(READER_VERSION),
        )
        return blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()


def _source_row(source: Source) -> dict[str, object]:
    values = {name: getattr(source, name) for name in SOURCE_COLUMNS.names}
    return {**values, "path": os.fsencode(source.path), "root": os.fsencode(source.root)}


def _source(row: dict[str, Any]) -> Source:
    return Source(**{**row, "path": os.fsdecode(row["path"]), "root": os.fsdecode(row["root"])})


def _blocks(table: pa.Table, num_actors: int) -> list[pa.Table]:
    """Cut the sources into blocks: several for each actor, so that none waits for a large one."""
    rows = max(1, min(64, -(-table.num_rows // (8 * num_actors))))
    return [table.slice(start, rows) for start in range(0, table.num_rows, rows)]


def _groups(found: Iterable[Record | Failure], size: int) -> Iterator[list[Record | Failure]]:
    group: list[Record | Failure] = []
    for one in found:
        group.append(one)
        if len(group) >= size:
            yield group
            group = []
    if group:
        yield group


def _record_row(record: Record, uri: str, item: object) -> dict[str, object]:
    return {
        "kind": "row",
        "id": row_key(uri, record.id),
        "source": record.source,
        "locator": record.locator,
        "modality": record.modality,
        "text": text_of(record.content),
        "thumbnail": record.thumbnail,
        "metadata": orjson.dumps(dict(record.metadata)).decode(),
        "item": pickle.dumps(item, protocol=pickle.HIGHEST_PROTOCOL),
    }


def _failure_row(failure: Failure) -> dict[str, object]:
    return {
        "kind": "failure",
        "source": failure.source,
        "locator": failure.locator,
        "stage": failure.stage,
        "error": failure.error,
        "message": failure.message,
        "time": failure.time,
    }
