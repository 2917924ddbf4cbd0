"""Reader of .docx: the text in reading order, with headings as "# " lines, then its pictures."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from pliant.content import MetadataValue, Record
from pliant.ingest.blob import Blob, attempt
from pliant.ingest.failure import Failure, failure_of
from pliant.ingest.image import still_record
from pliant.ingest.text import text_record
from pliant.ingest.zipped import broken_package, check_package

if TYPE_CHECKING:
    from docx.document import Document


def read_docx(blob: Blob) -> Iterator[Record | Failure]:
    """Give the text of a document as one record, and each picture ("picture=2", from 1)."""
    check_package(blob)
    document = _open(blob)
    metadata = {**_properties(document), **blob.metadata}
    try:
        pictures = _pictures(document)
        text = "\n".join(_lines(document))
    except Exception as error:  # noqa: BLE001 python-docx raises whatever the XML leads to
        yield failure_of(broken_package(error), blob.source.source, "")
        return
    first = 1 if text.strip() or not pictures else 0
    if first:
        yield attempt(blob, 0, "", lambda: text_record(blob, text, **metadata))
    for index, data in enumerate(pictures, first):
        locator = f"picture={index - first + 1}"
        yield attempt(blob, index, locator, partial(still_record, blob, data, locator))


def _open(blob: Blob) -> Document:
    import docx

    try:
        return docx.Document(blob.path)
    except Exception as error:
        raise broken_package(error) from error


def _lines(document: Document) -> Iterator[str]:
    from docx.table import Table

    for block in document.iter_inner_content():
        if isinstance(block, Table):
            for row in block.rows:
                yield " ".join(cell.text.strip() for cell in row.cells)
            yield ""
        elif block.text.strip():
            level = _level(block)
            yield f"{'#' * level} {block.text.strip()}\n" if level else f"{block.text.strip()}\n"


def _level(block: Any) -> int:
    name = str(block.style.name or "") if block.style is not None else ""
    if name == "Title":
        return 1
    kind, _, number = name.partition(" ")
    return min(int(number), 6) if kind == "Heading" and number.isdigit() else 0


def _properties(document: Document) -> dict[str, MetadataValue]:
    try:
        title = (document.core_properties.title or "").strip()
    except (KeyError, ValueError, AttributeError):
        return {}
    return {"title": title} if title else {}


def _pictures(document: Document) -> list[bytes]:
    """Give the pictures in the order of their relations, each once."""
    related = document.part.rels.values()
    parts = [
        relation.target_part
        for relation in related
        if not relation.is_external and relation.reltype.endswith("/image")
    ]
    found = {str(part.partname): part.blob for part in parts}
    return list(found.values())
