"""The job without Ray and without a model: for the protocol, which needs neither."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pliant.content import Content, text_of
from pliant.ingest.dataset import ReadStage, source_table
from pliant.ingest.isolate import IsolatedReader
from pliant.store import MilvusStore, statements
from pliant.store.lease import lease_of
from pliant.store.ledger import Entry, Ledger
from pliant.store.lite import stop_owner
from pliant.store.schema import LEASE
from pliant_jobs import embed, killpoints
from pliant_jobs.embed_config import EmbedConfig
from pliant_jobs.pipeline import EmbedStage
from pliant_jobs.report import EmbedReport
from pliant_jobs.stream import Work, embed_task

DIM = 8


@dataclass(frozen=True)
class _SubNetwork:
    name: str = "full"
    dim: int = DIM


class HashEncoder:
    """Stands for an encoder: a vector is a hash of the text."""

    max_tokens = 100

    def __init__(self) -> None:
        self.prepared: list[str] = []

    def space_id_of(self, subnetwork: object) -> str:
        return "0123456789abcdef"

    def subnetwork(self, name: object = None) -> _SubNetwork:
        return _SubNetwork()

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        return [(at, at + 1) for at in range(len(text))]

    def prepare_each(self, contents: Sequence[Content]) -> list[str]:
        texts = [text_of(content) for content in contents]
        self.prepared += texts
        return texts

    def embed(self, batch: Any, subnetwork: object) -> np.ndarray:
        digests = [hashlib.sha256(text.encode()).digest()[:DIM] for text in batch.items]
        return np.array([list(one) for one in digests], dtype=np.float32) - 127.5

    def encode(self, texts: Sequence[str], subnetwork: object = None) -> None:
        """Warm nothing up."""


class InProcess:
    """The pipeline's stages, called one after the other."""

    def __init__(self, encoder: HashEncoder) -> None:
        self.encoder = encoder
        self.calls = 0
        self._reader = IsolatedReader()

    def __call__(self, config: EmbedConfig, work: Work) -> Iterator[dict[str, Any] | None]:
        self.calls += 1
        read_config = config.read_config(work.space_id)
        read = ReadStage(read_config, lambda: self.encoder, 3, self._reader)
        embed = EmbedStage(embed_task(config, work), self.encoder)  # pyright: ignore[reportArgumentType]
        for block in read(source_table(work.sources, work.resumes)):
            yield from embed(block).to_pylist()

    def close(self) -> None:
        self._reader.close()


class Killed(BaseException):
    """What a kill is in this process."""


class Runs:
    """Jobs on one collection of a real embedded store, without Ray and without a model."""

    def __init__(self, store: MilvusStore, folder: Path, pipeline: InProcess, name: str) -> None:
        self.store = store
        self.folder = folder
        self.pipeline = pipeline
        self.name = name
        self._times = count(1_000_000_000)

    def write(self, name: str, rows: Sequence[str]) -> Path:
        """Write a JSONL file that looks as if nobody had touched it for a long time."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps({"text": row}) + "\n" for row in rows))
        at = next(self._times)
        os.utime(path, (at, at))
        return path

    def config(self, *sources: Path, **options: Any) -> EmbedConfig:
        values = {
            "sources": [str(one) for one in sources or (self.folder,)],
            "collection": self.name,
            "uri": self.store.uri,
            "failed": self.folder.parent / "failed.parquet",
            "quiet": True,
        }
        return EmbedConfig.model_validate({**values, **options})

    def run(self, *sources: Path, **options: Any) -> EmbedReport:
        return embed.run(self.config(*sources, **options), self.pipeline)

    def run_killed(self, point: str, number: int, *, after: bool = True, **options: Any) -> bool:
        """Run until a point is reached for the numberth time; tell whether it was."""
        with pytest.MonkeyPatch.context() as patch:
            schedule = _Schedule(point, number, after=after)
            patch.setattr(killpoints, "reach", schedule.reach)
            patch.setattr(killpoints, "during", schedule.during)
            try:
                self.run(**options)
            except Killed:
                self.die()
                return True
        return False

    def die(self) -> None:
        """Let the lease look like that of a process that is gone."""
        lease = lease_of(self.store.layout(self.name)) if self.store.exists(self.name) else None
        if lease:
            dead = json.dumps(asdict(replace(lease, until=0.0)))
            self.store.set_property(self.name, LEASE, dead)

    def rows(self) -> dict[tuple[str, str], tuple[str, str]]:
        """Give text and generation of every row, by file name and locator."""
        fields = ["id", "source", "locator", "text", "generation"]
        found = list(statements.scan(self.store.connection, self.name, "", fields))
        rows = {
            (Path(row["source"]).name, row["locator"]): (row["text"], row["generation"])
            for row in found
        }
        assert len(rows) == len(found), "a row is there twice"
        return rows

    def texts(self, name: str) -> list[str]:
        """Give the texts of one file's rows, sorted."""
        return sorted(text for (source, _), (text, _) in self.rows().items() if source == name)

    def entries(self) -> list[Entry]:
        return list(Ledger(self.store, self.name).entries())


class _Schedule:
    def __init__(self, point: str, number: int, *, after: bool) -> None:
        self._point = point
        self._left = number
        self._after = after

    def _is_due(self, point: str) -> bool:
        self._left -= point == self._point
        return point == self._point and self._left == 0

    def reach(self, point: str) -> None:
        if self._is_due(point):
            raise Killed(point)

    @contextlib.contextmanager
    def during(self, point: str) -> Iterator[None]:
        due = self._is_due(point)
        if due and not self._after:
            raise Killed(point)
        yield
        if due:
            raise Killed(point)


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> HashEncoder:
    import pliant.encoder

    found = HashEncoder()
    monkeypatch.setattr(pliant.encoder, "load", lambda *_, **__: found)
    return found


@pytest.fixture
def pipeline(encoder: HashEncoder) -> Iterator[InProcess]:
    found = InProcess(encoder)
    yield found
    found.close()


@pytest.fixture(scope="module")
def store_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("ledger") / "x.db"
    yield folder
    stop_owner(folder)


@pytest.fixture(scope="module")
def open_store(store_folder: Path) -> Iterator[MilvusStore]:
    with MilvusStore.open(str(store_folder)) as store:
        yield store


_NAMES = (f"c{number}" for number in count())


@pytest.fixture
def runs(open_store: MilvusStore, tmp_path: Path, pipeline: InProcess) -> Runs:
    folder = tmp_path / "files"
    folder.mkdir()
    return Runs(open_store, folder, pipeline, next(_NAMES))
