"""A Ray session for one job: quiet on the screen, logs kept, ended with the job.

People see our progress and our errors; Ray's own lines stay in its log folder.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pliant.errors import UnavailableError

OBJECT_STORE_BYTES = 256 << 20
KEPT_SESSIONS = 5
BLOCK_BYTES = 512 << 10


@dataclass(frozen=True, slots=True)
class Session:
    """What the job may know of Ray: how many CPUs there are and where the logs lie."""

    num_cpus: int
    num_nodes: int
    logs: str
    seconds: float


@contextlib.contextmanager
def ray_session(address: str | None = None) -> Iterator[Session]:
    """Start a local Ray, or connect to `address`; shut down what was started at the end.

    A session that this process already has (tests, notebooks) is used and left alone.

    Raises:
        UnavailableError: Ray does not start, or nothing answers at the address.
    """
    started = time.monotonic()
    _silence()
    import ray
    import ray.exceptions

    owned = not ray.is_initialized()
    with _native_noise_to_log() if owned else contextlib.nullcontext():
        if owned:
            _connect(address)
        try:
            _configure_data()
            nodes = [node for node in ray.nodes() if node["Alive"]]
            cpus = int(ray.cluster_resources().get("CPU", 1))
            yield Session(cpus, len(nodes), _log_folder(address), time.monotonic() - started)
        finally:
            if owned:
                with contextlib.suppress(ray.exceptions.RayError, RuntimeError):
                    ray.shutdown()  # actors that die while Ray ends are no news
                _forget_old_sessions()


@contextlib.contextmanager
def _native_noise_to_log() -> Iterator[None]:
    """Send what Ray's native code writes to file descriptor 2 to a log; `sys.stderr` stays."""
    folder = _temp_folder()
    folder.mkdir(parents=True, exist_ok=True)
    sys.stderr.flush()
    ours, before = os.dup(2), sys.stderr
    log = os.open(folder / "driver.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(log, 2)
    os.close(log)
    if _is_descriptor(before, 2):
        sys.stderr = os.fdopen(ours, "w", buffering=1, encoding=before.encoding, closefd=False)
    try:
        yield
    finally:
        sys.stderr.flush()
        sys.stderr = before
        os.dup2(ours, 2)
        os.close(ours)


def _is_descriptor(stream: object, number: int) -> bool:
    try:
        return stream.fileno() == number  # pyright: ignore[reportAttributeAccessIssue]
    except (AttributeError, OSError, ValueError):
        return False


def _silence() -> None:
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    for name in ("ray", "ray.data", "ray._private"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _connect(address: str | None) -> None:
    where = f"the Ray cluster at {address}" if address else "a local Ray"
    for last in (True,) if address else (False, True):
        try:
            _init(address)
        except Exception as error:
            if last:
                reason = str(error).splitlines()[0]
                raise UnavailableError(f"cannot reach {where}: {reason}") from error
        else:
            return


def _init(address: str | None) -> None:
    import ray

    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address:
        ray.init(address=address, **quiet)
        return
    ray.init(
        include_dashboard=False,
        object_store_memory=OBJECT_STORE_BYTES,
        _temp_dir=str(_temp_folder()),
        **quiet,
    )


def _configure_data() -> None:
    from ray.data import DataContext

    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.target_max_block_size = BLOCK_BYTES
    for name in ("ray.data", "ray.data._internal"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.ERROR)
        logger.propagate = False


def _temp_folder() -> Path:
    return Path(tempfile.gettempdir()) / f"pliant-ray-{os.getuid()}"


def _log_folder(address: str | None) -> str:
    local = _temp_folder() / "session_latest" / "logs"
    return f"on the cluster at {address}" if address else str(local)


def _forget_old_sessions() -> None:
    """Keep the logs of the last sessions; older ones of dead processes would fill the disk."""
    sessions = sorted(_temp_folder().glob("session_2*"), key=lambda path: path.name)
    for folder in sessions[:-KEPT_SESSIONS]:
        pid = re.search(r"_(\d+)$", folder.name)
        if pid and not Path(f"/proc/{pid[1]}").exists():
            shutil.rmtree(folder, ignore_errors=True)
