"""Reader of archives: every member by its own reader, samples of the WebDataset kind together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from functools import partial

import orjson

from pliant.content import Content, MetadataValue, Record, Text, modality_of
from pliant.ingest.blob import Blob, check_size, too_many
from pliant.ingest.cells import media_part
from pliant.ingest.entries import Entry, open_archive
from pliant.ingest.failure import Failure
from pliant.ingest.members import Members, member_locator
from pliant.ingest.suffixes import CAPTIONS, IMAGES, VIDEOS
from pliant.ingest.text import decode_text
from pliant.ingest.values import json_value
from pliant.media import UnreadableError

_MEDIA = (*IMAGES, *VIDEOS)


def read_archive(blob: Blob) -> Iterator[Record | Failure]:
    """Give the records of all members ("member=a/b.png"); no member is written under its name."""
    check_size(blob)
    if blob.depth > blob.limits.max_nesting:
        raise UnreadableError(
            "TooDeep",
            f"the archive lies {blob.depth} archives deep; max_nesting allows "
            f"{blob.limits.max_nesting}",
        )
    grouped = _has_samples(blob)
    members = Members(blob)
    group: list[Entry] = []
    count = 0
    with closing(open_archive(blob)) as entries:
        for count, entry in enumerate(entries, 1):
            if count > blob.limits.max_members:
                raise too_many(
                    "members", f"over {count - 1:,}", blob.limits.max_members, "max_members"
                )
            if grouped and group and _stem(entry.name) != _stem(group[0].name):
                yield _sample(blob, members, group)
                group = []
            if grouped:
                group.append(entry.loaded(blob.limits.max_bytes))
            else:
                yield from _member(members, entry)
    if group:
        yield _sample(blob, members, group)
    if not count:
        raise UnreadableError("NoMembers", "the archive holds no files")


def _member(members: Members, entry: Entry) -> Iterator[Record | Failure]:
    locator = member_locator(entry.name)
    if entry.problem is not None:
        yield members.fail(locator, entry.problem)
        return
    yield from members.read(locator, entry.name, entry.copy)


def _has_samples(blob: Blob) -> bool:
    """Tell whether all members are samples: 000.jpg with 000.txt, 001.jpg with 001.txt, ..."""
    kinds: dict[str, set[str]] = {}
    try:
        with closing(open_archive(blob)) as entries:
            for count, entry in enumerate(entries):
                ending = _ending(entry.name)
                if ending not in (*_MEDIA, *CAPTIONS) or count > blob.limits.max_members:
                    return False
                kinds.setdefault(_stem(entry.name), set()).add(ending)
    except UnreadableError:
        return False  # reading it gives what can be read, then says why
    sets = {frozenset(endings) for endings in kinds.values()}
    if len(kinds) < 2 or len(sets) != 1:
        return False
    endings = sets.pop()
    return bool(endings & set(_MEDIA)) and bool(endings & set(CAPTIONS))


def _sample(blob: Blob, members: Members, group: list[Entry]) -> Record | Failure:
    locator = member_locator(_stem(group[0].name))
    return members.make(locator, partial(_interleaved, blob, group, locator))


def _interleaved(blob: Blob, group: list[Entry], locator: str) -> Record:
    content: Content = ()
    metadata: dict[str, MetadataValue] = {}
    small = b""
    for entry in group:
        if entry.problem is not None:
            raise entry.problem
        ending = _ending(entry.name)
        if ending in _MEDIA:
            parts, thumbnail = media_part(blob, entry.data)
            content, small = (*content, *parts), small or thumbnail
        elif ending == ".json":
            metadata.update(_object(entry.data))
        elif ending == ".cls":
            metadata["cls"] = decode_text(entry.data).strip()
        elif text := decode_text(entry.data).strip():
            content = (*content, Text(text))
    if not content:
        raise UnreadableError("EmptyRow", "the sample holds nothing to embed")
    merged = {**blob.metadata, **metadata}
    kind = modality_of(content)
    return Record(locator, content, blob.source.source, locator, merged, kind, small)


def _object(data: bytes) -> dict[str, MetadataValue]:
    try:
        value = json_value(orjson.loads(data))
    except orjson.JSONDecodeError as error:
        raise UnreadableError("InvalidJson", f"the sample's .json is not JSON: {error}") from error
    return value if isinstance(value, dict) else {"json": value}


def _stem(name: str) -> str:
    folder, slash, base = name.rpartition("/")
    return folder + slash + re.sub(r"(?<=.)\..*", "", base, flags=re.DOTALL)


def _ending(name: str) -> str:
    return name[len(_stem(name)) :].lower()
