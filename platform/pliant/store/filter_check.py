"""A parsed filter against a schema: fields exist, types fit, parameters are filled in.

What comes out has no parameters and no bare fields, and its numbers have the type of their field.
Knows no back end.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pliant.errors import InvalidInputError
from pliant.store.filter_bind import bind
from pliant.store.filter_like import read_pattern
from pliant.store.filter_tree import (
    Compare,
    Contains,
    Expression,
    Leaf,
    Like,
    Literal,
    Member,
    Null,
    Operator,
    Parameter,
    Path,
    Scalar,
    Truth,
    Value,
    map_leaves,
    path_text,
    refuse,
    shown,
)
from pliant.store.schema import FieldType

MAX_INT = 2**63 - 1
MAX_STRING = 65_535
_MAX_NAMES_SHOWN = 30


@dataclass(frozen=True, slots=True)
class FilterSchema:
    """The fields a filter may name.

    Args:
        fields: Each field's type.
        nullable: Typed fields that may hold nulls.
        dynamic: Fields that live in Milvus's dynamic field. Rows may lack them.
    """

    fields: Mapping[str, FieldType]
    nullable: frozenset[str] = field(default=frozenset())
    dynamic: frozenset[str] = field(default=frozenset())

    def may_be_null(self, name: str) -> bool:
        """Whether a row may lack a value of this field."""
        return name in self.nullable or name in self.dynamic


def check(
    expression: Expression, schema: FilterSchema, params: Mapping[str, object] | None
) -> Expression:
    """Fill the parameters in, and prove that the filter fits the schema.

    Raises:
        InvalidInputError: An unknown field or parameter, or a value of the wrong type.
    """
    bound = bind(expression, params or {})
    return map_leaves(bound, lambda leaf: _checked(leaf, schema))


def element_type(kind: FieldType) -> str:
    """The type of an array's elements, or of the field itself."""
    return kind.removeprefix("array<").removesuffix(">")


def _checked(leaf: Leaf, schema: FilterSchema) -> Leaf:
    match leaf:
        case Truth(path):
            return _checked_truth(path, schema)
        case Compare(path, operator, value):
            return _checked_compare(path, operator, _literal(value), schema)
        case Member(path, values):
            kind = _scalar_type(path, schema, '"in"')
            return Member(path, tuple(_fitted(path, kind, _literal(v)) for v in _many(values)))
        case Like(path, pattern):
            return _checked_like(path, _literal(pattern), schema)
        case Null(path):
            _type_of(path, schema)
            return leaf
        case Contains():
            return _checked_contains(leaf, schema)


def _checked_truth(path: Path, schema: FilterSchema) -> Compare:
    kind = _type_of(path, schema)
    if kind != "bool" and not _is_open(path, kind, schema):
        name = path_text(path)
        raise refuse(
            path.column, f"{name} is {kind}, and only a bool field is a condition by itself."
        )
    return Compare(path, "==", Literal(True, path.column))


def _checked_compare(
    path: Path, operator: Operator, value: Literal, schema: FilterSchema
) -> Compare:
    kind = _scalar_type(path, schema, f'"{operator}"')
    ordered = operator not in ("==", "!=")
    if ordered and (kind == "bool" or isinstance(value.value, bool)):
        name = path_text(path)
        raise refuse(
            value.column, f'"{operator}" does not order bools; {name} takes "==" and "!=".'
        )
    if kind == "int" and ordered and isinstance(value.value, float):
        return Compare(path, operator, _whole_bound(path, operator, value))
    return Compare(path, operator, _fitted(path, kind, value))


def _checked_like(path: Path, pattern: Literal, schema: FilterSchema) -> Like:
    kind = _scalar_type(path, schema, '"like"')
    if kind not in ("string", "json"):
        name = path_text(path)
        raise refuse(path.column, f'"like" is for strings, and {name} is {kind}.')
    if not isinstance(pattern.value, str):
        raise refuse(pattern.column, f'"like" takes a string, not {_described(pattern.value)}.')
    read_pattern(pattern.value, pattern.column)
    return Like(path, _fitted(path, "string", pattern))


def _checked_contains(test: Contains, schema: FilterSchema) -> Contains:
    kind = _type_of(test.path, schema)
    if kind != "json" and not kind.startswith("array"):
        instead = ' Use like "%…%" for a part of a string.' if kind == "string" else ""
        name = path_text(test.path)
        message = f'"{test.mode}" is for arrays, and {name} is {kind}.{instead}'
        raise refuse(test.path.column, message)
    element = element_type(kind)
    values = tuple(_fitted(test.path, element, _literal(value)) for value in _many(test.values))
    return Contains(test.path, test.mode, values, test.column)


def _scalar_type(path: Path, schema: FilterSchema, operation: str) -> str:
    kind = _type_of(path, schema)
    name = path_text(path)
    if kind.startswith("array"):
        message = f"{operation} does not work on {name}, which is {kind}; use contains."
        raise refuse(path.column, message)
    if kind == "json" and not _is_open(path, kind, schema):
        message = (
            f"{operation} does not work on {name}, which is json; name a key in it: {name}.key."
        )
        raise refuse(path.column, message)
    return kind


def _is_open(path: Path, kind: str, schema: FilterSchema) -> bool:
    """Whether the value's type is known only when a row is read."""
    return kind == "json" and (bool(path.keys) or path.name in schema.dynamic)


def _type_of(path: Path, schema: FilterSchema) -> FieldType:
    name = path.name
    if name not in schema.fields:
        raise _unknown_field(name, path.column, schema)
    kind = schema.fields[name]
    if kind != "json" and path.keys:
        raise refuse(path.column, f"{name} is {kind}, and only a json field has keys below it.")
    return kind


def _unknown_field(name: str, column: int, schema: FilterSchema) -> InvalidInputError:
    names = sorted(schema.fields)
    nearest = difflib.get_close_matches(name, names, n=1)
    meant = f" Did you mean {nearest[0]}?" if nearest else ""
    listed = ", ".join(names[:_MAX_NAMES_SHOWN]) + (", …" if len(names) > _MAX_NAMES_SHOWN else "")
    return refuse(column, f"there is no field {shown(name)}.{meant} Fields: {listed or 'none'}.")


def _fitted(path: Path, kind: str, literal: Literal) -> Literal:
    """The literal as a value of `kind`, or an error."""
    value = literal.value
    match kind, value:
        case "json", _:
            fitted = value
        case ("string", str()) | ("bool", bool()):
            fitted = value
        case ("string" | "bool", _) | (_, bool() | str()):
            raise _misfit(path, kind, literal)
        case "int", float() if not value.is_integer():
            raise refuse(
                literal.column, f"{path_text(path)} is int, and {value} is no whole number."
            )
        case "int", _:
            fitted = int(value)
        case _:
            fitted = _as_float(value, literal.column)
    return Literal(_within_limits(fitted, literal.column), literal.column)


def _whole_bound(path: Path, operator: Operator, literal: Literal) -> Literal:
    """The whole number that bounds an int field as `literal` does: `x < 2.5` is `x < 3`."""
    value = float(literal.value)
    _within_limits(value, literal.column)
    bound = math.ceil(value) if operator in ("<", ">=") else math.floor(value)
    return _fitted(path, "int", Literal(bound, literal.column))


def _as_float(value: int | float, column: int) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise refuse(column, "the number is larger than a float can be.") from error


def _within_limits(value: Scalar, column: int) -> Scalar:
    if isinstance(value, float) and not math.isfinite(value):
        raise refuse(column, f"{value} is not a finite number.")
    if isinstance(value, int) and abs(value) > MAX_INT:
        raise refuse(column, f"whole numbers lie between -{MAX_INT} and {MAX_INT}.")
    if isinstance(value, str) and len(value) > MAX_STRING:
        raise refuse(column, f"a string of {len(value)} characters; {MAX_STRING} are allowed.")
    return value


def _misfit(path: Path, kind: str, literal: Literal) -> InvalidInputError:
    wanted = {"string": "a string", "bool": "true or false"}.get(kind, "a number")
    message = f"{path_text(path)} takes {wanted}, not {_described(literal.value)}."
    return refuse(literal.column, message)


def _described(value: Scalar) -> str:
    names = {str: "the string", bool: "the bool", int: "the number", float: "the number"}
    return f"{names[type(value)]} {shown(value)}"


def _literal(value: Value) -> Literal:
    assert isinstance(value, Literal), "parameters are bound before types are checked"
    return value


def _many(values: tuple[Value, ...] | Parameter) -> Sequence[Value]:
    assert isinstance(values, tuple), "parameters are bound before types are checked"
    return values
