"""Readers of .odt and .epub: zip packages of XML and of pages."""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import unquote

from pliant.content import MetadataValue, Record, Text
from pliant.ingest.blob import Blob, attempt, too_large, too_many
from pliant.ingest.failure import Failure
from pliant.ingest.markup import html_text
from pliant.ingest.members import member_locator
from pliant.ingest.text import decode_text, text_record
from pliant.ingest.zipped import broken_package, check_package
from pliant.media import UnreadableError

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_BOOK = "{http://www.idpf.org/2007/opf}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_CONTAINER = "{urn:oasis:names:tc:opendocument:xmlns:container}"
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, RuntimeError, OSError)


def read_odt(blob: Blob) -> Iterator[Record | Failure]:
    """Give the text of an OpenDocument text as one record, headings as "# " lines."""
    check_package(blob)
    yield attempt(blob, 0, "", lambda: _odt(blob))


def read_epub(blob: Blob) -> Iterator[Record | Failure]:
    """Give one record per chapter in reading order ("member=OEBPS/chapter1.xhtml")."""
    check_package(blob)
    chapters, metadata = _spine(blob)
    if len(chapters) > blob.limits.max_pages:
        raise too_many("chapters", len(chapters), blob.limits.max_pages, "max_pages")
    index = 0
    for name in chapters:
        locator = member_locator(name)
        yield attempt(blob, index, locator, partial(_chapter, blob, name, metadata))
        index += 1
    if not index:
        raise UnreadableError("NoText", "the book names no chapters")


def _odt(blob: Blob) -> Record:
    root = _xml(_part(blob, "content.xml"))
    lines = []
    for node in root.iter(f"{_TEXT}h", f"{_TEXT}p"):
        text = " ".join("".join(_words(node)).split())
        if text and node.tag == f"{_TEXT}h":
            level = node.get(f"{_TEXT}outline-level", "1")
            text = "#" * min(int(level) if level.isdigit() else 1, 6) + " " + text
        if text:
            lines.append(text)
    return text_record(blob, "\n\n".join(lines))


def _words(node: Element) -> Iterator[str]:
    """Give the text below a node; spaces and line breaks are elements there."""
    for found in node.iter():
        if found is not node and found.tag in (f"{_TEXT}p", f"{_TEXT}h"):
            continue
        if found.tag in (f"{_TEXT}s", f"{_TEXT}tab", f"{_TEXT}line-break"):
            yield " "
        yield found.text or ""
        if found is not node:
            yield found.tail or ""


def _spine(blob: Blob) -> tuple[list[str], dict[str, MetadataValue]]:
    container = _xml(_part(blob, "META-INF/container.xml"))
    root_file = next(container.iter(f"{_CONTAINER}rootfile"), None)
    place = root_file.get("full-path") if root_file is not None else None
    if not place:
        raise UnreadableError("BrokenPackage", "the book's container names no package file")
    package = _xml(_part(blob, place))
    items = {item.get("id"): item.get("href", "") for item in package.iter(f"{_BOOK}item")}
    folder = posixpath.dirname(place)
    names = [
        posixpath.normpath(posixpath.join(folder, unquote(items[found])))
        for node in package.iter(f"{_BOOK}itemref")
        if (found := node.get("idref")) in items
    ]
    given = {
        name: next(package.iter(f"{_DC}{name}"), None) for name in ("title", "creator", "language")
    }
    metadata: dict[str, MetadataValue] = {
        name: node.text.strip()[:1000]
        for name, node in given.items()
        if node is not None and node.text
    }
    return list(dict.fromkeys(names)), metadata


def _chapter(blob: Blob, name: str, metadata: dict[str, MetadataValue]) -> Record:
    text, title = html_text(decode_text(_part(blob, name)))
    if not text:
        raise UnreadableError("NoText", "the chapter holds no text")
    own = {**metadata, **({"chapter": title} if title else {}), **blob.metadata}
    locator = member_locator(name)
    return Record(locator, (Text(text),), blob.source.source, locator, own)


def _part(blob: Blob, name: str) -> bytes:
    limit = blob.limits.max_text_bytes
    try:
        with zipfile.ZipFile(blob.path) as package, package.open(name) as member:
            data = member.read(limit + 1)
    except _BROKEN as error:
        raise broken_package(error) from error
    if len(data) > limit:
        raise too_large(len(data), limit, "max_text_bytes")
    return data


def _xml(data: bytes) -> Element:
    from lxml import etree  # pyright: ignore[reportAttributeAccessIssue] lxml has no stubs

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise broken_package(error) from error
