"""A folder of files that try to break a job: `python -m pliant_jobs.samples.hostile FOLDER`.

200 good files of all kinds, 40 that cannot be read, 10 with misleading names that can, an archive
with 3 good and 2 bad members, and a JSONL file with 3 good and 2 broken lines.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import socket
import struct
import sys
import zlib
from collections.abc import Callable
from contextlib import chdir
from dataclasses import dataclass, field
from pathlib import Path

from pliant_jobs.samples.kinds import MAKERS, make, picture, tarred, zipped

NUM_GOOD = 200
_WORDS = ("heron", "weir", "lantern", "quarry", "thistle", "anvil", "ferry", "orchard", "kiln")
_ODD_NAMES = ("new\nline", "quotes \"and\" 'more'", "herons \U0001f426", "semi;colon", "%41", "-rf")


@dataclass(frozen=True, slots=True)
class Corpus:
    """What is in the folder.

    Attributes:
        good: files that can be read, and the text that they hold or show.
        bad: files that cannot, and the error that fits.
        misleading: files that can be read although their name lies.
        mixed: files of 3 good and 2 bad rows.
    """

    good: dict[str, str] = field(default_factory=dict)
    bad: dict[str, str] = field(default_factory=dict)
    misleading: dict[str, str] = field(default_factory=dict)
    mixed: list[str] = field(default_factory=list)


def make_corpus(folder: Path, num_good: int = NUM_GOOD) -> Corpus:
    """Write the corpus into a folder that is made for it."""
    corpus = Corpus()
    for name in ("good", "bad", "misleading", "mixed", "bad/loops"):
        (folder / name).mkdir(parents=True)
    for number in range(num_good):
        _good(folder, corpus, number)
    for name, (error, data) in _BAD.items():
        (folder / "bad" / name).write_bytes(data())
        corpus.bad[f"bad/{name}"] = error
    _special(folder, corpus)
    for name, suffix in _MISLEADING.items():
        text = f"misleading {name.replace('.', ' ')}"
        (folder / "misleading" / name).write_bytes(make(suffix, text))
        corpus.misleading[f"misleading/{name}"] = text
    _mixed(folder, corpus)
    return corpus


def _good(folder: Path, corpus: Corpus, number: int) -> None:
    suffixes = list(MAKERS)
    suffix = suffixes[number % len(suffixes)]
    chosen = random.Random(number).sample(_WORDS, 3)  # noqa: S311 the same corpus every time
    text = f"{' '.join(chosen)} number {number}"
    stem = _ODD_NAMES[number] if number < len(_ODD_NAMES) else f"file{number}"
    name = f"good/{stem}{suffix}"
    (folder / name).write_bytes(make(suffix, text))
    corpus.good[name] = text


def _special(folder: Path, corpus: Corpus) -> None:
    bad = folder / "bad"
    os.mkfifo(bad / "pipe.txt")
    with chdir(bad), socket.socket(socket.AF_UNIX) as server:  # a socket's path must be short
        server.bind("socket.txt")
    (bad / "self.txt").symlink_to("self.txt")
    (bad / "loops" / "up").symlink_to("..")
    (bad / "outside.txt").symlink_to("/etc/hostname")
    found = {
        "pipe.txt": "NotAFile",
        "socket.txt": "NotAFile",
        "self.txt": "LinkLoop",
        "loops/up": "LinkLoop",
        "outside.txt": "LinkOutside",
    }
    if os.geteuid() == 0:  # root may read everything
        (bad / "forbidden.txt").symlink_to("nothing.txt")
        found["forbidden.txt"] = "BrokenLink"
    else:
        (bad / "forbidden.txt").write_text("secret")
        (bad / "forbidden.txt").chmod(0)
        found["forbidden.txt"] = "Unreadable"
    corpus.bad.update({f"bad/{name}": error for name, error in found.items()})


def _mixed(folder: Path, corpus: Corpus) -> None:
    texts: dict[str, str | bytes] = {f"fine{n}.txt": f"a fine member {n}" for n in range(3)}
    archive = zipped({**texts, "cut.png": picture("x")[:60], "nul.txt": b"a\0b"})
    lines = ['{"text": "a fine line 1"}', "{broken", '{"text": "a fine line 2"}', "[1]",
             '{"text": "a fine line 3"}']  # fmt: skip
    for name, data in (("five.zip", archive), ("lines.jsonl", "\n".join(lines).encode())):
        (folder / "mixed" / name).write_bytes(data)
        corpus.mixed.append(f"mixed/{name}")


def _huge_png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(2**20)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def _huge_gif() -> bytes:
    data = make(".gif", "x")
    return data[:6] + struct.pack("<HH", 65_535, 65_535) + data[10:]


def _entities() -> str:
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    return f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e0 "ha">{levels}]>'


def _entity_svg() -> bytes:
    return f"{_entities()}<svg>&e9;</svg>".encode()


def _uses() -> bytes:
    groups = "".join(
        f'<g id="g{n}">' + f'<use href="#g{n - 1}"/>' * 10 + "</g>" for n in range(1, 10)
    )
    head = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">'
    return f'{head}<g id="g0"><path d="M0 0"/></g>{groups}<use href="#g9"/></svg>'.encode()


def _docx_with(document: str) -> bytes:
    return zipped({"[Content_Types].xml": "<a/>", "word/document.xml": document})


def _deep_zip() -> bytes:
    return zipped({"a.zip": zipped({"b.zip": zipped({"c.txt": "x"})})})


def _encrypted_zip() -> bytes:
    data = bytearray(zipped({"a.txt": "secret"}))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    return bytes(data)


def _encrypted_pdf() -> bytes:
    word = b"(" + b"x" * 32 + b")"
    lock = b"<< /Filter /Standard /V 1 /R 2 /O " + word + b" /U " + word + b" /P -4 >>"
    return make(".pdf", "x").replace(
        b"trailer << /Size 6", b"trailer << /ID [(a) (a)] /Encrypt " + lock + b" /Size 6"
    )


def _cut(suffix: str, share: float) -> Callable[[], bytes]:
    def made() -> bytes:
        data = make(suffix, "a text that is cut off")
        return data[: int(len(data) * share)]

    return made


def _flipped(suffix: str, mark: bytes) -> Callable[[], bytes]:
    return lambda: make(suffix, "x").replace(mark, bytes(byte ^ 0x55 for byte in mark))


_NUM_ZEROS = 64 * 2**20
_BAD: dict[str, tuple[str, Callable[[], bytes]]] = {
    "bomb.zip": ("ExpandsTooMuch", lambda: zipped({"zeros.txt": bytes(_NUM_ZEROS)})),
    "bomb.csv.gz": ("ExpandsTooMuch", lambda: gzip.compress(bytes(_NUM_ZEROS), mtime=0)),
    "bomb.png": ("TooManyPixels", _huge_png),
    "bomb.gif": ("TooManyPixels", _huge_gif),
    "bomb.svg": ("ForbiddenEntities", _entity_svg),
    "uses.svg": ("ExpandsTooMuch", _uses),
    "bomb.docx": ("ForbiddenEntities", lambda: _docx_with(f"{_entities()}<a>&e9;</a>")),
    "zeros.docx": ("ExpandsTooMuch", lambda: _docx_with("\0" * _NUM_ZEROS)),
    "cut.mp4": ("NotAVideo", _cut(".mp4", 0.02)),
    "flipped.mp4": ("NotAVideo", _flipped(".mp4", b"moov")),
    "cut.webm": ("NotAVideo", _cut(".webm", 0.005)),
    "cut.pdf": ("NotAPdf", _cut(".pdf", 0.05)),
    "flipped.pdf": ("NotAPdf", _flipped(".pdf", b"obj")),
    "encrypted.pdf": ("EncryptedPdf", _encrypted_pdf),
    "encrypted.zip": ("EncryptedMember", _encrypted_zip),
    "encrypted.docx": ("EncryptedOffice", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)),
    "empty.txt": ("EmptyFile", lambda: b""),
    'empty \U0001f5cb "file"\n.png': ("EmptyFile", lambda: b""),
    "nul.md": ("NulCharacter", lambda: b"# A\0B\n"),
    "latin.txt": ("InvalidUtf8", lambda: "Gr\xfc\xdfe".encode("latin-1")),
    "line.jsonl": ("LineTooLong", lambda: b'{"text": "' + b"x" * 50_000_000 + b'"}\n'),
    "ragged.csv": ("RaggedRow", lambda: b"text,n\na\nb,1,2\n"),
    "cut.parquet": ("NotParquet", _cut(".parquet", 0.7)),
    "out.tar": ("UnsafePath", lambda: tarred({"../../out.txt": b"x"})),
    "out.zip": ("UnsafePath", lambda: zipped({"/etc/out.txt": "x"})),
    "deep.zip": ("TooDeep", _deep_zip),
    "cut.zip": ("BrokenArchive", _cut(".zip", 0.5)),
    "cut.docx": ("BrokenPackage", _cut(".docx", 0.5)),
    "cut.xlsx": ("BrokenPackage", _cut(".xlsx", 0.5)),
    "cut.sqlite": ("BrokenDatabase", lambda: make(".sqlite", "x")[:700]),
    "noise.jpg": ("NotAnImage", lambda: random.Random(1).randbytes(4000)),  # noqa: S311
    "cut.png": ("BrokenImage", _cut(".png", 0.3)),
    "words.mp4": ("NotAVideo", lambda: b"this is no video\n" * 60),
    "mystery.xyz": ("UnknownType", lambda: b"?" * 40),
}
_MISLEADING = {
    "picture.txt": ".png", "photo.png": ".jpg", "paper.jpg": ".pdf", "table.txt": ".parquet",
    "film.pdf": ".mp4", "report.zip": ".docx", "noname": ".webp", "data.bin": ".sqlite",
    "sheet.csv": ".xlsx", "bundle.png": ".tar.gz",
}  # fmt: skip


def main() -> None:
    """Make the corpus, and print as JSON what is in it."""
    corpus = make_corpus(Path(sys.argv[1]))
    fields = {"good": corpus.good, "bad": corpus.bad, "misleading": corpus.misleading}
    io.TextIOWrapper(sys.stdout.buffer, "utf8").write(json.dumps(fields, indent=1) + "\n")


if __name__ == "__main__":
    main()
