"""Entries of tar and zip archives, one after the other, within limits; nothing is extracted."""

from __future__ import annotations

import gzip
import io
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, BinaryIO

from pliant.ingest.blob import Blob, too_large
from pliant.media import UnreadableError, first_line

FREE_BYTES = 32 * 2**20
"""What may be unpacked of any archive, however small it is packed."""

_BLOCK = 2**16
_BROKEN = (
    OSError, EOFError, ValueError, RuntimeError, NotImplementedError, LookupError,
    tarfile.TarError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in an archive.

    Attributes:
        name: its path in there.
        copy: writes its bytes to a file; works until the next entry is taken.
        problem: why it is not read.
        data: its bytes, after `loaded`.
    """

    name: str
    copy: Callable[[BinaryIO], None]
    problem: UnreadableError | None = None
    data: bytes = b""

    def loaded(self, limit: int) -> Entry:
        """Give the entry with its bytes, or with the problem that reading them made."""
        buffer = io.BytesIO()
        try:
            if self.problem is None:
                self.copy(buffer)
        except UnreadableError as error:
            return replace(self, problem=error)
        if buffer.tell() > limit:
            return replace(self, problem=too_large(buffer.tell(), limit, "max_bytes"))
        return replace(self, data=buffer.getvalue())


def open_archive(blob: Blob) -> Generator[Entry]:
    """Give the files of an archive in their order; folders are passed over.

    Raises:
        UnreadableError: it is damaged, encrypted, or expands too much.
    """
    with Path(blob.path).open("rb") as file:
        head = file.read(512)
    try:
        if head[:2] == b"PK":
            yield from _zip(blob)
        else:
            yield from _tar(blob, head)
    except UnreadableError:
        raise
    except _BROKEN as error:
        raise _broken(error) from error


class Budget:
    """Counts what comes out of a packed file, and ends it when that is too much."""

    def __init__(self, blob: Blob) -> None:
        self._packed = max(1, Path(blob.path).stat().st_size)
        self._allowed = allowed_bytes(blob)
        self._limit = blob.limits.max_expansion
        self._size = 0

    def add(self, size: int) -> None:
        """Count some bytes.

        Raises:
            UnreadableError: more than the limits allow.
        """
        self._size += size
        if self._size > self._allowed:
            raise expands_too_much(f"{self._size // self._packed:,} times and more", self._limit)


def allowed_bytes(blob: Blob) -> int:
    """Give how many bytes may be unpacked of a file."""
    packed = Path(blob.path).stat().st_size
    return max(FREE_BYTES, packed * blob.limits.max_expansion)


def expands_too_much(given: str, limit: int) -> UnreadableError:
    """Give the error of a packed file that is a bomb, or looks like one."""
    return UnreadableError(
        "ExpandsTooMuch", f"unpacked it is {given} as large; max_expansion allows {limit:,} times"
    )


def _zip(blob: Blob) -> Generator[Entry]:
    budget = Budget(blob)
    with zipfile.ZipFile(blob.path) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            problem = _unsafe(info.filename) or _zip_problem(blob, info)
            name = _name(info.filename)
            yield Entry(name, _copier(lambda info=info: archive.open(info), blob, budget), problem)


def _zip_problem(blob: Blob, info: zipfile.ZipInfo) -> UnreadableError | None:
    if info.flag_bits & 1:
        return UnreadableError(
            "EncryptedMember", "the member is encrypted; give an archive without a password"
        )
    if stat.S_ISLNK(info.external_attr >> 16):
        return _link()
    limit = blob.limits.max_expansion
    if info.file_size > max(FREE_BYTES, info.compress_size * limit):
        return expands_too_much(f"{info.file_size // max(1, info.compress_size):,} times", limit)
    return None


def _tar(blob: Blob, head: bytes) -> Generator[Entry]:
    budget = Budget(blob)
    with Path(blob.path).open("rb") as file:
        packed = head[:2] == b"\x1f\x8b" or head[:4] == b"\x28\xb5\x2f\xfd"
        stream = _Counted(_unpacked(file, head), budget) if packed else file
        begin = _first(stream)
        whole = _Again(begin, stream)
        if packed and begin[257:262] != b"ustar":
            yield Entry(_inner_name(blob), _copier(lambda: whole, blob, None))
            return
        with tarfile.open(fileobj=whole, mode="r|") as archive:
            for info in archive:
                if info.isdir():
                    continue
                problem = _unsafe(info.name) or _tar_problem(info)
                opened = lambda info=info: archive.extractfile(info)  # noqa: E731
                yield Entry(_name(info.name), _copier(opened, blob, None), problem)
                archive.members = []  # pyright: ignore[reportAttributeAccessIssue] flat memory


def _tar_problem(info: tarfile.TarInfo) -> UnreadableError | None:
    if info.issym() or info.islnk():
        return _link()
    if not info.isfile():
        return UnreadableError("NotAFile", "the member is no ordinary file")
    return None


def _unpacked(file: IO[bytes], head: bytes) -> Any:
    if head[:2] == b"\x1f\x8b":
        return gzip.GzipFile(fileobj=file)
    import zstandard

    return zstandard.ZstdDecompressor(max_window_size=2**27).stream_reader(
        file, read_across_frames=True
    )


def _first(stream: Any) -> bytes:
    data = b""
    while len(data) < 512 and (block := stream.read(512 - len(data))):
        data += block
    return data


def _inner_name(blob: Blob) -> str:
    name = blob.source.path if not blob.depth else blob.path
    stem = re.split(r"[/\\]", name.partition("?")[0])[-1]
    return re.sub(r"\.(gz|zst)$", "", stem, flags=re.IGNORECASE) or "file"


def _copier(
    opened: Callable[[], Any], blob: Blob, budget: Budget | None
) -> Callable[[BinaryIO], None]:
    def copy(file: BinaryIO) -> None:
        limit, size = blob.limits.max_bytes, 0
        try:
            source = opened()
            assert source is not None
            while block := source.read(_BLOCK):
                size += len(block)
                if size > limit:
                    raise too_large(size, limit, "max_bytes")
                if budget is not None:
                    budget.add(len(block))
                file.write(block)
        except UnreadableError:
            raise
        except _BROKEN as error:
            raise _broken(error) from error

    return copy


class _Counted(io.RawIOBase):
    """A stream that counts what is read of it."""

    def __init__(self, stream: Any, budget: Budget) -> None:
        self._stream = stream
        self._budget = budget

    def read(self, size: int = -1) -> bytes:
        try:
            block = self._stream.read(_BLOCK if size < 0 else size)
        except Exception as error:
            if type(error).__name__ != "ZstdError":
                raise
            raise _broken(error) from error
        self._budget.add(len(block))
        return block


class _Again(io.RawIOBase):
    """A stream whose first bytes were read already."""

    def __init__(self, begin: bytes, stream: Any) -> None:
        self._begin = begin
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        if self._begin:
            count = len(self._begin) if size < 0 else size
            block, self._begin = self._begin[:count], self._begin[count:]
            return block
        return self._stream.read(size)


def _unsafe(name: str) -> UnreadableError | None:
    parts = re.split(r"[/\\]", name)
    if ".." in parts or not parts[0] or re.match(r"[A-Za-z]:", name):
        return UnreadableError(
            "UnsafePath", f"the member's path {name[:200]!r} leads out of the archive"
        )
    return None


def _name(name: str) -> str:
    return re.sub(r"^(\./)+", "", name)


def _link() -> UnreadableError:
    return UnreadableError("LinkMember", "the member is a link; links in archives are not followed")


def _broken(error: BaseException) -> UnreadableError:
    if isinstance(error, RuntimeError) and "encrypted" in str(error):
        return UnreadableError(
            "EncryptedMember", "the member is encrypted; give an archive without a password"
        )
    return UnreadableError("BrokenArchive", f"the archive is damaged: {first_line(error)}")
