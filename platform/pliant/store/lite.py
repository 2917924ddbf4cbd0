"""An embedded Milvus Lite folder: find its one owner process, or start it.

One process may open a folder; everybody else talks to that one on loopback. This module knows
nothing of collections, and starts an owner only where it is asked to: never in a Ray actor,
whose children Ray ends.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import pliant
from pliant.errors import InvalidInputError, NotFoundError, UnavailableError
from pliant.store.lite_files import (
    CLIENTS_LOCK,
    LOG_FILE,
    OWNER_LOCK,
    STAY_FILE,
    Owner,
    is_owned,
    open_lock,
    process_started,
    published_owner,
    try_lock,
)

IDLE_S = 60.0
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 60.0
_PAUSE_S = 0.02
_LOG_BYTES = 1_000_000
_LITE_ENTRIES = ("collections", "databases", "LOCK", OWNER_LOCK)


@dataclass(frozen=True, slots=True)
class LiteOptions:
    """How to reach an embedded store.

    Attributes:
        start: start an owner when there is none; never from a Ray actor.
        create: make the folder when there is none.
        idle_s: an owner started here leaves so many seconds after its last client.
    """

    start: bool = True
    create: bool = True
    idle_s: float = IDLE_S


class LiteHandle:
    """Being a client of a folder's owner: it stays as long as one handle is open."""

    def __init__(self, folder: Path, owner: Owner, lock: int) -> None:
        self.folder = folder
        self.owner = owner
        self._lock = lock

    @property
    def url(self) -> str:
        """Where plain Milvus clients connect."""
        return self.owner.url

    def keep(self) -> None:
        """Let this owner stay without clients until it is stopped."""
        (self.folder / STAY_FILE).write_text(self.owner.nonce, encoding="utf8")

    def close(self) -> None:
        """Stop being a client."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> LiteHandle:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


def lite_url(path: str | Path, options: LiteOptions | None = None) -> LiteHandle:
    """Become a client of a folder's owner, which is started if need be.

    Raises:
        InvalidInputError: the path is no Milvus Lite folder, or cannot be written.
        NotFoundError: there is no such folder, and `create` is off.
        UnavailableError: no owner runs and none may or can be started.
    """
    options = options or LiteOptions()
    folder = _folder(path, options)
    deadline = time.monotonic() + START_TIMEOUT_S
    lock = _join(folder, deadline)
    try:
        owner = _find_or_start(folder, options, deadline)
    except BaseException:
        os.close(lock)
        raise
    return LiteHandle(folder, owner, lock)


def find_owner(path: str | Path) -> Owner | None:
    """Give the running owner of a folder that answers, or None."""
    owner = published_owner(Path(path).resolve())
    return owner if owner and _answers(owner) else None


def stop_owner(path: str | Path) -> bool:
    """End the owner of a folder after its calls in flight; False when there was none.

    Raises:
        UnavailableError: it does not end.
    """
    folder = Path(path).resolve()
    owner = published_owner(folder)
    if owner is None:
        return False
    (folder / STAY_FILE).unlink(missing_ok=True)
    os.kill(owner.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while published_owner(folder) == owner or (is_owned(folder) and _alive(owner)):
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"the owner of {str(path)!r} (process {owner.pid}) has not ended within "
                f"{STOP_TIMEOUT_S:.0f} s; see {folder / LOG_FILE}"
            )
        time.sleep(_PAUSE_S)
    return True


def _alive(owner: Owner) -> bool:
    return process_started(owner.pid) == owner.started


def _folder(path: str | Path, options: LiteOptions) -> Path:
    """Give the folder as an absolute path, made if that is asked for, and checked."""
    folder = Path(path).resolve()
    if not folder.exists():
        if not (options.create and options.start):
            raise NotFoundError(
                f"store {str(path)!r} does not exist; `pliant embed` makes it, "
                "`--uri` names another one"
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidInputError(
                f"store {str(path)!r} cannot be made: {error.strerror}; give another --uri"
            ) from error
    if not folder.is_dir():
        raise InvalidInputError(
            f"store {str(path)!r} is a file; Milvus Lite keeps its data in a folder: "
            "give another --uri"
        )
    names = sorted(entry.name for entry in folder.iterdir())
    if names and not any(name in _LITE_ENTRIES or name == CLIENTS_LOCK for name in names):
        raise InvalidInputError(
            f"store {str(path)!r} is a folder with other files ({names[0]!r} …) and no "
            "Milvus Lite data: give a folder that is empty, or does not exist yet"
        )
    return folder


def _join(folder: Path, deadline: float) -> int:
    """Take the clients' lock; an owner that leaves holds it until it is gone."""
    try:
        lock = open_lock(folder, CLIENTS_LOCK)
    except OSError as error:
        raise InvalidInputError(
            f"store {str(folder)!r} cannot be written: {error.strerror}; "
            "Milvus Lite needs to write also for reading"
        ) from error
    while not try_lock(lock, exclusive=False):
        if time.monotonic() > deadline:
            os.close(lock)
            raise UnavailableError(f"the owner of {str(folder)!r} is leaving and does not end")
        time.sleep(_PAUSE_S)
    return lock


def _find_or_start(folder: Path, options: LiteOptions, deadline: float) -> Owner:
    while True:
        owner = find_owner(folder)
        if owner:
            return owner
        if not is_owned(folder):
            if not options.start:
                raise UnavailableError(
                    f"store {str(folder)!r} has no running owner, and one is never started from "
                    f"here: run `pliant store start --uri {folder}`"
                )
            _start(folder, options)
        elif time.monotonic() > deadline:
            raise UnavailableError(
                f"the owner of {str(folder)!r} does not answer within {START_TIMEOUT_S:.0f} s; "
                f"see {folder / LOG_FILE}"
            )
        else:
            time.sleep(_PAUSE_S)


def _answers(owner: Owner) -> bool:
    try:
        socket.create_connection(("127.0.0.1", owner.port), timeout=5).close()
    except OSError:
        return False
    return True


def _start(folder: Path, options: LiteOptions) -> None:
    """Start an owner and wait until it serves, or another one was first."""
    log = folder / LOG_FILE
    if log.exists() and log.stat().st_size > _LOG_BYTES:
        log.unlink()
    roots = [str(Path(pliant.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    command = [sys.executable, "-P", "-m", "pliant.store.lite_owner", str(folder)]
    with log.open("ab") as log_file:
        starter = subprocess.Popen(
            [*command, "--idle-s", str(options.idle_s)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log_file,
            cwd="/",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, roots))},
            start_new_session=True,
        )
    with starter:
        try:
            word, _ = starter.communicate(timeout=START_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            starter.kill()
            raise UnavailableError(
                f"the owner of {str(folder)!r} does not serve after {START_TIMEOUT_S:.0f} s; "
                f"see {log}"
            ) from None
    if not word.strip():
        raise UnavailableError(_why(folder, log))


def _why(folder: Path, log: Path) -> str:
    """Explain by its log why an owner could not serve."""
    lines = log.read_text(encoding="utf8", errors="replace").strip().splitlines()
    reason = lines[-1] if lines else "it ended without a word"
    if "DataDirLocked" in reason:
        return (
            f"store {str(folder)!r} is open in another program (a MilvusClient on the folder "
            "itself?): close it there, or let it use the address of `pliant store url`"
        )
    return f"the owner of {str(folder)!r} cannot serve: {reason}; see {log}"
