"""Filter text to a tree. Knows the grammar, and no schema, parameter value or back end.

or      := and ("or" and)*
and     := not ("and" not)*
not     := "not" not | "(" or ")" | test
test    := operand (operator operand)+ | path tail | path
tail    := ["not"] ("in" values | "like" value | "contains" value | "contains_any" values
           | "contains_all" values) | "is" ["not"] "null"
operand := path | value
values  := "[" value ("," value)* "]" | parameter
path    := name ("." name)*
"""

from __future__ import annotations

from typing import cast

from pliant.store.filter_lexer import Token, tokenise
from pliant.store.filter_tree import (
    And,
    Compare,
    Contains,
    Expression,
    Leaf,
    Like,
    Literal,
    Member,
    Mode,
    Not,
    Null,
    Operator,
    Or,
    Parameter,
    Path,
    Truth,
    Value,
    refuse,
    shown,
)

MAX_DEPTH = 50
MAX_VALUES = 1_024

_MIRRORED: dict[str, Operator] = {
    "==": "==",
    "!=": "!=",
    "<": ">",
    "<=": ">=",
    ">": "<",
    ">=": "<=",
}
_TAILS = ("in", "like", "contains", "contains_any", "contains_all")


def parse(text: str) -> Expression:
    """Parse a filter.

    Raises:
        InvalidInputError: The text is not a filter, with the column, what was found and what fits.
    """
    if not text.strip():
        raise refuse(1, "it is empty; give a condition, or no filter at all.")
    parser = _Parser(tokenise(text))
    expression = parser.any_of(0)
    parser.finish()
    return expression


class _Parser:
    """Recursive descent over the tokens; `depth` counts open parentheses and `not`s."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._next = 0

    def finish(self) -> None:
        if self._peek().kind != "end":
            raise self._unexpected('"and", "or" or the end')

    def any_of(self, depth: int) -> Expression:
        terms = [self._all_of(depth)]
        while self._accept("or"):
            terms.append(self._all_of(depth))
        return _joined(Or, terms)

    def _all_of(self, depth: int) -> Expression:
        terms = [self._negated(depth)]
        while self._accept("and"):
            terms.append(self._negated(depth))
        return _joined(And, terms)

    def _negated(self, depth: int) -> Expression:
        if depth > MAX_DEPTH:
            raise refuse(self._peek().column, f"it is nested more than {MAX_DEPTH} levels deep.")
        if self._accept("not"):
            return Not(self._negated(depth + 1))
        if self._accept("("):
            expression = self.any_of(depth + 1)
            self._expect(")", '"and", "or" or ")"')
            return expression
        return self._test()

    def _test(self) -> Expression:
        left = self._operand("a condition")
        if self._peek().text in _MIRRORED and self._peek().kind == "symbol":
            return self._comparisons(left)
        if isinstance(left, Path):
            return self._tail(left)
        raise self._unexpected(f"a comparison after the value {_written(left)}")

    def _comparisons(self, left: Path | Value) -> Expression:
        terms: list[Expression] = []
        while (token := self._peek()).kind == "symbol" and token.text in _MIRRORED:
            self._next += 1
            right = self._operand("a field or a value")
            terms.append(_compare(left, cast("Operator", token.text), right, token))
            left = right
        return _joined(And, terms)

    def _tail(self, path: Path) -> Expression:
        if self._accept("is"):
            negative = self._accept("not") is not None
            self._expect("null", '"null"' if negative else '"null" or "not null"')
            return Not(Null(path)) if negative else Null(path)
        negative = self._accept("not") is not None
        token = self._peek()
        if token.kind == "keyword" and token.text in _TAILS:
            self._next += 1
            test = self._test_of(path, token)
            return Not(test) if negative else test
        if negative:
            raise self._unexpected('"in", "like" or "contains" after "not"')
        return Truth(path)

    def _test_of(self, path: Path, token: Token) -> Leaf:
        match token.text:
            case "like":
                return Like(path, self._value("a string"))
            case "contains":
                if self._peek().text == "[":
                    raise self._unexpected(
                        'one value; "contains_any" and "contains_all" take lists'
                    )
                return Contains(path, "contains", (self._value("a value"),), token.column)
            case "in":
                return Member(path, self._values(), token.column)
            case _:
                return Contains(path, cast("Mode", token.text), self._values(), token.column)

    def _values(self) -> tuple[Value, ...] | Parameter:
        if self._peek().kind == "parameter":
            token = self._take()
            return Parameter(str(token.value), token.column)
        start = self._expect("[", "a list in [ ] or a parameter").column
        if self._peek().text == "]":
            raise self._unexpected("at least one value")
        values = [self._value("a value")]
        while self._accept(","):
            values.append(self._value("a value"))
        self._expect("]", '"," or "]"')
        if len(values) > MAX_VALUES:
            raise refuse(start, f"the list has {len(values)} values; {MAX_VALUES} are allowed.")
        return tuple(values)

    def _operand(self, expected: str) -> Path | Value:
        if self._peek().kind == "name":
            return self._path()
        return self._value(expected)

    def _path(self) -> Path:
        first = self._take()
        parts = [str(first.value)]
        while self._accept("."):
            if self._peek().kind != "name":
                raise self._unexpected('a key after "."; quote unusual ones with `backticks`')
            parts.append(str(self._take().value))
        return Path(tuple(parts), first.column)

    def _value(self, expected: str) -> Value:
        token = self._peek()
        if token.kind == "literal":
            self._next += 1
            return Literal(token.value, token.column)
        if token.kind == "parameter":
            self._next += 1
            return Parameter(str(token.value), token.column)
        raise self._unexpected(expected)

    def _peek(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._tokens[self._next]
        self._next += 1
        return token

    def _accept(self, text: str) -> Token | None:
        token = self._peek()
        return self._take() if token.text == text and token.kind in ("keyword", "symbol") else None

    def _expect(self, text: str, expected: str) -> Token:
        token = self._accept(text)
        if token is None:
            raise self._unexpected(expected)
        return token

    def _unexpected(self, expected: str) -> Exception:
        token = self._peek()
        found = "the filter ends" if token.kind == "end" else f"found {_shown_token(token)}"
        return refuse(token.column, f"expected {expected}, but {found}.{_hint(token)}")


def _compare(left: Path | Value, operator: Operator, right: Path | Value, token: Token) -> Compare:
    match left, right:
        case Path(), Literal() | Parameter():
            return Compare(left, operator, right)
        case Literal() | Parameter(), Path():
            return Compare(right, _MIRRORED[operator], left)
        case _:
            both = "two fields" if isinstance(left, Path) else "two values"
            raise refuse(
                token.column, f'"{operator}" stands between a field and a value, not {both}.'
            )


def _joined(kind: type[And] | type[Or], terms: list[Expression]) -> Expression:
    if len(terms) == 1:
        return terms[0]
    flat: list[Expression] = []
    for term in terms:
        flat.extend(term.terms if isinstance(term, kind) else (term,))
    return kind(tuple(flat))


def _written(value: Path | Value) -> str:
    return shown(value.value) if isinstance(value, Literal) else "of a parameter"


def _shown_token(token: Token) -> str:
    return token.text[:40] if token.kind in ("literal", "parameter") else shown(token.text)


def _hint(token: Token) -> str:
    if token.text == "null":
        return ' A null is found with "is null".'
    if token.kind == "keyword":
        return f" A field with this name is written `{token.text}`."
    lower = token.text.lower()
    if token.kind == "name" and lower in ("and", "or", "not", "in", "like", "is", "null"):
        return " Keywords are in lower case."
    return ""
