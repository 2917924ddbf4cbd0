"""Peak memory of this process and everything below it, as proportional set size (PSS).

PSS counts a page that several processes share once in all, so that Ray's object store and the
libraries of its workers are not counted per process.
"""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType

import psutil


def tree_pss_bytes() -> int:
    """Sum the PSS of this process and its descendants, bytes."""
    me = psutil.Process()
    return sum(_pss(process.pid) for process in [me, *me.children(recursive=True)])


class PeakMemory:
    """Samples the process tree in a thread; `peak_bytes` is the highest sum seen."""

    def __init__(self, interval_s: float = 1.0) -> None:
        self.peak_bytes = 0
        self._interval_s = interval_s
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="peak-memory", daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            self.peak_bytes = max(self.peak_bytes, tree_pss_bytes())
            if self._done.wait(self._interval_s):
                return


def _pss(pid: int) -> int:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0
    for line in rollup.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
