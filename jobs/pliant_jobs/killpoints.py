"""Named places at which a test may kill a process, or leave a safeguard out; no-ops otherwise.

`PLIANT_KILL_AT=POINT:COUNT:VICTIM:MARKER;…` kills the process (`self`) or the job's driver
(`driver`) with SIGKILL when the point is reached for the COUNTth time, once: the file MARKER says
that it happened. `PLIANT_KILL_NOTES=FILE` gets a line of keys for each batch that is embedded.
`PLIANT_WITHOUT=fence,delete,order` leaves safeguards out, to see that tests notice.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

KILL_AT, DRIVER, WITHOUT = "PLIANT_KILL_AT", "PLIANT_KILL_DRIVER", "PLIANT_WITHOUT"
NOTES = "PLIANT_KILL_NOTES"
POINTS = {
    "discovery": "driver",
    "reading": "self",
    "after_embed": "self",
    "after_upsert": "self",
    "after_delete": "driver",
    "ledger_row": "driver",
    "lease_renewal": "driver",
}
"""The points, and whom a kill there hits unless it is said: the process itself, or the driver."""

_DURING_S = 0.001
_reached: Counter[str] = Counter()


def arm() -> None:
    """Tell the job's processes which one is the driver; called by the driver."""
    if os.environ.get(KILL_AT):
        os.environ[DRIVER] = str(os.getpid())


def reach(point: str) -> None:
    """Pass a point."""
    if victim := _due(point):
        os.kill(victim, signal.SIGKILL)
        time.sleep(60)  # another process dies: nothing may happen after the point


@contextlib.contextmanager
def during(point: str) -> Iterator[None]:
    """Pass a point while a call is under way."""
    if victim := _due(point):
        threading.Timer(_DURING_S, os.kill, (victim, signal.SIGKILL)).start()
    yield


def without(safeguard: str) -> bool:
    """Tell whether a test has left a safeguard out."""
    return safeguard in os.environ.get(WITHOUT, "").split(",")


def note(keys: Iterable[str]) -> None:
    """Write down which rows this process has embedded."""
    if path := os.environ.get(NOTES):
        with Path(path).open("a", encoding="ascii") as file:
            file.write(f"{os.getpid()} {','.join(keys)}\n")


def _due(point: str) -> int | None:
    """Give the process to kill, the first time that the schedule says so."""
    plans = [plan.split(":", 3) for plan in os.environ.get(KILL_AT, "").split(";") if plan]
    mine = [plan for plan in plans if plan[0] == point]
    if not mine:
        return None
    _reached[point] += 1
    for _, count, victim, marker in mine:
        if _reached[point] >= int(count) and not Path(marker).exists():
            Path(marker).touch()
            return int(os.environ.get(DRIVER, os.getpid())) if victim == "driver" else os.getpid()
    return None
