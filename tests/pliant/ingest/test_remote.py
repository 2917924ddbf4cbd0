"""Remote sources: memory://, a local HTTP server, S3 by moto, and endless buckets."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer, SimpleHTTPRequestHandler
from itertools import islice
from pathlib import Path
from typing import Any

import fsspec
import psutil
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from pliant.content import Record, text_of
from pliant.errors import InvalidInputError
from pliant.ingest.discover import DiscoverOptions, Source, discover
from pliant.ingest.failure import Failure
from pliant.ingest.fingerprint import fingerprint
from pliant.ingest.isolate import IsolatedReader
from pliant.ingest.options import Limits, ReadOptions
from pliant.ingest.read import read
from pliant.ingest.remote import shown
from pliant_jobs.samples import kinds


def sources(*urls: str, **options: Any) -> list[Source]:
    found = discover(urls, DiscoverOptions.model_validate(options))
    return [item for item in found if isinstance(item, Source)]


def texts(source: Source, **options: Any) -> list[str]:
    given = read(source, ReadOptions(**options))
    return [text_of(one.content) if isinstance(one, Record) else one.error for one in given]


@pytest.fixture
def memory() -> Iterator[MemoryFileSystem]:
    system = MemoryFileSystem()
    for name, data in (("a.txt", b"one"), ("b/c.csv", b"text\ntwo\n"), ("b/d.png", b"junk")):
        system.pipe(f"/books/{name}", data)
    yield system
    system.rm("/books", recursive=True)


def test_a_folder_in_memory_is_walked_and_read(memory: MemoryFileSystem) -> None:
    found = sources("memory://books")
    assert [one.source for one in found] == [
        "memory://books/a.txt", "memory://books/b/c.csv", "memory://books/b/d.png",
    ]  # fmt: skip
    assert [texts(one) for one in found] == [["one"], ["two"], ["NotAnImage"]]
    assert [one.size_bytes for one in found] == [3, 9, 4]


def test_globs_include_and_root_hold_for_remote_sources(memory: MemoryFileSystem) -> None:
    assert [one.source for one in sources("memory://books/*/*.csv")] == ["memory://books/b/c.csv"]
    assert [one.uri for one in sources("memory://books", include=["*.txt"], root="R")] == [
        "R/a.txt"
    ]
    assert len(sources("memory://books", exclude=["b"])) == 1
    assert len(sources("memory://books/b", "memory://books")) == 3


def test_the_fingerprint_follows_the_bytes(memory: MemoryFileSystem) -> None:
    (before,) = sources("memory://books/a.txt")
    memory.pipe("/books/a.txt", b"two")
    (after,) = sources("memory://books/a.txt")
    assert before.key == after.key
    assert fingerprint(before) != fingerprint(after)


def test_a_large_remote_file_is_refused_by_name(memory: MemoryFileSystem) -> None:
    (one,) = sources("memory://books/b/c.csv")
    (failed,) = read(one, ReadOptions(limits=Limits(max_bytes=5)))
    assert isinstance(failed, Failure)
    assert "max_bytes" in failed.message


@contextmanager
def serving(handler: Any) -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 http.server's name
        pass


def test_http_needs_an_allowed_host(tmp_path: Path) -> None:
    (tmp_path / "a b.txt").write_text("one")
    with serving(partial(_Quiet, directory=str(tmp_path))) as host:
        with pytest.raises(InvalidInputError, match=f"--allow-host {host}"):
            discover([f"http://{host}/a b.txt"])
        (one,) = sources(f"http://{host}/a b.txt", allow_hosts=["127.0.0.1"])
        assert texts(one, allow_hosts=[host]) == ["one"]
        with IsolatedReader() as reader:
            (record,) = reader.read(one, ReadOptions(allow_hosts=(host,)))
            assert isinstance(record, Record)
        assert texts(one) == ["InvalidInputError"]
        (gone,) = sources(f"http://{host}/gone.txt", allow_hosts=[host])
        (failed,) = read(gone, ReadOptions(allow_hosts=(host,)))
        assert isinstance(failed, Failure)
        assert "404" in failed.message


def test_a_redirect_must_lead_to_an_allowed_host() -> None:
    class Redirect(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", "http://169.254.169.254/latest/meta-data")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with serving(Redirect) as host:
        (one,) = sources(f"http://{host}/a.txt", allow_hosts=[host])
        (failed,) = read(one, ReadOptions(allow_hosts=(host,)))
    assert isinstance(failed, Failure)
    assert "169.254.169.254' is not allowed" in failed.message


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("s3://key:secret@bucket/a.txt", "s3://bucket/a.txt"),
        (
            "https://u:p@host:8/a?x=1&X-Amz-Signature=abc",
            "https://host:8/a?x=1&X-Amz-Signature=...",
        ),
        ("https://host/a?sig=abc&token=def", "https://host/a?sig=...&token=..."),
    ],
)
def test_secrets_are_not_shown(url: str, safe: str) -> None:
    assert shown(url) == safe


def test_secrets_are_in_no_failure() -> None:
    (one,) = sources("https://u:pass1@127.0.0.1:9/a.txt?sig=pass2", allow_hosts=["127.0.0.1"])
    (failed,) = read(one, ReadOptions(allow_hosts=("127.0.0.1",)))
    assert isinstance(failed, Failure)
    assert "pass" not in repr(failed) + one.source + one.uri


class _Endless(fsspec.AbstractFileSystem):
    protocol = "endless"

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        return {"name": path, "size": 0, "type": "directory"}

    def ls(self, path: str, detail: bool = True, **_: Any) -> Any:
        deep = path.strip("/").count("/")
        kind, count = ("file", 1000) if deep == 2 else ("directory", 100)
        ending = ".txt" if kind == "file" else ""
        return [
            {"name": f"{path.strip('/')}/{number}{ending}", "size": 9, "type": kind}
            for number in range(count)
        ]


def listed(count: int) -> tuple[int, int]:
    fsspec.register_implementation("endless", _Endless, clobber=True)
    found = discover(["endless://bucket"])
    next(found)
    tracemalloc.start()
    seen = sum(1 for _ in islice(found, count))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return seen, peak


def test_listing_is_lazy_and_its_memory_flat() -> None:
    seen, peak = listed(5_000)
    assert seen == 5_000
    assert peak < 5 * 2**20  # a few folders of 1,000 names


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_ten_million_objects_are_listed_in_flat_memory() -> None:
    fsspec.register_implementation("endless", _Endless, clobber=True)
    found = discover(["endless://bucket"])
    sum(1 for _ in islice(found, 10_000))
    before = psutil.Process().memory_info().rss
    assert 10_000 + sum(1 for _ in found) == 10_000_000
    assert psutil.Process().memory_info().rss - before < 64 * 2**20  # 7 bytes a source at most


@pytest.mark.slow
def test_s3_by_moto(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("s3fs")
    server_module = pytest.importorskip("moto.server")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hushhush")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        system = fsspec.filesystem("s3", skip_instance_cache=True)
        system.mkdir("books")
        system.pipe("books/a.txt", b"one")
        system.pipe("books/in/b.tar", kinds.tarred({"c.txt": b"two"}))
        found = sources("s3://books")
        assert [one.source for one in found] == ["s3://books/a.txt", "s3://books/in/b.tar"]
        assert [texts(one) for one in found] == [["one"], ["two"]]
        assert all(one.mtime for one in found)
        with IsolatedReader() as reader:
            assert len(list(reader.read(found[1]))) == 1
    finally:
        server.stop()
