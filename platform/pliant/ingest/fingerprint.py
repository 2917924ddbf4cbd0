"""What tells one version of a source from the next: its bytes and those of its sidecars."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

from pliant.ingest.options import ReadOptions
from pliant.ingest.remote import is_remote, local_copy
from pliant.ingest.source import Source
from pliant.ingest.suffixes import sidecar_of, subtitles_of

READER_VERSION = 2
"""Raised whenever a reader or the chunker gives other records for the same bytes."""

_BLOCK = 2**20


def fingerprint(source: Source | str | Path, options: ReadOptions | None = None) -> str:
    """Hash the bytes of a source and of its sidecars: 32 hex digits.

    A remote source is known by its size and time, where its place gives the time.

    Raises:
        OSError: a file cannot be read.
        UnreadableError: a remote one does not come.
    """
    path = source.path if isinstance(source, Source) else str(source)
    if not isinstance(source, Source) or not is_remote(path):
        return _hash(path, sidecar_of(path), subtitles_of(path))
    if source.mtime:
        given = f"{source.uri}\n{source.size_bytes}\n{source.mtime!r}"
        return blake2b(given.encode("utf8", "surrogateescape"), digest_size=16).hexdigest()
    with local_copy(source, options or ReadOptions()) as copy:
        return _hash(copy)


def _hash(*names: str | None) -> str:
    digest = blake2b(digest_size=16)
    for name in names:
        if name is None:
            continue
        size = 0
        with Path(name).open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                size += len(block)
        digest.update(size.to_bytes(8, "little"))
    return digest.hexdigest()
