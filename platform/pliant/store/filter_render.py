"""A checked filter to the expression language of one back end.

Negation is pushed down to the tests, so that what is rendered needs two truth values where the
language has three: `holds` is true on the rows where a filter is true, `fails` where it is false,
and neither where a null makes it unknown. Every literal goes through `literal`.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from typing import Literal as OneOf

from pliant.store.filter_check import MAX_INT, FilterSchema
from pliant.store.filter_like import Pattern, after_prefix, read_pattern
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
    Operator,
    Or,
    Path,
    Scalar,
    path_text,
    refuse,
    shown,
)

Backend = OneOf["lite", "milvus", "milvus23"]

_OPPOSITE: dict[str, Operator] = {
    "==": "!=",
    "!=": "==",
    "<": ">=",
    ">=": "<",
    ">": "<=",
    "<=": ">",
}
_COMPARISONS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t"})
_RESERVED = frozenset(
    ("and", "or", "not", "in", "like", "is", "null", "true", "false", "exists", "iso", "interval")
)
_BACKEND_NAMES = {
    "lite": "Milvus Lite",
    "milvus": "Milvus",
    "milvus23": "Milvus before 2.6",
}


def render(expression: Expression, schema: FilterSchema, backend: Backend) -> str:
    """Write a checked filter for a back end.

    Raises:
        InvalidInputError: This back end cannot do it, with the reason.
    """
    return _Renderer(schema, backend).holds(expression)


def literal(value: Scalar) -> str:
    """A value as every back end reads it; a string can hold anything and stays one string."""
    if isinstance(value, str):
        return f'"{value.translate(_ESCAPES)}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)


@dataclass(frozen=True, slots=True)
class _Renderer:
    schema: FilterSchema
    backend: Backend

    def holds(self, expression: Expression) -> str:
        """True on the rows where the expression is true."""
        match expression:
            case And(terms):
                return _all_of([self.holds(term) for term in terms])
            case Or(terms):
                return _any_of([self.holds(term) for term in terms])
            case Not(term):
                return self.fails(term)
            case Null(path):
                return self._is_null(path)
            case _:
                return self._guarded(expression, self._leaf_holds(expression))

    def fails(self, expression: Expression) -> str:
        """True on the rows where the expression is false, and not where it is unknown."""
        match expression:
            case And(terms):
                return _any_of([self.fails(term) for term in terms])
            case Or(terms):
                return _all_of([self.fails(term) for term in terms])
            case Not(term):
                return self.holds(term)
            case Null(path):
                return self._guarded(expression, self._is_not_null(path))
            case _:
                return self._guarded(expression, self._leaf_fails(expression))

    def _leaf_holds(self, leaf: Leaf) -> str:
        match leaf:
            case Compare(path, comparison, Literal(value)):
                return self._comparison(path, comparison, value)
            case Member(path, values) if self._is_json(path):
                return _any_of([self._comparison(path, "==", v) for v in _scalars(values)])
            case Member(path, values):
                return f"{self._column(path)} in {_list(_scalars(values))}"
            case Like(path, Literal(text)):
                return self._like(path, read_pattern(str(text)))
            case Contains():
                return self._contains(leaf)
        raise AssertionError(f"{leaf} was not checked")

    def _leaf_fails(self, leaf: Leaf) -> str:
        match leaf:
            case Compare(path, comparison, Literal(value)):
                return self._comparison(path, _OPPOSITE[comparison], value)
            case Member(path, values) if self._is_json(path):
                return _all_of([self._comparison(path, "!=", v) for v in _scalars(values)])
            case Member(path, values):
                outside = f"{self._column(path)} not in {_list(_scalars(values))}"
                return self._known(path, outside)
            case Like(path, Literal(text)):
                return self._not_like(path, read_pattern(str(text)))
            case Contains(path):
                return self._known(path, f"not ({self._contains(leaf)})")
        raise AssertionError(f"{leaf} was not checked")

    def _comparison(self, path: Path, comparison: Operator, value: Scalar) -> str:
        """A comparison; on a JSON value, false on values of another type.

        No back end tells a missing value from a different one in JSON, so "!=" is "< or >" there.
        Milvus Lite takes true for 1 and false for 0 and a server does not; it is told to.
        """
        column = self._column(path)
        if not self._is_json(path):
            return f"{column} {comparison} {literal(value)}"
        if self.backend == "lite" and isinstance(value, bool) and comparison == "==":
            return f"{column} == {literal(value)}"
        bound = int(value) if isinstance(value, bool) else value
        signs = ("<", ">") if comparison == "!=" else (comparison,)
        terms = [f"{column} {sign} {literal(bound)}" for sign in signs]
        if self.backend != "lite" and not isinstance(bound, str):
            as_numbers = ((False, 0), (True, 1))
            matches = _COMPARISONS[comparison]
            terms += [f"{column} == {literal(b)}" for b, n in as_numbers if matches(n, bound)]
        return _any_of(terms)

    def _like(self, path: Path, pattern: Pattern) -> str:
        if pattern.exact is not None:
            return self._comparison(path, "==", pattern.exact)
        if pattern.prefix is not None and pattern.has_literal_wildcard:
            end = after_prefix(pattern.prefix)
            terms = [self._comparison(path, ">=", pattern.prefix)]
            return _all_of(terms + ([self._comparison(path, "<", end)] if end else []))
        return f"{self._column(path)} like {literal(self._pattern(path, pattern))}"

    def _not_like(self, path: Path, pattern: Pattern) -> str:
        if pattern.exact is not None:
            return self._comparison(path, "!=", pattern.exact)
        if pattern.prefix is not None:
            end = after_prefix(pattern.prefix)
            terms = [self._comparison(path, "<", pattern.prefix)]
            return _any_of(terms + ([self._comparison(path, ">=", end)] if end else []))
        differs = f"not ({self._like(path, pattern)})"
        return _all_of([self._is_string(path), differs]) if self._is_json(path) else differs

    def _pattern(self, path: Path, pattern: Pattern) -> str:
        if self.backend == "milvus23" and pattern.prefix is None:
            reason = 'like works only with one "%" at the end'
            raise refuse(path.column, f"{_BACKEND_NAMES[self.backend]}: {reason}.")
        if self.backend == "lite" and pattern.has_literal_wildcard:
            reason = 'a literal "%", "_" or backslash works only in a pattern like "text%"'
            raise refuse(path.column, f"{_BACKEND_NAMES[self.backend]}: {reason}.")
        return pattern.written()

    def _contains(self, test: Contains) -> str:
        values = _scalars(test.values)
        if not self._is_json(test.path):
            return self._contains_call("array", test.mode, self._column(test.path), values)
        if self.backend == "lite":
            return self._lite_json_contains(test, values)
        column = self._column(test.path)
        if all(isinstance(value, str) for value in values):
            return self._contains_call("json", test.mode, column, values)
        terms = [
            _any_of([f"json_contains({column}, {literal(v)})" for v in _equals(value)])
            for value in values
        ]
        return _all_of(terms) if test.mode == "contains_all" else _any_of(terms)

    def _lite_json_contains(self, test: Contains, values: list[Scalar]) -> str:
        """Milvus Lite wants a plain name here, and looks into a string that holds JSON text."""
        name, keys = test.path.name, test.path.keys
        if not _is_plain(name):
            reason = f"contains does not work on the field {shown(name)}, which is no plain name"
            raise refuse(test.path.column, f"{_BACKEND_NAMES[self.backend]}: {reason}.")
        call = self._contains_call("json", test.mode, name + self._keys(keys, test.path), values)
        if not keys and name not in self.schema.dynamic:
            return call
        return _all_of([call, f"not ({self._is_string(test.path)})"])

    def _contains_call(self, kind: str, mode: str, column: str, values: list[Scalar]) -> str:
        """A call of the back end's function; Milvus Lite takes negative numbers only in a list."""
        if mode == "contains" and self.backend != "lite":
            return f"{kind}_contains({column}, {literal(values[0])})"
        function = "contains_any" if mode == "contains" else mode
        return f"{kind}_{function}({column}, {_list(values)})"

    def _is_null(self, path: Path) -> str:
        self._need_nulls(path)
        test = f"{self._column(path)} is null"
        if self._may_hold_json_text(path):
            return _any_of([self._is_string(path.base), test])
        return test

    def _is_not_null(self, path: Path) -> str:
        self._need_nulls(path)
        return f"{self._column(path)} is not null"

    def _need_nulls(self, path: Path) -> None:
        if self.backend == "milvus23":
            raise refuse(path.column, f"{_BACKEND_NAMES[self.backend]} has no is null.")

    def _known(self, path: Path, test: str) -> str:
        """The test, on the rows that have a value."""
        if self.backend == "milvus23":
            return (
                _all_of([f"(exists {self._column(path)})", test]) if self._is_open(path) else test
            )
        if path.keys or self.schema.may_be_null(path.name):
            return _all_of([f"{self._column(path)} is not null", test])
        return test

    def _guarded(self, leaf: Leaf, test: str) -> str:
        if not self._may_hold_json_text(leaf.path):
            return test
        return _all_of([f"not ({self._is_string(leaf.path.base)})", test])

    def _may_hold_json_text(self, path: Path) -> bool:
        """Milvus Lite looks for keys in a dynamic string of JSON text, and a server does not."""
        dynamic = path.name in self.schema.dynamic
        return self.backend == "lite" and dynamic and bool(path.keys)

    def _is_string(self, path: Path) -> str:
        return f'{self._column(path)} like "%"'

    def _is_json(self, path: Path) -> bool:
        name = path.name
        return name in self.schema.dynamic or self.schema.fields[name] == "json"

    def _is_open(self, path: Path) -> bool:
        return bool(path.keys) or path.name in self.schema.dynamic

    def _column(self, path: Path) -> str:
        name, keys = path.name, path.keys
        if name in self.schema.dynamic:
            return "$meta" + self._keys(path.parts, path)
        if not _is_plain(name):
            reason = f"it cannot name the field {shown(name)} in a filter"
            raise refuse(path.column, f"{_BACKEND_NAMES[self.backend]}: {reason}.")
        return name + self._keys(keys, path)

    def _keys(self, keys: tuple[str, ...], path: Path) -> str:
        for key in keys:
            if self.backend != "lite" and re.search(r'[\\"\[\]\x00-\x1f]', key):
                reason = f"it cannot find the key {shown(key)} of {path_text(path)}"
                raise refuse(path.column, f"{_BACKEND_NAMES[self.backend]}: {reason}.")
        return "".join(f"[{literal(key)}]" for key in keys)


def _equals(value: Scalar) -> list[Scalar]:
    """Everything in JSON that equals the value: 1 is 1.0 and true, to us and not to a server."""
    if isinstance(value, str):
        return [value]
    if abs(value) > MAX_INT or value != int(value):
        return [value]
    return [int(value), float(value), *([bool(value)] if value in (0, 1) else [])]


def _is_plain(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) is not None and (
        name.lower() not in _RESERVED
    )


def _scalars(values: object) -> list[Scalar]:
    assert isinstance(values, tuple), "parameters are bound before a filter is rendered"
    return [value.value for value in values]


def _list(values: list[Scalar]) -> str:
    return "[{}]".format(", ".join(map(literal, values)))


def _all_of(tests: list[str]) -> str:
    return tests[0] if len(tests) == 1 else "({})".format(" and ".join(tests))


def _any_of(tests: list[str]) -> str:
    return tests[0] if len(tests) == 1 else "({})".format(" or ".join(tests))
