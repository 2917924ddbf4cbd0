"""The same store on a real Milvus server.

The server (`pip install milvus==2.3.5`, in an environment of its own) listens on all interfaces, so
it runs only where there is nothing but loopback:

    unshare -n bash -c 'ip link set lo up; MILVUS_SERVER=…/bin/milvus-server make test-milvus'
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator

import numpy as np
import pytest

from pliant.errors import InvalidInputError, NotFoundError, UnavailableError
from pliant.store import CollectionSpec, MilvusStore, Query, StoredRow, StoredRows

pytestmark = pytest.mark.milvus_server
URI = "http://127.0.0.1:19530"
START_S = 120
METADATA = {
    "year": 2020,
    "title": "q\"uo'te\\ é",
    "tags": ["a"],
    "meta": {"a": [1, None]},
    "w": 0.5,
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusStore]:
    program = shutil.which(os.environ.get("MILVUS_SERVER", "milvus-server"))
    if program is None:
        pytest.skip("no milvus-server: pip install milvus==2.3.5, and name it in MILVUS_SERVER")
    if {name for _, name in socket.if_nameindex()} != {"lo"}:
        pytest.skip("milvus-server listens on all interfaces: run this under `unshare -n`")
    folder = tmp_path_factory.mktemp("server")
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            [program, "--data", str(folder / "data")],
            stdout=log,
            stderr=log,
            start_new_session=True,
        ) as server,
    ):
        with opened() as store:
            yield store
        os.killpg(server.pid, signal.SIGKILL)


def opened() -> MilvusStore:
    deadline = time.monotonic() + START_S
    while True:
        try:
            return MilvusStore.open(URI)
        except UnavailableError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


@pytest.fixture
def name(store: MilvusStore, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"c{abs(hash(request.node.name))}"
    fields = {"year": "int", "title": "string", "tags": "array<string>", "meta": "json"}
    store.ensure(name, CollectionSpec(8, "space-a", "mini", "full", fields))  # pyright: ignore[reportArgumentType]
    yield name
    store.drop(name)


def write(store: MilvusStore, name: str, num: int, generation: str = "g1") -> np.ndarray:
    vectors = np.random.default_rng(0).normal(size=(num, 8)).astype(np.float32)
    rows = [
        StoredRow(
            f"k{n}", "text", f"{n % 3}.txt", "page=1", "é" * 40_000, b"thumb",
            f"s{n % 3}", generation, METADATA,
        )
        for n in range(num)
    ]  # fmt: skip
    assert store.upsert(name, StoredRows("space-a", rows, vectors)) == {}
    return vectors


def test_rows_come_back_as_they_were(store: MilvusStore, name: str) -> None:
    vectors = write(store, name, 6)
    hits = store.search(Query(name, vectors[4], "space-a", limit=3, thumbnails=True))
    assert (hits[0].id, hits[0].locator, hits[0].thumbnail) == ("k4", "page=1", b"thumb")
    assert hits[0].metadata == METADATA
    assert hits[0].score == pytest.approx(1, abs=1e-5)  # float32 cosine
    assert len(hits[0].text.encode()) == 65_534


def test_writing_again_changes_nothing(store: MilvusStore, name: str) -> None:
    vectors = write(store, name, 30)
    before = store.search(Query(name, vectors[1], "space-a", limit=300))
    write(store, name, 30)
    assert store.count(name) == 30
    assert store.search(Query(name, vectors[1], "space-a", limit=300)) == before


def test_a_collection_describes_itself(store: MilvusStore, name: str) -> None:
    write(store, name, 6)
    info = store.describe(name)
    assert (info.rows, info.sources, info.space_id, info.model) == (6, 3, "space-a", "mini")
    assert {"year": "int", "w": "float"}.items() <= info.fields.items()


def test_stale_rows_go(store: MilvusStore, name: str) -> None:
    write(store, name, 6)
    write(store, name, 2, "g2")
    assert store.delete_stale(name, {"s0": "g2", "s1": "g2"}) == 2
    assert sorted(store.keys(name, "s0")) == ["k0"]
    assert store.delete(name, ["k0", "nope"]) == 1
    assert store.count(name) == 3


def test_all_keys_are_read_page_by_page(
    store: MilvusStore, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(store, name, 100)
    monkeypatch.setattr("pliant.store.statements.PAGE_ROWS", 7)
    assert store.sources(name) == {"s0": 34, "s1": 33, "s2": 33}


def test_another_space_and_unknown_names_are_refused(store: MilvusStore, name: str) -> None:
    with pytest.raises(InvalidInputError, match=r"space-a.*space-b"):
        store.ensure(name, CollectionSpec(8, "space-b", "other"))
    with pytest.raises(NotFoundError, match="'nope'"):
        store.count("nope")
    with pytest.raises(InvalidInputError, match="cannot group"):
        store.search(Query(name, np.ones(8), "space-a", group_by="source"))
