"""A checked filter on a row in memory: the meaning that every back end has to reproduce."""

from __future__ import annotations

import operator
from collections.abc import Mapping

from pliant.store.filter_like import read_pattern
from pliant.store.filter_tree import (
    And,
    Compare,
    Contains,
    Expression,
    Leaf,
    Like,
    Literal,
    Member,
    Not,
    Null,
    Or,
    Path,
    Scalar,
)

_OPERATORS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def truth(expression: Expression, row: Mapping[str, object]) -> bool | None:
    """True, false, or None where a null leaves it unknown (Kleene's three-valued logic)."""
    match expression:
        case And(terms):
            return _all([truth(term, row) for term in terms])
        case Or(terms):
            return _negated(_all([_negated(truth(term, row)) for term in terms]))
        case Not(term):
            return _negated(truth(term, row))
        case Null(path):
            return _value(path, row) is None
        case _:
            value = _value(expression.path, row)
            return None if value is None else _leaf_truth(expression, value)


def _leaf_truth(leaf: Leaf, value: object) -> bool | None:
    match leaf:
        case Compare(_, comparison, Literal(wanted)):
            return _OPERATORS[comparison](value, wanted) if _alike(value, wanted) else None
        case Member(_, values):
            same = [value == v if _alike(value, v) else None for v in _scalars(values)]
            return _negated(_all([_negated(one) for one in same]))
        case Like(_, Literal(pattern)):
            return read_pattern(str(pattern)).matches(value) if isinstance(value, str) else None
        case Contains(_, mode, values):
            found = [isinstance(value, list) and v in value for v in _scalars(values)]
            return all(found) if mode == "contains_all" else any(found)
    raise AssertionError(f"{leaf} was not checked")


def _value(path: Path, row: Mapping[str, object]) -> object:
    value: object = row
    for part in path.parts:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _alike(value: object, wanted: Scalar) -> bool:
    """Whether the two can be compared; true and false are the numbers 1 and 0."""
    return isinstance(value, str if isinstance(wanted, str) else int | float)


def _all(truths: list[bool | None]) -> bool | None:
    if False in truths:
        return False
    return None if None in truths else True


def _negated(value: bool | None) -> bool | None:
    return None if value is None else not value


def _scalars(values: object) -> list[Scalar]:
    assert isinstance(values, tuple), "parameters are bound before a filter is evaluated"
    return [value.value for value in values]
