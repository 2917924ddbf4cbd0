"""What a job has to do: sources compared with the ledger, without reading those that are unchanged.

Runs before Ray starts. A source is unchanged when its sizes and times (its sidecar's too) and the
options are those of its ledger row; where only a time differs, or on request, its bytes decide.
"""

from __future__ import annotations

import errno
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pliant.errors import InvalidInputError
from pliant.ingest.fingerprint import fingerprint, generation_of, same_sizes, stamp
from pliant.ingest.reading import Resume
from pliant.ingest.source import Source

if TYPE_CHECKING:
    from pliant.store.ledger import Entry, Ledger

RETRY_AFTER_S = (0.0, 60.0, 600.0, 3600.0)
"""How long a source that failed once, twice, … rests; one that failed oftener rests for good."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a comparison asks.

    Attributes:
        options: the hash of everything but the bytes that rows depend on.
        now: seconds since 1970, taken before discovery.
        verify: read every source to see whether it changed.
        retry: try again what failed, however often it did.
    """

    options: str
    now: float
    verify: bool = False
    retry: bool = False


@dataclass(slots=True)
class Plan:
    """What is to be done, by source.

    Attributes:
        todo: sources to read.
        stamps: what they look like from outside, by source key.
        entries: the ledger rows that they have, by source key.
        parts: complete parts of those that are open, by source key.
        resumes: what of them need not be done again, by source key.
        stale: keys of those that may have rows of other generations.
        unchanged: how many sources are as they were.
        rests: ledger rows of sources that failed and are not tried now.
        refreshed: ledger rows of unchanged sources that look different from outside.
    """

    todo: list[Source] = field(default_factory=list)
    stamps: dict[str, str] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)
    parts: dict[str, list[Entry]] = field(default_factory=dict)
    resumes: dict[str, Resume] = field(default_factory=dict)
    stale: set[str] = field(default_factory=set)
    unchanged: int = 0
    rests: list[Entry] = field(default_factory=list)
    refreshed: list[Entry] = field(default_factory=list)


def rest_s(attempts: int) -> float:
    """Give how long a source rests after it has failed so often in a row, seconds."""
    return RETRY_AFTER_S[attempts - 1] if attempts <= len(RETRY_AFTER_S) else 0.0


def compare(sources: Iterable[Source], entries: Iterable[Entry], question: Question) -> Plan:
    """Decide about each source by what the ledger says of it."""
    plan = Plan()
    known: dict[str, Entry] = {}
    parts: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.state == "part":
            parts[entry.source_key].append(entry)
        else:
            known[entry.source_key] = entry
    for source in sources:
        _decide(plan, source, known.get(source.key), question)
    for source in plan.todo:
        key = source.key
        if key in known:
            plan.entries[key] = known[key]
            plan.stale.add(key)
        if key in parts:
            plan.parts[key] = sorted(parts[key], key=lambda part: part.part)
            plan.stale.add(key)
    return plan


def find_open(plan: Plan, ledger: Ledger, options: str, *, clean: bool) -> None:
    """Find out which rows of the sources to read are in the store already.

    Args:
        plan: gets `resumes` and `stale`.
        ledger: of the collection.
        options: the hash of everything but the bytes that rows depend on.
        clean: whether the last job left no source half written; then only sources that the
            ledger calls open can have such rows.
    """
    asked = [source for source in plan.todo if not clean or _is_open(plan, source.key)]
    rows: dict[str, dict[str, list[bytes]]] = defaultdict(lambda: defaultdict(list))
    if asked:
        for source_key, generation, key in ledger.rows_of([source.key for source in asked]):
            rows[source_key][generation].append(_packed(key))
    for source in asked:
        if source.key in rows or source.key in plan.parts:
            plan.stale.add(source.key)
            resume = _resume(source, rows[source.key], plan.parts.get(source.key, ()), options)
            if resume:
                plan.resumes[source.key] = resume


def gone(
    entries: Iterable[Entry], arguments: Sequence[str], root: str | None, found: set[str]
) -> list[Entry]:
    """Give the ledger rows of sources below the arguments whose files are no longer there.

    A file that is there but was not chosen (`--exclude`, `--limit`) is not gone, nor is one whose
    folder cannot be read.
    """
    from pliant.ingest.below import paths_below

    missing = []
    for entry in entries:
        if entry.source_key in found:
            continue
        paths = paths_below(entry.uri, arguments, root)
        if paths and all(_is_missing(path) for path in paths):
            missing.append(entry)
    return missing


def _decide(plan: Plan, source: Source, entry: Entry | None, question: Question) -> None:
    try:
        looks = stamp(source, question.now)
    except OSError:  # its sidecar went away: the reader says what is wrong
        looks = "?"
    plan.stamps[source.key] = looks
    if entry is None or not _is_same(plan, source, entry, looks, question):
        plan.todo.append(source)
    elif entry.state == "done":
        plan.unchanged += 1
    elif question.retry or (entry.attempts <= len(RETRY_AFTER_S) and entry.due <= question.now):
        plan.todo.append(source)
    elif entry.state == "partial":
        plan.unchanged += 1
    else:
        plan.rests.append(entry)


def _is_same(plan: Plan, source: Source, entry: Entry, looks: str, question: Question) -> bool:
    if entry.options != question.options or not same_sizes(entry.stamp, looks):
        return False
    if entry.stamp == looks and not looks.startswith("?") and not question.verify:
        return True
    try:
        same = fingerprint(source) == entry.fingerprint
    except (OSError, InvalidInputError):
        return False
    if same and looks != entry.stamp:
        plan.refreshed.append(replace(entry, stamp=looks))
    return same


def _is_open(plan: Plan, key: str) -> bool:
    return key in plan.parts or (key in plan.entries and plan.entries[key].state == "partial")


def _resume(
    source: Source,
    rows: Mapping[str, list[bytes]],
    parts: Sequence[Entry],
    options: str,
) -> Resume | None:
    try:
        generation = generation_of(fingerprint(source), options)
    except (OSError, InvalidInputError):
        return None
    records = whole = 0
    for part in parts:
        if part.generation != generation or part.part != whole:
            break
        records, whole = part.records, whole + 1
    keys = b"".join(rows.get(generation, ()))
    return Resume(generation, records, whole, keys) if keys or whole else None


def _packed(key: str) -> bytes:
    try:
        packed = bytes.fromhex(key)
    except ValueError:
        return b""
    return packed if len(packed) == 16 else b""


def _is_missing(path: str) -> bool:
    try:
        os.lstat(path)
    except OSError as error:
        return error.errno in (errno.ENOENT, errno.ENOTDIR) and _is_readable_above(path)
    return False


def _is_readable_above(path: str) -> bool:
    """Tell whether the nearest folder that exists above a path can be read."""
    above = next((one for one in Path(path).parents if one.exists()), None)
    return above is not None and os.access(above, os.R_OK | os.X_OK)
