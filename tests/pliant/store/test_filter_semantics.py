"""Filters on a real Milvus Lite against the evaluator, which is the meaning of the language."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path as FilePath

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymilvus import DataType, MilvusClient

from pliant.errors import InvalidInputError
from pliant.store.filter_syntax import parse
from pliant.store.filter_tree import (
    And,
    Compare,
    Contains,
    Expression,
    Like,
    Literal,
    Member,
    Not,
    Null,
    Or,
    Path,
    Truth,
    to_text,
)
from pliant.store.filters import FieldType, FilterSchema, Params, compile_filter, evaluate

Row = dict[str, object]
Query = Callable[[str, Params | None], set[str]]

TYPED: dict[str, FieldType] = {
    "id": "string",
    "modality": "string",
    "title": "string",
    "year": "int",
    "score": "float",
    "draft": "bool",
    "meta": "json",
    "tags": "array<string>",
    "sizes": "array<int>",
    "marks": "array<float>",
    "flags": "array<bool>",
}
DYNAMIC: dict[str, FieldType] = {
    "lang": "string",
    "hits": "int",
    "extra": "json",
    "labels": "array<string>",
    "odd key": "float",
    "like": "bool",
}
SCHEMA = FilterSchema(
    fields=TYPED | DYNAMIC,
    nullable=frozenset(TYPED) - {"id", "modality"},
    dynamic=frozenset(DYNAMIC),
)

STRINGS = [
    *[
        "",
        "a",
        "b",
        "ab",
        "A",
        "a%b",
        "a_b",
        "axb",
        "50%",
        "50% off",
        "500",
        "é",
        "e\u0301",
        "日本",
    ],
    *["\U0001f600", "\U0010ffff", "\ud7ff", "it's", 'say "hi"', "\\", "a\\b", "\\n", "two\nlines"],
    *["tab\t", "\r", "\x00", "\u2028", "[1]", '{"x": 1}', "true", "null", "1", '" or id != "'],
]
INTS = [0, 1, -1, 5, 2020, -7, 2**53 + 1, -(2**53) - 1, 2**63 - 1]
FLOATS = [0.0, 1.0, -1.5, 0.1, 5.0, 2020.0, 1e300, -1e-7, 2.0**53]
SCALARS = [*STRINGS[:20], *INTS, *FLOATS, True, False]
KEYS = ["k", "n", "odd \"'\\]key[", "日本"]

Choose = random.Random


def _json(choose: Choose, depth: int = 2) -> object:
    kind = choose.randrange(8 if depth else 5)
    if kind == 0:
        return None
    if kind < 5:
        return choose.choice(SCALARS)
    if kind < 6:
        return [choose.choice(SCALARS) for _ in range(choose.randrange(4))]
    return {key: _json(choose, depth - 1) for key in KEYS if choose.random() < 0.6}


def _array(choose: Choose, values: list[object]) -> object:
    return choose.sample(values, choose.randrange(4))


def _row(number: int) -> Row:
    choose = Choose(number)
    pool: dict[str, Callable[[], object]] = {
        "title": lambda: choose.choice(STRINGS),
        "year": lambda: choose.choice(INTS),
        "score": lambda: choose.choice(FLOATS),
        "draft": lambda: choose.choice([True, False]),
        "meta": lambda: {key: _json(choose) for key in KEYS if choose.random() < 0.8},
        "tags": lambda: _array(choose, [*STRINGS]),
        "sizes": lambda: _array(choose, [*INTS]),
        "marks": lambda: _array(choose, [*FLOATS]),
        "flags": lambda: _array(choose, [True, False, True]),
        "lang": lambda: choose.choice(STRINGS),
        "hits": lambda: choose.choice(INTS),
        "extra": lambda: _json(choose),
        "labels": lambda: _array(choose, [*STRINGS]),
        "odd key": lambda: choose.choice([*FLOATS, *INTS]),
        "like": lambda: choose.choice([True, False]),
    }
    row: Row = {"id": f"row-{number}", "modality": choose.choice(["image", "text"])}
    row |= {name: make() if choose.random() < 0.75 else None for name, make in pool.items()}
    return {name: value for name, value in row.items() if value is not None or name in TYPED}


_JSON_TEXTS: list[Row] = [
    {"extra": "[1, 2]", "meta": {"k": "[1, 2]"}},
    {"extra": '{"k": 5}', "meta": {"k": '{"n": 5}'}},
    {"extra": {"k": "[1, 2]"}, "meta": {"n": {"k": [1, 2]}}},
]
ROWS = [_row(number) for number in range(61)] + [
    _row(number) | json_text for number, json_text in enumerate(_JSON_TEXTS, start=61)
]

_MILVUS_TYPES = {
    "string": DataType.VARCHAR,
    "int": DataType.INT64,
    "float": DataType.DOUBLE,
    "bool": DataType.BOOL,
    "json": DataType.JSON,
}


def _create(client: MilvusClient) -> None:
    schema = client.create_schema(enable_dynamic_field=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)
    for name, kind in TYPED.items():
        options: dict[str, object] = {"nullable": name in SCHEMA.nullable, "max_length": 200}
        element = kind.removeprefix("array<").removesuffix(">")
        if element != kind:
            options |= {"element_type": _MILVUS_TYPES[element], "max_capacity": 10}
        data_type = _MILVUS_TYPES[kind] if element == kind else DataType.ARRAY
        schema.add_field(name, data_type, is_primary=name == "id", **options)
    indexes = client.prepare_index_params()
    indexes.add_index("vector", index_type="FLAT", metric_type="IP")
    indexes.add_index("year", index_type="INVERTED")
    client.create_collection("rows", schema=schema, index_params=indexes)


@pytest.fixture(scope="module")
def query(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Query]:
    folder: FilePath = tmp_path_factory.mktemp("filters")
    client = MilvusClient(uri=str(folder / "lite.db"))
    _create(client)
    rows = [row | {"vector": [1.0, 0.0]} for row in ROWS]
    client.insert("rows", rows[:32])
    client.flush("rows")
    client.insert("rows", rows[32:])

    def ids(text: str, params: Params | None = None) -> set[str]:
        expression = compile_filter(text, SCHEMA, params, "lite")
        found = client.query("rows", filter=expression, output_fields=["id"], limit=1000)
        return {row["id"] for row in found}

    yield ids
    client.close()


def expected(text: str, params: Params | None = None) -> set[str]:
    return {str(row["id"]) for row in ROWS if evaluate(text, row, SCHEMA, params)}


def literals(kind: str) -> st.SearchStrategy[Literal]:
    text = st.sampled_from(STRINGS) | st.text(max_size=3)
    whole = st.sampled_from(INTS) | st.integers(-(2**63) + 1, 2**63 - 1)
    real = st.sampled_from(FLOATS) | st.floats(allow_nan=False, allow_infinity=False)
    by_kind: dict[str, st.SearchStrategy[str | int | float | bool]] = {
        "string": text,
        "int": whole,
        "float": real | whole,
        "bool": st.booleans(),
        "json": st.sampled_from(SCALARS) | text | whole | real,
    }
    return by_kind[kind].map(Literal)


def several(kind: str) -> st.SearchStrategy[tuple[Literal, ...]]:
    return st.lists(literals(kind), min_size=1, max_size=4).map(tuple)


@st.composite
def paths(draw: st.DrawFn) -> tuple[Path, str]:
    name = draw(st.sampled_from([*SCHEMA.fields, "meta", "meta", "extra"]))
    kind = SCHEMA.fields[name]
    fewest = 1 if name == "meta" else 0
    keys = st.lists(st.sampled_from(KEYS), min_size=fewest, max_size=2)
    return Path((name, *(draw(keys) if kind == "json" else ()))), kind


PATTERNS = (
    st.lists(st.sampled_from(["%", "_", "a", "b", "50", "\\%", "\\_", "\\\\", "\n", "é", '"']))
    .map("".join)
    .map(Literal)
)


@st.composite
def leaves(draw: st.DrawFn) -> Expression:
    path, kind = draw(paths())
    tests: list[st.SearchStrategy[Expression]] = [st.just(Null(path))]
    if kind.startswith("array") or kind == "json":
        element = kind.removeprefix("array<").removesuffix(">")
        one = literals(element).map(lambda value: (value,))
        tests.append(st.builds(Contains, st.just(path), st.just("contains"), one))
        modes = st.sampled_from(["contains_any", "contains_all"])
        tests.append(st.builds(Contains, st.just(path), modes, several(element)))
    if not kind.startswith("array"):
        equal = st.sampled_from(["==", "!="])
        tests.append(st.builds(Compare, st.just(path), equal, literals(kind)))
        tests.append(st.builds(Member, st.just(path), several(kind)))
    if kind in ("string", "json"):
        tests.append(st.builds(Like, st.just(path), PATTERNS))
    if kind in ("bool", "json"):
        tests.append(st.just(Truth(path)))
    if kind in ("string", "int", "float", "json"):
        order = st.sampled_from(["<", "<=", ">", ">="])
        ordered = literals(kind).filter(lambda value: not isinstance(value.value, bool))
        tests.append(st.builds(Compare, st.just(path), order, ordered))
    return draw(st.one_of(tests))


def joined(kind: type[And] | type[Or], terms: list[Expression]) -> Expression:
    flat: list[Expression] = []
    for term in terms:
        flat.extend(term.terms if isinstance(term, kind) else (term,))
    return kind(tuple(flat))


def grown(terms: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    some = st.lists(terms, min_size=2, max_size=3)
    kinds: st.SearchStrategy[type[And] | type[Or]] = st.sampled_from([And, Or])
    return st.builds(Not, terms) | st.builds(joined, kinds, some)


EXPRESSIONS = st.recursive(leaves(), grown, max_leaves=5)
UNRULY = (
    st.text(max_size=8) | st.text("\"\\'`%_[]{}()$\n\x00=<>", max_size=8) | st.sampled_from(STRINGS)
)
QUICK = settings(
    max_examples=100, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
THOROUGH = settings(QUICK, max_examples=2_000)


def agrees(query: Query, tree: Expression) -> None:
    text = to_text(tree)
    found = found_or_refused(query, text)
    if isinstance(found, str):
        assert "Milvus Lite" in found
    else:
        assert found == expected(text)


def found_or_refused(query: Query, text: str) -> set[str] | str:
    try:
        return query(text, None)
    except InvalidInputError as refusal:
        return str(refusal)


@QUICK
@given(tree=EXPRESSIONS)
def test_milvus_lite_finds_the_rows_that_the_evaluator_passes(query: Query, tree: Expression):
    agrees(query, tree)


@pytest.mark.slow
@THOROUGH
@given(tree=EXPRESSIONS)
def test_milvus_lite_and_the_evaluator_agree_on_many_filters(query: Query, tree: Expression):
    agrees(query, tree)


@QUICK
@given(tree=EXPRESSIONS)
def test_a_filter_written_out_parses_to_itself(tree: Expression):
    again = parse(to_text(tree))

    assert again == tree
    assert to_text(again) == to_text(tree)


@QUICK
@given(value=UNRULY)
def test_a_string_is_only_ever_a_value(query: Query, value: str):
    equal = {row["id"] for row in ROWS if row["title"] == value}
    tagged = {row["id"] for row in ROWS if value in (row["tags"] or ())}  # type: ignore[operator]

    assert query(f"title == {json.dumps(value)}", None) == equal
    assert query("title == {value}", {"value": value}) == equal
    assert query("title in {values}", {"values": [value, value]}) == equal
    assert query("tags contains {value}", {"value": value}) == tagged


@QUICK
@given(key=UNRULY.filter(bool), value=UNRULY)
def test_a_key_is_only_ever_a_key(query: Query, key: str, value: str):
    path = "meta.`{}`".format(key.replace("`", "``"))
    found = {row["id"] for row in ROWS if ((row["meta"] or {}).get(key)) == value}  # type: ignore[attr-defined]

    assert query(f"{path} == {{value}}", {"value": value}) == found


@pytest.mark.parametrize(
    "text",
    [
        "year not in [5]",
        "not (year in [5])",
        "not (year < 5)",
        'title not like "a%"',
        'title not like "%b"',
        'not (tags contains "a")',
        "not draft",
        "not (meta.k == 1)",
        'not (meta.k like "%b")',
        "not (meta.n.k in [5, 2020])",
        "not (hits > 1)",
        "not (extra.k < 5)",
        'not (labels contains "a")',
        'not (meta.k contains "a")',
    ],
)
def test_negation_leaves_out_the_rows_without_a_value(query: Query, text: str):
    found = query(text, None)

    assert found == expected(text)
    assert 0 < len(found) < len(ROWS)


@pytest.mark.parametrize(
    "text",
    [
        "extra contains 1",
        "extra not contains 1",
        "extra.k contains 1",
        "extra.k not contains 1",
        "meta.k contains 1",
        "meta.k not contains 1",
        "extra.k == 5",
        "extra.k != 5",
        "extra.k is null",
        "extra.k is not null",
        "meta.k.n == 5",
    ],
)
def test_a_string_of_json_text_is_a_string(query: Query, text: str):
    assert query(text, None) == expected(text)


def test_a_number_is_compared_exactly_beyond_the_precision_of_a_float(query: Query):
    big = {row["id"] for row in ROWS if row["year"] == 2**53 + 1}

    assert big
    assert query(f"year == {2**53 + 1}", None) == big
    assert query(f"year > {2.0**53!r} and year < {2**53 + 2}", None) == big


def test_the_deepest_allowed_filter_runs(query: Query):
    text = 'extra.k not contains "a"'
    for level in range(50):
        text = f"year > {level} {('and', 'or')[level % 2]} ({text})"

    assert query(text, None) == expected(text)


def test_the_longest_allowed_list_runs(query: Query):
    params = {"years": list(range(1_024))}
    years = {row["id"] for row in ROWS if row["year"] in (0, 1, 5)}

    assert query("year in {years}", params) == years
    assert query("hits in {years} or year in [0, 1, 5]", params) >= years
