"""The helper process of `isolate`: reads what it is asked to, and sends the records in batches."""

from __future__ import annotations

import ctypes
import importlib
import mmap
import os
import pickle
import resource
import signal
import struct
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from pliant.content import Image, Record, Text, Video
from pliant.ingest.blob import Reader
from pliant.ingest.failure import Failure
from pliant.ingest.read import read_part
from pliant.ingest.readers import READERS

_HEADER = struct.Struct("<Q")
_BATCH_RECORDS = 256
_BATCH_BYTES = 2**20
_BATCH_SECONDS = 0.5
_PR_SET_PDEATHSIG = 1


def main(parent: int, requests: int, answers: int, shared: int) -> None:
    """Serve requests until the pipe closes."""
    _die_with(parent)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    counter = mmap.mmap(shared, _HEADER.size)
    with os.fdopen(requests, "rb") as source, os.fdopen(answers, "wb", buffering=0) as sink:
        _send(sink, None)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        while header := source.read(_HEADER.size):
            message = pickle.loads(source.read(_HEADER.unpack(header)[0]))  # noqa: S301 our parent
            for batch in _batches(message, counter):
                _send(sink, batch)
            _send(sink, None)


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def _send(sink: object, message: object) -> None:
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    view = memoryview(_HEADER.pack(len(data)) + data)
    while view:
        view = view[sink.write(view) :]  # pyright: ignore[reportAttributeAccessIssue] a raw file


def _batches(message: tuple, counter: mmap.mmap) -> Iterator[list[Record | Failure]]:
    source, options, part, more = message
    _bound_memory(options.limits.max_memory_bytes)
    batch: list[Record | Failure] = []
    size, begun = 0, time.monotonic()
    items = read_part(source, options, _readers(more), part)
    for index, item in enumerate(items, part.start + 1):
        _HEADER.pack_into(counter, 0, index)
        batch.append(item)
        size += _size(item)
        if len(batch) >= _BATCH_RECORDS or size >= _BATCH_BYTES or _is_old(begun):
            yield batch
            batch, size, begun = [], 0, time.monotonic()
    if batch:
        yield batch


def _bound_memory(size_bytes: int) -> None:
    """Bound the address space at what the helper takes now plus some bytes."""
    if sys.platform != "linux":
        return
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + size_bytes
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if soft == resource.RLIM_INFINITY or limit < soft - 2**26 or limit > soft + 2**28:
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _is_old(begun: float) -> bool:
    return time.monotonic() - begun > _BATCH_SECONDS


def _readers(more: Mapping[str, str]) -> dict[str, Reader]:
    return {**READERS, **{suffix: _import(name) for suffix, name in more.items()}}


def _import(name: str) -> Reader:
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


def _size(item: Record | Failure) -> int:
    if isinstance(item, Failure):
        return len(item.message)
    size = len(item.thumbnail)
    for part in item.content:
        match part:
            case Text(text):
                size += len(text)
            case Image(data):
                size += len(data)
            case Video(frames):
                size += sum(map(len, frames))
    return size
