from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pliant.errors import InvalidInputError, NotFoundError
from pliant.store import CollectionSpec, MilvusStore, StoredRow, StoredRows
from pliant.store.lite import stop_owner
from pliant_jobs.inventory import InventoryConfig, main, run


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = str(tmp_path_factory.mktemp("store") / "x.db")
    with MilvusStore.open(path) as store:
        for name in ("docs", "other"):
            store.ensure(name, CollectionSpec(2, "space-a", "mini", "full", {"year": "int"}))
        rows = [StoredRow(f"k{n}", "text", "a.txt", source_key="a") for n in range(3)]
        store.upsert("docs", StoredRows("space-a", rows, np.eye(2)[[0, 1, 0]]))
    yield path
    stop_owner(path)


def test_list_names_the_collections(db: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--uri", db]) == 0
    assert capsys.readouterr().out == "docs\nother\n"
    assert main(["--uri", db, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"collections": ["docs", "other"]}


def test_show_says_what_is_in_a_collection(db: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "docs", "--uri", db, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert {"name", "rows", "space_id", "model", "fields", "sources"} <= shown.keys()
    assert (shown["rows"], shown["sources"], shown["fields"]["year"]) == (3, 1, "int")
    assert main(["show", "docs", "--uri", db]) == 0
    assert "rows: 3\n" in capsys.readouterr().out


def test_drop_removes_one_collection(db: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drop", "other", "--uri", db, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"dropped": "other"}
    assert run(InventoryConfig(words=("list",), uri=db)) == {"collections": ["docs"]}


def test_an_unknown_collection_is_not_found(db: str) -> None:
    with pytest.raises(NotFoundError, match="'nope' does not exist"):
        run(InventoryConfig(words=("show", "nope"), uri=db))


def test_listing_makes_no_store(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="does not exist"):
        run(InventoryConfig(uri=str(tmp_path / "x.db")))


@pytest.mark.parametrize("words", [("lsit",), ("show",), ("drop", "a", "b"), ("list", "a")])
def test_wrong_words_are_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInputError, match="list"):
        run(InventoryConfig(words=words))
