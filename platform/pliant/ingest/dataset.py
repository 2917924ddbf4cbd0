"""Sources to prepared rows as a streaming Ray Dataset: read, chunk and prepare in one CPU stage.

This module knows neither models nor stores: what prepares a content comes in as a `Preparer`.
"""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Protocol

import orjson
import pyarrow as pa
import ray.data
from ray.data import ActorPoolStrategy

from pliant.content import Content, Record, row_key, text_of
from pliant.errors import InvalidInputError
from pliant.ingest.chunk import chunk
from pliant.ingest.failure import Failure, failure_of
from pliant.ingest.fingerprint import fingerprint, generation_of
from pliant.ingest.isolate import IsolatedReader
from pliant.ingest.reading import ReadConfig, Resume
from pliant.ingest.source import Source

if TYPE_CHECKING:
    from ray.data import Dataset

ROWS_PER_BLOCK = 256
KEY_BYTES = 16

SOURCE_COLUMNS = pa.schema(
    [
        ("uri", pa.string()),
        ("source", pa.string()),
        ("path", pa.binary()),  # a name may be no UTF-8
        ("size_bytes", pa.int64()),
        ("mtime", pa.float64()),
        ("root", pa.binary()),
        ("resume_generation", pa.string()),
        ("resume_records", pa.int64()),
        ("resume_parts", pa.int64()),
        ("resume_keys", pa.large_binary()),
    ]
)

ROW_COLUMNS = pa.schema(
    [
        ("kind", pa.string()),  # row | failure | end
        ("source_key", pa.string()),
        ("generation", pa.string()),
        ("part", pa.int64()),
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
        ("expected", pa.int64()),  # from here on: of an end mark only
        ("skipped", pa.int64()),
        ("records", pa.int64()),
        ("parts", pa.int64()),  # of the last end mark of a source only
        ("fingerprint", pa.string()),
        ("read_s", pa.float64()),
        ("prepare_s", pa.float64()),
    ]
)


class Preparer(Protocol):
    """The CPU side of an encoder."""

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
    resumes: Mapping[str, Resume] | None = None,
) -> Dataset:
    """Give the dataset of `ROW_COLUMNS` of all sources: rows, failures and an end mark per part.

    An end mark carries `expected`: how many different ids the part's rows and failures have;
    `skipped`: how many rows were known already; `records`: how many records of the source are
    read so far. The last one of a source has `parts`, the number of its parts in this run.
    """
    workers = workers or Workers()
    table = source_table(sources, resumes or {})
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
        self,
        config: ReadConfig,
        make_preparer: Callable[[], Preparer],
        rows_per_block: int,
        reader: IsolatedReader | None = None,
    ) -> None:
        self._config = config
        self._preparer = make_preparer()
        self._rows_per_block = rows_per_block
        self._reader = reader or IsolatedReader()

    def __call__(self, sources: pa.Table) -> Iterator[pa.Table]:
        """Read each source; give its rows in blocks of about `rows_per_block`."""
        rows: list[dict[str, object]] = []
        for values in sources.to_pylist():
            for row in self._rows(*_source(values)):
                rows.append(row)
                if len(rows) >= self._rows_per_block:
                    yield pa.Table.from_pylist(rows, schema=ROW_COLUMNS)
                    rows = []
        if rows:
            yield pa.Table.from_pylist(rows, schema=ROW_COLUMNS)

    def _rows(self, source: Source, resume: Resume) -> Iterator[dict[str, object]]:
        marks = {"source_key": source.key, "source": source.source}
        try:
            found = fingerprint(source, self._config.read)
        except (OSError, InvalidInputError) as error:
            failed = failure_of(error, source.source, "")
            yield {**marks, "part": 0, **_failure_row(failed), "id": "!0"}
            yield {**marks, "part": 0, "kind": "end", "expected": 1, "skipped": 0, "parts": 1}
            return
        generation = generation_of(found, self._config.key)
        if resume.generation != generation:
            resume = Resume(generation)
        part = _Part(resume)
        for row in self._part_rows(source, part, resume):
            yield {**row, **marks, "source": row.get("source", source.source)} | {
                "generation": generation,
                "fingerprint": found if row["kind"] == "end" else None,
            }

    def _part_rows(
        self, source: Source, part: _Part, resume: Resume
    ) -> Iterator[dict[str, object]]:
        """Give rows and end marks; a part ends between two records, once it is large enough."""
        group: list[Record | Failure] = []
        read = self._reader.read(source, self._config.read, resume.records)
        for records, found in enumerate(read, resume.records + 1):
            for piece in self._pieces(found):
                group.append(piece)
                if len(group) >= self._rows_per_block:
                    yield from self._prepared(group, source.uri, part)
                    group = []
            if part.num_rows + len(group) >= self._config.rows_per_part:
                yield from self._prepared(group, source.uri, part)
                group = []
                yield part.end(records)
        yield from self._prepared(group, source.uri, part)
        yield part.end(None)

    def _pieces(self, found: Record | Failure) -> Iterable[Record | Failure]:
        if isinstance(found, Failure):
            return [found]
        return chunk(
            found, self._preparer.token_offsets, self._config.chunk, self._preparer.max_tokens
        )

    def _prepared(
        self, group: list[Record | Failure], uri: str, part: _Part
    ) -> Iterator[dict[str, object]]:
        wanted = [one for one in group if isinstance(one, Failure) or part.wants(uri, one)]
        before = time.perf_counter()
        rows = self._prepare(wanted, uri)
        part.prepare_s += time.perf_counter() - before
        for row in rows:
            yield part.numbered(row)

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


class _Part:
    """The part of a source that is being read: its number, ids, times."""

    def __init__(self, resume: Resume) -> None:
        self.prepare_s = 0.0
        self._known = _keys(resume.keys)
        self._first = self._number = resume.parts
        self._restart()

    @property
    def num_rows(self) -> int:
        return len(self._ids) + self._skipped

    def wants(self, uri: str, record: Record) -> bool:
        known = bool(self._known) and bytes.fromhex(row_key(uri, record.id)) in self._known
        self._skipped += known
        return not known

    def numbered(self, row: dict[str, object]) -> dict[str, object]:
        name = row.get("id") or f"!{len(self._ids)}"
        self._ids.add(str(name))
        return {**row, "id": name, "part": self._number}

    def end(self, records: int | None) -> dict[str, object]:
        """Give the end mark; `records` is None at the end of the source."""
        parts = self._number - self._first + 1 if records is None else None
        row: dict[str, object] = {
            "kind": "end",
            "part": self._number,
            "expected": len(self._ids),
            "skipped": self._skipped,
            "records": records,
            "parts": parts,
            "read_s": time.perf_counter() - self._started - self.prepare_s,
            "prepare_s": self.prepare_s,
        }
        self._number += 1
        self._restart()
        return row

    def _restart(self) -> None:
        self._ids: set[str] = set()
        self._skipped = 0
        self.prepare_s = 0.0
        self._started = time.perf_counter()


def source_table(sources: Sequence[Source], resumes: Mapping[str, Resume]) -> pa.Table:
    """Give the input of the reading stage, `SOURCE_COLUMNS`."""
    rows = [_source_row(one, resumes.get(one.key, _FRESH)) for one in sources]
    return pa.Table.from_pylist(rows, schema=SOURCE_COLUMNS)


_FRESH = Resume("")


def _source_row(source: Source, resume: Resume) -> dict[str, object]:
    names = [name for name in SOURCE_COLUMNS.names if not name.startswith("resume_")]
    values = {name: getattr(source, name) for name in names}
    kept = {f"resume_{item.name}": getattr(resume, item.name) for item in fields(Resume)}
    return {**values, "path": os.fsencode(source.path), "root": os.fsencode(source.root), **kept}


def _source(row: dict[str, Any]) -> tuple[Source, Resume]:
    resume = Resume(**{item.name: row.pop(f"resume_{item.name}") for item in fields(Resume)})
    paths = {name: os.fsdecode(row[name]) for name in ("path", "root")}
    return Source(**{**row, **paths}), resume


def _keys(packed: bytes) -> frozenset[bytes]:
    return frozenset(packed[at : at + KEY_BYTES] for at in range(0, len(packed), KEY_BYTES))


def _blocks(table: pa.Table, num_actors: int) -> list[pa.Table]:
    """Cut the sources into blocks: several for each actor, so that none waits for a large one."""
    rows = max(1, min(64, -(-table.num_rows // (8 * num_actors))))
    return [table.slice(start, rows) for start in range(0, table.num_rows, rows)]


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
