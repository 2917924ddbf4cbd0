"""Reader of SVG drawings: rasterised by resvg, with nothing fetched and nothing expanded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pliant.content import Record
from pliant.ingest.blob import Blob, attempt
from pliant.ingest.failure import Failure
from pliant.ingest.image import image_record
from pliant.ingest.text import decode_text
from pliant.media import IMAGE_SIDE, UnreadableError, check_pixels, fit_image, png

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

_LINK = re.compile(r"""(href\s*=\s*)(["'])\s*(?!#|data:)[^"']*\2""", re.IGNORECASE)
_STYLE_LINK = re.compile(
    r"""url\(\s*["']?\s*(?!["']?\s*#|["']?\s*data:)[^)]*\)|@import[^;]*;?""", re.IGNORECASE
)
_DECLARATION = re.compile(r"<!(?:DOCTYPE[^>\[]*\[|ENTITY)", re.IGNORECASE)
_GROUP = re.compile(r"<(/?)(g|symbol|use)\b([^>]*?)(/?)>", re.IGNORECASE)
_ID = re.compile(r"""\bid\s*=\s*["']([^"']+)""")
_REFERENCE = re.compile(r"""href\s*=\s*["']#([^"']+)""")
_MAX_COPIES = 20_000


def read_svg(blob: Blob) -> Iterator[Record | Failure]:
    """Draw an SVG file; nothing that it links to is fetched."""
    yield attempt(blob, 0, "", lambda: _drawing(blob))


def _drawing(blob: Blob) -> Record:
    text = decode_text(blob.read_bytes(blob.limits.max_text_bytes, "max_text_bytes"))
    if _DECLARATION.search(text):
        raise UnreadableError(
            "ForbiddenEntities", "the drawing declares XML entities; none are expanded or fetched"
        )
    if _copies(text) > _MAX_COPIES * blob.limits.max_expansion // 200:
        raise UnreadableError(
            "ExpandsTooMuch",
            "the drawing copies itself too often by <use>; max_expansion allows "
            f"{_MAX_COPIES * blob.limits.max_expansion // 200:,} copies",
        )
    picture = _drawn(_STYLE_LINK.sub("none", _LINK.sub(r"\1\2\2", text)), blob)
    return image_record(blob, png(picture), picture, "", dict(blob.metadata))


def _copies(text: str) -> int:
    """Count the elements that <use> makes of one another, without making them."""
    inside: dict[str, list[str]] = {}
    open_ids, top = list[str](), list[str]()
    for closing, kind, given, empty in _GROUP.findall(text):
        if kind.lower() == "use":
            for name in _REFERENCE.findall(given):
                (inside[open_ids[-1]] if open_ids else top).append(name)
                for outer in open_ids[:-1]:
                    inside[outer].append(name)
        elif closing:
            open_ids = open_ids[:-1]
        elif not empty:
            found = _ID.search(given)
            open_ids.append(found[1] if found else f"#{len(inside)}")
            inside.setdefault(open_ids[-1], [])
    sizes: dict[str, int] = {}
    names = [*inside]
    for _ in range(64):
        before = dict(sizes)
        for name in names:
            total = 1 + sum(sizes.get(inner, 1) for inner in inside[name])
            sizes[name] = min(total, 10**9)
        if sizes == before:
            break
    return max([*sizes.values(), len(top)], default=0)


def _drawn(text: str, blob: Blob) -> Picture:
    import resvg_py

    try:
        drawn = resvg_py.svg_to_bytes(
            svg_string=text, background="white", skip_system_fonts=False, **_scale(text, blob)
        )
    except ValueError as error:
        reason = f"the drawing cannot be drawn: {error}"[:300]
        raise UnreadableError("BrokenImage", reason) from error
    return fit_image(bytes(drawn), blob.limits.max_pixels)[1]


def _scale(text: str, blob: Blob) -> dict[str, Any]:
    """Bound the drawing's size, which its width and height give, or its view box."""
    found = re.search(r"<svg\b[^>]*>", text)
    given = found[0] if found else ""
    width, height = _side(given, "width"), _side(given, "height")
    box = re.search(r"""viewBox\s*=\s*["']([^"']+)""", given)
    numbers = re.findall(r"-?[0-9.]+", box[1]) if box else []
    if not (width and height) and len(numbers) == 4:
        width, height = (float(one.strip(".-") or 0) for one in numbers[2:])
    check_pixels((int(width), int(height)), blob.limits.max_pixels)
    if max(width, height) > IMAGE_SIDE:
        return {"width": IMAGE_SIDE} if width >= height else {"height": IMAGE_SIDE}
    return {}


def _side(given: str, name: str) -> float:
    found = re.search(rf"""\s{name}\s*=\s*["']\s*([0-9]+(?:\.[0-9]+)?)(?:px)?\s*["']""", given)
    return float(found[1]) if found else 0.0
