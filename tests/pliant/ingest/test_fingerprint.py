from __future__ import annotations

from pathlib import Path

from pliant.ingest.discover import source_of
from pliant.ingest.fingerprint import fingerprint


def test_it_follows_the_bytes_and_nothing_else(tmp_path: Path) -> None:
    first, second = tmp_path / "a.txt", tmp_path / "b.txt"
    first.write_bytes(b"x" * 3_000_000)
    second.write_bytes(b"x" * 3_000_000)
    assert fingerprint(first) == fingerprint(second) == fingerprint(source_of(first))
    second.write_bytes(b"x" * 3_000_000 + b"y")
    assert fingerprint(first) != fingerprint(second)


def test_a_sidecar_belongs_to_it(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"picture")
    bare = fingerprint(path)
    (tmp_path / "a.json").write_text("{}")
    with_sidecar = fingerprint(path)
    (tmp_path / "a.json").write_text('{"a": 1}')
    assert len({bare, with_sidecar, fingerprint(path)}) == 3
