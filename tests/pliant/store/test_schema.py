from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from pliant.errors import InvalidInputError
from pliant.store.expressions import among, equal
from pliant.store.rows import (
    MAX_CALL_BYTES,
    StoredRow,
    StoredRows,
    calls,
    clip,
    conform,
    convert,
    dynamic_kinds,
    kind_of,
    size_bytes,
)
from pliant.store.schema import (
    MAX_NOTED,
    CollectionSpec,
    FieldType,
    Layout,
    check_collection_name,
    dynamic_properties,
    shown_name,
    stored_name,
    stored_spec,
    to_layout,
    to_properties,
    typed_fields,
    unnoted,
)

SPEC = stored_spec(
    CollectionSpec(2, "space-a", "mini", "full", {"year": "int", "text": "string", "in": "int"})
)
LAYOUT = Layout("lite", SPEC, typed_fields(SPEC.metadata_fields, "lite"), {})


def convert_one(**metadata: object) -> tuple[dict[str, object], str]:
    row = StoredRow("k", "text", "a.txt", metadata=metadata)  # pyright: ignore[reportArgumentType]
    values, refused = convert(StoredRows("space-a", [row], np.ones((1, 2))), LAYOUT)
    return (values[0] if values else {}), refused.get("k", "")


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("year", "year"),
        ("text", "meta_text"),
        ("meta_text", "meta_meta_text"),
        ("meta", "meta"),
        ("meta_year", "meta_year"),
        ("$x", "meta_$x"),
        ("_seq", "meta__seq"),
        ("vector", "meta_vector"),
    ],
)
def test_a_column_named_like_a_built_in_is_stored_aside_and_shown_under_its_name(
    name: str, stored: str
) -> None:
    assert stored_name(name) == stored
    assert shown_name(stored) == name


def test_a_column_that_cannot_be_a_field_lives_in_the_dynamic_field() -> None:
    kinds: dict[str, FieldType] = {"year": "int", "in": "int", "Größe (cm)": "float"}
    assert typed_fields(kinds, "lite") == {"year": "int"}


def test_an_old_server_has_no_typed_metadata() -> None:
    assert typed_fields({"year": "int"}, "milvus23") == {}


def test_the_properties_of_a_collection_describe_it() -> None:
    properties = {**to_properties(SPEC), **dynamic_properties({'a "b"': "json"})}
    fields = [{"name": "id"}, {"name": "year"}, {"name": "meta_text"}]
    layout = to_layout("c", {"properties": properties, "fields": fields}, "lite")
    assert layout.spec == SPEC
    assert layout.typed == {"year": "int", "meta_text": "string"}
    assert layout.dynamic == {'a "b"': "json"}
    assert layout.fields["in"] == "int"


def test_a_collection_of_somebody_else_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="not made by Pliant"):
        to_layout("c", {"properties": {}, "fields": []}, "lite")


def test_a_collection_of_a_later_schema_is_refused() -> None:
    properties = {**to_properties(SPEC), "pliant.schema": "9"}
    with pytest.raises(InvalidInputError, match="schema 9"):
        to_layout("c", {"properties": properties, "fields": []}, "lite")


@pytest.mark.parametrize("name", ["../x", "", "1a", "a b", "ä", "a" * 256])
def test_an_impossible_collection_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match="letters, digits and underscores"):
        check_collection_name(name)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("a", "string"),
        (1, "int"),
        (1.5, "float"),
        (True, "bool"),
        ([1, 2], "array<int>"),
        ([1, 2.5], "array<float>"),
        (["a"], "array<string>"),
        ([True], "array<bool>"),
        ([], "json"),
        ([1, "a"], "json"),
        ([1, None], "json"),
        ([1, True], "json"),
        ({"a": 1}, "json"),
    ],
)
def test_the_type_of_a_value(value: object, kind: str) -> None:
    assert kind_of(value) == kind  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("value", "kind", "fitted"),
    [
        (2.0, "int", 2),
        (2, "float", 2.0),
        (math.nan, "float", None),
        (math.nan, "json", None),
        (None, "int", None),
        (1984, "string", "1984"),
        (["a"], "string", '["a"]'),
        ("a\ud800", "string", "a?"),
        ([1, 2], "array<float>", [1.0, 2.0]),
        ({"a": math.inf}, "json", {"a": None}),
    ],
)
def test_a_value_takes_the_type_of_its_field(
    value: object, kind: FieldType, fitted: object
) -> None:
    given = conform("c", value, kind)  # pyright: ignore[reportArgumentType]
    assert (given, type(given)) == (fitted, type(fitted))


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("x", "int"),
        (2.5, "int"),
        (True, "int"),
        (1, "bool"),
        (2**63, "int"),
        ("x", "float"),
        ("x", "array<int>"),
        ([1, None], "array<int>"),
        ([1] * 5000, "array<int>"),
        ("x" * 65_536, "string"),
        ("é" * 40_000, "string"),
        ({"a": "x" * 70_000}, "json"),
        ({"a": 2**70}, "json"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_its_column(
    value: object, kind: FieldType
) -> None:
    with pytest.raises(InvalidInputError, match="'colour'"):
        conform("colour", value, kind)  # pyright: ignore[reportArgumentType]


def test_every_typed_field_is_filled_and_nulls_stay_out_of_the_dynamic_field() -> None:
    values, _ = convert_one(other=[1], nothing=None)
    assert (values["year"], values["other"], "nothing" in values) == (None, [1], False)


def test_metadata_never_replaces_a_built_in_field() -> None:
    values, _ = convert_one(text="mine", id="mine", source_key="mine")
    assert (values["id"], values["text"], values["meta_text"]) == ("k", "", "mine")


def test_a_bad_value_is_one_refused_row_with_a_reason() -> None:
    values, reason = convert_one(year="soon")
    assert not values
    assert reason == "metadata column 'year' is of type int, given 'soon' (string)"


def test_dynamic_metadata_together_has_a_limit() -> None:
    _, reason = convert_one(a="x" * 40_000, b="x" * 40_000)
    assert "bytes" in reason


def test_of_rows_with_one_key_the_last_counts() -> None:
    rows = [StoredRow("a", "text", "1"), StoredRow("b", "text", "2"), StoredRow("a", "text", "3")]
    values, _ = convert(StoredRows("space-a", rows, np.ones((3, 2))), LAYOUT)
    assert [one["source"] for one in values] == ["2", "3"]


@pytest.mark.parametrize("size", [65_534, 65_535, 65_536, 65_537])
def test_a_text_is_cut_between_characters_at_a_number_of_bytes(size: int) -> None:
    text = "a" + "é" * 40_000
    cut = clip(text, size)
    assert len(cut.encode()) in (size - 1, size)
    assert text.startswith(cut)


def test_calls_stay_below_ten_megabytes_and_keep_the_order() -> None:
    rows = [{"id": str(number), "text": "x" * 3_000_000} for number in range(10)]
    parts = list(calls(rows))
    assert [row["id"] for part in parts for row in part] == [str(number) for number in range(10)]
    assert all(sum(map(size_bytes, part)) <= MAX_CALL_BYTES for part in parts)
    assert len(parts) == 4


def test_a_row_above_the_limit_is_a_call_of_its_own() -> None:
    rows = [{"id": "a", "text": "x" * (MAX_CALL_BYTES + 1)}, {"id": "b"}]
    assert [len(part) for part in calls(rows)] == [1, 1]


def test_types_seen_in_several_rows_are_merged() -> None:
    seen = [{"a": 1}, {"a": 1.5, "b": "x"}, {"b": 1, "c": None}]
    rows = [StoredRow("k", "text", "s", metadata=one) for one in seen]
    assert dynamic_kinds(rows) == {"a": "float", "b": "json"}


def test_only_what_changes_a_type_is_noted() -> None:
    layout = dataclasses.replace(LAYOUT, dynamic={"a": "int", "b": "json"})
    seen: dict[str, FieldType] = {"a": "float", "b": "string", "c": "bool", "year": "string"}
    assert unnoted(layout, seen) == {"a": "float", "c": "bool"}


def test_the_number_of_noted_names_is_bounded() -> None:
    noted = unnoted(LAYOUT, {f"n{number}": "int" for number in range(1000)})
    assert len(noted) == MAX_NOTED


def test_values_in_conditions_are_escaped() -> None:
    assert equal("source_key", 'a" or id != "') == 'source_key == "a\\" or id != \\""'
    assert among("id", ["ä", "\\"]) == 'id in ["ä", "\\\\"]'
