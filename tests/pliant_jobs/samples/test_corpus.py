"""The sample corpus is small, mixed, free, and holds the answers that its questions expect."""

import re
from collections import Counter
from typing import Any

import pypdfium2
import pytest
import yaml

from pliant_jobs.samples import CORPUS, QUERIES

FILES = [path for path in CORPUS.rglob("*") if path.is_file()]
QUERY_LIST = yaml.safe_load(QUERIES.read_text(encoding="utf-8"))["queries"]
MEDIA = {".png", ".jpg", ".webp", ".gif", ".mp4", ".webm"}
TEXT = {".txt", ".md", ".html", ".jsonl", ".csv", ".parquet", ".pdf"}


def test_is_small_and_has_every_kind_of_file():
    kinds = Counter(path.suffix for path in FILES)
    assert sum(path.stat().st_size for path in FILES) <= 6_000_000
    assert sum(kinds[kind] for kind in MEDIA | TEXT) >= 60
    assert set(kinds) == MEDIA | TEXT | {".json"}


def test_every_sidecar_has_its_picture():
    assert all(path.with_suffix("").is_file() for path in FILES if path.suffix == ".json")


def test_every_picture_and_video_has_a_free_licence():
    sources = (CORPUS.parent / "SOURCES.md").read_text(encoding="utf-8")
    rows = [
        line.strip("| ").split(" | ")
        for line in sources.splitlines()
        if line.startswith("| corpus")
    ]
    licences = {file: licence for file, _, licence, _ in rows}
    media = [path for path in FILES if path.suffix in MEDIA]
    free = re.compile(r"public domain|CC0-1\.0|CC-BY[- ]\d\.0|MIT", re.IGNORECASE)
    assert all(
        free.fullmatch(licences[path.relative_to(CORPUS.parent).as_posix()]) for path in media
    )


@pytest.mark.parametrize("query", QUERY_LIST, ids=lambda query: query["expect"])
def test_the_expected_answer_of_a_question_exists(query: dict[str, str]):
    assert (CORPUS / query["expect"]).is_file()
    assert "text" in query or (CORPUS.parent / query["image"]).is_file()


@pytest.mark.parametrize("query", [q for q in QUERY_LIST if "page" in q], ids=lambda q: q["text"])
def test_the_expected_page_exists(query: dict[str, Any]):
    with pypdfium2.PdfDocument(CORPUS / query["expect"]) as document:
        assert 1 <= query["page"] <= len(document)
