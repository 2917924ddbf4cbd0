"""Sources that hold others: archives, mailboxes. Members are read one at a time, by any reader."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from pliant.content import Record
from pliant.ingest.blob import SKIPPED, Blob, attempt
from pliant.ingest.failure import Failure, failure_of
from pliant.ingest.sniff import choose
from pliant.ingest.source import readable
from pliant.media import UnreadableError


def member_locator(name: str) -> str:
    """Give "member=a/b.png"; semicolons, which join locators, and percent signs are escaped."""
    return "member=" + readable(name).replace("%", "%25").replace(";", "%3B")


class Members:
    """Numbers the records of all members of a blob, so that reading can go on after a crash."""

    def __init__(self, blob: Blob) -> None:
        self._blob = blob
        self._index = 0

    def make(self, locator: str, make: Callable[[], Record]) -> Record | Failure:
        """Make the next record by a function; whatever goes wrong is a Failure in its place."""
        self._index += 1
        return attempt(self._blob, self._index - 1, locator, make)

    def fail(self, locator: str, error: BaseException) -> Failure:
        """Put a Failure in the next place."""
        self._index += 1
        return failure_of(error, self._blob.source.source, locator)

    def read(
        self, locator: str, name: str, copy: Callable[[BinaryIO], None]
    ) -> Iterator[Record | Failure]:
        """Give the records of a member, whose bytes `copy` writes to a file."""
        blob, begin = self._blob, self._index
        if begin in blob.skip:  # opening it broke the decoder
            self._index += 1
            yield Failure(blob.source.source, locator, "read", SKIPPED, "")
            return
        for item in self._items(name, copy, begin):
            self._index += 1
            yield _within(item, locator)
        if self._index == begin:
            yield self.fail(locator, UnreadableError("NoRows", "the member holds no rows"))

    def _items(
        self, name: str, copy: Callable[[BinaryIO], None], begin: int
    ) -> Iterator[Record | Failure]:
        blob = self._blob
        try:
            with tempfile.NamedTemporaryFile(prefix="pliant-member-") as file:
                copy(file)  # pyright: ignore[reportArgumentType] it writes
                file.flush()
                if not Path(file.name).stat().st_size:
                    raise UnreadableError("EmptyFile", "the member is empty (0 bytes)")
                inner = replace(
                    blob,
                    start=max(0, blob.start - begin),
                    skip=frozenset(one - begin for one in blob.skip),
                    local=file.name,
                    depth=blob.depth + 1,
                )
                yield from choose(file.name, name, blob.readers)(inner)
        except Exception as error:  # noqa: BLE001 one bad member is one failed row
            yield failure_of(error, blob.source.source, "")


def _within(item: Record | Failure, locator: str) -> Record | Failure:
    inner = f"{locator};{item.locator}" if item.locator else locator
    if isinstance(item, Failure):
        return replace(item, locator=inner)
    return replace(item, locator=inner, id=f"{locator};{item.id}" if item.id else locator)
