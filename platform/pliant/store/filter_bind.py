"""Parameters to literals. A parameter becomes a value and can become nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pliant.errors import InvalidInputError
from pliant.store.filter_lexer import is_unicode
from pliant.store.filter_syntax import MAX_VALUES
from pliant.store.filter_tree import (
    Compare,
    Contains,
    Expression,
    Leaf,
    Like,
    Literal,
    Member,
    Parameter,
    Scalar,
    Value,
    map_leaves,
    refuse,
    shown,
)


def bind(expression: Expression, params: Mapping[str, object]) -> Expression:
    """Replace every `{name}` by the literal of that name.

    Raises:
        InvalidInputError: A parameter is unknown, unused or of a type that is no value.
    """
    used: set[str] = set()
    bound = map_leaves(expression, lambda leaf: _bound(leaf, params, used))
    if unused := sorted(set(params) - used, key=str):
        names = ", ".join(map(shown, unused))
        raise InvalidInputError(f"Filter: these parameters do not occur in it: {names}.")
    return bound


def _bound(leaf: Leaf, params: Mapping[str, object], used: set[str]) -> Leaf:
    match leaf:
        case Compare(_, _, value):
            return replace(leaf, value=_one(value, params, used))
        case Like(_, pattern):
            return replace(leaf, pattern=_one(pattern, params, used))
        case Member(_, values) | Contains(_, _, values):
            return replace(leaf, values=_many(values, params, used))
        case _:
            return leaf


def _one(value: Value, params: Mapping[str, object], used: set[str]) -> Literal:
    if isinstance(value, Literal):
        return value
    given = _given(value, params, used)
    if isinstance(given, (list, tuple)):
        allowed = "a list stands only after in, contains_any and contains_all"
        raise refuse(value.column, f"parameter {{{value.name}}} is a list; {allowed}.")
    return Literal(_scalar(given, value), value.column)


def _many(
    values: tuple[Value, ...] | Parameter, params: Mapping[str, object], used: set[str]
) -> tuple[Literal, ...]:
    if isinstance(values, tuple):
        return tuple(_one(value, params, used) for value in values)
    given = _given(values, params, used)
    if not isinstance(given, (list, tuple)):
        raise refuse(values.column, f"parameter {{{values.name}}} is {shown(given)}; give a list.")
    if not 0 < len(given) <= MAX_VALUES:
        message = f"parameter {{{values.name}}} has {len(given)} values; give 1 to {MAX_VALUES}."
        raise refuse(values.column, message)
    return tuple(Literal(_scalar(item, values), values.column) for item in given)


def _given(parameter: Parameter, params: Mapping[str, object], used: set[str]) -> object:
    if parameter.name not in params:
        given = ", ".join(sorted(map(shown, params))) or "none"
        message = f"parameter {{{parameter.name}}} is not given; given: {given}."
        raise refuse(parameter.column, message)
    used.add(parameter.name)
    return params[parameter.name]


def _scalar(given: object, parameter: Parameter) -> Scalar:
    """The value as a plain Python one, so that no subclass decides how it is written."""
    if isinstance(given, bool):
        return given
    if isinstance(given, str) and is_unicode(given):
        return str.__str__(given)
    if isinstance(given, int):
        return int(given)
    if isinstance(given, float):
        return float(given)
    hint = "; a null is found with is null" if given is None else ""
    message = f"parameter {{{parameter.name}}} is {shown(given)}; "
    raise refuse(
        parameter.column, f"{message}give a string in valid Unicode, a number or a bool{hint}."
    )
