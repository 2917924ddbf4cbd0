"""The filter language: text, checked against a schema, to a back end's expression or to a verdict.

The language stands in this folder's README. Nothing here opens a store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pliant.store.filter_check import FieldType, FilterSchema, check
from pliant.store.filter_evaluate import truth
from pliant.store.filter_render import Backend, render
from pliant.store.filter_syntax import parse
from pliant.store.filter_tree import Scalar

__all__ = ["Backend", "FieldType", "FilterSchema", "Params", "compile_filter", "evaluate"]

Params = Mapping[str, Scalar | Sequence[Scalar]]


def compile_filter(text: str, schema: FilterSchema, params: Params | None, backend: Backend) -> str:
    """Turn a filter into the expression that a back end takes.

    Args:
        text: The filter.
        schema: The fields it may name.
        params: The value of each `{name}` in the text.
        backend: "lite", "milvus" (2.6 and later) or "milvus23" (2.3 to 2.5).

    Raises:
        InvalidInputError: It is no filter, does not fit the schema or the parameters, or this back
            end cannot do it.
    """
    return render(check(parse(text), schema, params), schema, backend)


def evaluate(
    text: str, row: Mapping[str, object], schema: FilterSchema, params: Params | None = None
) -> bool:
    """Whether a row passes a filter, exactly as a back end would decide it.

    Args:
        text: The filter.
        row: The row's fields, dynamic ones beside the typed ones; a missing one is null.
        schema: The fields the filter may name.
        params: The value of each `{name}` in the text.

    Raises:
        InvalidInputError: It is no filter, or does not fit the schema or the parameters.
    """
    return truth(check(parse(text), schema, params), row) is True
