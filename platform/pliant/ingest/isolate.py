"""Reading in a helper process, so that a decoder that crashes or hangs costs one record.

The helper is started once and reused while healthy. It sends records in batches through a pipe,
which also holds it back: it is never more than one batch ahead. It shares a counter of finished
records, so that after a crash the record in question is known.
"""

from __future__ import annotations

import mmap
import os
import pickle
import select
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import TracebackType
from typing import IO, Any, Self

from pliant.content import Record
from pliant.errors import UnavailableError
from pliant.ingest.blob import SKIPPED
from pliant.ingest.failure import Failure
from pliant.ingest.options import ReadOptions
from pliant.ingest.read import Part
from pliant.ingest.source import Source

MAX_CRASHES = 3
_START_TIMEOUT_S = 60.0
_HEADER = struct.Struct("<Q")
_CHILD = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "
    "from pliant.ingest.isolate_child import main; main(*map(int, sys.argv[2:]))"
)


class IsolatedReader:
    """`read`, in a helper process that dies with this one.

    Args:
        readers: more readers, by suffix: "module:function", importable in the helper.
    """

    def __init__(self, readers: Mapping[str, str] | None = None) -> None:
        self._readers = dict(readers or {})
        self._helper: _Helper | None = None
        self._busy = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the helper; the next `read` starts another."""
        if self._helper is not None:
            self._helper.kill()
            self._helper = None

    def read(
        self, source: Source, options: ReadOptions | None = None, start: int = 0
    ) -> Iterator[Record | Failure]:
        """Give the records of a source from the one numbered `start`; a crash is one Failure.

        Raises:
            UnavailableError: the helper process cannot be started.
        """
        options = options or ReadOptions()
        part, reasons, last = Part(start=start), dict[int, str](), None
        while True:
            try:
                for item in self._stream(source, options, part):
                    reason = reasons.get(part.start)
                    part = replace(part, start=part.start + 1)
                    yield _explained(item, reason)
                break
            except _HelperDiedError as death:
                if last is not None:
                    break
                culprit = max(death.index, part.start)
                if culprit in reasons or len(reasons) >= MAX_CRASHES:
                    last = _gave_up(source, culprit, reasons, death.reason)
                    part = replace(part, stop=culprit)
                else:
                    reasons[culprit] = death.reason
                    part = replace(part, skip=frozenset(reasons))
        if last is not None:
            yield last

    def _stream(
        self, source: Source, options: ReadOptions, part: Part
    ) -> Iterator[Record | Failure]:
        assert not self._busy, "an IsolatedReader reads one source at a time"
        helper = self._healthy()
        self._busy, done = True, False
        try:
            helper.send((source, options, part, self._readers))
            while (batch := helper.receive(options.limits.read_timeout_s)) is not None:
                yield from batch
            done = True
        finally:
            self._busy = False
            if not done:
                self.close()

    def _healthy(self) -> _Helper:
        if self._helper is not None and not self._helper.is_alive():
            self.close()
        if self._helper is None:
            self._helper = _Helper()
        return self._helper


class _HelperDiedError(Exception):
    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason)
        self.index = index
        self.reason = reason


class _Helper:
    """One helper process and its pipes."""

    def __init__(self) -> None:
        # PR_SET_PDEATHSIG follows the thread that started the process, so one thread owns it.
        self._owner = ThreadPoolExecutor(1, "pliant-reader")
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 closed by kill
        shared = tempfile.TemporaryFile()  # noqa: SIM115 closed below
        shared.truncate(_HEADER.size)
        self._counter = mmap.mmap(shared.fileno(), _HEADER.size)
        self._process = self._owner.submit(self._start, shared.fileno()).result()
        shared.close()
        try:
            self.receive(_START_TIMEOUT_S)
        except _HelperDiedError as death:
            self._errors.seek(0)
            last = self._errors.read().decode("utf8", "replace").strip().splitlines()[-1:]
            self.kill()
            raise UnavailableError(
                f"the reading helper does not start ({death.reason}): {' '.join(last)}"
            ) from death

    def _start(self, shared: int) -> subprocess.Popen[bytes]:
        import json

        requests, self._requests = os.pipe()
        self._answers, answers = os.pipe()
        paths = json.dumps([os.path.abspath(path) for path in sys.path])  # noqa: PTH100 "" is here
        fds = (requests, answers, shared)
        try:
            return subprocess.Popen(
                [sys.executable, "-I", "-c", _CHILD, paths, str(os.getpid()), *map(str, fds)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                pass_fds=fds,
                start_new_session=True,
            )
        finally:
            os.close(requests)
            os.close(answers)

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for descriptor in (self._requests, self._answers):
            os.close(descriptor)
        self._counter.close()
        self._errors.close()
        self._owner.shutdown(wait=False)

    def send(self, message: object) -> None:
        data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        self._write_count(0)
        view = memoryview(_HEADER.pack(len(data)) + data)
        try:
            while view:
                view = view[os.write(self._requests, view) :]
        except BrokenPipeError as error:
            raise self._death("crashed") from error

    def receive(self, timeout_s: float) -> list[Record | Failure] | None:
        (size,) = _HEADER.unpack(self._exactly(_HEADER.size, timeout_s))
        return pickle.loads(self._exactly(size, timeout_s))  # noqa: S301 our own process

    def _exactly(self, size: int, timeout_s: float) -> bytearray:
        data = bytearray(size)
        view = memoryview(data)
        while view:
            self._wait(timeout_s)
            count = os.readv(self._answers, [view])
            if count == 0:
                raise self._death("crashed")
            view = view[count:]
        return data

    def _wait(self, timeout_s: float) -> None:
        """Wait for bytes as long as the counter goes on."""
        count, deadline = self._read_count(), time.monotonic() + timeout_s
        while not select.select([self._answers], [], [], min(0.5, timeout_s / 5))[0]:
            if self._read_count() != count:
                count, deadline = self._read_count(), time.monotonic() + timeout_s
            elif time.monotonic() > deadline:
                raise self._death(f"was stopped after {timeout_s:g} s (read_timeout_s)")

    def _death(self, reason: str) -> _HelperDiedError:
        index = self._read_count()
        if reason == "crashed":
            self._process.wait()
            code = self._process.returncode
            reason += f" ({signal.Signals(-code).name})" if code < 0 else f" (exit status {code})"
        return _HelperDiedError(index, reason)

    def _read_count(self) -> int:
        return _HEADER.unpack_from(self._counter)[0]

    def _write_count(self, count: int) -> None:
        _HEADER.pack_into(self._counter, 0, count)


def _explained(item: Record | Failure, reason: str | None) -> Record | Failure:
    if reason is None or not isinstance(item, Failure) or item.error != SKIPPED:
        return item
    message = f"the decoder {reason} on this record; the file is damaged or hostile"
    return replace(item, error=_name(reason), message=message)


def _gave_up(source: Source, index: int, crashes: Mapping[int, Any], reason: str) -> Failure:
    if index in crashes:
        message = f"the decoder {reason}; nothing of the file after it can be read"
        return Failure(source.source, "", "read", _name(reason), message)
    message = (
        f"the decoder {reason}, after {len(crashes)} other records of this file; "
        "the rest of the file was not read"
    )
    return Failure(source.source, "", "read", "GaveUp", message)


def _name(reason: str) -> str:
    return "DecoderCrashed" if reason.startswith("crashed") else "DecoderTimeout"
