"""What a file is: by its first bytes, then by its name. It opens ordinary files only.

A table of our own: puremagic knows neither Parquet, Arrow, Avro nor gzip, and takes a text that
begins with "BM" for a picture.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from pliant.config import nearest
from pliant.ingest.blob import Reader
from pliant.ingest.suffixes import BINARY, suffix_of
from pliant.media import UnreadableError

HEAD_BYTES = 1024
_PREFIXES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"GIF87a", ".gif"),
    (b"GIF89a", ".gif"),
    (b"II*\0", ".tiff"),
    (b"MM\0*", ".tiff"),
    (b"%PDF-", ".pdf"),
    (b"SQLite format 3\0", ".sqlite"),
    (b"ARROW1\0\0", ".arrow"),
    (b"\xff\xff\xff\xff", ".arrow"),
    (b"Obj\x01", ".avro"),
    (b"\x1aE\xdf\xa3", ".mkv"),
    (b"\x1f\x8b\x08", ".gz"),
    (b"\x28\xb5\x2f\xfd", ".zst"),
)
_RIFF = {b"WEBP": ".webp", b"AVI ": ".avi"}
_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"), ".heic"),
    **dict.fromkeys((b"avif", b"avis"), ".avif"),
}
_MIME = {
    b"application/epub+zip": ".epub",
    b"application/vnd.oasis.opendocument.text": ".odt",
    b"application/vnd.oasis.opendocument.spreadsheet": ".ods",
}
_PARTS = {"word/document.xml": ".docx", "ppt/presentation.xml": ".pptx", "xl/workbook.xml": ".xlsx"}
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_SVG = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<svg[\s>]", re.DOTALL
)
_HTML = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html)[\s>]", re.IGNORECASE)


def choose(
    path: str, name: str, readers: Mapping[str, Reader], forced: str | None = None
) -> Reader:
    """Choose the reader of a file: the forced one, else by content, else by name.

    Raises:
        UnreadableError: no reader knows it.
        OSError: it cannot be opened.
    """
    if forced is not None:
        return readers[known_reader(forced, readers)]
    with Path(path).open("rb") as file:
        head = file.read(HEAD_BYTES)
    found = by_content(path, head)
    suffix = suffix_of(name)
    if found is None and (suffix not in readers or suffix in BINARY):
        found = _by_markup(head)
    if found is not None and found in readers:
        return readers[found]
    if suffix not in readers:
        raise UnreadableError(
            "UnknownType",
            f"files of this type ({suffix or 'no suffix'}) are not read; known are "
            f"{', '.join(readers)}",
        )
    if head.startswith(_OLE) and suffix != ".xls":
        raise UnreadableError(
            "EncryptedOffice",
            "it is an encrypted or pre-2007 office file; give an open copy in today's format",
        )
    return readers[suffix]


def known_reader(name: str, readers: Mapping[str, Reader]) -> str:
    """Give the suffix that `--reader` names, with or without its dot.

    Raises:
        UnreadableError: there is no such reader.
    """
    suffix = f".{name.lower().removeprefix('.')}"
    if suffix not in readers:
        raise UnreadableError(
            "UnknownReader",
            f"there is no reader {name!r}{nearest(suffix, list(readers))}; "
            f"known are {', '.join(readers)}",
        )
    return suffix


def by_content(path: str, head: bytes) -> str | None:
    """Name the type that the bytes of a file show; None for text and the unknown."""
    for prefix, suffix in _PREFIXES:
        if head.startswith(prefix):
            return suffix
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], ".mp4")
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return _zip_kind(path)
    return next((suffix for suffix, fits in _CHECKS.items() if fits(path, head)), None)


_CHECKS: dict[str, Callable[[str, bytes], bool]] = {
    ".bmp": lambda _, head: head[:2] == b"BM" and head[6:10] == b"\0\0\0\0" and len(head) > 26,
    ".tar": lambda _, head: head[257:262] == b"ustar",
    ".parquet": lambda path, head: head[:4] == b"PAR1" and _tail(path) == b"PAR1",
    ".orc": lambda path, head: head[:3] == b"ORC" and _tail(path)[:3] == b"ORC",
}


def _by_markup(head: bytes) -> str | None:
    if _SVG.match(head):
        return ".svg"
    return ".html" if _HTML.match(head) else None


def _tail(path: str) -> bytes:
    with Path(path).open("rb") as file:
        file.seek(-4, 2)
        return file.read()


def _zip_kind(path: str) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist()[:10_000])
            for part, suffix in _PARTS.items():
                if part in names:
                    return suffix
            if "mimetype" in names and archive.getinfo("mimetype").file_size < 200:
                return _MIME.get(archive.read("mimetype").strip(), ".zip")
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError, NotImplementedError, zlib.error):
        return None  # the reader by name says what is wrong
    return ".zip"
