"""Rows of JSONL and CSV files, streamed; a row that cannot be read is an error in its place."""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import orjson

from pliant.content import MetadataValue
from pliant.ingest.blob import Blob
from pliant.ingest.text import bad_encoding
from pliant.ingest.values import column_parser
from pliant.media import UnreadableError, first_line

_BLOCK = 2**18
_SAMPLE_ROWS = 1000
_SAMPLE_CHARS = 4 * 2**20
_BATCH_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Table:
    """A table that is being read.

    Attributes:
        columns: names of the columns; those of the first row where rows are objects.
        texts: the columns that hold text.
        plain: the columns that may become metadata.
        rows: values by name, or the reason why the row is broken.
        fixed: whether every row has the same columns.
    """

    columns: Sequence[str]
    texts: Sequence[str]
    plain: Sequence[str]
    rows: Iterator[dict[str, Any] | UnreadableError]
    fixed: bool = True


class Lines:
    """Lines of a UTF-8 file (UTF-16 with a mark is converted), with a bound on their length.

    An error is raised in place of a bad line; the next call goes on after it.
    """

    def __init__(self, file: io.BufferedIOBase, max_line_bytes: int) -> None:
        head = file.read(3)
        wide = head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        self._decoder = codecs.getincrementaldecoder("utf-16")() if wide else None
        self._file = file
        self._limit = max_line_bytes
        marked = head == codecs.BOM_UTF8
        self._offset = 3 if marked else 0
        self._pending = b""
        self._at = 0
        self._ended = False
        self._fill(b"" if marked else head)

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> str:
        line, offset = self._line()
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            raise bad_encoding(error, offset) from error

    def _fill(self, block: bytes) -> None:
        if self._decoder is not None:
            block = self._narrow(block, self._decoder)
        self._pending = self._pending[self._at :] + block
        self._at = 0

    def _narrow(self, block: bytes, decoder: codecs.IncrementalDecoder) -> bytes:
        try:
            return decoder.decode(block, final=self._ended).encode()
        except UnicodeDecodeError as error:
            self._ended, self._pending, self._at, self._decoder = True, b"", 0, None
            self._file = io.BytesIO()
            raise bad_encoding(error, self._file.tell()) from error

    def _line(self) -> tuple[bytes, int]:
        begin, searched = self._offset, self._at
        while (end := self._pending.find(b"\n", searched)) < 0 and not self._ended:
            if len(self._pending) - self._at > self._limit:
                return self._drop(begin)
            searched = len(self._pending) - self._at
            block = self._file.read(max(_BLOCK, searched))
            self._ended = not block
            self._fill(block)
        stop = len(self._pending) if end < 0 else end + 1
        line = self._pending[self._at : stop]
        if not line:
            raise StopIteration
        if len(line) > self._limit + 1:
            self._at, self._offset = stop, begin + len(line)
            raise _too_long(len(line), self._limit)
        self._at, self._offset = stop, begin + len(line)
        return line, begin

    def _drop(self, begin: int) -> tuple[bytes, int]:
        size = 0
        while (end := self._pending.find(b"\n", self._at)) < 0:
            size += len(self._pending) - self._at
            self._at = len(self._pending)
            block = self._file.read(_BLOCK)
            if not block:
                self._ended = True
                break
            self._fill(block)
        else:
            size += end + 1 - self._at
            self._at = end + 1
        self._offset = begin + size
        raise _too_long(size, self._limit)


def jsonl_table(blob: Blob, file: io.BufferedIOBase) -> Table:
    """Open a JSONL file; a row's number is that of its line, from 0, blank lines included."""
    rows = _objects(Lines(file, blob.limits.max_line_bytes))
    head: list[dict[str, Any] | UnreadableError | None] = []
    first: dict[str, Any] = {}
    for row in islice(rows, _SAMPLE_ROWS):
        head.append(row)
        if isinstance(row, dict) and row:
            first = row
            break
    texts = [name for name, value in first.items() if isinstance(value, str)]
    return Table(list(first), texts, list(first), chain(head, rows), fixed=False)  # pyright: ignore[reportArgumentType] None is a blank line


def csv_table(blob: Blob, file: io.BufferedIOBase, delimiter: str | None = None) -> Table:
    """Open a CSV file whose first line names the columns; rows count from 0 after it.

    Without a delimiter it is the comma, semicolon or tab that the first line has most of.
    """
    csv.field_size_limit(blob.limits.max_line_bytes)
    lines = Lines(file, blob.limits.max_line_bytes)
    first = next(lines, "")
    given = delimiter or max(",;\t", key=first.count)
    cells = csv.reader(_Again(first, lines), delimiter=given)
    names = [name.strip() for name in _next_row(cells) or []]
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled or not any(names):
        raise UnreadableError(
            "BadHeader", f"the first line must name each column once, but it is {names!r}"[:300]
        )
    rows = _csv_rows(cells, names)
    head = list(_sample(rows))
    parsers = {name: _parser(name, head) for name in names}
    texts = [name for name in names if parsers[name] is str]
    typed = (_typed(row, parsers) for row in chain(head, rows))
    return Table(names, texts, names, typed)


def _objects(lines: Lines) -> Iterator[Any]:
    while True:
        try:
            line = next(lines)
        except StopIteration:
            return
        except UnreadableError as error:
            yield error
            continue
        yield _object(line) if line.strip() else None


def _object(line: str) -> dict[str, Any] | UnreadableError:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return UnreadableError("InvalidJson", f"the line is not JSON: {first_line(error)}")
    if isinstance(value, dict):
        return value
    kind = type(value).__name__
    return UnreadableError("NotAnObject", f"the line must be a JSON object, but is a {kind}")


class _Again:
    """The first line once more, then the rest."""

    def __init__(self, first: str, lines: Lines) -> None:
        self._first: str | None = first
        self._lines = lines

    def __iter__(self) -> _Again:
        return self

    def __next__(self) -> str:
        if self._first is None:
            return next(self._lines)
        first, self._first = self._first, None
        return first


def _next_row(cells: Iterator[list[str]]) -> list[str] | None:
    return next((row for row in cells if row), None)


def _csv_rows(
    cells: Iterator[list[str]], names: list[str]
) -> Iterator[dict[str, str] | UnreadableError]:
    while True:
        try:
            row = _next_row(cells)
        except UnreadableError as error:
            yield error
            continue
        except csv.Error as error:
            yield UnreadableError(
                "BadRow",
                f"the row cannot be read: {first_line(error)}; is a quote not closed? "
                "max_line_bytes bounds a field",
            )
            continue
        if row is None:
            return
        if len(row) != len(names):
            yield UnreadableError(
                "RaggedRow", f"the row has {len(row)} fields, the header names {len(names)}"
            )
            continue
        yield dict(zip(names, row, strict=True))


def _sample(
    rows: Iterator[dict[str, str] | UnreadableError],
) -> Iterator[dict[str, str] | UnreadableError]:
    size = 0
    for row in islice(rows, _SAMPLE_ROWS):
        yield row
        size += sum(map(len, row.values())) if isinstance(row, dict) else 0
        if size > _SAMPLE_CHARS:
            return


def _parser(
    name: str, head: list[dict[str, str] | UnreadableError]
) -> Callable[[str], MetadataValue]:
    return column_parser([row[name] for row in head if isinstance(row, dict)])


def _typed(
    row: dict[str, str] | UnreadableError, parsers: dict[str, Callable[[str], MetadataValue]]
) -> dict[str, Any] | UnreadableError:
    if isinstance(row, UnreadableError):
        return row
    return {name: parsers[name](text) for name, text in row.items()}


def _too_long(size_bytes: int, limit: int) -> UnreadableError:
    return UnreadableError(
        "LineTooLong", f"the line has {size_bytes:,} bytes; max_line_bytes allows {limit:,}"
    )
