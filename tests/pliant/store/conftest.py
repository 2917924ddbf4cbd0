"""An embedded store for each module, and its owner ended afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pliant.store.lite import stop_owner
from pliant.store.milvus import MilvusStore


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("a store") / "x.db"
    yield path
    stop_owner(path)


@pytest.fixture(scope="module")
def store(folder: Path) -> Iterator[MilvusStore]:
    with MilvusStore.open(str(folder)) as store:
        yield store
