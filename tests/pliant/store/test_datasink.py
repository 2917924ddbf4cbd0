"""Any Ray Data program writes into a collection."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import ray

import pliant.store
from pliant.store import MilvusStore, Query

pytestmark = pytest.mark.ray


def dataset(rows: int) -> ray.data.Dataset:
    vectors = np.random.default_rng(0).normal(size=(rows, 4)).astype(np.float32)
    return ray.data.from_items(
        [
            {"id": f"r{at}", "vector": vector.tolist(), "text": f"row {at}", "year": 2000 + at}
            for at, vector in enumerate(vectors)
        ]
    )


def test_rows_of_a_dataset_are_written_once_however_often_it_runs(
    folder: Path, store: MilvusStore, ray_session: None
) -> None:
    for _ in range(2):
        sink = pliant.store.MilvusDatasink(uri=str(folder), collection="sunk")
        dataset(300).write_datasink(sink)
    assert store.count("sunk") == 300
    (hit,) = store.search(
        Query("sunk", np.ones(4, np.float32), "external-4", limit=1, filter="year == 2007")
    )
    assert (hit.id, hit.text, hit.metadata) == ("r7", "row 7", {"year": 2007})


def test_keys_come_from_source_and_locator(
    folder: Path, store: MilvusStore, ray_session: None
) -> None:
    rows = [{"source": "a.txt", "locator": f"row={at}", "vector": [1.0, at]} for at in range(5)]
    sink = pliant.store.MilvusDatasink(uri=str(folder), collection="located")
    ray.data.from_items(rows).write_datasink(sink)
    ray.data.from_items(rows[:2]).write_datasink(sink)
    assert store.count("located") == 5


@pytest.mark.parametrize(
    ("rows", "said"),
    [([{"id": "a"}], "column 'vector'"), ([{"vector": [1.0, 2.0]}], "'id' or 'source'")],
)
def test_what_is_missing_is_said(
    folder: Path, rows: list[dict[str, object]], said: str, ray_session: None
) -> None:
    sink = pliant.store.MilvusDatasink(uri=str(folder), collection="missing")
    with pytest.raises(Exception, match=said):
        ray.data.from_items(rows).write_datasink(sink)


def test_another_space_is_refused(folder: Path, store: MilvusStore, ray_session: None) -> None:
    dataset(3).write_datasink(
        pliant.store.MilvusDatasink(uri=str(folder), collection="ours", space_id="abc")
    )
    with pytest.raises(Exception, match="abc"):
        dataset(3).write_datasink(pliant.store.MilvusDatasink(uri=str(folder), collection="ours"))
    assert store.count("ours") == 3
