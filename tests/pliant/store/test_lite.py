from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pliant.errors import InvalidInputError, NotFoundError, UnavailableError
from pliant.store.lite import LiteHandle, LiteOptions, find_owner, lite_url, stop_owner
from pliant.store.lite_files import (
    Owner,
    is_owned,
    open_lock,
    process_started,
    try_lock,
    write_owner,
)

SHORT = LiteOptions(idle_s=0.4)
CLIENT = """
import sys
from pliant.store.lite import LiteOptions, lite_url
handle = lite_url(sys.argv[1], LiteOptions(idle_s=float(sys.argv[2])))
print(handle.owner.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "some where.db"
    yield path
    stop_owner(path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiteHandle]:
    path = tmp_path_factory.mktemp("shared") / "x.db"
    with lite_url(path) as handle:
        yield handle
    stop_owner(path)


def client(path: Path, idle_s: float = 60) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CLIENT, str(path), str(idle_s)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def wait_until(fact: Callable[[], bool], timeout_s: float = 20) -> bool:
    deadline = time.monotonic() + timeout_s
    while not fact() and time.monotonic() < deadline:
        time.sleep(0.02)
    return fact()


def alive(owner: Owner) -> bool:
    return process_started(owner.pid) == owner.started


def running(path: Path) -> Owner:
    owner = find_owner(path)
    assert owner
    return owner


def test_several_starters_at_once_end_with_one_owner(db: Path) -> None:
    clients = [client(db) for _ in range(4)]
    pids = {said(one) for one in clients}
    for one in clients:
        one.communicate()
    assert pids == {str(running(db).pid)}


def test_an_owner_is_nobodys_child_and_has_its_own_session(shared: LiteHandle) -> None:
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="utf8")
    assert str(shared.owner.pid) not in children.split()
    assert os.getsid(shared.owner.pid) != os.getsid(0)


def test_nobody_else_can_listen_on_the_owners_port(shared: LiteHandle) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", shared.owner.port))


def test_a_killed_owner_is_replaced(db: Path) -> None:
    with lite_url(db) as first:
        os.kill(first.owner.pid, signal.SIGKILL)
        assert wait_until(lambda: not alive(first.owner))
        assert find_owner(db) is None
        with lite_url(db) as second:
            assert second.owner == running(db) != first.owner


def test_an_owner_leaves_after_its_last_client_was_killed(db: Path) -> None:
    with client(db, idle_s=0.4) as process:
        said(process)
        owner = running(db)
        time.sleep(1)
        stayed = alive(owner)
        process.kill()
    assert stayed
    assert wait_until(lambda: not alive(owner))
    assert not (db / "owner.json").exists()


def test_an_owner_that_is_kept_stays_until_it_is_stopped(db: Path) -> None:
    with lite_url(db, SHORT) as handle:
        handle.keep()
    time.sleep(1)
    assert alive(handle.owner)
    assert stop_owner(db)
    assert not alive(handle.owner)
    assert not is_owned(db)


@pytest.mark.slow
def test_a_mark_to_stay_does_not_hold_the_next_owner(db: Path) -> None:
    with lite_url(db, SHORT) as first:
        first.keep()
        os.kill(first.owner.pid, signal.SIGKILL)
        assert wait_until(lambda: not alive(first.owner))
    with lite_url(db, SHORT) as second:
        pass
    assert wait_until(lambda: not alive(second.owner))


@pytest.mark.slow
def test_an_owner_leaves_when_its_folder_is_deleted(db: Path) -> None:
    with lite_url(db) as handle:
        db.rename(db.with_name("gone"))
        assert wait_until(lambda: not alive(handle.owner))


def test_stopping_where_nothing_runs_says_so(db: Path) -> None:
    assert not stop_owner(db)


def test_an_actor_finds_an_owner_but_starts_none(db: Path, shared: LiteHandle) -> None:
    find = LiteOptions(start=False)
    with pytest.raises(NotFoundError, match="does not exist"):
        lite_url(db, find)
    db.mkdir()
    with pytest.raises(UnavailableError, match="pliant store start"):
        lite_url(db, find)
    with lite_url(shared.folder, find) as found:
        assert found.url == shared.url


@pytest.mark.parametrize("change", [{"started": "1"}, {"pid": 2**22 + 1}, {"nonce": "other"}])
def test_an_owner_file_of_a_dead_owner_is_not_believed(db: Path, change: dict[str, object]) -> None:
    db.mkdir()
    started = process_started(os.getpid())
    values = {"pid": os.getpid(), "port": 1, "started": started, "nonce": "n", **change}
    write_owner(db, Owner(**values))  # pyright: ignore[reportArgumentType]
    assert find_owner(db) is None
    assert not stop_owner(db)


def test_a_reused_pid_is_told_from_the_owner_while_the_lock_is_held(db: Path) -> None:
    db.mkdir()
    lock = open_lock(db, ".owner")
    assert try_lock(lock, exclusive=True)
    write_owner(db, Owner(os.getpid(), 1, "1", "n"))
    assert find_owner(db) is None
    assert not stop_owner(db)
    os.close(lock)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}'])
def test_a_damaged_owner_file_is_ignored(db: Path, text: str) -> None:
    db.mkdir()
    (db / "owner.json").write_text(text, encoding="utf8")
    assert find_owner(db) is None


def test_a_second_owner_of_a_folder_leaves_at_once(shared: LiteHandle) -> None:
    program = "import sys; from pliant.store import lite_owner; lite_owner.main(sys.argv[1:])"
    answer = subprocess.run(
        [sys.executable, "-c", program, str(shared.folder), "--idle-s", "60"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert answer.stdout == "lost\n"
    assert find_owner(shared.folder) == shared.owner


def test_a_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"SQLite format 3")
    with pytest.raises(InvalidInputError, match="is a file"):
        lite_url(tmp_path / "x.db")


def test_a_folder_with_other_files_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("hello", encoding="utf8")
    with pytest.raises(InvalidInputError, match=r"letter\.txt"):
        lite_url(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["letter.txt"]


def test_a_folder_that_is_open_in_another_program_is_said_to_be(db: Path) -> None:
    db.mkdir()
    other = open_lock(db, "LOCK")
    assert try_lock(other, exclusive=True)
    with pytest.raises(UnavailableError, match="open in another program"):
        lite_url(db)
    os.close(other)


def test_a_missing_folder_is_not_made_unless_asked(db: Path) -> None:
    with pytest.raises(NotFoundError, match=r"some where\.db"):
        lite_url(db, LiteOptions(create=False))
    assert not db.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_said_to_be(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InvalidInputError, match="Permission denied"):
        lite_url(tmp_path / "x.db")
    tmp_path.chmod(0o700)
