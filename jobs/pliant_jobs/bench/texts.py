"""Real English texts of given lengths, from what every installation has.

The text is Python's own language reference (`pydoc_data.topics`), the docstrings of the standard
library, and the descriptions of the installed packages. Nothing of it is committed or fetched.
"""

from __future__ import annotations

import ast
import os
import random
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path

_MIN_WORDS = 8
_MIN_LETTERS = 0.7


def real_texts(count: int, tokens: int) -> list[str]:
    """Give `count` different texts of about `tokens` tokens each."""
    return cut_texts([tokens] * count)


def cut_texts(lengths: Sequence[int]) -> list[str]:
    """Give one text per length in tokens, special tokens not counted; the same on every call."""
    counted = _counter()
    words = _stream()
    texts: list[str] = []
    for length in lengths:
        chosen: list[str] = []
        total = 0
        while total < length:
            word = next(words)
            chosen.append(word)
            total += counted(word)
        texts.append(" ".join(chosen))
    return texts


def _counter() -> Callable[[str], int]:
    import pliant

    encoder = pliant.load()

    @cache
    def count(word: str) -> int:
        return encoder.count_tokens(word)

    return count


def _stream() -> Iterator[str]:
    """Give the words of all paragraphs, without end: shuffled anew each time round."""
    chance = random.Random(7)  # noqa: S311 only an order
    paragraphs = list(dict.fromkeys(_paragraphs()))
    while True:
        chance.shuffle(paragraphs)
        for paragraph in paragraphs:
            yield from paragraph.split()


def _paragraphs() -> Iterator[str]:
    for text in _documents():
        for paragraph in re.split(r"\n\s*\n", text):
            words = paragraph.split()
            letters = sum(map(str.isalpha, paragraph)) / max(len(paragraph), 1)
            if len(words) >= _MIN_WORDS and letters > _MIN_LETTERS and max(map(len, words)) < 40:
                yield " ".join(words)


def _documents() -> Iterator[str]:
    from pydoc_data import topics

    yield from topics.topics.values()
    for path in sorted(Path(os.__file__).parent.glob("*.py")):
        yield from _docstrings(path)
    installed = {found.metadata["Name"]: found for found in metadata.distributions()}
    for name in sorted(installed):
        yield installed[name].read_text("METADATA") or ""


def _docstrings(path: Path) -> Iterator[str]:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, kinds) and (text := ast.get_docstring(node)):
            yield text
