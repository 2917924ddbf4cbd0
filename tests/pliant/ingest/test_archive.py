"""Archives: members as sources, limits, and nothing that leads out of them."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from pliant.content import Record, text_of
from pliant.ingest.discover import source_of
from pliant.ingest.failure import Failure
from pliant.ingest.isolate import IsolatedReader
from pliant.ingest.options import Limits, ReadOptions
from pliant.ingest.read import read
from pliant_jobs.samples import kinds

FILES = {"a.txt": b"one", "inner/b.csv": b"text\ntwo\nthree\n", "c;%.txt": b"four"}
TEXTS = {
    "member=a.txt": "one",
    "member=inner/b.csv;row=0": "two",
    "member=inner/b.csv;row=1": "three",
    "member=c%3B%25.txt": "four",
}


def items(path: Path, data: bytes, **limits: int) -> list[Record | Failure]:
    path.write_bytes(data)
    return list(read(source_of(path), ReadOptions(limits=Limits.model_validate(limits))))


def outcomes(path: Path, data: bytes, **limits: int) -> dict[str, str]:
    return {
        item.locator: item.error if isinstance(item, Failure) else text_of(item.content)
        for item in items(path, data, **limits)
    }


def zipped(files: dict[str, bytes]) -> bytes:
    return kinds.zipped(dict(files))


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2"])
def test_members_of_a_tar_are_sources(tmp_path: Path, mode: str) -> None:
    data = kinds.tarred(FILES, mode)
    if mode == "w:bz2":
        assert outcomes(tmp_path / "a.tar", data) == {"": "BrokenArchive"}
    else:
        assert outcomes(tmp_path / "a.tar", data) == TEXTS


def test_members_of_a_zip_are_sources(tmp_path: Path) -> None:
    assert outcomes(tmp_path / "a.zip", zipped(FILES)) == TEXTS


def test_a_packed_file_is_read_by_its_inner_name(tmp_path: Path) -> None:
    import gzip

    data = gzip.compress(b"text\none\n")
    assert outcomes(tmp_path / "a.csv.gz", data) == {"member=a.csv;row=0": "one"}


def test_a_bad_member_fails_alone(tmp_path: Path) -> None:
    files = {**FILES, "bad.png": b"no picture", "empty.txt": b"", "what.xyz": b"?"}
    assert outcomes(tmp_path / "a.zip", zipped(files)) == {
        **TEXTS,
        "member=bad.png": "NotAnImage",
        "member=empty.txt": "EmptyFile",
        "member=what.xyz": "UnknownType",
    }


def test_archives_nest_once(tmp_path: Path) -> None:
    inner = zipped({"a.txt": b"one", "b.zip": zipped({"c.txt": b"two"})})
    data = kinds.tarred({"in.zip": inner})
    assert outcomes(tmp_path / "a.tar", data) == {
        "member=in.zip;member=a.txt": "one",
        "member=in.zip;member=b.zip": "TooDeep",
    }
    assert list(outcomes(tmp_path / "a.tar", data, max_nesting=2).values()) == ["one", "two"]


def test_samples_of_a_shard_are_interleaved(tmp_path: Path) -> None:
    files = {}
    for number in range(3):
        files[f"00{number}.png"] = kinds.picture(str(number))
        files[f"00{number}.txt"] = f"caption {number}".encode()
        files[f"00{number}.json"] = b'{"year": %d}' % (2000 + number)
    given = items(tmp_path / "a.tar", kinds.tarred(files))
    assert [item.locator for item in given] == ["member=000", "member=001", "member=002"]
    for number, one in enumerate(given):
        assert isinstance(one, Record)
        assert (one.modality, one.metadata) == ("interleaved", {"year": 2000 + number})
        assert text_of(one.content) == f"caption {number}"


@pytest.mark.parametrize("name", ["../a.txt", "/etc/a.txt", "a/../../b.txt", "C:\\a.txt"])
def test_paths_out_of_an_archive_are_refused(tmp_path: Path, name: str) -> None:
    assert list(outcomes(tmp_path / "a.zip", zipped({name: b"x"})).values()) == ["UnsafePath"]
    given = outcomes(tmp_path / "a.tar", kinds.tarred({name: b"x"}))
    assert list(given.values()) == ["UnsafePath"]


def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, kind in (("l", tarfile.SYMTYPE), ("h", tarfile.LNKTYPE), ("d", tarfile.CHRTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    assert outcomes(tmp_path / "a.tar", buffer.getvalue()) == {
        "member=l": "LinkMember", "member=h": "LinkMember", "member=d": "NotAFile",
    }  # fmt: skip


def test_an_encrypted_member_says_so(tmp_path: Path) -> None:
    data = bytearray(zipped({"a.txt": b"secret"}))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    assert outcomes(tmp_path / "a.zip", bytes(data)) == {"member=a.txt": "EncryptedMember"}


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "gz"])
def test_bombs_are_refused_by_name(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gzip

    monkeypatch.setattr("pliant.ingest.entries.FREE_BYTES", 2**20)
    zeros = bytes(3 * 2**20)
    data = {
        "zip": lambda: zipped({"a.txt": zeros}),
        "tar.gz": lambda: kinds.tarred({"a.txt": zeros}, "w:gz"),
        "gz": lambda: gzip.compress(zeros),
    }[kind]()
    for failed in items(tmp_path / f"a.{kind}", data):
        assert isinstance(failed, Failure)
        assert failed.error == "ExpandsTooMuch"
        assert "max_expansion" in failed.message


def test_members_are_limited(tmp_path: Path) -> None:
    given = outcomes(tmp_path / "a.zip", zipped(FILES), max_members=2)
    assert list(given.values())[-1] == "TooManyMembers"
    given = outcomes(tmp_path / "a.zip", zipped(FILES), max_bytes=250)
    assert list(given.values())[-1] == "TooLarge"


def test_a_cut_archive_keeps_what_came_before(tmp_path: Path) -> None:
    data = kinds.tarred({"a.txt": b"one", "b.txt": b"x" * 9000})
    assert outcomes(tmp_path / "a.tar", data[:5000])["member=a.txt"] == "one"
    (failed,) = items(tmp_path / "a.zip", zipped(FILES)[:60])
    assert isinstance(failed, Failure)
    assert failed.error == "BrokenArchive"


def test_a_member_that_breaks_its_decoder_costs_one_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "frail_members.py").write_text(
        "import os\ndef crash(blob):\n    os.kill(os.getpid(), 11)\n    yield\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "a.zip"
    path.write_bytes(zipped({"a.txt": b"one", "b.crash": b"x", "c.csv": b"text\ntwo\nthree\n"}))
    with IsolatedReader({".crash": "frail_members:crash"}) as reader:
        given = [
            (item.locator, item.error if isinstance(item, Failure) else text_of(item.content))
            for item in reader.read(source_of(path))
        ]
    assert given == [
        ("member=a.txt", "one"),
        ("member=b.crash", "DecoderCrashed"),
        ("member=c.csv;row=0", "two"),
        ("member=c.csv;row=1", "three"),
    ]


def test_a_zip_in_the_zip_of_an_office_file_is_still_a_document(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("report.docx", kinds.make(".docx", "words"))
    given = list(read(source_of(tmp_path / "a.zip")))
    assert [item.locator for item in given] == [
        "member=report.docx", "member=report.docx;picture=1",
    ]  # fmt: skip
