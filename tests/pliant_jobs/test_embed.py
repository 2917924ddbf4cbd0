"""`pliant embed`, end to end: real files, Ray, the real model and an embedded store."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet
import pytest
import yaml

from pliant.errors import InvalidInputError, NotFoundError
from pliant.store import MilvusStore
from pliant.store.lite import stop_owner
from pliant_jobs import embed, search
from pliant_jobs.embed import verdict
from pliant_jobs.embed_config import EmbedConfig
from pliant_jobs.report import EmbedReport
from pliant_jobs.search import SearchConfig, SearchHit

SAMPLES = Path(embed.__file__).parent / "samples"
pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = str(tmp_path_factory.mktemp("store") / "test.db")
    yield folder
    stop_owner(folder)


def run(uri: str, *sources: Path | str, collection: str, **options: object) -> EmbedReport:
    values = {"sources": [str(one) for one in sources], "collection": collection, "uri": uri}
    return embed.run(EmbedConfig.model_validate({**values, "quiet": True, **options}))


def ask(uri: str, collection: str, text: str, **options: object) -> list[SearchHit]:
    values = {"text": text, "collection": collection, "uri": uri, **options}
    return search.run(SearchConfig.model_validate(values)).hits


def rows_of(uri: str, collection: str) -> dict[str, tuple[str, str]]:
    hits = ask(uri, collection, "anything", limit=1000)
    return {hit.id: (hit.source, hit.locator) for hit in hits}


PNG = next((SAMPLES / "corpus").rglob("*.png")).read_bytes()
PDF = next((SAMPLES / "corpus").rglob("*.pdf")).read_bytes()
BAD: dict[str, tuple[bytes, str]] = {
    "cut.png": (PNG[:200], "image"),
    "noise.jpg": (bytes(range(256)) * 40, "image"),
    "empty.txt": (b"", "empty"),
    "latin1.txt": ("Gr\xfc\xdfe".encode("latin-1"), "UTF-8"),
    "cut.pdf": (PDF[:300], "PDF"),
    "words.mp4": (b"this is no video" * 50, "video"),
    "cut.parquet": (b"PAR1" + b"\0" * 80, "Parquet"),
    "mystery.xyz": (b"?" * 40, ".xyz"),
    "nul.md": (b"# A\0B\n", "NUL"),
    "broken.jsonl": (b"[1, 2\n", "JSON"),
}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100 good files of all kinds, and 10 that cannot be read."""
    folder = tmp_path_factory.mktemp("mixed") / "files"
    shutil.copytree(SAMPLES / "corpus", folder)
    (folder / "bad").mkdir()
    for name, (content, _) in BAD.items():
        (folder / "bad" / name).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def embedded(mixed: Path, uri: str, ray_session: None) -> EmbedReport:
    settings = yaml.safe_load((SAMPLES / "queries.yaml").read_text())["embed"]
    return run(uri, mixed, collection="mixed", failed=mixed.parent / "failed.parquet", **settings)


def test_the_report_adds_up(embedded: EmbedReport, uri: str) -> None:
    sources, rows = embedded.sources, embedded.rows
    assert sources.seen == sources.embedded + sources.unchanged + sources.failed
    assert sources.embedded >= 100
    assert sum(embedded.by_modality.values()) == rows.written
    assert all(embedded.by_modality[kind] > 0 for kind in ("text", "image", "video", "page"))
    assert len(rows_of(uri, "mixed")) == rows.written
    assert verdict(embedded, None) == (0, "")
    assert embedded.peak_memory_bytes > 100 << 20


def test_each_bad_file_fails_with_its_own_reason(embedded: EmbedReport, mixed: Path) -> None:
    table = pyarrow.parquet.read_table(str(embedded.failed_table)).to_pylist()
    reasons = {Path(row["source"]).name: f"{row['error']} {row['message']}" for row in table}
    assert reasons.keys() == BAD.keys()
    for name, (_, word) in BAD.items():
        assert word.lower() in reasons[name].lower(), (name, reasons[name])
    assert embedded.rows.failed == embedded.sources.failed == len(BAD)


def test_every_good_file_is_in_the_collection(embedded: EmbedReport, mixed: Path, uri: str) -> None:
    found = {Path(source) for source, _ in rows_of(uri, "mixed").values()}
    files = {path for path in mixed.rglob("*.*") if path.is_file() and path.parent.name != "bad"}
    sidecars = {path for path in files if path.suffix == ".json"}
    assert files - sidecars == found


QUERIES = yaml.safe_load((SAMPLES / "queries.yaml").read_text())["queries"]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.get("text") or query["image"])
def test_the_sample_questions_are_answered(
    query: dict[str, object], embedded: EmbedReport, mixed: Path, uri: str
) -> None:
    image = {"image": SAMPLES / str(query["image"])} if "image" in query else {}
    config = {"collection": "mixed", "uri": uri, "limit": query["within"], **image}
    asked = {name: query[name] for name in ("text", "filter") if name in query}
    hits = search.run(SearchConfig.model_validate({**config, **asked})).hits
    wanted = [hit for hit in hits if hit.source == str(mixed / str(query["expect"]))]
    assert wanted, [(hit.source, round(hit.score, 3)) for hit in hits]
    if "page" in query:
        assert any(hit.locator.split(";")[0] == f"page={query['page']}" for hit in wanted)
    if "id" in query:
        assert any(hit.metadata.get("id") == query["id"] for hit in wanted)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf8")
    return path


def test_the_same_job_twice_changes_nothing(tmp_path: Path, uri: str, ray_session: None) -> None:
    write(tmp_path / "a.txt", "The moon circles the earth in a month.")
    write(tmp_path / "b.md", "# Bread\n\nFlour, water, salt and patience.")
    first = run(uri, tmp_path, collection="twice")
    before = ask(uri, "twice", "baking")
    again = run(uri, tmp_path, collection="twice")
    after = ask(uri, "twice", "baking")
    assert [(hit.id, hit.source, hit.text) for hit in before] == [
        (hit.id, hit.source, hit.text) for hit in after
    ]
    assert [hit.score for hit in before] == pytest.approx([hit.score for hit in after], abs=1e-4)
    assert len(after) == first.rows.written == 2
    assert again.rows.written == again.rows.deleted == 0
    assert again.sources.unchanged == again.sources.seen == 2


def test_equal_names_in_two_folders_do_not_collide(
    tmp_path: Path, uri: str, ray_session: None
) -> None:
    write(tmp_path / "x" / "1.txt", "A ship in the harbour.")
    write(tmp_path / "y" / "1.txt", "A train in the station.")
    report = run(uri, tmp_path / "x", tmp_path / "y", collection="folders")
    assert report.rows.written == len(rows_of(uri, "folders")) == 2


def test_a_shrunk_source_loses_its_stale_rows(tmp_path: Path, uri: str, ray_session: None) -> None:
    table = tmp_path / "rows.jsonl"
    write(table, "".join(json.dumps({"text": f"row number {n}"}) + "\n" for n in range(5)))
    other = write(tmp_path / "other.txt", "Another source, which stays.")
    run(uri, table, other, collection="shrunk")
    write(table, "".join(json.dumps({"text": f"row number {n}"}) + "\n" for n in range(2)))
    report = run(uri, table, collection="shrunk")
    assert report.rows.deleted == 3
    assert sorted(locator for _, locator in rows_of(uri, "shrunk").values()) == [
        "chars=0-28",
        "row=0",
        "row=1",
    ]


def test_metadata_is_typed_and_filterable(tmp_path: Path, uri: str, ray_session: None) -> None:
    table = pa.table(
        {
            "sku": ["a", "b", "c"],
            "title": ["garden chair", "kitchen table", "reading lamp"],
            "price": [19.5, 120.0, None],
            "year": [2019, 2021, 2023],
            "tags": [["wood", "outdoor"], ["wood"], []],
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "shop.parquet")
    run(
        uri,
        tmp_path / "shop.parquet",
        collection="shop",
        content_columns=["title"],
        id_column="sku",
    )
    hits = ask(
        uri, "shop", "furniture", filter="tags contains {tag} and price < 50", param={"tag": "wood"}
    )
    assert [hit.metadata for hit in hits] == [
        {"sku": "a", "price": 19.5, "year": 2019, "tags": ["wood", "outdoor"]}
    ]
    assert {hit.metadata["sku"] for hit in ask(uri, "shop", "x", filter="year >= 2020")} == {
        "b",
        "c",
    }
    with MilvusStore.open(uri) as store:
        fields = store.describe("shop").fields
    assert (fields["price"], fields["year"], fields["tags"]) == ("float", "int", "array<string>")


def test_another_space_is_refused_with_both_ids(
    tmp_path: Path, uri: str, ray_session: None, tiny_model: Path
) -> None:
    write(tmp_path / "a.txt", "Hello.")
    ours = run(uri, tmp_path / "a.txt", collection="space")
    with pytest.raises(InvalidInputError) as raised:
        run(uri, tmp_path / "a.txt", collection="space", model=str(tiny_model))
    assert ours.space_id in str(raised.value)
    assert (
        len([word for word in str(raised.value).split() if len(word.strip("'\",;:()")) == 16]) >= 2
    )
    with pytest.raises(InvalidInputError, match=ours.space_id):
        ask(uri, "space", "Hello", model=str(tiny_model))


def test_a_source_that_does_not_exist(uri: str) -> None:
    with pytest.raises(NotFoundError, match="absent"):
        run(uri, "absent-folder", collection="none")


def test_nothing_embedded_is_a_failed_job(tmp_path: Path, uri: str, ray_session: None) -> None:
    (tmp_path / "a.txt").write_bytes(b"")
    report = run(uri, tmp_path, collection="nothing", failed=tmp_path / "failed.parquet")
    code, reason = verdict(report, None)
    assert (code, report.rows.written, report.rows.failed) == (1, 0, 1)
    assert "nothing could be embedded" in reason
    assert verdict(report, "0")[0] == 3


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_job_with_a_report_and_no_process(
    tmp_path: Path, signum: signal.Signals
) -> None:
    line = json.dumps({"text": "Some words that take a while to embed. " * 25}) + "\n"
    write(tmp_path / "many.jsonl", line * 20_000)
    report = tmp_path / "report.json"
    store = tmp_path / "stop.db"
    command = [sys.executable, "-m", "pliant_jobs", "embed", str(tmp_path / "many.jsonl")]
    where = ["--collection", "many", "--uri", str(store), "--report", str(report)]
    job = subprocess.Popen(
        [*command, *where], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert job.stderr
    for line in job.stderr:
        if re.search(r" [1-9][0-9,]* rows,", line):
            break
    children = psutil.Process(job.pid).children(recursive=True)
    job.send_signal(signum)
    _, errors = job.communicate(timeout=60)
    assert job.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[signum], errors
    assert "Traceback" not in errors, errors
    written = json.loads(report.read_text())
    assert written["interrupted"] == signum.name
    with MilvusStore.open(str(store)) as opened:
        assert 0 < written["rows"]["written"] <= opened.count("many") < 20_000
    _, alive = psutil.wait_procs(children, timeout=10)
    stop_owner(str(store))
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []
