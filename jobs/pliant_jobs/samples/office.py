"""Small office files and books, made of a text."""

from __future__ import annotations

import io
import zipfile


def zipped(files: dict[str, str | bytes]) -> bytes:
    """Pack files in a zip; one called "mimetype" is not compressed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        for name, data in files.items():
            stored = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            package.writestr(zipfile.ZipInfo(name), data, stored)
    return buffer.getvalue()


def docx(text: str, picture: bytes) -> bytes:
    """Make a document with a heading, a paragraph and a picture."""
    import docx as library

    document = library.Document()
    document.add_heading("Heading", 1)
    document.add_paragraph(text)
    document.add_picture(io.BytesIO(picture))
    return _saved(document)


def pptx(text: str, picture: bytes) -> bytes:
    """Make a presentation of two slides, the first with a picture."""
    import pptx as library
    from pptx.util import Inches

    slides = library.Presentation()
    for title in (text, f"{text}, continued"):
        slide = slides.slides.add_slide(slides.slide_layouts[5])
        slide.shapes.title.text = title  # pyright: ignore[reportOptionalMemberAccess] layout 5 has one
    slides.slides[0].shapes.add_picture(io.BytesIO(picture), Inches(0), Inches(0))
    return _saved(slides)


def _saved(document: object) -> bytes:
    buffer = io.BytesIO()
    document.save(buffer)  # pyright: ignore[reportAttributeAccessIssue] both have it
    return buffer.getvalue()


_OPEN = "urn:oasis:names:tc:opendocument:xmlns"
_OPEN_HEAD = (
    f'<office:document-content xmlns:office="{_OPEN}:office:1.0" xmlns:text="{_OPEN}:text:1.0" '
    f'xmlns:table="{_OPEN}:table:1.0" office:version="1.2"><office:body>'
)
_OPEN_TAIL = "</office:body></office:document-content>"


def odt(text: str) -> bytes:
    """Make an OpenDocument text with a heading."""
    body = f'<office:text><text:h text:outline-level="2">Heading</text:h><text:p>{text}</text:p>'
    return _opendocument("text", f"{body}</office:text>")


def ods(text: str) -> bytes:
    """Make an OpenDocument workbook with one sheet."""
    rows = "".join(
        "<table:table-row>"
        + "".join(
            f'<table:table-cell office:value-type="string"><text:p>{cell}</text:p>'
            "</table:table-cell>"
            for cell in row
        )
        + "</table:table-row>"
        for row in (("text", "place"), (text, "here"), (f"{text}, again", "there"))
    )
    sheet = f'<office:spreadsheet><table:table table:name="Sheet;1">{rows}</table:table>'
    return _opendocument("spreadsheet", f"{sheet}</office:spreadsheet>")


def _opendocument(kind: str, body: str) -> bytes:
    mime = f"application/vnd.oasis.opendocument.{kind}"
    entry = '<manifest:file-entry manifest:full-path="{}" manifest:media-type="{}"/>'
    manifest = (
        f'<manifest:manifest xmlns:manifest="{_OPEN}:manifest:1.0">'
        + entry.format("/", mime)
        + entry.format("content.xml", "text/xml")
        + "</manifest:manifest>"
    )
    files: dict[str, str | bytes] = {
        "mimetype": mime,
        "META-INF/manifest.xml": manifest,
        "content.xml": _OPEN_HEAD + body + _OPEN_TAIL,
    }
    return zipped(files)


def epub(text: str) -> bytes:
    """Make a book of two chapters."""
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata '
        'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>A book</dc:title></metadata>'
        '<manifest><item id="a" href="one.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="b" href="two.xhtml" media-type="application/xhtml+xml"/></manifest>'
        '<spine><itemref idref="a"/><itemref idref="b"/></spine></package>'
    )
    container = (
        '<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">'
        '<rootfiles><rootfile full-path="OEBPS/book.opf" '
        'media-type="application/oebps-package+xml"/></rootfiles></container>'
    )
    page = (
        '<?xml version="1.0"?><!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml">'
        "<head><title>{0}</title></head><body><h1>{0}</h1><p>{1}</p></body></html>"
    )
    return zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": container,
            "OEBPS/book.opf": package,
            "OEBPS/one.xhtml": page.format("One", text),
            "OEBPS/two.xhtml": page.format("Two", f"{text}, continued"),
        }
    )


def xlsx(text: str) -> bytes:
    """Make a workbook of two sheets, the second one empty."""
    import xlsxwriter

    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer) as book:
        sheet = book.add_worksheet("Prices")
        for at, row in enumerate([("text", "n"), (text, 1), (f"{text}, again", 2)]):
            sheet.write_row(at, 0, row)
        book.add_worksheet("Empty")
    return buffer.getvalue()
