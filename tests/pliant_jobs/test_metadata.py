"""Typed metadata fields of a new collection, inferred from a sample."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pliant.content import MetadataValue
from pliant.ingest.discover import source_of
from pliant.ingest.options import ReadOptions
from pliant_jobs.metadata import infer_fields, metadata_fields


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2], "int"),
        ([1, 2.5], "float"),
        ([True, False], "bool"),
        (["a", None], "string"),
        ([["a"], []], "array<string>"),
        ([[1], [2.5]], "array<float>"),
        ([[1, "a"]], "json"),
        ([{"lang": "de"}], "json"),
        ([1, "a"], None),
        ([True, 1], None),
        ([None, []], None),
    ],
)
def test_a_field_has_the_type_on_which_its_values_agree(
    values: list[MetadataValue], kind: str | None
) -> None:
    fields = infer_fields([{"x": value} for value in values])
    assert fields == ({"x": kind} if kind else {})


def test_tables_sidecars_and_path_parts_are_sampled(tmp_path: Path) -> None:
    folder = tmp_path / "de" / "1999"
    folder.mkdir(parents=True)
    rows = [{"text": "a", "price": 1.5}, {"text": "b", "price": 2, "tags": ["x"]}]
    table = folder / "rows.jsonl"
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    picture = folder / "p.jpg"
    picture.write_bytes(b"no picture, and not opened")
    (folder / "p.jpg.json").write_text('{"title": "A bridge", "public": true}')
    options = ReadOptions(path_pattern="{lang}/{year}/*")
    assert metadata_fields([source_of(table), source_of(picture)], options) == {
        "lang": "string",
        "year": "int",
        "price": "float",
        "tags": "array<string>",
        "title": "string",
        "public": "bool",
    }
