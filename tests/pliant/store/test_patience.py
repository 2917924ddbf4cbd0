"""A store that goes away for a while, and a disk that is full: calls wait, and nothing is lost."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from pliant.errors import UnavailableError
from pliant.store import CollectionSpec, MilvusStore, StoredRow, StoredRows
from pliant.store.connection import Patience
from pliant.store.lite import find_owner, lite_url, stop_owner

DIM = 64


def some_rows(first: int, number: int, text: str = "") -> StoredRows:
    rows = [StoredRow(f"k{at}", "text", "s", text=text) for at in range(first, first + number)]
    return StoredRows("space", rows, np.ones((number, DIM), np.float32))


class Relay:
    """A port in front of a store, which can be closed and opened again."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._sockets: list[socket.socket] = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def open(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen()
        self._sockets = [listener]
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def close(self) -> None:
        for one in self._sockets:
            with_shutdown(one)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                ours, _ = listener.accept()
            except OSError:
                return
            theirs = socket.create_connection(("127.0.0.1", self._to))
            self._sockets += [ours, theirs]
            for pair in ((ours, theirs), (theirs, ours)):
                threading.Thread(target=pump, args=pair, daemon=True).start()


def with_shutdown(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


def pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with_shutdown(sink)


@contextmanager
def later(seconds: float, action: object) -> Iterator[None]:
    timer = threading.Timer(seconds, action)  # pyright: ignore[reportArgumentType]
    timer.start()
    yield
    timer.join()


@pytest.mark.parametrize("away_s", [4.0, pytest.param(60.0, marks=pytest.mark.slow)])
def test_a_server_that_is_away_is_waited_for_with_a_message(folder: Path, away_s: float) -> None:
    said: list[str] = []
    with lite_url(folder) as handle:
        relay = Relay(handle.owner.port)
        relay.open()
        uri = f"http://127.0.0.1:{relay.port}"
        with MilvusStore.open(uri, patience=Patience(120, said.append)) as store:
            store.ensure("away", CollectionSpec(DIM, "space", "m"))
            store.upsert("away", some_rows(0, 5))
            relay.close()
            with later(away_s, relay.open):
                store.upsert("away", some_rows(5, 5))
            assert store.count("away") == 10
            store.drop("away")
        relay.close()
    assert said
    assert "does not answer; waiting" in said[0]


def test_who_may_not_start_an_owner_waits_until_somebody_does(folder: Path) -> None:
    with MilvusStore.open(str(folder)) as store:
        store.ensure("orphan", CollectionSpec(DIM, "space", "m"))
    with MilvusStore.open(str(folder), start=False, patience=Patience(60)) as store:
        store.upsert("orphan", some_rows(0, 5))
        owner = find_owner(folder)
        assert owner
        os.kill(owner.pid, signal.SIGKILL)
        with later(2, lambda: lite_url(folder).close()):
            store.upsert("orphan", some_rows(5, 5))
        assert store.count("orphan") == 10


def test_patience_has_an_end(folder: Path) -> None:
    with MilvusStore.open(str(folder)) as store:
        owner = find_owner(folder)
        assert owner
        store.ensure("late", CollectionSpec(DIM, "space", "m"))
    with MilvusStore.open(str(folder), start=False, patience=Patience(1.5)) as store:
        os.kill(owner.pid, signal.SIGKILL)
        before = time.monotonic()
        with pytest.raises(UnavailableError, match="no running owner"):
            store.count("late")
    assert 1 < time.monotonic() - before < 20


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small disk")
def test_a_full_disk_is_said_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=6m", "none", str(disk)]
    mounted = subprocess.run(command, check=False)
    if mounted.returncode:
        pytest.skip("mount is not allowed here")
    folder = disk / "x.db"
    acknowledged = 0
    try:
        with MilvusStore.open(str(folder), patience=Patience(5)) as store:
            store.ensure("full", CollectionSpec(DIM, "space", "m"))
            with pytest.raises(UnavailableError, match=r"disk of the store .* is full"):  # noqa: PT012
                for first in range(0, 100_000, 100):
                    store.upsert("full", some_rows(first, 100, "x" * 2000))
                    acknowledged = first + 100
        stop_owner(folder)
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        with MilvusStore.open(str(folder)) as store:
            assert store.count("full") >= acknowledged > 0
            store.upsert("full", some_rows(acknowledged, 100))
            assert store.count("full") == acknowledged + 100
    finally:
        stop_owner(folder)
        subprocess.run(["umount", "-l", str(disk)], check=True)
