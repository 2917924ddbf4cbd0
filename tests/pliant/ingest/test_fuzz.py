"""Whatever the bytes are, `read` raises nothing and every failure has a reason."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pliant.content import Record, from_arrow, to_arrow
from pliant.ingest.discover import source_of
from pliant.ingest.failure import Failure
from pliant.ingest.options import Limits, ReadOptions
from pliant.ingest.read import read

OPTIONS = ReadOptions(limits=Limits(max_line_bytes=500, max_pixels=200_000))
PIECES = {
    ".csv": [b"text,n\n", b'"', b",", b"\n", b"\r", b"a", b"1", b"\xff", b"\0", b";"],
    ".jsonl": [b'{"text": ', b'"a"', b"}", b"\n", b"null", b"\\ud800", b"1e999", b"\xc3", b"["],
    ".html": [b"<p>", b"</", b"<h1", b">", b"<pre>", b"text", b"&#0;", b"<!--", b"\xe9",
              b"<meta charset=x>"],
    ".md": [b"---\n", b"a: ", b"- ", b"&x ", b"*x\n", b"# H\n", b"\n", b"!!set ", b"text", b"{"],
    ".txt": [b"\xff\xfe", b"\xef\xbb\xbf", b"a", b"\n", b"\xd8", b"\0", b"\xe2\x82"],
}  # fmt: skip


def check(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    items = list(read(source_of(path), OPTIONS))
    assert items
    for item in items:
        if isinstance(item, Failure):
            assert item.error
            assert item.message
            item.message.encode()
    records = [item for item in items if isinstance(item, Record)]
    assert from_arrow(to_arrow(records)) == records


@pytest.mark.parametrize("suffix", list(PIECES))
@given(data=st.data())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_texts_and_tables(tmp_path: Path, suffix: str, data: st.DataObject) -> None:
    pieces = data.draw(st.lists(st.sampled_from(PIECES[suffix]), max_size=30))
    check(tmp_path / f"a{suffix}", b"".join(pieces))


@given(cuts=st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=4)), max_size=6))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@pytest.mark.parametrize("kind", [".png", ".pdf", ".parquet"])
def test_damaged_binaries(
    tmp_path: Path,
    png_bytes: bytes,
    make_pdf: Callable[..., bytes],
    kind: str,
    cuts: list[tuple[float, bytes]],
) -> None:
    table = io.BytesIO()
    pq.write_table(pa.table({"text": ["a", "b"], "n": [1, 2]}), table)
    data = {".png": png_bytes, ".pdf": make_pdf(["one", "two"]), ".parquet": table.getvalue()}[kind]
    for place, piece in cuts:
        at = int(place * len(data))
        data = data[:at] + piece + data[at + len(piece) // 2 :]
    check(tmp_path / f"a{kind}", data)
