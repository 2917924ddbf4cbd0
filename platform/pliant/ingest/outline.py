"""What a PDF says of its pages beside their text: sections, labels, links."""

from __future__ import annotations

from ctypes import byref, c_int, create_string_buffer
from itertools import islice
from typing import Any

_MAX_SECTIONS, _MAX_LINKS, _LINK_BYTES = 10_000, 200, 2048


def sections(document: Any) -> list[tuple[int, str]]:
    """Give the outline: the page (from 0) on which each section begins, and its title."""
    found = islice(document.get_toc(max_depth=8), _MAX_SECTIONS)
    pairs = [(mark.get_dest(), mark.get_title()) for mark in found]
    places = [(dest.get_index() if dest is not None else None, title) for dest, title in pairs]
    return sorted((index, title) for index, title in places if index is not None)


def label(document: Any, index: int) -> str:
    """Give the label of a page, such as "iv"; empty without one."""
    return str(document.get_page_label(index) or "")


def links(document: Any, index: int) -> list[str]:
    """Give the addresses that a page links to, each once."""
    import pypdfium2.raw as raw

    found: list[str] = []
    page = document[index]
    link, place, buffer = raw.FPDF_LINK(), c_int(0), create_string_buffer(_LINK_BYTES)
    while len(found) < _MAX_LINKS and raw.FPDFLink_Enumerate(page, byref(place), byref(link)):
        action = raw.FPDFLink_GetAction(link)
        size = raw.FPDFAction_GetURIPath(document, action, buffer, _LINK_BYTES) if action else 0
        if 1 < size <= _LINK_BYTES:
            found.append(buffer.value.decode("utf8", "replace"))
    page.close()
    return list(dict.fromkeys(found))
