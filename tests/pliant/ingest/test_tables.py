from __future__ import annotations

import csv
import datetime as dt
import io
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pliant.content import Image, Record, Text, Video
from pliant.ingest.discover import source_of
from pliant.ingest.failure import Failure
from pliant.ingest.options import Limits, ReadOptions
from pliant.ingest.read import read

Row = dict[str, Any]


def items(path: Path, **options: Any) -> list[Record | Failure]:
    return list(read(source_of(path), ReadOptions(**options)))


def records(path: Path, **options: Any) -> list[Record]:
    given = items(path, **options)
    assert all(isinstance(item, Record) for item in given), given
    return [item for item in given if isinstance(item, Record)]


def failures(path: Path, **options: Any) -> list[tuple[str, str]]:
    given = items(path, **options)
    assert all(item.message for item in given if isinstance(item, Failure))
    return [(item.locator, item.error) for item in given if isinstance(item, Failure)]


def write_jsonl(folder: Path, rows: list[Row]) -> Path:
    path = folder / "t.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_csv(folder: Path, rows: list[Row]) -> Path:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    path = folder / "t.csv"
    path.write_text(buffer.getvalue())
    return path


def write_parquet(folder: Path, rows: list[Row]) -> Path:
    path = folder / "t.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.fixture(params=[write_jsonl, write_csv, write_parquet])
def write(request: pytest.FixtureRequest) -> Callable[[Path, list[Row]], Path]:
    return request.param


Write = Callable[[Path, list[Row]], Path]


def test_rows_have_text_metadata_and_a_locator(tmp_path: Path, write: Write) -> None:
    path = write(tmp_path, [{"text": "a", "year": 1, "x": 0.5}, {"text": "b", "year": 2, "x": 1.0}])
    first, second = records(path)
    assert first.content == (Text("a"),)
    assert (second.id, second.locator) == ("row=1", "row=1")
    assert second.metadata == {"year": 2, "x": 1.0}


def test_configured_columns_are_ordered_content(tmp_path: Path, write: Write) -> None:
    path = write(tmp_path, [{"a": "1st", "b": "2nd", "c": "x", "d": 1}])
    (record,) = records(path, content_columns=["b", "a"], metadata_columns=["c"])
    assert record.content == (Text("2nd"), Text("1st"))
    assert record.metadata == {"c": "x"}


def test_the_id_column_names_the_row(tmp_path: Path, write: Write) -> None:
    path = write(tmp_path, [{"text": "a", "key": "x;1%"}, {"text": "b", "key": "y"}])
    first, second = records(path, id_column="key", metadata_columns=[])
    assert first.id == "id=x%3B1%25"
    assert (second.id, second.locator) == ("id=y", "row=1")
    assert second.metadata == {"key": "y"}


def test_double_and_missing_ids_fail_alone(tmp_path: Path, write: Write) -> None:
    rows = [{"text": "a", "key": "x"}, {"text": "b", "key": "x"}, {"text": "c", "key": None}]
    path = write(tmp_path, rows)
    assert failures(path, id_column="key") == [("row=1", "DuplicateId"), ("row=2", "MissingId")]


def test_an_empty_row_fails_alone(tmp_path: Path, write: Write) -> None:
    path = write(tmp_path, [{"text": "a", "n": 1}, {"text": "", "n": 2}, {"text": "b", "n": 3}])
    assert failures(path) == [("row=1", "EmptyRow")]


def test_an_unknown_column_lists_those_there_are(tmp_path: Path) -> None:
    path = write_csv(tmp_path, [{"title": "a", "body": "b"}])
    (failed,) = items(path, content_columns=["titles"])
    assert isinstance(failed, Failure)
    assert failed.error == "MissingColumn"
    assert failed.message == (
        "there is no column 'titles' (did you mean title?); the columns are title, body"
    )


def test_unclear_content_is_a_reason(tmp_path: Path, write: Write) -> None:
    path = write(tmp_path, [{"q": "a", "r": "b"}])
    (failed,) = items(path)
    assert isinstance(failed, Failure)
    assert failed.error == "NoContentColumn"
    assert "q, r" in failed.message
    only = write(tmp_path, [{"q": "a", "r": 1}])
    assert records(only)[0].content == (Text("a"),)


def test_a_column_may_name_media_files(
    tmp_path: Path, write: Write, png_bytes: bytes, clip_mp4: Path
) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(png_bytes)
    (tmp_path / "b.mp4").write_bytes(clip_mp4.read_bytes())
    rows = [
        {"text": "one", "media": "pictures/a.png"},
        {"text": "two", "media": "b.mp4"},
        {"text": "three", "media": "see figure.png"},
        {"text": "four", "media": "lost.png"},
        {"text": "five", "media": "https://x.org/a.png"},
        {"text": "six", "media": "../outside.png"},
    ]
    inner = tmp_path / "inner"
    inner.mkdir()
    path = write(tmp_path, rows)
    (tmp_path.parent / "outside.png").write_bytes(png_bytes)
    given = items(path, content_columns=["text", "media"])
    image, video, text, *failed = given
    assert isinstance(image, Record)
    assert image.content == (Text("one"), Image(png_bytes))
    assert (image.modality, bool(image.thumbnail)) == ("interleaved", True)
    assert isinstance(video, Record)
    assert isinstance(video.content[1], Video)
    assert isinstance(text, Record)
    assert text.content[1] == Text("see figure.png")
    errors = [item.error for item in failed if isinstance(item, Failure)]
    assert errors == ["MissingMedia", "RemoteMedia", "OutsideSource"]


def test_media_may_not_leave_through_a_link(tmp_path: Path, png_bytes: bytes) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "secret.png").write_bytes(png_bytes)
    (folder / "a.png").symlink_to("../secret.png")
    path = write_jsonl(folder, [{"image": "a.png"}])
    assert failures(path) == [("row=0", "OutsideSource")]


def test_parquet_may_hold_media_bytes(tmp_path: Path, png_bytes: bytes, clip_webm: Path) -> None:
    rows = [
        {"image": {"bytes": png_bytes, "path": None}, "label": 1},
        {"image": {"bytes": b"junk", "path": "x.png"}, "label": 2},
        {"image": {"bytes": clip_webm.read_bytes(), "path": None}, "label": 3},
        {"image": {"bytes": None, "path": None}, "label": 4},
    ]
    picture, junk, video, empty = items(write_parquet(tmp_path, rows))
    assert isinstance(picture, Record)
    assert picture.content == (Image(png_bytes),)
    assert picture.metadata == {"label": 1}
    assert isinstance(video, Record)
    assert video.modality == "video"
    assert [item.error for item in (junk, empty) if isinstance(item, Failure)] == [
        "NotAnImage",
        "EmptyRow",
    ]


def test_parquet_types_become_json(tmp_path: Path) -> None:
    when = dt.datetime(2024, 5, 6, 7, 8, 9, tzinfo=dt.UTC)
    table = pa.table(
        {
            "text": ["a"],
            "when": pa.array([when], pa.timestamp("ns", "UTC")),
            "day": [when.date()],
            "price": [Decimal("1.25")],
            "nan": [float("nan")],
            "tags": [["x", None]],
            "nested": [{"a": [1]}],
            "big": pa.array([2**64 - 1], pa.uint64()),
            "raw": [b"not metadata"],
            "word": pa.array(["w"]).dictionary_encode(),
        }
    )
    path = tmp_path / "t.parquet"
    pq.write_table(table, path)
    (record,) = records(path, content_columns=["text"])
    assert record.metadata == {
        "when": "2024-05-06T07:08:09+00:00",
        "day": "2024-05-06",
        "price": 1.25,
        "nan": None,
        "tags": ["x", None],
        "nested": {"a": [1]},
        "big": str(2**64 - 1),
        "word": "w",
    }


def test_csv_columns_are_typed_by_their_values(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("text;zip;n;ok;x\na;01234;7;true;1\nb;99;;False;2.5\n")
    first, second = records(path)
    assert first.metadata == {"zip": "01234", "n": 7, "ok": True, "x": 1.0}
    assert second.metadata == {"zip": "99", "n": None, "ok": False, "x": 2.5}


def test_bad_csv_rows_fail_alone(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(
        b'\xef\xbb\xbftext,n\n"two\nlines",1\nshort\n\nmany,2,3\nbad\xff,4\n'
        + b"x" * 2000
        + b",5\nnul\0,6\nlast,7\n"
    )
    limits = Limits(max_line_bytes=1000)
    assert failures(path, limits=limits) == [
        ("row=1", "RaggedRow"),
        ("row=2", "RaggedRow"),
        ("row=3", "InvalidUtf8"),
        ("row=4", "LineTooLong"),
        ("row=5", "NulCharacter"),
    ]
    good = [item for item in items(path, limits=limits) if isinstance(item, Record)]
    assert [(item.locator, item.metadata["n"]) for item in good] == [("row=0", 1), ("row=6", 7)]


def test_an_open_quote_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('text,n\na,1\n"open,2\n' + "b,3\n" * 1000)
    (failed, *_) = failures(path, limits=Limits(max_line_bytes=1000))
    assert failed == ("row=1", "BadRow")


def test_bad_jsonl_lines_fail_alone(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    long = b'{"text": "' + b"x" * 3_000_000 + b'"}\n'
    path.write_bytes(
        b'{"text": "a"}\n\n{"text": \n[1]\n{"text": "\xff"}\n' + long + b'{"text": "last"}'
    )
    given = items(path, limits=Limits(max_line_bytes=1_000_000))
    assert [(item.locator, getattr(item, "error", "")) for item in given] == [
        ("row=0", ""),
        ("row=2", "InvalidJson"),
        ("row=3", "NotAnObject"),
        ("row=4", "InvalidUtf8"),
        ("row=5", "LineTooLong"),
        ("row=6", ""),
    ]
    messages = [item.message for item in given if isinstance(item, Failure)]
    assert "offset 39" in messages[2]
    assert "max_line_bytes allows 1,000,000" in messages[3]


def test_wide_tables_are_converted(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("text\tn\nnaïve\t1\n".encode("utf-16"))
    (record,) = records(path)
    assert (record.content, record.metadata) == ((Text("naïve"),), {"n": 1})


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("a.csv", "text,n\n", "NoRows"),
        ("a.jsonl", "\n\n", "NoRows"),
        ("a.csv", "text,text\na,b\n", "BadHeader"),
        ("a.parquet", "no parquet", "NotParquet"),
    ],
)
def test_hopeless_tables_have_a_reason(tmp_path: Path, name: str, text: str, error: str) -> None:
    (tmp_path / name).write_text(text)
    assert failures(tmp_path / name) == [("", error)]


def test_a_broken_row_group_leaves_the_others(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    table = pa.table({"text": [f"row {n} " + "x" * 50 for n in range(30)]})
    pq.write_table(table, path, row_group_size=10, compression="zstd", use_dictionary=False)
    about = pq.ParquetFile(path).metadata.row_group(1).column(0)
    data = bytearray(path.read_bytes())
    begin = about.data_page_offset
    data[begin : begin + about.total_compressed_size] = b"\xff" * about.total_compressed_size
    path.write_bytes(data)
    given = items(path)
    bad = [item.locator for item in given if isinstance(item, Failure)]
    assert bad == [f"row={n}" for n in range(10, 20)]
    assert len(given) == 30


def test_max_rows_is_named(tmp_path: Path) -> None:
    path = write_csv(tmp_path, [{"text": "a"}] * 3)
    *_, last = items(path, limits=Limits(max_rows=2))
    assert isinstance(last, Failure)
    assert (last.error, last.message) == ("TooManyRows", "the table goes on; max_rows allows 2")


def test_a_long_text_that_ends_like_a_file_name_is_a_text(tmp_path: Path) -> None:
    text = "Words of a manual, at length, " * 40 + "and then see figure.png"
    table = tmp_path / "t.jsonl"
    table.write_text(json.dumps({"text": text}) + "\n")
    records = list(read(source_of(table)))
    assert [record.content for record in records if isinstance(record, Record)] == [(Text(text),)]
