from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pliant.content import MetadataValue
from pliant.errors import InvalidInputError, NotFoundError, UnavailableError
from pliant.store import CollectionSpec, MilvusStore, Query, StoredRow, StoredRows
from pliant.store.lite import find_owner
from pliant.store.schema import FieldType

DIM = 8
SPACE = "space-a"
FIELDS: dict[str, FieldType] = {
    "year": "int",
    "weight": "float",
    "draft": "bool",
    "title": "string",
    "tags": "array<string>",
    "sizes": "array<int>",
    "meta": "json",
    "text": "string",
    "in": "int",
}
METADATA: dict[str, MetadataValue] = {
    "year": 2020,
    "weight": 1.5,
    "draft": False,
    "title": "q\"uo'te\\ é\U0001f600\n",
    "tags": ["a", "é"],
    "sizes": [1, 2],
    "meta": {"lang": "de", "deep": [1, {"a": None}]},
    "text": "mine",
    "in": 3,
    "Größe (cm)": 1.5,
    "$x": "dollar",
    "_seq": 9,
    "list": [1, "a", 2.5],
}
WRITER = """
import sys
import numpy as np
from pliant.store import MilvusStore, StoredRow, StoredRows
path, name, first = sys.argv[1], sys.argv[2], int(sys.argv[3])
with MilvusStore.open(path, start=False) as store:
    for at in range(first, first + 500, 50):
        rows = [StoredRow(f"w{n}", "text", "s", source_key="s") for n in range(at, at + 50)]
        store.upsert(name, StoredRows("space-a", rows, np.eye(8)[np.arange(50) % 8]))
"""


def vectors(num: int, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(num, DIM))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def made(num: int, **changes: str) -> list[StoredRow]:
    return [
        StoredRow(
            id=f"k{n}",
            modality="text",
            source=f"folder/{n % 5}.txt",
            locator=f"chars={n}-{n + 1}",
            text=f"text {n}",
            source_key=f"s{n % 5}",
            generation=changes.get("generation", "g1"),
            metadata={"year": 2000 + n, "part": n % 3},
        )
        for n in range(num)
    ]


@pytest.fixture
def name(store: MilvusStore, request: pytest.FixtureRequest) -> str:
    name = f"c{abs(hash(request.node.name))}"
    store.ensure(name, CollectionSpec(DIM, SPACE, "mini", "full", FIELDS))
    return name


@pytest.fixture
def changing(store: MilvusStore, name: str) -> str:
    """A collection of twenty rows that the test may change."""
    assert store.upsert(name, StoredRows(SPACE, made(20), vectors(20))) == {}
    return name


@pytest.fixture(scope="module")
def filled(store: MilvusStore) -> str:
    """A collection of twenty rows that no test changes (making one takes half a second)."""
    store.ensure("filled", CollectionSpec(DIM, SPACE, "mini", "full", FIELDS))
    assert store.upsert("filled", StoredRows(SPACE, made(20), vectors(20))) == {}
    return "filled"


def keys(store: MilvusStore, name: str) -> list[str]:
    return sorted(key for source in store.sources(name) for key in store.keys(name, source))


def test_every_column_comes_back_with_its_type_and_its_own_name(
    store: MilvusStore, name: str
) -> None:
    row = StoredRow("k", "image", "a'\"b/é.png", "page=3", "hällo", b"\x00webp", metadata=METADATA)
    store.upsert(name, StoredRows(SPACE, [row], vectors(1)))
    (hit,) = store.search(Query(name, vectors(1)[0], SPACE, thumbnails=True))
    assert hit.metadata == METADATA
    assert {key: type(hit.metadata[key]) for key in METADATA} == {
        key: type(value) for key, value in METADATA.items()
    }
    assert (hit.id, hit.modality, hit.source) == ("k", "image", "a'\"b/é.png")
    assert (hit.locator, hit.text, hit.thumbnail) == ("page=3", "hällo", b"\x00webp")
    assert hit.score == pytest.approx(1, abs=1e-5)  # float32 cosine


def test_a_collection_describes_itself(store: MilvusStore, filled: str) -> None:
    info = store.describe(filled)
    assert (info.rows, info.sources, info.space_id, info.model) == (20, 5, SPACE, "mini")
    assert (info.dim, info.subnetwork) == (DIM, "full")
    assert {"year": "int", "part": "int", "meta_text": "string"}.items() <= info.fields.items()
    assert filled in store.list()


def test_hits_are_sorted_by_a_score_that_is_higher_for_the_nearer(
    store: MilvusStore, filled: str
) -> None:
    wanted = vectors(20)
    hits = store.search(Query(filled, wanted[7], SPACE, limit=20))
    expected = sorted(wanted @ wanted[7], reverse=True)
    assert [hit.score for hit in hits] == pytest.approx(expected, abs=1e-5)  # float32 products
    assert hits[0].id == "k7"


def test_an_offset_continues_the_hits(store: MilvusStore, filled: str) -> None:
    query = vectors(1, seed=1)[0]
    everything = store.search(Query(filled, query, SPACE, limit=20))
    rest = store.search(Query(filled, query, SPACE, limit=5, offset=4))
    assert rest == everything[4:9]


def test_grouping_answers_every_source_once_by_its_best_row(
    store: MilvusStore, filled: str
) -> None:
    query = vectors(1, seed=1)[0]
    best: dict[str, str] = {}
    for hit in store.search(Query(filled, query, SPACE, limit=20)):
        best.setdefault(hit.source, hit.id)
    grouped = store.search(Query(filled, query, SPACE, limit=10, group_by="source"))
    assert [(hit.source, hit.id) for hit in grouped] == list(best.items())


@pytest.mark.parametrize(
    ("text", "params", "found"),
    [
        ("year >= 2018", {}, {"k18", "k19"}),
        ("part == 2 and year < {before}", {"before": 2006}, {"k2", "k5"}),
        ('source in ["folder/1.txt"] and not (year > 2001)', {}, {"k1"}),
        ("title is null and year == 2003", {}, {"k3"}),
    ],
)
def test_a_filter_names_built_in_typed_and_dynamic_fields(
    store: MilvusStore, filled: str, text: str, params: dict[str, object], found: set[str]
) -> None:
    query = Query(filled, vectors(1)[0], SPACE, text, params, limit=20)
    assert {hit.id for hit in store.search(query)} == found
    assert store.explain(query)["filter"]


def test_a_filter_over_an_unknown_field_is_refused(store: MilvusStore, filled: str) -> None:
    with pytest.raises(InvalidInputError, match="colour"):
        store.search(Query(filled, vectors(1)[0], SPACE, "colour == 1"))


def test_rows_are_deleted_by_a_filter(store: MilvusStore, changing: str) -> None:
    assert store.delete(changing, filter="year >= {year}", params={"year": 2015}) == 5
    assert store.count(changing) == 15


def test_many_hits_are_the_same_as_few(store: MilvusStore, filled: str) -> None:
    query = vectors(1, seed=1)[0]
    few = store.search(Query(filled, query, SPACE, limit=20))
    assert store.search(Query(filled, query, SPACE, limit=16_384)) == few


@pytest.mark.parametrize(("limit", "offset"), [(0, 0), (16_385, 0), (1, 16_384), (1, -1)])
def test_an_impossible_page_is_refused(
    store: MilvusStore, filled: str, limit: int, offset: int
) -> None:
    with pytest.raises(InvalidInputError, match="16384"):
        store.search(Query(filled, vectors(1)[0], SPACE, limit=limit, offset=offset))


def test_writing_again_changes_nothing(store: MilvusStore, filled: str) -> None:
    before = store.search(Query(filled, vectors(20)[3], SPACE, limit=20))
    store.upsert(filled, StoredRows(SPACE, made(20), vectors(20)))
    assert store.count(filled) == 20
    assert store.search(Query(filled, vectors(20)[3], SPACE, limit=20)) == before


def test_flushing_changes_no_answer(store: MilvusStore, changing: str) -> None:
    query = Query(changing, vectors(20)[3], SPACE, limit=20)
    before = store.search(query)
    store.flush(changing)
    assert [hit.id for hit in store.search(query)] == [hit.id for hit in before]
    assert store.upsert(changing, StoredRows(SPACE, made(3), vectors(3))) == {}
    assert store.count(changing) == 20


def test_of_one_key_in_a_batch_the_last_row_is_kept(store: MilvusStore, name: str) -> None:
    rows = [StoredRow("same", "text", f"{n}.txt") for n in range(3)]
    store.upsert(name, StoredRows(SPACE, rows, vectors(3)))
    hits = store.search(Query(name, vectors(3)[0], SPACE))
    assert [(hit.id, hit.source) for hit in hits] == [("same", "2.txt")]


def test_a_written_row_keeps_nothing_of_the_one_before(store: MilvusStore, name: str) -> None:
    first = StoredRow("k", "text", "a", metadata={"year": 1, "old": [1], "title": "x"})
    store.upsert(name, StoredRows(SPACE, [first], vectors(1)))
    store.upsert(name, StoredRows(SPACE, [StoredRow("k", "text", "b")], vectors(1)))
    (hit,) = store.search(Query(name, vectors(1)[0], SPACE))
    assert (hit.source, hit.metadata) == ("b", {})


def test_bad_rows_are_refused_and_their_neighbours_written(store: MilvusStore, name: str) -> None:
    values = vectors(3)
    values[1, 2] = np.nan
    rows = [
        StoredRow("good", "text", "a"),
        StoredRow("nan", "text", "b"),
        StoredRow("typed", "text", "c", metadata={"year": "soon"}),
    ]
    refused = store.upsert(name, StoredRows(SPACE, rows, values))
    assert refused.keys() == {"nan", "typed"}
    assert "NaN" in refused["nan"]
    assert "'year' is of type int, given 'soon'" in refused["typed"]
    assert store.count(name) == 1


def test_another_space_is_refused_with_both_ids(store: MilvusStore, filled: str) -> None:
    refused = pytest.raises(InvalidInputError, match=r"space-a.*space-b")
    with refused:
        store.ensure(filled, CollectionSpec(DIM, "space-b", "other"))
    with refused:
        store.upsert(filled, StoredRows("space-b", made(1), vectors(1)))
    with refused:
        store.search(Query(filled, vectors(1)[0], "space-b"))
    assert store.count(filled) == 20


def test_another_subnetwork_is_refused(store: MilvusStore, filled: str) -> None:
    with pytest.raises(InvalidInputError, match=r"full.*d3-w1-8"):
        store.ensure(filled, CollectionSpec(DIM, SPACE, "mini", "d3-w1-8"))


@pytest.mark.parametrize("vector", [np.ones(3), np.full(DIM, np.nan), np.ones((1, DIM))])
def test_a_wrong_query_vector_is_refused(
    store: MilvusStore, filled: str, vector: np.ndarray
) -> None:
    with pytest.raises(InvalidInputError, match=r"8 dimensions|NaN"):
        store.search(Query(filled, vector, SPACE))


def test_vectors_of_a_wrong_dimension_are_refused(store: MilvusStore, filled: str) -> None:
    with pytest.raises(InvalidInputError, match="8 dimensions, given 3"):
        store.upsert(filled, StoredRows(SPACE, made(2), np.ones((2, 3))))


def test_an_unknown_collection_is_named_with_those_there_are(
    store: MilvusStore, filled: str
) -> None:
    with pytest.raises(NotFoundError, match=f"'nope' does not exist.*{filled}"):
        store.search(Query("nope", vectors(1)[0], SPACE))
    with pytest.raises(NotFoundError, match="'nope'"):
        store.drop("nope")
    with pytest.raises(NotFoundError, match="'nope'"):
        store.count("nope")


def test_a_dropped_collection_can_be_made_again_with_other_fields(
    store: MilvusStore, changing: str
) -> None:
    store.drop(changing)
    assert not store.exists(changing)
    store.create(changing, CollectionSpec(4, "space-b", "other"))
    store.upsert(changing, StoredRows("space-b", made(1), np.ones((1, 4))))
    assert store.count(changing) == 1


def test_a_collection_is_not_made_twice(store: MilvusStore, filled: str) -> None:
    with pytest.raises(InvalidInputError, match="exists already"):
        store.create(filled, CollectionSpec(DIM, SPACE, "mini"))


def test_the_keys_of_a_source_by_generation(store: MilvusStore, filled: str) -> None:
    assert sorted(store.keys(filled, "s1", "g1")) == ["k1", "k11", "k16", "k6"]
    assert list(store.keys(filled, "s1", "g2")) == []
    assert store.sources(filled) == {f"s{n}": 4 for n in range(5)}


def test_stale_rows_of_complete_sources_are_deleted(store: MilvusStore, changing: str) -> None:
    store.upsert(changing, StoredRows(SPACE, made(7, generation="g2"), vectors(7)))
    assert store.delete_stale(changing, {"s0": "g2", "s1": "g2", "s2": "g1"}) == 5
    assert keys(store, changing) == sorted(
        ["k0", "k1", "k5", "k6", "k7", "k12", "k17"]
        + [f"k{n}" for n in range(20) if n % 5 in (3, 4)]
    )


def test_deleting_by_key_counts_what_was_there(store: MilvusStore, changing: str) -> None:
    assert store.delete(changing, ["k1", "k2", "nope"]) == 2
    assert store.delete(changing, ["k1"]) == 0
    assert store.delete_sources(changing, ["s0", "nope"]) == 4
    assert store.count(changing) == 14


def test_deleting_needs_keys_or_a_filter(store: MilvusStore, filled: str) -> None:
    for keys, text in ((None, None), (["k1"], "year > 1"), (None, " ")):
        with pytest.raises(InvalidInputError, match="delete needs"):
            store.delete(filled, keys, text)
    assert store.count(filled) == 20


def test_keys_with_quotes_are_found(store: MilvusStore, name: str) -> None:
    odd = 'a\'"\\é" or id != "'
    rows = [StoredRow(odd, "text", "s", source_key=odd), StoredRow("b", "text", "s")]
    store.upsert(name, StoredRows(SPACE, rows, vectors(2)))
    assert list(store.keys(name, odd)) == [odd]
    assert store.delete(name, [odd]) == 1
    assert store.count(name) == 1


def test_large_batches_are_split(store: MilvusStore, name: str) -> None:
    text = "x" * 60_000
    rows = [StoredRow(f"k{n}", "text", "s", text=text) for n in range(200)]
    store.upsert(name, StoredRows(SPACE, rows, vectors(200)))
    assert store.count(name) == 200


def test_a_killed_owner_costs_neither_rows_nor_calls(
    store: MilvusStore, changing: str, folder: Path
) -> None:
    wanted = store.search(Query(changing, vectors(20)[3], SPACE))
    owner = find_owner(folder)
    assert owner
    os.kill(owner.pid, signal.SIGKILL)
    assert store.search(Query(changing, vectors(20)[3], SPACE)) == wanted
    assert store.upsert(changing, StoredRows(SPACE, made(21), vectors(21))) == {}
    assert store.count(changing) == 21
    assert store.describe(changing).fields["part"] == "int"


def test_several_processes_write_at_once(store: MilvusStore, name: str, folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), name, str(first)], env=environment
        )
        for first in (0, 250)
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    assert store.count(name) == 750


def test_a_silent_server_is_unavailable() -> None:
    with pytest.raises(UnavailableError, match="does not answer"):
        MilvusStore.open("http://127.0.0.1:1")


@pytest.mark.parametrize("uri", ["", "ftp://x", "s3://bucket/x.db"])
def test_an_unknown_kind_of_store_is_refused(uri: str) -> None:
    with pytest.raises(InvalidInputError, match="folder"):
        MilvusStore.open(uri)


def test_searching_never_makes_a_store(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="does not exist"):
        MilvusStore.open(str(tmp_path / "x.db"), create=False)
    assert list(tmp_path.iterdir()) == []
