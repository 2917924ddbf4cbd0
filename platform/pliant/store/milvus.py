"""MilvusStore: collections of vectors in an embedded Milvus Lite or on a Milvus server.

It knows keys, vectors and rows; nothing of encoders, files or jobs. The space of the vectors is
checked on every write and every query.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
from pymilvus import MilvusClient

from pliant.errors import InvalidInputError, NotFoundError
from pliant.store.connection import Address, Connection, TooLargeError
from pliant.store.expressions import ALL, among, equal, quoted, render_filter
from pliant.store.fields import to_index, to_schema
from pliant.store.hits import Hit, Query, breadth, check_query, fields_of, to_hit
from pliant.store.lite import LiteOptions
from pliant.store.rows import (
    StoredRow,
    StoredRows,
    Values,
    calls,
    check_vectors,
    dynamic_kinds,
    latest,
    to_values,
)
from pliant.store.schema import (
    CollectionInfo,
    CollectionSpec,
    FieldType,
    Layout,
    check_collection_name,
    check_space,
    dynamic_properties,
    stored_spec,
    to_layout,
    to_properties,
    unnoted,
)

T = TypeVar("T")
_Found = list[Any]
_Hits = list[Hit]
_Names = list[str]
_Rows = list[Values]
_PAGE_ROWS = 4096
_FETCH_ROWS = 256


class MilvusStore:
    """Collections in one place; a context manager."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @classmethod
    def open(
        cls, uri: str, token: str | None = None, *, start: bool = True, create: bool = True
    ) -> MilvusStore:
        """Connect to a folder of Milvus Lite, or to a server.

        Args:
            uri: a path, or `http(s)://host:port`.
            token: of a server.
            start: start the folder's owner if need be; False in a Ray actor.
            create: make the folder if there is none.

        Raises:
            InvalidInputError: no such kind of store, or a wrong token.
            NotFoundError: no folder, and `create` is off.
            UnavailableError: it does not answer.
        """
        lite = LiteOptions(start=start, create=create)
        return cls(Connection(Address(uri, token, lite)))

    @property
    def uri(self) -> str:
        """Where the store is, as it was given."""
        return self._connection.address.uri

    def close(self) -> None:
        """Let the store go."""
        self._connection.close()

    def __enter__(self) -> MilvusStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def list(self) -> list[str]:
        """Name the collections, sorted."""
        found: Any = self._call(lambda client: client.list_collections(**self._options))
        return sorted(found)

    def exists(self, name: str) -> bool:
        """Tell whether there is such a collection."""
        check_collection_name(name)
        return bool(self._call(lambda client: client.has_collection(name, **self._options)))

    def create(self, name: str, spec: CollectionSpec) -> None:
        """Make a collection, with its index, ready to be searched.

        Raises:
            InvalidInputError: it exists, or its name or a field is not possible.
        """
        if self.exists(name):
            raise InvalidInputError(f"collection {name!r} exists already in {self.uri}")
        spec = stored_spec(spec)
        backend = self._connection.backend
        self._call(
            lambda client: client.create_collection(
                name,
                schema=to_schema(spec, backend),
                index_params=to_index(backend),
                properties=to_properties(spec),
                consistency_level="Bounded",
                **self._options,
            )
        )

    def ensure(self, name: str, spec: CollectionSpec) -> None:
        """Make a collection, or check that the one there is takes vectors of this space.

        Raises:
            InvalidInputError: it holds another space or sub-network; the message has both.
        """
        try:
            self.create(name, spec)
        except InvalidInputError:
            if not self.exists(name):
                raise
        layout = self.layout(name)
        check_space(name, layout, spec.space_id, spec.model)
        if layout.spec.subnetwork != spec.subnetwork:
            raise InvalidInputError(
                f"collection {name!r} holds vectors of sub-network {layout.spec.subnetwork}, "
                f"given {spec.subnetwork}"
            )

    def describe(self, name: str) -> CollectionInfo:
        """Say what a collection holds.

        Raises:
            NotFoundError: there is no such collection.
        """
        layout = self.layout(name)
        return CollectionInfo(
            name=name,
            rows=self.count(name),
            space_id=layout.spec.space_id,
            model=layout.spec.model,
            subnetwork=layout.spec.subnetwork,
            fields={key: str(kind) for key, kind in layout.fields.items()},
            sources=len(self.sources(name)),
            dim=layout.spec.dim,
        )

    def layout(self, name: str) -> Layout:
        """Read how a collection lies in the back end.

        Raises:
            NotFoundError: there is no such collection.
            InvalidInputError: Pliant did not make it.
        """
        self._require(name)
        found: Any = self._call(
            lambda client: client.describe_collection(name, **self._options), name
        )
        return to_layout(name, found, self._connection.backend)

    def drop(self, name: str) -> None:
        """Delete a collection with all its rows.

        Raises:
            NotFoundError: there is no such collection.
        """
        self._require(name)
        self._call(lambda client: client.drop_collection(name, **self._options), name)

    def note_dynamic(self, name: str, kinds: Mapping[str, FieldType]) -> None:
        """Remember names and types of the dynamic field, so that filters may use them."""
        if properties := dynamic_properties(kinds):
            self._call(
                lambda client: client.alter_collection_properties(
                    name, properties, **self._options
                ),
                name,
            )

    def upsert(self, name: str, rows: StoredRows) -> None:
        """Write rows; a row with a known key replaces the old one wholly.

        Raises:
            InvalidInputError: another space, a wrong vector, or a value that does not fit; then
                nothing was written.
        """
        if not rows.rows:
            return
        layout = self.layout(name)
        check_space(name, layout, rows.space_id)
        vectors = check_vectors(rows.vectors, layout.spec.dim)
        positions = latest(rows)
        values = [to_values(rows.rows[one], vectors[one], layout) for one in positions]
        self.note_dynamic(name, unnoted(layout, dynamic_kinds(rows.rows)))
        for call in calls(values):
            self._send(name, call)

    def refused(self, name: str, rows: Sequence[StoredRow]) -> dict[int, str]:
        """Give, by position, why rows would be refused by `upsert`."""
        layout = self.layout(name)
        nothing = np.empty(0, np.float32)
        reasons: dict[int, str] = {}
        for position, row in enumerate(rows):
            try:
                to_values(row, nothing, layout)
            except InvalidInputError as error:
                reasons[position] = str(error)
        return reasons

    def search(self, query: Query) -> _Hits:
        """Find the rows nearest to a vector, best first.

        Raises:
            NotFoundError: there is no such collection.
            InvalidInputError: another space, a wrong vector, filter, limit or group.
        """
        layout = self.layout(query.collection)
        check_space(query.collection, layout, query.space_id)
        check_query(query, layout)
        vector = check_vectors(np.atleast_2d(query.vector), layout.spec.dim)
        where = render_filter(query.filter, query.params, layout)
        fields = fields_of(query, layout)
        if query.limit <= _FETCH_ROWS:
            found = self._search(query, vector, where, fields)
        else:
            found = self._fetch(query, self._search(query, vector, where, ["id"]), fields)
        return [to_hit(one, layout) for one in found]

    def count(self, name: str) -> int:
        """Count the rows."""
        found = self._query(name, "", output_fields=["count(*)"])
        return int(found[0]["count(*)"])

    def keys(self, name: str, source_key: str, generation: str | None = None) -> Iterator[str]:
        """Give the keys of a source's rows, of one generation or all."""
        where = equal("source_key", source_key)
        if generation is not None:
            where += f" and {equal('generation', generation)}"
        return (str(row["id"]) for row in self._scan(name, where, ["id"]))

    def sources(self, name: str) -> dict[str, int]:
        """Count the rows of each source, by its key."""
        return dict(Counter(str(row["source_key"]) for row in self._scan(name, "", ["source_key"])))

    def delete(
        self,
        name: str,
        keys: Sequence[str] | None = None,
        filter: str | None = None,  # noqa: A002 the word users know
        params: Mapping[str, Any] | None = None,
    ) -> int:
        """Delete rows by key, or by a filter; give how many there were.

        Raises:
            InvalidInputError: neither or both are given, or the filter is wrong.
        """
        if (keys is None) == (filter is None):
            raise InvalidInputError("delete needs keys or a filter, and not both")
        if filter is not None:
            return self._delete(name, render_filter(filter, params, self.layout(name)) or ALL)
        wanted = list(keys or ())
        pages = range(0, len(wanted), _PAGE_ROWS)
        return sum(self._delete(name, among("id", wanted[at : at + _PAGE_ROWS])) for at in pages)

    def delete_source(self, name: str, source_key: str, *, not_generation: str = "") -> int:
        """Delete a source's rows, or only those of other generations; give how many."""
        where = equal("source_key", source_key)
        if not_generation:
            where += f" and generation != {quoted(not_generation)}"
        return self._delete(name, where)

    @property
    def _options(self) -> dict[str, Any]:
        return self._connection.options()

    def _call(self, action: Callable[[MilvusClient], T], collection: str = "") -> T:
        return self._connection.call(action, collection)

    def _require(self, name: str) -> None:
        if not self.exists(name):
            raise NotFoundError(
                f"collection {name!r} does not exist in {self.uri}; "
                f"there are: {', '.join(self.list()) or 'none'}"
            )

    def _send(self, name: str, rows: _Rows) -> None:
        """Write one call; in two when the server finds it too large."""
        try:
            self._call(lambda client: self._write(client, name, rows), name)
        except TooLargeError as error:
            if len(rows) == 1:
                raise InvalidInputError(f"row {rows[0]['id']!r} is too large: {error}") from error
            half = len(rows) // 2
            self._send(name, rows[:half])
            self._send(name, rows[half:])

    def _write(self, client: MilvusClient, name: str, rows: _Rows) -> None:
        """Replace rows: Lite's upsert merges into the old row, its insert replaces it."""
        if self._connection.backend == "lite":
            client.insert(name, rows, **self._options)
        else:
            client.upsert(name, rows, **self._options)

    def _search(self, query: Query, vector: np.ndarray, where: str, fields: _Names) -> _Found:
        grouped = {"group_by_field": query.group_by} if query.group_by else {}
        if query.group_by and query.group_by not in fields:
            fields = [*fields, query.group_by]
        found = self._call(
            lambda client: client.search(
                query.collection,
                data=[vector[0]],
                anns_field="vector",
                filter=where,
                limit=query.limit,
                output_fields=fields,
                search_params={"offset": query.offset, "params": {"ef": breadth(query)}},
                consistency_level="Strong" if query.fresh else "Bounded",
                **grouped,
                **self._options,
            ),
            query.collection,
        )
        return list(found[0])

    def _fetch(self, query: Query, found: _Found, fields: _Names) -> _Found:
        """Fill many hits page by page, for a message has its limit; deleted rows are left out."""
        entities: dict[str, Any] = {}
        keys = [str(one["id"]) for one in found]
        for at in range(0, len(keys), _FETCH_ROWS):
            where = among("id", keys[at : at + _FETCH_ROWS])
            rows = self._query(query.collection, where, output_fields=fields)
            entities |= {str(row["id"]): row for row in rows}
        return [
            {"id": key, "distance": one["distance"], "entity": entities[key]}
            for key, one in zip(keys, found, strict=True)
            if key in entities
        ]

    def _query(self, name: str, where: str, **options: Any) -> _Found:
        return list(
            self._call(
                lambda client: client.query(
                    name, filter=where, consistency_level="Strong", **options, **self._options
                ),
                name,
            )
        )

    def _scan(self, name: str, where: str, fields: _Names) -> Iterator[Any]:
        """Give all rows that match; a server in pages, Lite (which sorts for a page) at once."""
        if self._connection.backend == "lite":
            yield from self._query(name, where or ALL, output_fields=fields)
            return
        pages = self._call(
            lambda client: client.query_iterator(
                name,
                batch_size=_PAGE_ROWS,
                filter=where,
                output_fields=fields,
                consistency_level="Strong",
                **self._options,
            ),
            name,
        )
        try:
            while page := self._call(lambda _: pages.next(), name):
                yield from page
        finally:
            pages.close()

    def _delete(self, name: str, where: str) -> int:
        """Delete what matches; counted before, because back ends disagree on what they report."""
        self._require(name)
        found = self._query(name, where, output_fields=["count(*)"])
        count = int(found[0]["count(*)"])
        if count:
            self._call(lambda client: client.delete(name, filter=where, **self._options), name)
        return count
