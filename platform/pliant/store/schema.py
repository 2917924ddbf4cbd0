"""What a collection holds: its fields, its types, and the properties that describe it.

Pure data: this module imports neither pymilvus nor numpy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from pliant.errors import InvalidInputError

FieldType = Literal[
    "string",
    "int",
    "float",
    "bool",
    "json",
    "array<string>",
    "array<int>",
    "array<float>",
    "array<bool>",
]
FIELD_TYPES: tuple[FieldType, ...] = get_args(FieldType)
Backend = Literal["lite", "milvus", "milvus23"]
"""Milvus Lite; a server of 2.6 or later; an older server."""

SCHEMA_VERSION = "1"
UID, LEASE = "pliant.uid", "pliant.lease"
LEDGER = "pliant_ledger"
"""The collection that holds the ledger of all others; people do not see it in lists."""
MAX_VARCHAR_BYTES = 65_535
MAX_THUMBNAIL_BYTES = 24 * 1024
MAX_NOTED = 256
"""So many dynamic names are remembered with their type; more are stored, but not filterable."""

SEARCHABLE: dict[str, FieldType] = {
    "id": "string",
    "modality": "string",
    "source": "string",
    "locator": "string",
    "text": "string",
}
"""Built-in fields that filters may name."""
BUILT_IN: dict[str, int] = {
    "id": 64,
    "modality": 32,
    "source": MAX_VARCHAR_BYTES,
    "locator": MAX_VARCHAR_BYTES,
    "text": MAX_VARCHAR_BYTES,
    "thumbnail": MAX_THUMBNAIL_BYTES,
    "source_key": 64,
    "generation": 64,
}
"""Built-in string fields and the bytes each may hold; beside them there is `vector`."""
_TAKEN = {*BUILT_IN, "vector", "_seq", "_partition"}  # the last two are Lite's own
_PREFIX = "meta_"
_WORDS = {
    *("and", "or", "not", "in", "like", "is", "null", "true", "false", "exists", "contains"),
    *("json_contains", "json_contains_all", "json_contains_any", "array_contains"),
    *("array_contains_all", "array_contains_any", "array_length", "text_match", "phrase_match"),
}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")


@dataclass(frozen=True, slots=True)
class CollectionSpec:
    """What a collection is made with.

    Attributes:
        dim: dimensions of its vectors.
        space_id: the encoder's; vectors of another space are refused.
        model: the encoder's name.
        subnetwork: the sub-network that documents are embedded with.
        metadata_fields: user columns that become typed fields; others go to the dynamic field.
    """

    dim: int
    space_id: str
    model: str
    subnetwork: str = "full"
    metadata_fields: Mapping[str, FieldType] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Layout:
    """How a collection lies in a back end.

    Attributes:
        backend: what holds it.
        spec: what it was made with; its metadata fields by stored name.
        typed: those of the metadata fields that are fields of their own.
        dynamic: names and types seen in the dynamic field.
        uid: different for every collection ever made, whatever its name.
        lease: who may write, as `pliant.store.lease` wrote it.
    """

    backend: Backend
    spec: CollectionSpec
    typed: Mapping[str, FieldType]
    dynamic: Mapping[str, FieldType]
    uid: str = ""
    lease: str = ""

    @property
    def fields(self) -> dict[str, FieldType]:
        """Everything a filter may name."""
        return {**SEARCHABLE, **self.spec.metadata_fields, **self.dynamic}


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """What `pliant collections show` says.

    Attributes:
        name: the collection.
        rows: how many rows it holds.
        space_id: the space of its vectors.
        model: the encoder's name.
        subnetwork: the documents' sub-network.
        fields: what filters may name, and the types.
        sources: how many different sources its rows come from.
        dim: dimensions of its vectors.
    """

    name: str
    rows: int
    space_id: str
    model: str
    subnetwork: str
    fields: dict[str, str]
    sources: int
    dim: int


def check_collection_name(name: str) -> str:
    """Give the name back if every back end can have it.

    Raises:
        InvalidInputError: it cannot.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInputError(
            f"collection name {name!r} is not possible: use letters, digits and underscores, "
            "not beginning with a digit, at most 255"
        )
    return name


def check_space(name: str, layout: Layout, space_id: str, model: str = "") -> None:
    """Refuse vectors of another space than the collection's.

    Raises:
        InvalidInputError: names both spaces.
    """
    if layout.spec.space_id != space_id:
        given = f" ({model})" if model else ""
        raise InvalidInputError(
            f"collection {name!r} holds vectors of space {layout.spec.space_id} "
            f"({layout.spec.model}), given vectors of space {space_id}{given}: they are not "
            "comparable; use that model or another collection"
        )


def stored_name(name: str) -> str:
    """Give the name under which a user's column is stored and filtered: `text` is `meta_text`."""
    bare = name
    while bare.startswith(_PREFIX):
        bare = bare.removeprefix(_PREFIX)
    return _PREFIX + name if bare in _TAKEN or bare.startswith("$") else name


def shown_name(stored: str) -> str:
    """Undo `stored_name`."""
    bare = stored.removeprefix(_PREFIX)
    return bare if bare != stored and stored_name(bare) == stored else stored


def typed_fields(kinds: Mapping[str, FieldType], backend: Backend) -> dict[str, FieldType]:
    """Pick, of metadata columns by stored name, those that can be fields of their own.

    Older servers have no nullable fields, and names that are no identifiers cannot be fields:
    those columns live in the dynamic field, with the type noted.
    """
    if backend == "milvus23":
        return {}
    return {
        name: kind
        for name, kind in kinds.items()
        if _NAME.fullmatch(name) and name.lower() not in _WORDS
    }


def stored_spec(spec: CollectionSpec) -> CollectionSpec:
    """Give a specification with the stored names of its metadata columns."""
    kinds = {stored_name(name): kind for name, kind in spec.metadata_fields.items()}
    return replace(spec, metadata_fields=kinds)


def to_properties(spec: CollectionSpec) -> dict[str, str]:
    """Describe a collection, by stored names, in its properties, which both back ends keep."""
    kinds = spec.metadata_fields
    return {
        "pliant.schema": SCHEMA_VERSION,
        "pliant.dim": str(spec.dim),
        "pliant.space_id": spec.space_id,
        "pliant.model": spec.model,
        "pliant.subnetwork": spec.subnetwork,
        **{f"pliant.field.{name}": kind for name, kind in kinds.items()},
    }


def dynamic_properties(kinds: Mapping[str, FieldType]) -> dict[str, str]:
    """Note types of the dynamic field, one property each: two writers never undo each other."""
    return {f"pliant.dynamic.{name}": kind for name, kind in kinds.items()}


def to_layout(name: str, description: Mapping[str, Any], backend: Backend) -> Layout:
    """Read what Milvus says of a collection.

    Raises:
        InvalidInputError: Pliant did not make it, or a later version did.
    """
    properties: Mapping[str, str] = description.get("properties", {})
    version = properties.get("pliant.schema")
    if version != SCHEMA_VERSION:
        reason = (
            f"has schema {version}, this version of Pliant knows {SCHEMA_VERSION}"
            if version
            else "was not made by Pliant: its properties name no space_id"
        )
        raise InvalidInputError(f"collection {name!r} {reason}")
    spec = CollectionSpec(
        dim=int(properties["pliant.dim"]),
        space_id=properties["pliant.space_id"],
        model=properties["pliant.model"],
        subnetwork=properties["pliant.subnetwork"],
        metadata_fields=_kinds(properties, "pliant.field."),
    )
    columns = {one["name"] for one in description["fields"]}
    typed: dict[str, FieldType] = {
        name: kind for name, kind in spec.metadata_fields.items() if name in columns
    }
    return Layout(
        backend,
        spec,
        typed,
        _kinds(properties, "pliant.dynamic."),
        uid=properties.get(UID, ""),
        lease=properties.get(LEASE, ""),
    )


def unnoted(layout: Layout, seen: Mapping[str, FieldType]) -> dict[str, FieldType]:
    """Give what has to be noted so that the layout covers the types seen."""
    known = layout.dynamic
    noted: dict[str, FieldType] = {}
    for name, kind in seen.items():
        if name in layout.spec.metadata_fields:
            continue
        if name in known:
            if (merged := merge_kinds([known[name], kind])) != known[name]:
                noted[name] = merged
        elif len(layout.dynamic) + len(noted) < MAX_NOTED:
            noted[name] = kind
    return noted


def merge_kinds(kinds: Iterable[FieldType]) -> FieldType:
    """Give the one type that holds values of all these: the same, a wider number, or json."""
    found: set[FieldType] = set(kinds)
    if len(found) == 1:
        return found.pop()
    if found == {"int", "float"}:
        return "float"
    if found == {"array<int>", "array<float>"}:
        return "array<float>"
    return "json"


def _kinds(properties: Mapping[str, str], prefix: str) -> dict[str, FieldType]:
    return {
        key.removeprefix(prefix): kind
        for key, value in properties.items()
        if key.startswith(prefix)
        for kind in FIELD_TYPES
        if value == kind
    }
