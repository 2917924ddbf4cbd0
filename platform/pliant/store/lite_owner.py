"""The owner of one Milvus Lite folder: serves it on loopback until nobody needs it.

A program of its own, started by `pliant.store.lite`, independent of Ray. It knows nothing of
collections. It tells its starter one word on stdout: "serves", or "lost" when another owner was
first; no word means that it failed, for the reason at the end of the log, which is its stderr.
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pliant.store.lite_files import (
    CLIENTS_LOCK,
    OWNER_FILE,
    OWNER_LOCK,
    STAY_FILE,
    Owner,
    open_lock,
    process_started,
    published_owner,
    try_lock,
    unlock,
    write_owner,
)

if TYPE_CHECKING:
    import grpc
    from milvus_lite.db import MilvusLite

POLL_S = 0.5
GRACE_S = 5.0
MESSAGE_BYTES = 256 * 1024 * 1024


class Serving(NamedTuple):
    """A folder being served."""

    database: MilvusLite
    server: grpc.Server
    port: int
    calls: Calls


class Calls:
    """A gRPC interceptor that remembers when the last call came: plain clients hold no lock."""

    def __init__(self) -> None:
        self.last = time.monotonic()

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        """Note the time, and let the call pass."""
        self.last = time.monotonic()
        return continuation(details)


def main(argv: list[str] | None = None) -> int:
    """Leave the starter's process tree, then own the folder."""
    parser = argparse.ArgumentParser(prog="pliant.store.lite_owner", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--idle-s", type=float, required=True)
    options = parser.parse_args(argv)
    if os.fork():
        os._exit(0)
    return own(options.folder, options.idle_s)


def own(folder: Path, idle_s: float) -> int:
    """Serve the folder until it is idle, stopped or deleted.

    Args:
        folder: an existing Milvus Lite folder, or an empty one.
        idle_s: leave so many seconds after the last client.
    """
    lock = open_lock(folder, OWNER_LOCK)
    if not _take(lock):
        _report("lost")
        return 1
    (folder / OWNER_FILE).unlink(missing_ok=True)
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serving = _serve(folder)
    started = process_started(os.getpid())
    assert started is not None
    owner = Owner(os.getpid(), serving.port, started, secrets.token_hex(8))
    write_owner(folder, owner)
    _report("serves")
    _wait(owner, Idle(folder, lock, serving.calls, idle_s), stopped)
    _close(folder, owner, serving)
    return 0


class Idle:
    """Decides when an owner is no longer needed."""

    def __init__(self, folder: Path, lock: int, calls: Calls, idle_s: float) -> None:
        self.folder = folder
        self.lock = lock
        self.calls = calls
        self.idle_s = idle_s
        self.clients = open_lock(folder, CLIENTS_LOCK)
        self.busy = time.monotonic()

    def is_deleted(self) -> bool:
        """Tell whether the folder is no longer the one that was opened."""
        try:
            found = (self.folder / OWNER_LOCK).stat()
        except OSError:
            return True
        mine = os.fstat(self.lock)
        return (found.st_dev, found.st_ino) != (mine.st_dev, mine.st_ino)

    def is_over(self, nonce: str) -> bool:
        """Tell whether to leave; when it says so, no client can come in any more."""
        if not try_lock(self.clients, exclusive=True):
            self.busy = time.monotonic()
            return False
        quiet_s = time.monotonic() - max(self.busy, self.calls.last)
        if quiet_s >= self.idle_s and not self._stays(nonce):
            return True
        unlock(self.clients)
        return False

    def _stays(self, nonce: str) -> bool:
        try:
            return (self.folder / STAY_FILE).read_text(encoding="utf8").strip() == nonce
        except OSError:
            return False


def _take(lock: int) -> bool:
    """Take the owner's lock; clients that look whether it is held do so for a moment only."""
    for _ in range(200):
        if try_lock(lock, exclusive=True):
            return True
        if not try_lock(lock, exclusive=False):
            return False
        unlock(lock)
        time.sleep(0.01)
    return False


def _serve(folder: Path) -> Serving:
    """Serve with one worker (concurrent writers lose answers), on a port nobody can share."""
    from concurrent.futures import ThreadPoolExecutor

    import grpc
    from milvus_lite.adapter.grpc.servicer import MilvusServicer
    from milvus_lite.db import MilvusLite
    from pymilvus.grpc_gen import milvus_pb2_grpc

    database = MilvusLite(str(folder))
    calls = Calls()
    server = grpc.server(
        ThreadPoolExecutor(max_workers=1),
        interceptors=[calls],  # pyright: ignore[reportArgumentType] grpc wants its own base class
        options=[
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", MESSAGE_BYTES),
            ("grpc.max_send_message_length", MESSAGE_BYTES),
        ],
    )
    milvus_pb2_grpc.add_MilvusServiceServicer_to_server(MilvusServicer(database), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return Serving(database, server, port, calls)


def _report(word: str) -> None:
    """Tell the starter, and let its pipe go."""
    sys.stdout.write(word + "\n")
    sys.stdout.flush()
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


def _wait(owner: Owner, idle: Idle, stopped: threading.Event) -> None:
    poll_s = min(POLL_S, idle.idle_s / 4)
    while not stopped.wait(poll_s):
        if idle.is_deleted() or idle.is_over(owner.nonce):
            return


def _close(folder: Path, owner: Owner, serving: Serving) -> None:
    """Finish the calls in flight, then the files; the kernel frees the locks at the very end."""
    if published_owner(folder) == owner:
        (folder / OWNER_FILE).unlink(missing_ok=True)
    serving.server.stop(grace=GRACE_S).wait()
    serving.database.close()


if __name__ == "__main__":
    sys.exit(main())
