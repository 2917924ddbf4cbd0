"""Reading one source in this process: its records, and a Failure for whatever goes wrong."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pliant.content import Record
from pliant.ingest.blob import Blob, Reader
from pliant.ingest.failure import Failure, failure_of
from pliant.ingest.options import ReadOptions
from pliant.ingest.readers import READERS
from pliant.ingest.remote import is_remote, local_copy
from pliant.ingest.sniff import choose
from pliant.ingest.source import Source
from pliant.ingest.values import source_metadata
from pliant.media import UnreadableError


def read(
    source: Source, options: ReadOptions | None = None, readers: Mapping[str, Reader] = READERS
) -> Iterator[Record | Failure]:
    """Give the records of a source, in an order that never changes; it raises nothing."""
    return read_part(source, options or ReadOptions(), readers, Part())


@dataclass(frozen=True, slots=True)
class Part:
    """Which records of a source to give, by index.

    Attributes:
        start: the first one.
        stop: the one before which to end; all by default.
        skip: those that are named by a Failure but not decoded.
    """

    start: int = 0
    stop: int | None = None
    skip: frozenset[int] = frozenset()


def read_part(
    source: Source, options: ReadOptions, readers: Mapping[str, Reader], part: Part
) -> Iterator[Record | Failure]:
    """Give some records of a source, as `read` does."""
    try:
        with local_copy(source, options) as path:
            _check(path)
            reader = choose(path, _name(source), readers, options.reader)
            metadata = source_metadata(source, options)
            local = "" if path == source.path else path
            blob = Blob(source, options, metadata, part.start, part.skip, local, readers)
            yield from islice(reader(blob), part.start, part.stop)
    except Exception as error:  # noqa: BLE001 a source that breaks its reader is one failed row
        yield failure_of(error, source.source, "")


def _name(source: Source) -> str:
    return source.path.partition("?")[0] if is_remote(source.path) else source.path


def _check(path: str) -> None:
    status = Path(path).stat()
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableError("NotAFile", "it is no ordinary file")
    if status.st_size == 0:
        raise UnreadableError("EmptyFile", "the file is empty (0 bytes)")
