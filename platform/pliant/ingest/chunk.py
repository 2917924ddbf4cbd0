"""Cutting the text of a record to a number of tokens, at headings and sentences where possible.

A chunk is an exact range of the text, `text[a:b]`, and its locator says so ("chars=a-b"). The
tokeniser is an argument: offsets of the tokens of a text, in order.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import replace

from pydantic import Field

from pliant.config import Config
from pliant.content import Image, Record, Text
from pliant.errors import InvalidInputError
from pliant.ingest.borders import Borders, find_borders

TokenOffsets = Callable[[str], list[tuple[int, int]]]

_MAX_ASCII = 60_000  # a store's text column holds 65,535 bytes
_MAX_CHARS = 15_000
_BLOCK = 32_768


class ChunkOptions(Config):
    """How long texts are cut."""

    chunk_tokens: int | None = Field(
        default=None, gt=0, description="Most tokens of a chunk; the model's limit by default."
    )
    chunk_overlap: int | None = Field(
        default=None, ge=0, description="Tokens shared by neighbours; an eighth by default."
    )


def chunk(
    record: Record, token_offsets: TokenOffsets, options: ChunkOptions, limit_tokens: int
) -> Iterator[Record]:
    """Cut a record's text into records of at most `chunk_tokens` and `limit_tokens` tokens.

    Only text and pages are cut: images, video and interleaved content pass unchanged. The text of
    a whole file always gets "chars=a-b"; a table row or a page only when it is split.

    Args:
        record: what to cut.
        token_offsets: start and end of each token of a text, without special tokens.
        options: sizes.
        limit_tokens: what the model takes.

    Raises:
        InvalidInputError: an overlap as large as the chunk.
    """
    limit, overlap = _sizes(options, limit_tokens)
    texts = [part.text for part in record.content if isinstance(part, Text)]
    if record.modality not in ("text", "page") or not texts:
        yield record
        return
    text = texts[0] if len(texts) == 1 else "\n".join(texts)
    spans = list(split(text, token_offsets, limit, overlap))
    whole_file = record.modality == "text" and not record.locator
    if len(spans) <= 1 and not whole_file:
        yield record
        return
    images = tuple(part for part in record.content if isinstance(part, Image))
    for index, (begin, end) in enumerate(spans or [(0, len(text))]):
        part = Text(text[begin:end])
        content = (*images, part) if index == 0 else (part,)
        yield _located(record, f"chars={begin}-{end}", content)


def split(
    text: str, token_offsets: TokenOffsets, limit: int, overlap: int
) -> Iterator[tuple[int, int]]:
    """Give the character ranges of the chunks of a text, in order."""
    if len(text) <= _char_limit(text) and len(token_offsets(text)) <= limit:
        begin = len(text) - len(text.lstrip())
        end = len(text.rstrip())
        if end > begin:
            yield begin, end
        return
    starts, ends = _tokens(text, token_offsets)
    borders = find_borders(text, starts)
    cutter = _Cutter(text, starts, ends, borders, token_offsets, limit)
    first, reached = 0, 0
    while reached < len(starts):
        cut = cutter.cut(first, reached)
        yield starts[first], ends[cut - 1]
        reached = cut
        first = cutter.next_first(first, cut, overlap) if cut < len(starts) else cut


class _Cutter:
    """Chooses where a chunk ends and where the next one begins; all positions are token indices."""

    def __init__(
        self,
        text: str,
        starts: list[int],
        ends: list[int],
        borders: Borders,
        token_offsets: TokenOffsets,
        limit: int,
    ) -> None:  # fmt: skip
        self._text, self._starts, self._ends = text, starts, ends
        self._borders, self._offsets, self._limit = borders, token_offsets, limit
        self._chars = _char_limit(text)

    def cut(self, first: int, reached: int) -> int:
        """Give the end of the chunk that begins at `first`: the best border that fits."""
        furthest = bisect_right(self._ends, self._starts[first] + self._chars)
        high = max(first + 1, min(first + self._limit, len(self._starts), furthest))
        while True:
            end = self._best(first, reached, high)
            excess = self._excess(first, end)
            if excess <= 0 or end <= first + 1:
                return end
            high = max(first + 1, end - max(excess, 1))
            reached = min(reached, high - 1)

    def next_first(self, first: int, cut: int, overlap: int) -> int:
        """Give the first token of the next chunk: whole sentences of the overlap if any fit."""
        low = max(first + 1, cut - overlap)
        for borders in (self._borders.sentences, self._borders.words):
            at = bisect_left(borders, low)
            if at < len(borders) and borders[at] < cut:
                return borders[at]
        return cut

    def _best(self, first: int, reached: int, high: int) -> int:
        if high >= len(self._starts):
            return high
        least = max(first, reached)
        half = max(least, first + self._limit // 2)
        if (found := _last(self._borders.headings, half, high)) is not None:
            return found
        for borders in (self._borders.sentences, self._borders.lines, self._borders.words):
            if (found := _last(borders, least, high)) is not None:
                return found
        return self._whole_character(least, high)

    def _whole_character(self, least: int, high: int) -> int:
        cut = high
        while cut > least + 1 and self._starts[cut] < self._ends[cut - 1]:
            cut -= 1
        return cut

    def _excess(self, first: int, end: int) -> int:
        piece = self._text[self._starts[first] : self._ends[end - 1]]
        return len(self._offsets(piece)) - self._limit


def _last(borders: list[int], above: int, high: int) -> int | None:
    at = bisect_right(borders, high) - 1
    return borders[at] if at >= 0 and borders[at] > above else None


def _sizes(options: ChunkOptions, limit_tokens: int) -> tuple[int, int]:
    limit = min(options.chunk_tokens or limit_tokens, limit_tokens)
    overlap = limit // 8 if options.chunk_overlap is None else options.chunk_overlap
    if overlap >= limit:
        raise InvalidInputError(
            f"chunk_overlap is {overlap}, but must be smaller than a chunk: {limit} tokens"
        )
    return limit, overlap


def _located(record: Record, chars: str, content: tuple[Image | Text, ...]) -> Record:
    locator = f"{record.locator};{chars}" if record.locator else chars
    name = f"{record.id};{chars}" if record.id else chars
    return replace(record, id=name, locator=locator, content=content)


def _char_limit(text: str) -> int:
    return _MAX_ASCII if text.isascii() else _MAX_CHARS


def _tokens(text: str, token_offsets: TokenOffsets) -> tuple[list[int], list[int]]:
    """Tokenise block by block, so that memory and time stay linear; no token is overlong."""
    starts, ends = [], []
    longest = _char_limit(text)
    begin = 0
    while begin < len(text):
        end = _block_end(text, begin)
        for low, high in token_offsets(text[begin:end]):
            for piece in range(begin + low, begin + high, longest):
                starts.append(piece)
                ends.append(min(piece + longest, begin + high))
        begin = end
    return starts, ends


def _block_end(text: str, begin: int) -> int:
    end = begin + _BLOCK
    if end >= len(text):
        return len(text)
    for mark in ("\n", " "):
        at = text.rfind(mark, begin + _BLOCK // 2, end)
        if at >= 0:
            return at
    return end
