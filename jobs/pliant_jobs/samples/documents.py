"""Typesets the manuscripts as PDF documents: a page per section, with a picture where it says so.

A manuscript is plain text: its first line is the title, a line `=== Heading` begins a page, a
paragraph `![picture](path)` puts a picture of the corpus on it.
"""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

_PICTURE = re.compile(r"!\[.*\]\((.+)\)")
_MAX_PICTURE_PT = 220


def write_documents(manuscripts: Path, corpus: Path) -> None:
    """Write one PDF for each manuscript of a folder."""
    target = corpus / "documents"
    target.mkdir(parents=True, exist_ok=True)
    for manuscript in sorted(manuscripts.glob("*.txt")):
        text = manuscript.read_text(encoding="utf-8")
        _write(text, target / f"{manuscript.stem}.pdf", corpus)


def _write(text: str, target: Path, corpus: Path) -> None:
    # Only this script needs reportlab, so it is no dependency of the project and loaded by name.
    platypus: Any = import_module("reportlab.platypus")
    a5 = import_module("reportlab.lib.pagesizes").A5
    title, *pages = text.split("\n=== ")
    document = platypus.SimpleDocTemplate(str(target), pagesize=a5, title=title, invariant=True)
    document.build([part for page in pages for part in _page(page, corpus, platypus)])


def _page(text: str, corpus: Path, platypus: Any) -> Iterator[object]:
    styles = import_module("reportlab.lib.styles").getSampleStyleSheet()
    heading, _, body = text.partition("\n")
    yield platypus.Paragraph(heading, styles["Heading1"])
    for paragraph in re.split(r"\n\s*\n", body.strip()):
        if picture := _PICTURE.fullmatch(paragraph.strip()):
            path = str(corpus / picture[1])
            yield platypus.Image(path, _MAX_PICTURE_PT, _MAX_PICTURE_PT, kind="proportional")
        else:
            yield platypus.Paragraph(" ".join(paragraph.split()), styles["BodyText"])
        yield platypus.Spacer(1, 6)
    yield platypus.PageBreak()
