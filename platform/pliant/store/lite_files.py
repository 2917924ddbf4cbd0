"""The files by which an embedded store's owner and its clients find each other.

    D/.owner      the owner holds it exclusively as long as it lives
    D/.clients    every client holds it shared; the kernel frees it when a client dies
    D/owner.json  where the owner listens; true only while somebody holds D/.owner
    D/.stay       the nonce of an owner that stays without clients

This module starts nothing and knows nothing of Milvus.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

OWNER_LOCK = ".owner"
CLIENTS_LOCK = ".clients"
OWNER_FILE = "owner.json"
STAY_FILE = ".stay"
LOG_FILE = "owner.log"


@dataclass(frozen=True, slots=True)
class Owner:
    """A running owner, as it describes itself.

    Attributes:
        pid: its process.
        port: where it listens on loopback.
        started: when that process was created, so that a reused pid is told apart.
        nonce: different for every owner.
    """

    pid: int
    port: int
    started: str
    nonce: str

    @property
    def url(self) -> str:
        """Where plain Milvus clients connect."""
        return f"http://127.0.0.1:{self.port}"


def write_owner(folder: Path, owner: Owner) -> None:
    """Publish an owner; readers see the old file or the new one, never a part."""
    draft = folder / f"{OWNER_FILE}.{owner.nonce}"
    draft.write_text(json.dumps(asdict(owner)) + "\n", encoding="utf8")
    draft.replace(folder / OWNER_FILE)


def published_owner(folder: Path) -> Owner | None:
    """Read the owner file and check that it speaks of the living owner of this folder."""
    try:
        values = json.loads((folder / OWNER_FILE).read_text(encoding="utf8"))
        owner = Owner(
            int(values["pid"]), int(values["port"]), str(values["started"]), str(values["nonce"])
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    alive = is_owned(folder) and process_started(owner.pid) == owner.started
    return owner if alive else None


def is_owned(folder: Path) -> bool:
    """Tell whether some process holds the owner's lock."""
    try:
        descriptor = os.open(folder / OWNER_LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not try_lock(descriptor, exclusive=False)
    finally:
        os.close(descriptor)


def open_lock(folder: Path, name: str) -> int:
    """Open a lock file of a folder, creating it."""
    return os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)


def try_lock(descriptor: int, *, exclusive: bool) -> bool:
    """Take a lock if that is possible at once."""
    kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def unlock(descriptor: int) -> None:
    """Release a lock and keep the file open."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)


def process_started(pid: int) -> str | None:
    """Give the moment a living process was created; None when there is no such process.

    On Linux the kernel's own count of ticks since boot: setting the clock does not change it.
    """
    if not sys.platform.startswith("linux"):
        import psutil

        return str(psutil.Process(pid).create_time()) if psutil.pid_exists(pid) else None
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in "ZX" else fields[18]
