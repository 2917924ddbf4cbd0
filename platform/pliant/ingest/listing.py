"""Listing remote places lazily: a bucket of any size starts at once, in flat memory."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from pliant.errors import UnavailableError
from pliant.ingest.failure import Failure
from pliant.ingest.globs import chosen
from pliant.ingest.remote import filesystem, is_web, shown
from pliant.ingest.source import Source
from pliant.media import first_line


def remote_sources(
    url: str, include: Sequence[str], exclude: Sequence[str], root: str | None
) -> Iterator[Source | Failure]:
    """Give the files under a URL as sources.

    Raises:
        UnavailableError: the place does not answer.
    """
    if is_web(url):
        yield _source(url, {}, url.partition("?")[0].rpartition("/")[2], root)
        return
    fixed = re.split(r"[*?\[]", url, maxsplit=1)[0]
    base = fixed.rpartition("/")[0] if fixed != url else url.rstrip("/")
    for place, about in list_remote(url):
        below = place.removeprefix(base).lstrip("/") or place.rpartition("/")[2]
        if chosen(below, include, exclude):
            yield _source(place, about, below, root)


def _source(url: str, about: dict[str, Any], below: str, root: str | None) -> Source:
    return Source(
        uri=f"{root}/{below}" if root else shown(url),
        source=shown(url),
        path=url,
        size_bytes=int(about.get("size") or 0),
        mtime=_time(about),
    )


def _time(about: dict[str, Any]) -> float:
    """Give the time of the last change; 0 where the place does not say."""
    for name in ("LastModified", "last_modified", "mtime", "updated", "created"):
        given = about.get(name)
        if isinstance(given, datetime):
            return given.timestamp()
        if isinstance(given, int | float):
            return float(given)
        if isinstance(given, str):
            try:
                return datetime.fromisoformat(given).timestamp()
            except ValueError:
                continue
    return 0.0


def list_remote(url: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the files under a URL with what is known of them, page by page, folder by folder.

    Raises:
        UnavailableError: the place does not answer.
    """
    system, path = filesystem(url)
    protocol = url.partition("://")[0]
    try:
        for about in _walk(system, path):
            yield f"{protocol}://{str(about['name']).lstrip('/')}", about
    except Exception as error:  # noqa: BLE001 every fsspec library raises errors of its own
        raise UnavailableError(
            f"source {shown(url)!r} cannot be listed: {type(error).__name__}: "
            f"{re.sub(r'//[^/@ ]+@', '//', first_line(error))}"[:300]
        ) from None


def _walk(system: Any, path: str) -> Iterator[dict[str, Any]]:
    if re.search(r"[*?\[]", path):
        for about in system.glob(path, detail=True).values():
            if about["type"] == "file":
                yield about
        return
    about = _info(system, path)
    if about is not None and about["type"] == "file":
        yield about
        return
    if about is None:
        raise FileNotFoundError(path)
    folders = [path]
    while folders:
        inner = []
        for found in _entries(system, folders.pop()):
            if found["type"] == "directory":
                inner.append(str(found["name"]))
            elif not str(found["name"]).endswith("/"):
                yield found
        folders.extend(reversed(inner))


def _info(system: Any, path: str) -> dict[str, Any] | None:
    try:
        return system.info(path)
    except FileNotFoundError:
        return None


def _entries(system: Any, path: str) -> Iterator[dict[str, Any]]:
    """List one folder; S3 gives it page by page, so that it may be as long as it likes."""
    if not hasattr(system, "_iterdir"):
        yield from system.ls(path, detail=True)
        return
    from fsspec.asyn import sync

    bucket, key, _ = system.split_path(path)
    pages = system._iterdir(bucket, prefix=f"{key}/" if key else "", delimiter="/")
    while True:
        try:
            found: Any = sync(system.loop, pages.__anext__)
        except StopAsyncIteration:
            return
        if str(found["name"]).rstrip("/") != path.rstrip("/"):
            yield found
