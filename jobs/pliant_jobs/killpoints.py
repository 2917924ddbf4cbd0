"""Named places at which a test may kill a process, or leave a safeguard out; no-ops otherwise.

`PLIANT_KILL_AT=POINT:COUNT:VICTIM:MARKER` kills the process (`self`) or the job's driver (`driver`)
with SIGKILL when the point is reached for the COUNTth time, once: the file MARKER says that it
happened. `PLIANT_WITHOUT=fence,delete,order` leaves safeguards out, to see that tests notice.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

KILL_AT, DRIVER, WITHOUT = "PLIANT_KILL_AT", "PLIANT_KILL_DRIVER", "PLIANT_WITHOUT"
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


def _due(point: str) -> int | None:
    """Give the process to kill, the first time that the schedule says so."""
    plan = os.environ.get(KILL_AT, "")
    if not plan.startswith(f"{point}:"):
        return None
    _, count, victim, marker = plan.split(":", 3)
    _reached[point] += 1
    if _reached[point] < int(count):
        return None
    try:
        Path(marker).touch(exist_ok=False)
    except FileExistsError:
        return None
    return int(os.environ.get(DRIVER, os.getpid())) if victim == "driver" else os.getpid()
