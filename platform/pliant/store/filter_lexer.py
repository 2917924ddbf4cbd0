"""Filter text to tokens. Knows no grammar."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Literal as OneOf

from pliant.store.filter_tree import KEYWORDS, Scalar, refuse, shown

MAX_LENGTH = 16_384

Kind = OneOf["keyword", "name", "literal", "parameter", "symbol", "end"]


@dataclass(frozen=True, slots=True)
class Token:
    """A word of the filter; `value` is what it stands for, `text` how it was written."""

    kind: Kind
    text: str
    value: Scalar
    column: int


_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\r\n]+)
    | (?P<string>"(?:[^"\\]|\\.)*")
    | (?P<quoted>`(?:[^`]|``)+`)
    | (?P<parameter>\{[^\W\d]\w*\})
    | (?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![\w.]))
    | (?P<word>[^\W\d]\w*)
    | (?P<symbol>==|!=|<=|>=|[<>()\[\],.])
    """,
    re.VERBOSE | re.DOTALL,
)
_HINTS = {
    "=": 'a comparison is written "=="',
    "&": 'write "and"',
    "|": 'write "or"',
    "!": 'write "not"',
    "'": "strings stand in double quotes",
    '"': "the string is not closed",
    "`": "a quoted name needs text and a closing `",
    "{": "a parameter is written {name}",
    "}": "a parameter is written {name}",
    "%": 'the wildcard "%" stands inside the string after "like"',
}
_MAX_DIGITS = 400


def tokenise(text: str) -> list[Token]:
    """Split a filter into tokens; the last one is the end.

    Raises:
        InvalidInputError: Something in the text is no word of the language, with its column.
    """
    if len(text) > MAX_LENGTH:
        raise refuse(MAX_LENGTH + 1, f"it has {len(text)} characters; {MAX_LENGTH} are allowed.")
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _unknown(text, position)
        if match.lastgroup != "space":
            tokens.append(_token(match))
        position = match.end()
    tokens.append(Token("end", "", "", len(text) + 1))
    return tokens


def is_unicode(text: str) -> bool:
    """Whether the text can be written as UTF-8 (it holds no lone surrogate)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _token(match: re.Match[str]) -> Token:
    text, column = match.group(), match.start() + 1
    match match.lastgroup:
        case "string":
            return Token("literal", text, _string(text, column), column)
        case "number":
            return Token("literal", text, _number(text, column), column)
        case "quoted":
            return Token("name", text, _quoted(text, column), column)
        case "parameter":
            return Token("parameter", text, text[1:-1], column)
        case "symbol":
            return Token("symbol", text, text, column)
        case _:
            return _word(text, column)


def _word(text: str, column: int) -> Token:
    if text in ("true", "false"):
        return Token("literal", text, text == "true", column)
    return Token("keyword" if text in KEYWORDS else "name", text, text, column)


def _quoted(text: str, column: int) -> str:
    if not is_unicode(text):
        raise refuse(column, f"{shown(text)} is not valid Unicode.")
    return text[1:-1].replace("``", "`")


def _string(text: str, column: int) -> str:
    try:
        value = json.loads(text)
    except ValueError as error:
        reason = "escapes are those of JSON, and a line break is written \\n"
        raise refuse(column, f"the string {shown(text)} cannot be read; {reason}.") from error
    if not is_unicode(value):
        raise refuse(column, f"the string {shown(value)} is not valid Unicode.")
    return value


def _number(text: str, column: int) -> int | float:
    if len(text) > _MAX_DIGITS:
        raise refuse(column, f"the number {text[:20]}… has {len(text)} characters.")
    return int(text) if text.lstrip("-").isdecimal() else float(text)


def _unknown(text: str, position: int) -> Exception:
    found = text[position]
    if found.isdigit() or found == "-":
        word = re.match(r"-?[\w.]*", text[position:])
        number = word.group() if word else found
        return refuse(position + 1, f"{shown(number)} is not a number; write 5, -5, 0.5 or 1e9.")
    hint = _HINTS.get(found, "names that are not plain words stand in `backticks`")
    return refuse(position + 1, f"{shown(found)} is not expected; {hint}.")
