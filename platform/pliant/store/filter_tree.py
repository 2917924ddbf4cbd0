"""The nodes of a parsed filter, and their way back to text. Knows no schema and no back end."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal as OneOf

from pliant.errors import InvalidInputError

Scalar = str | int | float | bool
Operator = OneOf["==", "!=", "<", "<=", ">", ">="]
Mode = OneOf["contains", "contains_any", "contains_all"]

_MODES = ("contains", "contains_any", "contains_all")
KEYWORDS = frozenset(("and", "or", "not", "in", "like", "is", "null", "true", "false", *_MODES))


@dataclass(frozen=True, slots=True)
class Literal:
    """A value written in the filter, or brought by a parameter."""

    value: Scalar
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Parameter:
    """`{name}`: a value that comes beside the filter."""

    name: str
    column: int = field(default=0, compare=False)


Value = Literal | Parameter


@dataclass(frozen=True, slots=True)
class Path:
    """A field, and the keys below it: `meta.lang` is `("meta", "lang")`."""

    parts: tuple[str, ...]
    column: int = field(default=0, compare=False)

    @property
    def name(self) -> str:
        """The field itself."""
        return self.parts[0]

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys below the field."""
        return self.parts[1:]

    @property
    def base(self) -> Path:
        """The path to the field itself."""
        return Path(self.parts[:1], self.column)


@dataclass(frozen=True, slots=True)
class Truth:
    """A field that stands alone as a condition: `draft`."""

    path: Path


@dataclass(frozen=True, slots=True)
class Compare:
    """`path operator value`."""

    path: Path
    operator: Operator
    value: Value


@dataclass(frozen=True, slots=True)
class Member:
    """`path in values`."""

    path: Path
    values: tuple[Value, ...] | Parameter
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Like:
    """`path like pattern`."""

    path: Path
    pattern: Value


@dataclass(frozen=True, slots=True)
class Null:
    """`path is null`."""

    path: Path


@dataclass(frozen=True, slots=True)
class Contains:
    """`path contains value`, or any or all of several values."""

    path: Path
    mode: Mode
    values: tuple[Value, ...] | Parameter
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    """`not term`."""

    term: Expression


@dataclass(frozen=True, slots=True)
class And:
    """All of the terms, none of which is itself an And."""

    terms: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of the terms, none of which is itself an Or."""

    terms: tuple[Expression, ...]


Leaf = Truth | Compare | Member | Like | Null | Contains
Expression = Leaf | Not | And | Or


def map_leaves(expression: Expression, change: Callable[[Leaf], Leaf]) -> Expression:
    """The same expression with every test changed."""
    match expression:
        case And(terms):
            return And(tuple(map_leaves(term, change) for term in terms))
        case Or(terms):
            return Or(tuple(map_leaves(term, change) for term in terms))
        case Not(term):
            return Not(map_leaves(term, change))
        case _:
            return change(expression)


def refuse(column: int, message: str) -> InvalidInputError:
    """The error for a filter that cannot work, with its 1-based column."""
    return InvalidInputError(f"Filter, column {column}: {message}")


def shown(value: object, limit: int = 40) -> str:
    """A value as the filter language writes it, cut to `limit` characters."""
    text = json.dumps(value, ensure_ascii=False, default=repr)
    text = text.encode(errors="backslashreplace").decode()
    return text if len(text) <= limit else f"{text[:limit]}…"


def to_text(expression: Expression) -> str:
    """The filter that parses to `expression`."""
    match expression:
        case And(terms):
            return " and ".join(_enclosed(t) if isinstance(t, Or) else to_text(t) for t in terms)
        case Or(terms):
            return " or ".join(to_text(term) for term in terms)
        case Not(Null(path)):
            return f"{path_text(path)} is not null"
        case Not(And() | Or() as term):
            return f"not {_enclosed(term)}"
        case Not(term):
            return f"not {to_text(term)}"
        case _:
            return _leaf_text(expression)


def path_text(path: Path) -> str:
    """A path as the filter language writes it."""
    return ".".join(_name_text(part) for part in path.parts)


def _leaf_text(leaf: Leaf) -> str:
    match leaf:
        case Truth():
            test = ""
        case Compare(_, operator, value):
            test = f" {operator} {_value_text(value)}"
        case Member(_, values):
            test = f" in {_values_text(values)}"
        case Like(_, pattern):
            test = f" like {_value_text(pattern)}"
        case Null():
            test = " is null"
        case Contains(_, "contains", (value,)):
            test = f" contains {_value_text(value)}"
        case Contains(_, mode, values):
            test = f" {mode} {_values_text(values)}"
    return path_text(leaf.path) + test


def _enclosed(expression: Expression) -> str:
    return f"({to_text(expression)})"


def _name_text(name: str) -> str:
    plain = name.isidentifier() and name not in KEYWORDS
    return name if plain else "`{}`".format(name.replace("`", "``"))


def _values_text(values: tuple[Value, ...] | Parameter) -> str:
    if isinstance(values, Parameter):
        return _value_text(values)
    return "[{}]".format(", ".join(_value_text(value) for value in values))


def _value_text(value: Value) -> str:
    if isinstance(value, Parameter):
        return f"{{{value.name}}}"
    return json.dumps(value.value, ensure_ascii=False)
