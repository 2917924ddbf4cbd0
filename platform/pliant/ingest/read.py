"""Reading one source in this process: its records, and a Failure for whatever goes wrong."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from pliant.content import Record
from pliant.ingest.blob import Blob, Reader
from pliant.ingest.failure import Failure, failure_of
from pliant.ingest.options import ReadOptions
from pliant.ingest.readers import READERS
from pliant.ingest.source import Source
from pliant.ingest.suffixes import suffix_of
from pliant.ingest.values import source_metadata
from pliant.media import UnreadableError


def read(
    source: Source, options: ReadOptions | None = None, readers: Mapping[str, Reader] = READERS
) -> Iterator[Record | Failure]:
    """Give the records of a source, in an order that never changes; it raises nothing."""
    return read_from(source, options or ReadOptions(), readers, 0, frozenset())


def read_from(
    source: Source,
    options: ReadOptions,
    readers: Mapping[str, Reader],
    start: int,
    skip: frozenset[int],
) -> Iterator[Record | Failure]:
    """Go on reading at an index; records in `skip` are named by a Failure but not decoded."""
    try:
        reader = _reader(source, readers)
        metadata = source_metadata(source, options)
        blob = Blob(source, options, metadata, start, skip)
        yield from islice(reader(blob), start, None)
    except Exception as error:  # noqa: BLE001 a source that breaks its reader is one failed row
        yield failure_of(error, source.source, "")


def _reader(source: Source, readers: Mapping[str, Reader]) -> Reader:
    status = Path(source.path).stat()
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableError("NotAFile", "it is no ordinary file")
    suffix = suffix_of(source.path)
    if suffix not in readers:
        raise UnreadableError(
            "UnknownType",
            f"files of this type ({suffix or 'no suffix'}) are not read; "
            f"known are {', '.join(readers)}",
        )
    if status.st_size == 0:
        raise UnreadableError("EmptyFile", "the file is empty (0 bytes)")
    return readers[suffix]
