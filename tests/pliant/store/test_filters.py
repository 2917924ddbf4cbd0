from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pliant.errors import InvalidInputError
from pliant.store.filter_like import after_prefix, read_pattern
from pliant.store.filter_syntax import parse
from pliant.store.filters import Backend, FilterSchema, Params, compile_filter, evaluate

SCHEMA = FilterSchema(
    fields={
        "modality": "string",
        "title": "string",
        "year": "int",
        "score": "float",
        "draft": "bool",
        "tags": "array<string>",
        "sizes": "array<int>",
        "meta": "json",
        "colour": "string",
        "size in cm": "int",
        "extra": "json",
        "like": "int",
    },
    nullable=frozenset({"title", "year", "draft", "tags", "meta"}),
    dynamic=frozenset({"colour", "size in cm", "extra"}),
)
ROW: dict[str, object] = {
    "modality": "image",
    "title": "Introduction",
    "year": 2021,
    "score": 0.5,
    "draft": False,
    "tags": ["a", "b"],
    "sizes": [],
    "meta": {"lang": "de", "n": 1, "on": True, "deep": {"list": [1, "x"]}, "none": None},
    "colour": "red",
    "size in cm": 3,
    "like": 7,
}
EMPTY: dict[str, object] = {"modality": "text", "score": 1.0, "sizes": [], "like": 0}


def refusal(text: str, params: Params | None = None, backend: Backend = "lite") -> str:
    with pytest.raises(InvalidInputError) as caught:
        compile_filter(text, SCHEMA, params, backend)
    return str(caught.value)


FIVE, FIVE_AS_FLOAT = 'json_contains(meta["n"], 5)', 'json_contains(meta["n"], 5.0)'


def outcome(action: Callable[[], object]) -> str:
    try:
        action()
    except InvalidInputError as error:
        return str(error)
    return "fine"


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("", 1, "empty"),
        ("  \n", 1, "empty"),
        ("year = 1", 6, '"=="'),
        ("year == 1 && draft", 11, '"and"'),
        ("year == 1 || draft", 11, '"or"'),
        ("!draft", 1, '"not"'),
        ("modality == 'image'", 13, "double quotes"),
        ('modality == "image', 13, "not closed"),
        ('title == "two\nlines"', 10, "\\n"),
        ('title == "\\x41"', 10, "JSON"),
        ('title == "\\ud800"', 10, "Unicode"),
        ("year == 007", 9, "not a number"),
        ("year == 1.", 9, "not a number"),
        ("year == - 1", 9, "not a number"),
        ("year == 5abc", 9, "not a number"),
        ("year == {1}", 9, "{name}"),
        ("year ==", 8, "the filter ends"),
        ("year == null", 9, "is null"),
        ("(year == 1", 11, "the filter ends"),
        ("year == 1)", 10, 'found ")"'),
        ("year == 1 draft", 11, 'found "draft"'),
        ("draft AND draft", 7, "lower case"),
        ("like == 1", 1, "`like`"),
        ("year in 5", 9, "a list in [ ]"),
        ("year in []", 10, "at least one value"),
        ("year in [1,]", 12, "a value"),
        ('tags contains ["a"]', 15, "contains_any"),
        ("year is 5", 9, '"null" or "not null"'),
        ("year not 5", 10, 'after "not"'),
        ("meta. == 1", 7, "a key"),
        ("5", 2, "a comparison"),
        ("1 < 2", 3, "two values"),
        ("year < score", 6, "two fields"),
        ("years == 1", 1, "Did you mean year?"),
        ("draft and nothing == 1", 11, "Fields: colour, draft,"),
        ('year == "x"', 9, 'not the string "x"'),
        ("year == true", 9, "not the bool true"),
        ("year == 2.5", 9, "no whole number"),
        ("year in [1, 2.5]", 13, "no whole number"),
        ("year == 9223372036854775808", 9, "9223372036854775807"),
        ("score == 1e999", 10, "finite"),
        ("title == 5", 10, "takes a string"),
        ("title", 1, "only a bool field"),
        ("draft < true", 9, "does not order bools"),
        ("meta.on < true", 11, "does not order bools"),
        ("draft == 1", 10, "true or false"),
        ('tags == "a"', 1, "use contains"),
        ("tags contains 5", 15, "takes a string"),
        ("tags contains_any [5]", 20, "takes a string"),
        ('title contains "a"', 1, "like"),
        ('year like "1%"', 1, "for strings"),
        ("title like 5", 12, "takes a string"),
        ('title like "a\\\\b"', 12, "a backslash"),
        ("meta == 1", 1, "meta.key"),
        ("year.month == 1", 1, "only a json field"),
        ('colour.x == "a"', 1, "only a json field"),
    ],
)
def test_a_filter_that_cannot_work_is_refused_with_its_column(text: str, column: int, said: str):
    message = refusal(text)

    assert message.startswith(f"Filter, column {column}: ")
    assert said in message


@pytest.mark.parametrize(
    ("text", "params", "said"),
    [
        ("year == {y}", None, "{y} is not given; given: none"),
        ("year == {y}", {"z": 1}, '{y} is not given; given: "z"'),
        ("draft", {"z": 1, "a": 2}, 'do not occur in it: "a", "z"'),
        ("year == {y}", {"y": [1]}, "a list stands only after"),
        ("title like {y}", {"y": ["a"]}, "a list stands only after"),
        ("tags contains {y}", {"y": ["a"]}, "a list stands only after"),
        ("year in [{y}]", {"y": [1]}, "a list stands only after"),
        ("year in {y}", {"y": 1}, "give a list"),
        ("year in {y}", {"y": "ab"}, "give a list"),
        ("year in {y}", {"y": []}, "has 0 values"),
        ("year in {y}", {"y": [1] * 1_025}, "has 1025 values"),
        ("year in {y}", {"y": [1, "a"]}, "takes a number"),
        ("year == {y}", {"y": "1 or draft"}, "takes a number"),
        ("year == {y}", {"y": float("nan")}, "no whole number"),
        ("score == {y}", {"y": float("inf")}, "finite"),
        ("score == {y}", {"y": 10**400}, "larger than a float"),
        ("title == {y}", {"y": "\ud800"}, "valid Unicode"),
        ("title == {y}", {"y": "a" * 65_536}, "65536 characters"),
        ("title == {y}", {"y": None}, "is null"),
        ("title == {y}", {"y": {"a": 1}}, "give a string"),
        ("title == {y}", {"y": b"a"}, "give a string"),
    ],
)
def test_a_parameter_that_does_not_fit_is_refused(text: str, params: Params, said: str):
    assert said in refusal(text, params)


def test_a_refusal_can_always_be_written_as_utf_8():
    assert refusal("title == {y}", {"y": "\ud800", "\ud801": 1}).encode()


def test_nesting_length_and_lists_are_limited():
    assert "50 levels" in refusal("(" * 51 + "draft" + ")" * 51)
    assert "50 levels" in refusal("not " * 51 + "draft")
    assert "50 levels" in refusal("(" * 16_000)
    assert "16385 characters" in refusal("d" * 16_385)
    assert "1025 values" in refusal(f"year in [{','.join(['1'] * 1_025)}]")
    assert compile_filter("(" * 50 + "draft" + ")" * 50, SCHEMA, None, "lite") == "draft == true"
    assert compile_filter(" and ".join(["draft"] * 1_500), SCHEMA, None, "lite")


@pytest.mark.parametrize(
    ("text", "backend", "rendered"),
    [
        ("1 < year <= 5", "lite", "(year > 1 and year <= 5)"),
        ("not (year < 5)", "lite", "year >= 5"),
        ("year < 2.5", "milvus", "year < 3"),
        ("year > 2.5", "milvus", "year > 2"),
        ("year >= 2.5", "lite", "year >= 3"),
        ("year <= -2.5", "lite", "year <= -3"),
        ("score >= 1", "milvus23", "score >= 1.0"),
        ("year not in [1, 2]", "lite", "(year is not null and year not in [1, 2])"),
        ("year not in [1, 2]", "milvus23", "year not in [1, 2]"),
        ('modality not in ["a"]', "lite", 'modality not in ["a"]'),
        ('meta.lang in ["a", "b"]', "lite", '(meta["lang"] == "a" or meta["lang"] == "b")'),
        ('meta.lang != "a"', "milvus", '(meta["lang"] < "a" or meta["lang"] > "a")'),
        ("meta.n == 1", "lite", 'meta["n"] == 1'),
        ("meta.n == 1", "milvus", '(meta["n"] == 1 or meta["n"] == true)'),
        ("meta.n >= 2020", "milvus", 'meta["n"] >= 2020'),
        ("`size in cm` > 2", "milvus", '$meta["size in cm"] > 2'),
        ('title like "50\\\\%%"', "milvus23", '(title >= "50%" and title < "50&")'),
        ('title like "%a\\\\_b"', "milvus", 'title like "%a\\\\_b"'),
        ('not title like "ab%"', "milvus23", '(title < "ab" or title >= "ac")'),
        ('title like "plain"', "lite", 'title == "plain"'),
        ("sizes contains -1", "lite", "array_contains_any(sizes, [-1])"),
        ("sizes contains -1", "milvus", "array_contains(sizes, -1)"),
        ("meta.n contains 1.5", "milvus", 'json_contains(meta["n"], 1.5)'),
        ("meta.n contains 5", "milvus", f"({FIVE} or {FIVE_AS_FLOAT})"),
        (
            'not meta.n contains "a"',
            "milvus23",
            '((exists meta["n"]) and not (json_contains(meta["n"], "a")))',
        ),
        ('tags not contains "a"', "milvus23", 'not (array_contains(tags, "a"))'),
        ('title == "\\u0022 or \\n\\\\"', "lite", 'title == "\\" or \\n\\\\"'),
    ],
)
def test_each_back_end_gets_what_it_understands(text: str, backend: Backend, rendered: str):
    assert compile_filter(text, SCHEMA, None, backend) == rendered


@pytest.mark.parametrize(
    ("text", "backend", "said"),
    [
        ("year is null", "milvus23", "no is null"),
        ("year is not null", "milvus23", "no is null"),
        ('title like "%a"', "milvus23", '"%" at the end'),
        ('title like "a_"', "milvus23", '"%" at the end'),
        ('title like "%50\\\\%"', "lite", "literal"),
        ("`size in cm` in [1] and `like` == 7", "lite", '"like"'),
        ("meta.`a]b` == 1", "milvus", "a]b"),
    ],
)
def test_what_a_back_end_cannot_do_is_refused_with_the_reason(
    text: str, backend: Backend, said: str
):
    message = refusal(text, backend=backend)

    assert message.startswith("Filter, column ")
    assert said in message


@pytest.mark.parametrize(
    "text",
    [
        'modality == "image" and year >= 2020 and meta.lang == "de" and title like "Intro%"',
        "not draft",
        "2020 < year <= 2021",
        "year == 2021.0 and score < 1",
        "year not in [1, 2]",
        'tags contains "a" and tags contains_any ["z", "b"] and tags contains_all ["a", "b"]',
        'tags not contains "z"',
        "sizes is not null and not (sizes contains 1)",
        "meta.n == 1 and meta.on == true and meta.on == 1 and meta.on",
        'meta.deep.list contains "x" and meta.deep.list contains 1.0',
        'not (meta.lang contains "d")',
        "meta.none is null and meta.lang.x is null and extra.x is null",
        "`size in cm` in [3] and `like` == 7",
        'title like "%duct_on" and title not like "%X%"',
        'title < "J"',
        "draft == false or year == 0",
    ],
)
def test_a_row_passes(text: str):
    assert evaluate(text, ROW, SCHEMA)


@pytest.mark.parametrize(
    "text",
    [
        "year == 1",
        "year != 1",
        "year < 1",
        "year in [1]",
        'title like "%"',
        'tags contains "a"',
        "draft",
        'meta.lang == "de"',
        'meta.lang like "d%"',
        "meta.lang in [1]",
        "meta.lang contains 1",
        'colour == "red"',
        "extra.x > 1",
    ],
)
def test_a_test_of_a_missing_value_is_false_and_so_is_its_negation(text: str):
    assert not evaluate(text, EMPTY, SCHEMA)
    assert not evaluate(f"not ({text})", EMPTY, SCHEMA)
    assert evaluate(f"({text}) or like_is_there", EMPTY | {"like_is_there": True}, _with_flag())
    assert not evaluate(
        f"not ({text}) and like_is_there", EMPTY | {"like_is_there": True}, _with_flag()
    )


def _with_flag() -> FilterSchema:
    return FilterSchema({**SCHEMA.fields, "like_is_there": "bool"}, SCHEMA.nullable, SCHEMA.dynamic)


@pytest.mark.parametrize(
    "text", ['meta.n == "1"', 'meta.n < "1"', "meta.lang != 5", 'meta.n like "1"', "meta.deep == 1"]
)
def test_a_json_value_of_another_type_is_like_a_missing_one(text: str):
    assert not evaluate(text, ROW, SCHEMA)
    assert not evaluate(f"not ({text})", ROW, SCHEMA)


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("", "", True),
        ("", "a", False),
        ("%", "", True),
        ("a%", "a\nb", True),
        ("_", "\U0001f600", True),
        ("_", "", False),
        ("a\\%", "a%", True),
        ("a\\%", "ab", False),
        ("a\\\\%", "a\\b", True),
        ("%a%b", "xaxb", True),
        ("%ab%ab", "ab", False),
        ("%a_%c", "aaabc", True),
        (".*", "ab", False),
    ],
)
def test_a_pattern_matches_the_whole_text(pattern: str, text: str, fits: bool):
    assert read_pattern(pattern).matches(text) is fits


@pytest.mark.timeout(10)
def test_a_pattern_of_many_runs_takes_no_exponential_time():
    assert not read_pattern("%a" * 30 + "%b").matches("a" * 5_000)


def test_the_end_of_a_prefix_is_the_next_string_without_it():
    assert after_prefix("ab") == "ac"
    assert after_prefix("a\U0010ffff") == "b"
    assert after_prefix("\ud7ff") == "\ue000"
    assert after_prefix("\U0010ffff") is None
    assert after_prefix("") is None


WORDS = [
    "year",
    "title",
    "meta",
    "and",
    "or",
    "not",
    "in",
    "is",
    "null",
    "like",
    "contains",
    "(",
    ")",
]
SYMBOLS = [
    "[",
    "]",
    ",",
    ".",
    "==",
    "<",
    "{x}",
    "`q`",
    '"s"',
    "1",
    "-2.5",
    "true",
    "\\",
    "'",
    "$",
    "%",
]


@settings(max_examples=300, deadline=None, database=None)
@given(
    text=st.text(max_size=40)
    | st.lists(st.sampled_from(WORDS + SYMBOLS), max_size=15).map(" ".join)
    | st.lists(st.sampled_from(WORDS + SYMBOLS), max_size=15).map("".join)
)
def test_any_text_parses_or_is_refused(text: str):
    assert outcome(lambda: parse(text)).startswith(("fine", "Filter, column "))


@settings(max_examples=200, deadline=None, database=None)
@given(text=st.text(max_size=30), params=st.dictionaries(st.text(max_size=2), st.text(max_size=5)))
def test_any_filter_is_compiled_or_refused(text: str, params: dict[str, str]):
    for candidate in (text, f"title == {text}", f"year in [{text}]", f"meta.{text}"):
        said = outcome(partial(compile_filter, candidate, SCHEMA, params, "milvus"))
        assert said.startswith(("fine", "Filter"))
