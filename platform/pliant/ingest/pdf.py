"""Reader of PDF: every page is a record of its picture and its text."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from functools import partial
from importlib import import_module

from pliant.content import Content, Image, MetadataValue, Record, Text
from pliant.ingest import outline
from pliant.ingest.blob import Blob, attempt, check_size
from pliant.ingest.failure import Failure
from pliant.media import PdfFile, UnreadableError, jpeg, thumbnail

_SIDE = 1024


def read_pdf(blob: Blob) -> Iterator[Record | Failure]:
    """Give one record per page, located by its number from 1 ("page=3").

    Metadata: `section` (of the outline), `page_label` where it is not the number, `links`.
    """
    check_size(blob)
    with PdfFile(blob.path, blob.limits) as document:
        if not document.num_pages:
            raise UnreadableError("NoPages", "the PDF has no pages")
        sections = document.ask(outline.sections)
        for index in range(document.num_pages):
            locator = f"page={index + 1}"
            make = partial(_record, blob, document, sections, index)
            yield attempt(blob, index, locator, make)


def _record(blob: Blob, document: PdfFile, sections: list[tuple[int, str]], index: int) -> Record:
    picture, text = document.page(index, _SIDE)
    data = jpeg(picture, _SIDE)
    content: Content = (Image(data),)
    if not text.strip() and blob.options.ocr:
        text = _recognised(blob.options.ocr, data)
    clean = _clean(text)
    if clean.strip():
        content = (*content, Text(clean))
    locator = f"page={index + 1}"
    metadata: dict[str, MetadataValue] = {}
    at = bisect_right(sections, index, key=lambda pair: pair[0])
    if at and (title := _clean(sections[at - 1][1]).strip()):
        metadata["section"] = title[:1000]
    if (label := document.ask(partial(outline.label, index=index))) and label != str(index + 1):
        metadata["page_label"] = _clean(label)
    if links := document.ask(partial(outline.links, index=index)):
        metadata["links"] = [_clean(link) for link in links]
    small = thumbnail(picture)
    merged = {**metadata, **blob.metadata}
    return Record(locator, content, blob.source.source, locator, merged, "page", small)


def _recognised(name: str, data: bytes) -> str:
    module, _, function = name.partition(":")
    return str(getattr(import_module(module), function)(data))


def _clean(text: str) -> str:
    return text.replace("\0", "").encode("utf8", "ignore").decode()
