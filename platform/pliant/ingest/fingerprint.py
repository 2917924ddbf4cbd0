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
    """Say what a source looks like without reading it: sizes and times, its sidecar's too.

    A stamp that begins with "?" cannot be trusted: the last change was too recent at `now`.
    """
    sizes, times = [source.size_bytes], [source.mtime]
    sidecar = sidecar_of(source.path)
    if sidecar is not None:
        status = Path(sidecar).stat()
        sizes.append(status.st_size)
        times.append(status.st_mtime)
    doubt = "?" if max(times) > now - RACY_S else ""
    return f"{doubt}{','.join(map(str, sizes))} {','.join(f'{time:.6f}' for time in times)}"


def same_sizes(one: str, other: str) -> bool:
    """Tell whether two stamps have the same sizes."""
    return one.lstrip("?").split()[:1] == other.lstrip("?").split()[:1]
