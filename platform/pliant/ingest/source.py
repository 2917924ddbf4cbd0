"""A source: one file, by the name it is known under and the place where it is opened."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pliant.content import row_key


@dataclass(frozen=True, slots=True)
class Source:
    """A file to read.

    Attributes:
        uri: absolute and normalised, links resolved, percent-escaped: "file:///a/b.txt", or
            "ROOT/b.txt".
        source: as the user typed it, joined with the path below it; valid text.
        path: where to open it; bytes that are not UTF-8 are surrogates (`os.fsencode`).
        size_bytes: size at the time of discovery.
        mtime: time of the last change, seconds since 1970.
        root: the folder that media files named in a table must not leave.
    """

    uri: str
    source: str
    path: str
    size_bytes: int
    mtime: float
    root: str = ""

    @property
    def key(self) -> str:
        """The `source_key` of its rows."""
        return row_key(self.uri, "")


def readable(name: str) -> str:
    """Percent-escape the bytes of a file name that are not UTF-8."""
    return re.sub(r"[\udc80-\udcff]", lambda found: f"%{ord(found[0]) - 0xDC00:02X}", name)
