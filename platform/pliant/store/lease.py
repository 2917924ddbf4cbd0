"""One writer at a time: a lease on a collection, with a number that only grows.

The lease is a property of the collection, so that the description which every upsert reads anyway
carries it. Neither back end can compare and set; the writer of a lease reads it back after a
pause, and the last of two that came at once has it. This module knows no rows.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pliant.errors import UnavailableError
from pliant.store.lite_files import process_started
from pliant.store.schema import LEASE, UID, Layout

if TYPE_CHECKING:
    from pliant.store.milvus import MilvusStore

LEASE_S = 30.0
SETTLE_S = 0.1


@dataclass(frozen=True, slots=True)
class Lease:
    """Who may write to a collection.

    Attributes:
        fence: grows by one with every owner; writers carry it.
        nonce: different for every owner, also for two that took the same number.
        machine: host, boot and process namespace, inside which the process is unique.
        pid: the owner's process.
        started: when that process was created.
        since: when it became the owner, seconds since 1970.
        until: when the lease ends unless it is renewed; 0 once it was given back.
        clean: whether that owner left no source half written.
    """

    fence: int = 0
    nonce: str = ""
    machine: str = ""
    pid: int = 0
    started: str = ""
    since: float = 0.0
    until: float = 0.0
    clean: bool = True

    def is_alive(self, now: float) -> bool:
        """Tell whether the owner may still write: time is left, and its process is not gone."""
        if self.until <= now:
            return False
        return self.machine != _machine() or process_started(self.pid) == self.started

    def said(self, now: float) -> str:
        """Say who the owner is, for people."""
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        return (
            f"process {self.pid} on {self.machine.split()[0]}, since {since}; "
            f"its lease runs for another {max(0.0, self.until - now):.0f} s unless it is renewed"
        )


def lease_of(layout: Layout) -> Lease | None:
    """Read a collection's lease; None when there never was one."""
    return Lease(**json.loads(layout.lease)) if layout.lease else None


def check_fence(name: str, layout: Layout, fence: int) -> None:
    """Refuse a writer that is no longer the owner.

    Raises:
        UnavailableError: another owner has the collection.
    """
    found = lease_of(layout)
    if found is None or found.fence != fence:
        raise _taken_over(name, found, fence)


class LeaseKeeper:
    """Being the one writer of a collection."""

    def __init__(self, store: MilvusStore, name: str, lease_s: float = LEASE_S) -> None:
        self._store = store
        self._name = name
        self._lease_s = lease_s
        self.lease = Lease()
        self.replaced: Lease | None = None

    @property
    def found_clean(self) -> bool:
        """Whether the last owner left no source half written."""
        return self.replaced is not None and self.replaced.clean

    def over(self, store: MilvusStore) -> LeaseKeeper:
        """Give the same owner over another connection, for another thread."""
        other = LeaseKeeper(store, self._name, self._lease_s)
        other.lease = self.lease
        return other

    def acquire(self) -> Lease:
        """Become the writer.

        `replaced` is afterwards the lease that was there before.

        Raises:
            UnavailableError: another job is alive; the message says which.
        """
        layout = self._store.layout(self._name)
        if not layout.uid:  # made by an earlier version
            self._store.set_property(self._name, UID, secrets.token_hex(8))
        before, now = lease_of(layout), time.time()
        if before is not None and before.is_alive(now):
            raise UnavailableError(
                f"collection {self._name!r} is being written by another job: {before.said(now)}"
            )
        self.replaced = before
        ours = Lease(
            fence=before.fence + 1 if before else 1,
            nonce=secrets.token_hex(8),
            machine=_machine(),
            pid=os.getpid(),
            started=process_started(os.getpid()) or "",
            since=now,
            until=now + self._lease_s,
            clean=False,
        )
        self._write(ours)
        time.sleep(SETTLE_S)
        self.check()
        return ours

    def check(self) -> None:
        """Make sure that this is still the writer.

        Raises:
            UnavailableError: another job has taken over.
        """
        found = lease_of(self._store.layout(self._name))
        if found is None or found.nonce != self.lease.nonce:
            raise _taken_over(self._name, found, self.lease.fence)

    def renew(self) -> None:
        """Stay the writer for another `lease_s`.

        Raises:
            UnavailableError: another job has taken over.
        """
        self.check()
        self._write(replace(self.lease, until=time.time() + self._lease_s))

    def release(self, *, clean: bool) -> None:
        """Let others write; `clean` when nothing was left half written."""
        self.check()
        self._write(replace(self.lease, until=0.0, clean=clean))

    def _write(self, lease: Lease) -> None:
        self._store.set_property(self._name, LEASE, json.dumps(asdict(lease)))
        self.lease = lease


def _taken_over(name: str, found: Lease | None, fence: int) -> UnavailableError:
    other = f": {found.said(time.time())}" if found else ""
    return UnavailableError(
        f"collection {name!r} has been taken over by another job{other}; "
        f"this one (fence {fence}) writes nothing more"
    )


def _machine() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id")
    space = Path("/proc/self/ns/pid")
    marks = [boot.read_text(encoding="ascii").strip()] if boot.exists() else []
    marks += [str(space.readlink())] if space.is_symlink() else []
    return " ".join([socket.gethostname(), *marks])
