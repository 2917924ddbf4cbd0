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


def options_key(space_id: str, options: str) -> str:
    """Hash everything but its bytes that the rows of a source depend on: 32 hex digits."""
    text = "\n".join((space_id, options, str(READER_VERSION)))
    return blake2b(text.encode(), digest_size=16).hexdigest()


def generation_of(found: str, options: str) -> str:
    """Name one state of a source and of the options: 32 hex digits.

    Args:
        found: the source's `fingerprint`.
        options: the `options_key`.
    """
    return blake2b(f"{found}\n{options}".encode(), digest_size=16).hexdigest()


RACY_S = 2.0
"""A file changed so shortly before it was looked at may change again without a new time."""


def stamp(source: Source, now: float) -> str:
    """Say what a source looks like without reading it: sizes and times, its sidecars' too.

    A stamp that begins with "?" cannot be trusted: the last change was too recent at `now`, or a
    remote place does not tell its time.
    """
    sizes, times = [source.size_bytes], [source.mtime]
    local = not is_remote(source.path)
    for name in (sidecar_of(source.path), subtitles_of(source.path)) if local else ():
        if name is not None:
            status = Path(name).stat()
            sizes.append(status.st_size)
            times.append(status.st_mtime)
    doubt = "?" if max(times) > now - RACY_S or not source.mtime else ""
    return f"{doubt}{','.join(map(str, sizes))} {','.join(f'{time:.6f}' for time in times)}"


def same_sizes(one: str, other: str) -> bool:
    """Tell whether two stamps have the same sizes."""
    return one.lstrip("?").split()[:1] == other.lstrip("?").split()[:1]
