"""Reader of .pptx: every slide is a record of its text and its pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from pliant.content import Content, Image, Record, Text, modality_of
from pliant.ingest.blob import Blob, attempt, too_many
from pliant.ingest.failure import Failure
from pliant.ingest.zipped import broken_package, check_package
from pliant.media import UnreadableError, fit_image, thumbnail

_MAX_PICTURES = 16


def read_pptx(blob: Blob) -> Iterator[Record | Failure]:
    """Give one record per slide, located by its number from 1 ("slide=3")."""
    check_package(blob)
    slides = _slides(blob)
    if not slides:
        raise UnreadableError("NoSlides", "the presentation has no slides")
    if len(slides) > blob.limits.max_pages:
        raise too_many("slides", len(slides), blob.limits.max_pages, "max_pages")
    for index, slide in enumerate(slides):
        locator = f"slide={index + 1}"
        yield attempt(blob, index, locator, partial(_record, blob, slide, locator))


def _slides(blob: Blob) -> list[Any]:
    import pptx

    try:
        return list(pptx.Presentation(blob.path).slides)
    except Exception as error:
        raise broken_package(error) from error


def _record(blob: Blob, slide: Any, locator: str) -> Record:
    shapes = list(_flat(slide.shapes))
    text = "\n".join(line for shape in shapes for line in _lines(shape))
    if slide.has_notes_slide:
        text = f"{text}\n{slide.notes_slide.notes_text_frame.text}".strip()
    content: Content = (Text(text),) if text.strip() else ()
    small = b""
    for data in [data for shape in shapes if (data := _picture(shape))][:_MAX_PICTURES]:
        fitted, picture = fit_image(data, blob.limits.max_pixels)
        content = (*content, Image(fitted))
        small = small or thumbnail(picture)
    if not content:
        raise UnreadableError("EmptySlide", "the slide holds no text and no picture")
    kind = modality_of(content)
    return Record(locator, content, blob.source.source, locator, blob.metadata, kind, small)


def _flat(shapes: Iterable[Any], depth: int = 0) -> Iterator[Any]:
    for shape in shapes:
        inner = getattr(shape, "shapes", None)
        if inner is not None and depth < 10:
            yield from _flat(inner, depth + 1)
        else:
            yield shape


def _lines(shape: Any) -> Iterator[str]:
    if getattr(shape, "has_text_frame", False) and shape.text_frame.text.strip():
        yield shape.text_frame.text.strip().replace("\v", "\n")
    elif getattr(shape, "has_table", False):
        for row in shape.table.rows:
            yield " ".join(cell.text.strip() for cell in row.cells)


def _picture(shape: Any) -> bytes | None:
    try:
        return shape.image.blob
    except (AttributeError, KeyError, ValueError):  # no picture, or one that is only linked
        return None
