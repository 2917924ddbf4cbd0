"""What a reader gets: the bytes of one source, the options, and which of its records are wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pliant.content import MetadataValue, Record
from pliant.ingest.failure import Failure, failure_of
from pliant.ingest.options import Limits, ReadOptions
from pliant.ingest.source import Source
from pliant.media import UnreadableError

SKIPPED = "Skipped"


@dataclass(frozen=True, slots=True)
class Blob:
    """One source to read, or one member of an archive.

    Attributes:
        source: what the records are said to come from.
        options: how to read them.
        metadata: what every record of the source carries (path parts, sidecar).
        start: records before this index were delivered already.
        skip: indices that must not be decoded again, because they broke the decoder.
        local: a copy of the bytes on this machine: of a remote source, of a member.
        readers: the table of readers, by suffix, for members of archives.
        depth: how many archives hold it.
    """

    source: Source
    options: ReadOptions
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict)
    start: int = 0
    skip: frozenset[int] = frozenset()
    local: str = ""
    readers: Mapping[str, Reader] = field(default_factory=dict)
    depth: int = 0

    @property
    def path(self) -> str:
        """Where the bytes lie on this machine."""
        return self.local or self.source.path

    @property
    def limits(self) -> Limits:
        """The limits of the options."""
        return self.options.limits

    def wants(self, index: int) -> bool:
        """Tell whether the record at this index is to be decoded."""
        return index >= self.start and index not in self.skip

    def read_bytes(self, limit: int, name: str) -> bytes:
        """Read the whole file, up to a limit that the error names.

        Raises:
            UnreadableError: the file is larger than the limit.
        """
        with Path(self.path).open("rb") as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise too_large(Path(self.path).stat().st_size, limit, name)
        return data


Reader = Callable[[Blob], Iterator[Record | Failure]]
"""Gives the records of a source, always in the same order, and a Failure in place of a bad one."""


def attempt(blob: Blob, index: int, locator: str, make: Callable[[], Record]) -> Record | Failure:
    """Make the record at an index of a source; whatever goes wrong is a Failure in its place."""
    if not blob.wants(index):
        return Failure(blob.source.source, locator, "read", SKIPPED, "")
    try:
        return make()
    except Exception as error:  # noqa: BLE001 one bad row is one failed row
        return failure_of(error, blob.source.source, locator)


def check_size(blob: Blob) -> None:
    """Refuse a media file over `max_bytes`.

    Raises:
        UnreadableError: the file is larger than the limit.
    """
    size = Path(blob.path).stat().st_size
    if size > blob.limits.max_bytes:
        raise too_large(size, blob.limits.max_bytes, "max_bytes")


def too_large(size_bytes: int, limit: int, name: str) -> UnreadableError:
    """Give the error of a file over a limit."""
    given = f"{size_bytes:,}" if size_bytes > limit else f"more than {limit:,}"
    return UnreadableError("TooLarge", f"the file has {given} bytes; {name} allows {limit:,}")


def too_many(what: str, count: int | str, limit: int, name: str) -> UnreadableError:
    """Give the error of a source with too many parts: "TooManyMembers"."""
    given = f"{count:,}" if isinstance(count, int) else count
    return UnreadableError(
        f"TooMany{what.capitalize()}", f"it has {given} {what}; {name} allows {limit:,}"
    )
