"""The patterns of `like`: `%` is any run of characters, `_` one; a backslash makes them literal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from pliant.store.filter_tree import refuse, shown

_LAST = chr(0x10FFFF)
_SURROGATES = range(0xD800, 0xE000)


class Wildcard(Enum):
    """What stands for characters that are not known."""

    RUN = "%"
    ONE = "_"


@dataclass(frozen=True, slots=True)
class Pattern:
    """Literal texts and wildcards in turn; no two texts and no two RUNs are neighbours."""

    parts: tuple[str | Wildcard, ...]

    @property
    def exact(self) -> str | None:
        """The one string that matches, when there is only one."""
        match self.parts:
            case ():
                return ""
            case (str(text),):
                return text
            case _:
                return None

    @property
    def prefix(self) -> str | None:
        """What matching strings begin with, when they may end in any way."""
        match self.parts:
            case (Wildcard.RUN,):
                return ""
            case (str(text), Wildcard.RUN):
                return text
            case _:
                return None

    @property
    def has_literal_wildcard(self) -> bool:
        """Whether a literal text holds a character that patterns give a meaning to."""
        return any(isinstance(part, str) and re.search(r"[%_\\]", part) for part in self.parts)

    def matches(self, text: str) -> bool:
        """Whether the whole text fits the pattern."""
        return re.fullmatch(self._expression(), text, re.DOTALL) is not None

    def _expression(self) -> str:
        """A regular expression that never backtracks beyond one run.

        The first place that fits a text between two runs is as good as any later one, so each of
        them is an atomic group, as in the standard library's fnmatch.
        """
        segments = [""]
        for part in self.parts:
            if part is Wildcard.RUN:
                segments.append("")
            else:
                segments[-1] += "." if isinstance(part, Wildcard) else re.escape(part)
        first, *others = segments
        if not others:
            return first
        *middle, last = others
        return first + "".join(f"(?>.*?{segment})" for segment in middle) + f".*{last}"

    def written(self) -> str:
        """The pattern as text, with a backslash before literal `%`, `_` and backslashes."""
        return "".join(
            part.value if isinstance(part, Wildcard) else re.sub(r"([%_\\])", r"\\\1", part)
            for part in self.parts
        )


def read_pattern(text: str, column: int = 0) -> Pattern:
    """Read a `like` pattern.

    Raises:
        InvalidInputError: A backslash stands before anything but `%`, `_` and a backslash.
    """
    parts: list[str | Wildcard] = []
    characters = iter(text)
    for character in characters:
        if character in "%_":
            part = Wildcard(character)
            if part is Wildcard.ONE or not parts or parts[-1] is not part:
                parts.append(part)
            continue
        literal = _escaped(characters, text, column) if character == "\\" else character
        _extend(parts, literal)
    return Pattern(tuple(parts))


def after_prefix(prefix: str) -> str | None:
    """The first string, by code points, beyond all that begin with `prefix`, if any."""
    kept = prefix.rstrip(_LAST)
    if not kept:
        return None
    following = ord(kept[-1]) + 1
    return kept[:-1] + chr(_SURROGATES.stop if following in _SURROGATES else following)


def _escaped(characters: Iterator[str], text: str, column: int) -> str:
    following = next(characters, "")
    if following not in ("%", "_", "\\"):
        message = 'a backslash stands before "%", "_" or a backslash only'
        raise refuse(column, f"in the pattern {shown(text)}, {message}.")
    return following


def _extend(parts: list[str | Wildcard], character: str) -> None:
    if parts and isinstance(last := parts[-1], str):
        parts[-1] = last + character
    else:
        parts.append(character)
