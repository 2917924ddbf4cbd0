"""Readers of Markdown and HTML: visible text, with headings kept as "# " lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from pliant.content import MetadataValue, Record
from pliant.ingest.blob import Blob, attempt
from pliant.ingest.failure import Failure
from pliant.ingest.text import decode_text, load_text, text_record
from pliant.ingest.values import json_value
from pliant.media import UnreadableError, first_line

_FRONT_MATTER = re.compile(
    r"---[ \t]*\r?\n(.{0,65536}?)^(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE
)
_CHARSET = re.compile(
    rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE
)
_HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_DROPPED = frozenset(
    ["script", "style", "noscript", "template", "head", "title", "svg", "math", "iframe", "object",
     "embed", "canvas", "audio", "video", "select", "datalist"]
)  # fmt: skip
_PARAGRAPHS = frozenset(
    ["p", "blockquote", "pre", "table", "ul", "ol", "dl", "section", "article",
     "h1", "h2", "h3", "h4", "h5", "h6"]
)  # fmt: skip
_BLOCKS = _PARAGRAPHS | frozenset(
    ["address", "aside", "body", "caption", "dd", "details", "dialog", "dir", "div", "dt",
     "fieldset", "figcaption", "figure", "footer", "form", "header", "hgroup", "hr", "legend", "li",
     "main", "menu", "nav", "search", "summary", "tbody", "tfoot", "thead", "tr"]
)  # fmt: skip
_HEADINGS = {f"h{level}": "#" * level + " " for level in range(1, 7)}


def read_markdown(blob: Blob) -> Iterator[Record | Failure]:
    """Give the text of a .md file as one record; its front matter becomes metadata."""
    yield attempt(blob, 0, "", lambda: _markdown(blob))


def read_html(blob: Blob) -> Iterator[Record | Failure]:
    """Give the visible text of an .html file as one record, with its title as metadata."""
    yield attempt(blob, 0, "", lambda: _html(blob))


def _markdown(blob: Blob) -> Record:
    text = load_text(blob)
    found = _FRONT_MATTER.match(text)
    metadata = _front_matter(found[1]) if found else None
    if found is None or metadata is None:
        return text_record(blob, text)
    return text_record(blob, text[found.end() :], **metadata)


def _front_matter(text: str) -> dict[str, MetadataValue] | None:
    try:
        loaded = yaml.safe_load(text)
        if loaded is None:
            return {}
        value = json_value(loaded) if isinstance(loaded, dict) else None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UnreadableError(
            "BadFrontMatter",
            f"the front matter between the --- lines is not YAML: {first_line(error)}",
        ) from error
    return value if isinstance(value, dict) else None


def _html(blob: Blob) -> Record:
    data = blob.read_bytes(blob.limits.max_text_bytes, "max_text_bytes")
    text, title = html_text(decode_text(data, _declared(data)))
    return text_record(blob, text, **({"title": title} if title else {}))


def html_text(page: str) -> tuple[str, str]:
    """Give the visible text of a page, and its title."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(page)
    title = tree.css_first("title")
    words = " ".join(title.text().split()) if title is not None else ""
    lines = _Lines()
    if tree.root is not None:
        _walk(tree.root, lines)
    return lines.text(), words


def _declared(data: bytes) -> str:
    found = _CHARSET.search(data, 0, 2048)
    name = found[1].decode().lower() if found else "utf-8"
    try:
        b"".decode(name)
    except LookupError as error:
        raise UnreadableError(
            "UnknownEncoding", f"the page declares the charset {name!r}, which is unknown"
        ) from error
    return "utf-8" if name.startswith("utf-16") else name  # says WHATWG: the bytes are ASCII-like


def _walk(root: Any, lines: _Lines) -> None:
    """Visit the tree in document order without recursion: pages nest as deep as they like."""
    node, leaving = root, False
    while node is not None:
        entered = leaving or _enter(node, lines)
        if entered and not leaving and node.child is not None:
            node = node.child
            continue
        if entered:
            _leave(node, lines)
        if node.mem_id == root.mem_id:  # == would compare their HTML
            return
        leaving = node.next is None
        node = node.parent if leaving else node.next


def _enter(node: Any, lines: _Lines) -> bool:
    tag = node.tag
    if tag == "-text":
        lines.add(node.text_content or "")
        return False
    if tag.startswith("-") or tag in _DROPPED or _is_hidden(node):
        return False
    if tag in _BLOCKS or tag == "br":
        lines.end(paragraph=tag in _PARAGRAPHS)
    if tag in ("td", "th"):
        lines.add(" ")
    if tag == "pre":
        lines.kept += 1
    lines.prefix = _HEADINGS.get(tag) or ("- " if tag == "li" else lines.prefix)
    return True


def _leave(node: Any, lines: _Lines) -> None:
    tag = node.tag
    if tag in _BLOCKS:
        lines.end(paragraph=tag in _PARAGRAPHS)
    if tag == "pre":
        lines.kept -= 1


def _is_hidden(node: Any) -> bool:
    given = node.attributes
    return bool(given) and (
        "hidden" in given or _HIDDEN_STYLE.search(given.get("style") or "") is not None
    )


class _Lines:
    """Collects words into lines, and lines into paragraphs."""

    def __init__(self) -> None:
        self.prefix = ""
        self.kept = 0
        self._line: list[str] = []
        self._lines: list[str] = []

    def add(self, text: str) -> None:
        self._line.append(text)

    def end(self, *, paragraph: bool) -> None:
        joined = "".join(self._line)
        self._line.clear()
        line = joined.strip("\n") if self.kept else " ".join(joined.split())
        if line.strip():
            self._lines.append(self.prefix + line)
            self.prefix = ""
        if paragraph:
            self.prefix = ""
            if self._lines and self._lines[-1]:
                self._lines.append("")

    def text(self) -> str:
        self.end(paragraph=True)
        return "\n".join(self._lines).strip()
