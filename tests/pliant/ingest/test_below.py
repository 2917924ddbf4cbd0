from __future__ import annotations

from pathlib import Path

import pytest

from pliant.ingest.below import paths_below


@pytest.mark.parametrize(
    ("argument", "below"),
    [
        (".", True),
        ("docs", True),
        ("docs/gone.txt", True),
        ("docs/*.txt", True),
        ("*/gone.*", True),
        ("**/*.txt", True),
        ("other", False),
        ("doc", False),
        ("docs/*.md", False),
        ("*.txt", False),
    ],
)
def test_a_source_that_is_gone_belongs_to_the_arguments_it_lay_below(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argument: str, below: bool
) -> None:
    for name in ("docs", "other", "doc"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    gone = tmp_path.resolve() / "docs" / "gone.txt"
    found = paths_below(f"file://{gone}", [argument], None)
    assert found == ([str(gone)] if below else [])


def test_under_a_root_every_argument_is_a_place(tmp_path: Path) -> None:
    found = paths_below("corpus/a%20b.txt", [str(tmp_path)], "corpus")
    assert found == [str(tmp_path / "a b.txt")]
    assert paths_below("corpus/a.txt", [str(tmp_path)], "other") == []
    assert paths_below("corpus/a.txt", [str(tmp_path)], None) == []
