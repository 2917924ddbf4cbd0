"""`pliant bench readers`: every reader, in its helper process, beside the plain use of its library.

Real text and photographs of usual sizes; both sides read the same files, in turn, warm.
"""

from __future__ import annotations

import io
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from pliant.config import Config, parse
from pliant.errors import UnavailableError
from pliant_jobs.bench.plain_readers import PLAIN
from pliant_jobs.bench.report import BenchReport, finish
from pliant_jobs.bench.texts import real_texts

_COPIES = {".mp4": 3, ".pdf": 10, ".docx": 20, ".pptx": 10}


class ReadersBenchConfig(Config):
    """Measure each reader, isolation included, beside the fastest plain use of its library."""

    rows: int = Field(default=10_000, ge=100, description="Rows of each table.")
    files: int = Field(default=200, ge=10, description="Small files of each other kind.")
    rounds: int = Field(default=3, ge=1, description="Rounds, each measuring both in turn.")
    formats: tuple[str, ...] = Field(default=(), description="Only these, such as .csv; all else.")
    report: Path | None = Field(default=None, description="Where to write the report (JSON).")
    quiet: bool = Field(default=False, description="No progress.")


def main(argv: Sequence[str]) -> int:
    """Run `pliant bench readers`; gives the exit code."""
    config = parse(ReadersBenchConfig, argv, prog="pliant bench readers")
    finish(run(config), config.report)
    return 0


def run(config: ReadersBenchConfig) -> BenchReport:
    """Measure; the figures are medians over the rounds.

    Raises:
        UnavailableError: a library is not installed, or a side gives no rows.
    """
    from pliant.ingest.isolate import IsolatedReader

    points: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="pliant-bench-") as folder, IsolatedReader() as reader:
        for suffix in config.formats or tuple(PLAIN):
            paths = _files(Path(folder), suffix, config)
            sides = {"ours": lambda path: _ours(reader, path), "plain": PLAIN[suffix]}
            for side in sides.values():
                side(paths[0])
            for number in range(config.rounds):
                point = {"format": suffix, "round": number}
                for name, side in sides.items():
                    point[f"{name}_rows_per_s"] = _rate(side, paths)
                points.append(point)
            if not config.quiet:
                print(f"{suffix}: {_ratio(points, suffix):.2f}", file=sys.stderr, flush=True)  # noqa: T201
    formats = dict.fromkeys(point["format"] for point in points)
    return BenchReport.of(
        "readers",
        settings=config.model_dump(mode="json", exclude={"report", "quiet"}),
        figures={f"ratio_{suffix[1:]}": _ratio(points, suffix) for suffix in formats},
        rows=points,
    )


def _ratio(points: Sequence[dict[str, Any]], suffix: str) -> float:
    return statistics.median(
        point["ours_rows_per_s"] / point["plain_rows_per_s"]
        for point in points
        if point["format"] == suffix
    )


def _rate(side: Callable[[str], int], paths: Sequence[str]) -> float:
    started = time.perf_counter()
    rows = sum(side(path) for path in paths)
    seconds = time.perf_counter() - started
    if not rows:
        raise UnavailableError(f"{paths[0]}: no rows came of it")
    return rows / seconds


def _ours(reader: Any, path: str) -> int:
    from pliant.content import Record
    from pliant.ingest.discover import source_of
    from pliant.ingest.options import ReadOptions

    items = list(reader.read(source_of(path), ReadOptions(table=None)))
    bad = [item for item in items if not isinstance(item, Record)]
    if bad:
        raise UnavailableError(f"{path}: {bad[0].error}: {bad[0].message}")
    return len(items)


def _files(folder: Path, suffix: str, config: ReadersBenchConfig) -> list[str]:
    """Make the files of a kind: one large table, or copies of a file of usual size."""
    data = _table(suffix, config.rows)
    copies = 1 if data is not None else _COPIES.get(suffix, config.files)
    data = data if data is not None else _document(suffix)
    paths = [folder / f"{number}{suffix}" for number in range(copies)]
    for path in paths:
        path.write_bytes(data)
    return [str(path) for path in paths]


def _table(suffix: str, rows: int) -> bytes | None:
    import csv

    import orjson
    import pyarrow as pa
    import pyarrow.parquet

    texts = real_texts(rows, 100)
    table = pa.table({"n": pa.array(range(rows)), "text": texts})
    buffer = io.BytesIO()
    if suffix == ".parquet":
        pyarrow.parquet.write_table(table, buffer)
    elif suffix == ".arrow":
        with pa.ipc.new_stream(buffer, table.schema) as writer:
            writer.write_table(table)
    elif suffix == ".jsonl":
        buffer.writelines(orjson.dumps(row) + b"\n" for row in table.to_pylist())
    elif suffix == ".csv":
        words = io.StringIO(newline="")
        csv.writer(words).writerows([("n", "text"), *enumerate(texts)])
        buffer.write(words.getvalue().encode())
    elif suffix in (".avro", ".xlsx", ".sqlite"):
        return _made_table(suffix, texts)
    else:
        return None
    return buffer.getvalue()


def _made_table(suffix: str, texts: Sequence[str]) -> bytes:
    import sqlite3

    import fastavro
    import xlsxwriter

    buffer = io.BytesIO()
    if suffix == ".avro":
        fields = [{"name": "n", "type": "int"}, {"name": "text", "type": "string"}]
        schema = {"type": "record", "name": "row", "fields": fields}
        fastavro.writer(buffer, schema, [{"n": n, "text": text} for n, text in enumerate(texts)])
    elif suffix == ".xlsx":
        with xlsxwriter.Workbook(buffer) as book:
            sheet = book.add_worksheet("Texts")
            for at, row in enumerate([("n", "text"), *enumerate(texts)]):
                sheet.write_row(at, 0, row)
    else:
        connection = sqlite3.connect(":memory:")
        connection.execute("CREATE TABLE notes (n INTEGER PRIMARY KEY, text TEXT)")
        connection.executemany("INSERT INTO notes VALUES (?, ?)", enumerate(texts))
        connection.commit()
        return connection.serialize()
    return buffer.getvalue()


def _document(suffix: str) -> bytes:
    from pliant_jobs.samples.kinds import CORPUS, make, zipped

    text = " ".join(real_texts(20, 100))
    if suffix in (".png", ".jpg", ".mp4", ".pdf"):
        found = CORPUS.rglob(f"*{suffix}")
        return max(found, key=lambda path: path.stat().st_size).read_bytes()
    if suffix == ".zip":
        return zipped({f"{number}.txt": text for number in range(50)})
    if suffix == ".py":
        return "".join(
            f"def f{n}(a):\n    {text[n : n + 200]!r}\n    return a\n\n\n" for n in range(20)
        ).encode()
    clean = text.encode("ascii", "ignore").decode().replace("<", "").replace("&", "")
    return make(suffix, "".join(letter for letter in clean if letter.isprintable()))
