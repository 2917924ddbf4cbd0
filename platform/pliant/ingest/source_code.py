"""Reader of source code: pieces at the borders of functions and classes, found by tree-sitter."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING

from pliant.content import Record, Text
from pliant.ingest.blob import Blob, attempt
from pliant.ingest.failure import Failure
from pliant.ingest.text import load_text
from pliant.media import UnreadableError

if TYPE_CHECKING:
    from tree_sitter import Node

GRAMMARS: dict[str, tuple[str, str]] = {
    ".py": ("tree_sitter_python", "language"),
    ".js": ("tree_sitter_javascript", "language"),
    ".jsx": ("tree_sitter_javascript", "language"),
    ".mjs": ("tree_sitter_javascript", "language"),
    ".ts": ("tree_sitter_typescript", "language_typescript"),
    ".tsx": ("tree_sitter_typescript", "language_tsx"),
    ".java": ("tree_sitter_java", "language"),
    ".c": ("tree_sitter_c", "language"),
    ".h": ("tree_sitter_c", "language"),
    ".cpp": ("tree_sitter_cpp", "language"),
    ".cc": ("tree_sitter_cpp", "language"),
    ".hpp": ("tree_sitter_cpp", "language"),
    ".go": ("tree_sitter_go", "language"),
    ".rs": ("tree_sitter_rust", "language"),
}
_DEFINITIONS = (
    "function", "class", "method", "struct", "impl", "interface", "enum", "trait", "module",
    "namespace", "decorated", "constructor", "mod_item",
)  # fmt: skip
_LONG_LINES = 60  # a class this long is cut between its methods


def code_reader(suffix: str) -> partial[Iterator[Record | Failure]]:
    """Give the reader of a language."""
    return partial(read_code, suffix)


def read_code(suffix: str, blob: Blob) -> Iterator[Record | Failure]:
    """Give the functions and classes of a file, and what stands between ("lines=10-42", from 1)."""
    text = load_text(blob)
    if not text.strip():
        raise UnreadableError("NoText", "the file holds no text, only white space")
    lines = list(io.StringIO(text, newline="\n"))
    pieces = [
        (begin, end)
        for begin, end in pairwise(_cuts(text, suffix, len(lines)))
        if any(line.strip() for line in lines[begin:end])
    ]
    for index, (begin, end) in enumerate(pieces):
        locator = f"lines={begin + 1}-{end}"
        make = partial(_record, blob, "".join(lines[begin:end]), locator)
        yield attempt(blob, index, locator, make)


def _record(blob: Blob, text: str, locator: str) -> Record:
    return Record(locator, (Text(text),), blob.source.source, locator, blob.metadata)


def _cuts(text: str, suffix: str, num_lines: int) -> list[int]:
    import tree_sitter

    module, function = GRAMMARS[suffix]
    language = tree_sitter.Language(getattr(import_module(module), function)())
    tree = tree_sitter.Parser(language).parse(text.encode())
    rows = {0, num_lines}
    _collect(tree.root_node, rows, 0)
    return sorted(row for row in rows if row <= num_lines)


def _collect(node: Node, rows: set[int], depth: int) -> None:
    """Collect the rows before which a piece begins; a comment belongs to what follows it."""
    comment: int | None = None
    for child in node.children:
        begin, end = child.start_point[0], child.end_point[0] + 1
        if "comment" in child.type:
            comment = begin if comment is None else comment
            continue
        if _is_definition(child) and end - begin > 1:
            rows.update((begin if comment is None else comment, end))
            if end - begin > _LONG_LINES and depth < 4:
                _collect(child.child_by_field_name("body") or child, rows, depth + 1)
        elif child.type in ("decorated_definition", "export_statement") and depth < 4:
            _collect(child, rows, depth + 1)
        comment = None


def _is_definition(node: Node) -> bool:
    return node.is_named and any(word in node.type for word in _DEFINITIONS)
