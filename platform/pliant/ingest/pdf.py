"""Reader of PDF: every page is a record of its picture and its text."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from pliant.content import Content, Image, Record, Text
from pliant.ingest.blob import Blob, attempt, check_size
from pliant.ingest.failure import Failure
from pliant.media import PdfFile, UnreadableError, jpeg, thumbnail

_SIDE = 1024


def read_pdf(blob: Blob) -> Iterator[Record | Failure]:
    """Give one record per page, located by its number from 1 ("page=3")."""
    check_size(blob)
    with PdfFile(blob.source.path, blob.limits) as document:
        if not document.num_pages:
            raise UnreadableError("NoPages", "the PDF has no pages")
        for index in range(document.num_pages):
            locator = f"page={index + 1}"
            yield attempt(blob, index, locator, partial(_record, blob, document, index))


def _record(blob: Blob, document: PdfFile, index: int) -> Record:
    picture, text = document.page(index, _SIDE)
    content: Content = (Image(jpeg(picture, _SIDE)),)
    clean = text.replace("\0", "").encode("utf8", "ignore").decode()
    if clean.strip():
        content = (*content, Text(clean))
    locator = f"page={index + 1}"
    small = thumbnail(picture)
    return Record(locator, content, blob.source.source, locator, blob.metadata, "page", small)
