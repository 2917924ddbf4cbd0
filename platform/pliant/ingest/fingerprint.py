"""What tells one version of a source from the next: its bytes and those of its sidecar."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

from pliant.ingest.source import Source
from pliant.ingest.suffixes import sidecar_of

READER_VERSION = 1
"""Raised whenever a reader or the chunker gives other records for the same bytes."""

_BLOCK = 2**20


def fingerprint(source: Source | str | Path) -> str:
    """Hash the bytes of a source and of its sidecar: 32 hex digits.

    Raises:
        OSError: a file cannot be read.
    """
    path = source.path if isinstance(source, Source) else str(source)
    digest = blake2b(digest_size=16)
    for name in (path, sidecar_of(path)):
        if name is None:
            continue
        size = 0
        with Path(name).open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                size += len(block)
        digest.update(size.to_bytes(8, "little"))
    return digest.hexdigest()
