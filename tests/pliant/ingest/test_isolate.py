from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pliant.content import Record, text_of
from pliant.errors import UnavailableError
from pliant.ingest.discover import source_of
from pliant.ingest.failure import Failure
from pliant.ingest.isolate import IsolatedReader
from pliant.ingest.options import Limits, ReadOptions
from pliant.ingest.read import read

READERS = """
import os, signal, sys, time
from pathlib import Path
from pliant.content import Record, Text
from pliant.ingest.blob import attempt

def record(blob, index, word):
    if word == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if word == "exit":
        os._exit(3)
    if word == "hang":
        time.sleep(60)
    if word == "noise":
        os.write(1, b"noise"); os.write(2, b"noise"); print("noise")
    if word == "hungry":
        held = bytearray(3 * 2**30)
    if word == "slow":
        time.sleep(0.3)
    return Record(f"item={index}", (Text(word),), blob.source.source, f"item={index}")

def words(blob):
    for index, word in enumerate(Path(blob.source.path).read_text().split()):
        yield attempt(blob, index, f"item={index}", lambda: record(blob, index, word))

def stubborn(blob):
    for index, word in enumerate(Path(blob.source.path).read_text().split()):
        yield record(blob, index, word)
"""


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IsolatedReader]:
    folder = tmp_path_factory.mktemp("readers")
    (folder / "frail_readers.py").write_text(READERS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        readers = {".words": "frail_readers:words", ".stubborn": "frail_readers:stubborn"}
        with IsolatedReader(readers) as isolated:
            yield isolated


def outcome(item: Record | Failure) -> tuple[str, str]:
    return item.locator, item.error if isinstance(item, Failure) else text_of(item.content)


def run(
    reader: IsolatedReader, path: Path, words: str, timeout_s: float = 20.0
) -> list[tuple[str, str]]:
    path.write_text(words)
    options = ReadOptions(limits=Limits(read_timeout_s=timeout_s))
    return [outcome(item) for item in reader.read(source_of(path), options)]


def test_it_gives_what_read_gives(
    reader: IsolatedReader, tmp_path: Path, png_bytes: bytes, clip_mp4: Path
) -> None:
    (tmp_path / "a.png").write_bytes(png_bytes)
    (tmp_path / "a.txt").write_text("hello")
    (tmp_path / "b.txt").write_bytes(b"\xff")
    for path in (tmp_path / "a.png", tmp_path / "a.txt", tmp_path / "b.txt", clip_mp4):
        source = source_of(path)
        expected = list(read(source))
        given = list(reader.read(source))
        if isinstance(expected[0], Record):
            assert given == expected
        else:
            assert [outcome(item) for item in given] == [outcome(item) for item in expected]


@pytest.mark.parametrize("word", ["crash", "exit"])
def test_a_crash_costs_one_record(reader: IsolatedReader, tmp_path: Path, word: str) -> None:
    assert run(reader, tmp_path / "a.words", f"a b {word} c d") == [
        ("item=0", "a"),
        ("item=1", "b"),
        ("item=2", "DecoderCrashed"),
        ("item=3", "c"),
        ("item=4", "d"),
    ]


def test_the_message_of_a_crash_names_the_signal(reader: IsolatedReader, tmp_path: Path) -> None:
    (tmp_path / "a.words").write_text("crash")
    (failed,) = reader.read(source_of(tmp_path / "a.words"))
    assert isinstance(failed, Failure)
    assert failed.message == (
        "the decoder crashed (SIGSEGV) on this record; the file is damaged or hostile"
    )


def test_a_hang_costs_one_record(reader: IsolatedReader, tmp_path: Path) -> None:
    begun = time.monotonic()
    given = run(reader, tmp_path / "a.words", "a hang b", timeout_s=1.0)
    assert given == [("item=0", "a"), ("item=1", "DecoderTimeout"), ("item=2", "b")]
    assert time.monotonic() - begun < 15  # one timeout and a new start, on a busy machine


def test_slow_records_are_no_hang(reader: IsolatedReader, tmp_path: Path) -> None:
    assert len(run(reader, tmp_path / "a.words", "slow " * 6, timeout_s=1.0)) == 6


def test_after_three_crashes_the_source_is_given_up(reader: IsolatedReader, tmp_path: Path) -> None:
    given = run(reader, tmp_path / "a.words", "crash a crash crash b crash c")
    assert given == [
        ("item=0", "DecoderCrashed"),
        ("item=1", "a"),
        ("item=2", "DecoderCrashed"),
        ("item=3", "DecoderCrashed"),
        ("item=4", "b"),
        ("", "GaveUp"),
    ]


def test_a_reader_that_cannot_skip_is_given_up_at_once(
    reader: IsolatedReader, tmp_path: Path
) -> None:
    given = run(reader, tmp_path / "a.stubborn", "a crash b")
    assert given == [("item=0", "a"), ("", "DecoderCrashed")]


def test_noise_of_decoders_is_not_heard(
    reader: IsolatedReader, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(reader, tmp_path / "a.words", "noise a") == [("item=0", "noise"), ("item=1", "a")]
    assert capfd.readouterr() == ("", "")


def test_an_abandoned_source_does_not_leak_into_the_next(
    reader: IsolatedReader, tmp_path: Path
) -> None:
    (tmp_path / "a.words").write_text("a " * 5000)
    items = reader.read(source_of(tmp_path / "a.words"))
    next(items)
    items.close()  # pyright: ignore[reportAttributeAccessIssue] a generator
    assert run(reader, tmp_path / "b.words", "b") == [("item=0", "b")]


def test_a_helper_that_died_between_sources_is_replaced(
    reader: IsolatedReader, tmp_path: Path
) -> None:
    assert run(reader, tmp_path / "a.words", "a") == [("item=0", "a")]
    helper = reader._helper  # pyright: ignore[reportPrivateUsage] to kill it
    assert helper is not None
    helper._process.kill()  # pyright: ignore[reportPrivateUsage]
    helper._process.wait()  # pyright: ignore[reportPrivateUsage]
    assert run(reader, tmp_path / "a.words", "b") == [("item=0", "b")]


def test_a_reader_that_cannot_be_imported_fails_its_sources(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    with IsolatedReader({".odd": "no_such_module:read"}) as isolated:
        (failed,) = isolated.read(source_of(tmp_path / "a.txt"))
    assert isinstance(failed, Failure)
    assert failed.error == "DecoderCrashed"


def test_a_helper_that_cannot_start_is_our_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text("a")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with IsolatedReader() as isolated, pytest.raises(UnavailableError, match="does not start"):
        list(isolated.read(source_of(tmp_path / "a.txt")))


def test_look_ahead_is_bounded(reader: IsolatedReader, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"text": ["x" * 100_000] * 400}), path, use_dictionary=False)
    items = reader.read(source_of(path))
    next(items)
    time.sleep(1.0)
    helper = reader._helper  # pyright: ignore[reportPrivateUsage] to look at its counter
    assert helper is not None
    assert helper._read_count() < 50  # pyright: ignore[reportPrivateUsage] 2 batches of 1 MiB
    assert len(list(items)) == 399


def test_the_helper_dies_with_its_parent(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    program = (
        "import sys, time; from pliant.ingest.isolate import IsolatedReader;"
        "from pliant.ingest.discover import source_of;"
        "reader = IsolatedReader(); list(reader.read(source_of(sys.argv[1])));"
        "print(reader._helper._process.pid, flush=True); time.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "a.txt")],
        stdout=subprocess.PIPE,
        env=environment,
    ) as parent:
        assert parent.stdout is not None
        helper = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while _is_running(helper) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_running(helper)


def _is_running(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_one_source_at_a_time(reader: IsolatedReader, tmp_path: Path) -> None:
    (tmp_path / "a.words").write_text("a b")
    first = reader.read(source_of(tmp_path / "a.words"))
    next(first)
    with pytest.raises(AssertionError, match="one source at a time"):
        next(reader.read(source_of(tmp_path / "a.words")))
    assert len(list(first)) == 1


def test_two_gigabytes_cost_one_record(reader: IsolatedReader, tmp_path: Path) -> None:
    assert run(reader, tmp_path / "a.words", "a hungry b") == [
        ("item=0", "a"),
        ("item=1", "OutOfMemory"),
        ("item=2", "b"),
    ]
    (tmp_path / "a.words").write_text("hungry")
    (failed,) = reader.read(source_of(tmp_path / "a.words"))
    assert isinstance(failed, Failure)
    assert "max_memory_bytes" in failed.message
