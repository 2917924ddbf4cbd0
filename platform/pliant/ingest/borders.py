"""Where a text may be cut: before headings, after sentences, lines and words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_HEADING = re.compile(r"^#{1,6}[ \t]+\S[^\n]*\n?", re.MULTILINE)
_CLOSERS = "\"')\\]\u2019\u201d\u00bb"
_WIDE_STOPS = "\u3002\uff01\uff1f"
_WIDE_CLOSERS = _CLOSERS + "\u300d\u300f\uff09"
_SENTENCE = re.compile(
    rf"(?<=[.!?\u2026])[{_CLOSERS}]*+\s++(?=[^\sa-z])"
    rf"|(?<=[{_WIDE_STOPS}])[{_WIDE_CLOSERS}]*+\s*+"
    r"|\n[ \t\r]*+\n\s*+"
)
_LINE = re.compile(r"\n\s*+")


@dataclass(frozen=True, slots=True)
class Borders:
    """Sorted indices of the tokens before which a text may be cut.

    Attributes:
        headings: a heading begins.
        sentences: a sentence, a paragraph or a heading begins.
        lines: a line begins.
        words: a word begins.
    """

    headings: list[int]
    sentences: list[int]
    lines: list[int]
    words: list[int]


def find_borders(text: str, starts: list[int]) -> Borders:
    """Find the borders of a text whose tokens begin at `starts`."""
    headings = [(found.start(), found.end()) for found in _HEADING.finditer(text)]
    bodies = {_skip_space(text, end) for _, end in headings}
    begins = {begin for begin, _ in headings}
    inside = {found.end() for found in _SENTENCE.finditer(text)} - bodies
    sentences = sorted(inside | begins)
    return Borders(
        headings=_indices(sorted(begins), starts),
        sentences=_indices(sentences, starts),
        lines=_indices((found.end() for found in _LINE.finditer(text)), starts),
        words=[
            index
            for index, start in enumerate(starts)
            if start and (text[start].isspace() or text[start - 1].isspace())
        ],
    )


def _skip_space(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _indices(positions: Iterable[int], starts: list[int]) -> list[int]:
    """Turn positions into indices of the first token at or after each, in one walk."""
    indices: list[int] = []
    index = 0
    for position in positions:
        while index < len(starts) and starts[index] < position:
            index += 1
        if index and (not indices or indices[-1] != index):
            indices.append(index)
    return indices
