"""The conditions that a store sends: its own, and the user's filters.

Values are escaped here, and nowhere else put into a text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pliant.store.schema import SEARCHABLE, Layout

ALL = 'id != ""'


def render_filter(text: str | None, params: Mapping[str, Any] | None, layout: Layout) -> str:
    """Give a user's filter in the words of the back end; "" for none.

    Raises:
        InvalidInputError: it is no filter, or does not fit the collection.
    """
    if text is None or not text.strip():
        return ""
    from pliant.store import filters

    schema = filters.FilterSchema(
        fields=layout.fields,
        nullable=frozenset(layout.typed),
        dynamic=frozenset(layout.fields) - frozenset(layout.typed) - frozenset(SEARCHABLE),
    )
    return filters.compile_filter(text, schema, params, layout.backend)


def equal(name: str, value: str) -> str:
    """Say that a field has a value."""
    return f"{name} == {quoted(value)}"


def among(name: str, values: Sequence[str]) -> str:
    """Say that a field has one of some values."""
    return f"{name} in [{', '.join(map(quoted, values))}]"


def quoted(value: str) -> str:
    """Give a value as a string literal of both back ends."""
    return json.dumps(value, ensure_ascii=False)
