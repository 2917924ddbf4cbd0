"""How many rows are expected, and the dry run."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from pliant.ingest.discover import source_of
from pliant_jobs.cli import main
from pliant_jobs.estimate import expected_rows


def test_parquet_says_how_many_rows_it_has(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pa.table({"text": ["a"] * 1234}), tmp_path / "t.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    (tmp_path / "p.png").write_bytes(b"x" * 5_000_000)
    names = ("t.parquet", "broken.parquet", "p.png")
    assert expected_rows([source_of(tmp_path / name) for name in names]) == 1234 + 1 + 1


def test_a_dry_run_counts_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("x" * 5000)
    (tmp_path / "in" / "b.xyz").write_text("?")
    assert main(["embed", "in", "--collection", "c", "--dry-run", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["sources"], found["failed"], found["bytes"]) == (2, 1, 5000)
    assert found["expected_rows"] == 5
    assert found["estimated_seconds"] > 0
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
