"""`pliant search`: answers from a collection, by text, image or both. Starts no Ray."""

from __future__ import annotations

import os
import textwrap
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from pliant.config import Config, parse
from pliant.content import Content, Image, Text
from pliant.errors import InvalidInputError

if TYPE_CHECKING:
    import numpy as np

    from pliant.encoder import Encoder
    from pliant.store.milvus import Hit, MilvusStore
    from pliant.store.schema import CollectionSpec

MAX_WIDTH, INDENT = 120, " " * 11


class SearchConfig(Config):
    """Answer from a collection, by text, by an image, or by both together.

    The model is the one that embedded the collection, unless --model names another; vectors of
    another space are refused. Filters: modality == "image" and year >= 2020 (see the README).
    """

    text: str | None = Field(default=None, description="What to look for.")
    image: Path | None = Field(default=None, description="An image file to look for.")
    collection: str = Field(description="Collection to search.")
    uri: str = Field(
        default="./pliant.db", description="Milvus Lite folder, or http(s)://host:port."
    )
    token: str | None = Field(
        default=None, description="Token of the Milvus server (or PLIANT_TOKEN)."
    )
    model: str | None = Field(default=None, description="Model; that of the collection by default.")
    subnetwork: str = Field(default="full", description="Sub-network that embeds the query.")
    filter: str | None = Field(
        default=None, description="Only rows for which this expression is true."
    )
    param: dict[str, Any] = Field(default={}, description="Value of a {name} in the filter.")
    limit: int = Field(default=10, ge=1, le=16384, description="How many hits.")
    offset: int = Field(default=0, ge=0, le=16384, description="Skip this many hits.")
    group_by: Literal["source"] | None = Field(default=None, description="One hit for each source.")
    explain: bool = Field(
        default=False, description="Show the filter as the store gets it, and timings."
    )
    as_json: bool = Field(default=False, alias="json", description="One JSON document.")


class SearchHit(Config):
    """One answer; a higher score is better."""

    id: str
    score: float
    source: str
    locator: str
    modality: str
    text: str
    metadata: dict[str, Any]


class SearchReport(Config):
    """What `pliant search --json` prints (INTERFACE section 2)."""

    collection: str
    space_id: str
    subnetwork: str
    timings_ms: dict[str, float]
    hits: list[SearchHit]
    explain: dict[str, Any] | None = None


def main(argv: Sequence[str]) -> int:
    """Run `pliant search`; gives the exit code."""
    config = parse(SearchConfig, argv, prog="pliant search", positional="text")
    report = run(config)
    if config.as_json:
        print(report.model_dump_json(exclude_none=not config.explain))  # noqa: T201
    else:
        _show(report)
    return 0


def run(config: SearchConfig) -> SearchReport:
    """Embed the query and search.

    Raises:
        InvalidInputError: neither text nor image, a bad filter, or another space.
        NotFoundError: the collection, the image or the model does not exist.
    """
    from pliant.store.milvus import MilvusStore

    content = _content(config)
    token = config.token or os.environ.get("PLIANT_TOKEN")
    with MilvusStore.open(config.uri, token=token, create=False) as store:
        return _answer(config, content, store, store.layout(config.collection).spec)


def _answer(
    config: SearchConfig, content: Content, store: MilvusStore, stored: CollectionSpec
) -> SearchReport:
    from pliant.encoder import load
    from pliant.store.milvus import Query

    encoder = load(config.model or stored.model)
    space_id = _space_of(encoder, stored.subnetwork)
    subnetwork = encoder.subnetwork(config.subnetwork)
    if config.subnetwork == "full" and stored.dim < subnetwork.dim:
        subnetwork = replace(subnetwork, dim=stored.dim)
    started = time.perf_counter()
    vector: np.ndarray = encoder.encode([content], role="query", subnetwork=subnetwork).values[0]
    encoded = time.perf_counter()
    query = Query(
        collection=config.collection,
        vector=vector,
        filter=config.filter,
        params=config.param,
        limit=config.limit,
        offset=config.offset,
        group_by=config.group_by,
        space_id=space_id,
    )
    hits = store.search(query)
    searched = time.perf_counter()
    return SearchReport(
        collection=config.collection,
        space_id=space_id,
        subnetwork=subnetwork.name,
        timings_ms={
            "encode": round((encoded - started) * 1000, 3),
            "search": round((searched - encoded) * 1000, 3),
        },
        hits=[_hit(hit) for hit in hits],
        explain=store.explain(query) if config.explain else None,
    )


def _space_of(encoder: Encoder, document_subnetwork: str) -> str:
    try:
        return encoder.space_id_of(document_subnetwork)
    except InvalidInputError:  # another model: the store refuses its space with both ids
        return encoder.space_id


def _content(config: SearchConfig) -> Content:
    content: Content = ()
    if config.image:
        content += (Image.open(config.image),)
    if config.text:
        content += (Text(config.text),)
    if not content:
        raise InvalidInputError("nothing to search for: give a text, --image FILE, or both")
    return content


def _hit(hit: Hit) -> SearchHit:
    names = ("id", "score", "source", "locator", "modality", "text", "metadata")
    return SearchHit(**{name: getattr(hit, name) for name in names})


def _show(report: SearchReport) -> None:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    width = min(console.width, MAX_WIDTH) if console.is_terminal else MAX_WIDTH
    for number, hit in enumerate(report.hits, 1):
        place = f"  {hit.locator}" if hit.locator else ""
        console.print(f"{number:>2}. {hit.score:.3f}  {hit.source}{place}", markup=False)
        if hit.text:
            snippet = textwrap.shorten(hit.text, width - len(INDENT), placeholder=" …")
            console.print(INDENT + snippet, markup=False, style="dim")
    if not report.hits:
        console.print("no hits")
    if report.explain:
        console.print_json(data={**report.explain, "timings_ms": report.timings_ms})
