"""Guards of office files, which are zip packages of XML: checked before a library opens them."""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path

from pliant.ingest.blob import Blob, check_size, too_many
from pliant.ingest.entries import allowed_bytes, expands_too_much
from pliant.media import UnreadableError, first_line

_HEAD_BYTES = 4096
_MARKUP = (".xml", ".rels", ".xhtml", ".html", ".htm", ".opf", ".ncx", ".svg")
_ENTITIES = re.compile(rb"<!ENTITY|<!DOCTYPE[^>\[]{0,1000}\[", re.IGNORECASE)


def check_package(blob: Blob) -> None:
    """Refuse a package that expands too much, is encrypted, or declares XML entities.

    Raises:
        UnreadableError: one of these, or no zip at all.
    """
    check_size(blob)
    with Path(blob.path).open("rb") as file:
        if not file.read(2).startswith(b"PK"):
            return  # .xls, or broken: the library says so
    try:
        with zipfile.ZipFile(blob.path) as package:
            _check(blob, package)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, ValueError) as error:
        raise broken_package(error) from error


def broken_package(error: BaseException) -> UnreadableError:
    """Give the error of a package that does not open."""
    return UnreadableError("BrokenPackage", f"the file is damaged: {first_line(error)}")


def _check(blob: Blob, package: zipfile.ZipFile) -> None:
    infos = package.infolist()
    limits = blob.limits
    if len(infos) > limits.max_members:
        raise too_many("members", len(infos), limits.max_members, "max_members")
    size = sum(info.file_size for info in infos)
    packed = Path(blob.path).stat().st_size
    if size > allowed_bytes(blob):
        raise expands_too_much(f"{size // max(1, packed):,} times", limits.max_expansion)
    for info in infos:
        if info.flag_bits & 1:
            raise UnreadableError(
                "EncryptedOffice", "the file is encrypted; give a copy without a password"
            )
        if info.filename.lower().endswith(_MARKUP):
            with package.open(info) as member:
                head = member.read(_HEAD_BYTES).replace(b"\0", b"")
            if _ENTITIES.search(head):
                raise UnreadableError(
                    "ForbiddenEntities",
                    f"its part {info.filename!r} declares XML entities; "
                    "none are expanded or fetched",
                )
