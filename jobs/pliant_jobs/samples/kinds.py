"""Small good files of every kind that is read, made of a text or a colour."""

from __future__ import annotations

import io
import json
import random
import sqlite3
import struct
import tarfile
import tempfile
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet
from PIL import Image, ImageDraw

from pliant_jobs.samples import office
from pliant_jobs.samples.office import zipped

CORPUS = Path(__file__).parent / "corpus"


def make(suffix: str, text: str) -> bytes:
    """Make a file that holds a text, or shows it, or a clip."""
    return MAKERS[suffix](text)


def picture(text: str, kind: str = "PNG", **options: object) -> bytes:
    """Draw a text on a colour of its own."""
    buffer = io.BytesIO()
    _drawn(text).save(buffer, kind, **options)
    return buffer.getvalue()


def _drawn(text: str) -> Image.Image:
    colour = random.Random(text).choice(["gold", "skyblue", "tomato", "palegreen", "orchid"])  # noqa: S311
    image = Image.new("RGB", (160, 120), colour)
    ImageDraw.Draw(image).text((8, 50), text[:26], fill="black")
    return image


def _animation(kind: str) -> Callable[[str], bytes]:
    def made(text: str) -> bytes:
        frames = [_drawn(f"{text} {number}") for number in range(4)]
        buffer = io.BytesIO()
        frames[0].save(buffer, kind, save_all=True, append_images=frames[1:], duration=500)
        return buffer.getvalue()

    return made


def tiff(text: str) -> bytes:
    """Make a TIFF of two pages."""
    return picture(text, "TIFF", save_all=True, append_images=[_drawn(text + " two")])


def avi(text: str) -> bytes:
    """Make a motion-JPEG clip of 2 s at 4 frames/s."""
    frames = [picture(f"{text} {number}", "JPEG") for number in range(8)]
    header = struct.pack(
        "<14I", 250_000, 20_000, 0, 0x10, len(frames), 0, 1, 20_000, 160, 120, 0, 0, 0, 0
    )
    stream = b"vidsMJPG" + struct.pack(
        "<IHHIIIIIIIIhhhh", 0, 0, 0, 0, 1, 4, 0, len(frames), 20_000, 2**32 - 1, 0, 0, 0, 160, 120
    )
    bitmap = struct.pack("<IiiHH4sIiiII", 40, 160, 120, 1, 24, b"MJPG", 57_600, 0, 0, 0, 0)
    movie, index, offset = b"movi", b"", 4
    for frame in frames:
        movie += _chunk(b"00dc", frame)
        index += b"00dc" + struct.pack("<III", 0x10, offset, len(frame))
        offset += 8 + len(frame) + len(frame) % 2
    lists = b"strl" + _chunk(b"strh", stream) + _chunk(b"strf", bitmap)
    head = b"hdrl" + _chunk(b"avih", header) + _chunk(b"LIST", lists)
    body = _chunk(b"LIST", head) + _chunk(b"LIST", movie) + _chunk(b"idx1", index)
    return _chunk(b"RIFF", b"AVI " + body)


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def clip(suffix: str) -> bytes:
    """Give a clip of the sample corpus."""
    return min(CORPUS.rglob(f"*{suffix}")).read_bytes()


def tarred(files: dict[str, bytes], mode: str = "w") -> bytes:
    """Pack files in a tar: mode "w" or "w:gz"."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # pyright: ignore[reportCallIssue, reportArgumentType] a mode
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def sqlite(text: str) -> bytes:
    """Make a database of one table."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.sqlite"
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)")
        connection.executemany(
            "INSERT INTO notes (text) VALUES (?)", [(text,), (f"{text}, again",)]
        )
        connection.commit()
        connection.close()
        return path.read_bytes()


def _table(text: str) -> pa.Table:
    return pa.table({"text": [text, f"{text}, again"], "n": [1, 2]})


def parquet(text: str) -> bytes:
    """Make a Parquet file of two rows."""
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(_table(text), buffer)
    return buffer.getvalue()


def arrow(text: str) -> bytes:
    """Make an Arrow stream of two rows, as Hugging Face `datasets` writes them."""
    buffer = io.BytesIO()
    with pa.ipc.new_stream(buffer, _table(text).schema) as writer:
        writer.write_table(_table(text))
    return buffer.getvalue()


def feather(text: str) -> bytes:
    """Make a Feather file of two rows."""
    buffer = io.BytesIO()
    pyarrow.feather.write_feather(_table(text), buffer)
    return buffer.getvalue()


def orc(text: str) -> bytes:
    """Make an ORC file of two rows."""
    buffer = io.BytesIO()
    pyarrow.orc.write_table(_table(text), buffer)
    return buffer.getvalue()


def avro(text: str) -> bytes:
    """Make an Avro file of two rows."""
    import fastavro

    buffer = io.BytesIO()
    fields = [{"name": "text", "type": "string"}, {"name": "n", "type": "int"}]
    schema = {"type": "record", "name": "row", "fields": fields}
    fastavro.writer(buffer, schema, _table(text).to_pylist(), sync_marker=b"pliant-samples-1")
    return buffer.getvalue()


def eml(text: str) -> bytes:
    """Make a message with an attachment."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.com", "b@example.com", "Sample"
    message["Date"] = "Tue, 07 May 2024 10:00:00 +0200"
    message.set_content(text)
    message.add_attachment(
        f"attached: {text}".encode(), maintype="text", subtype="plain", filename="notes.txt"
    )
    message.set_boundary("pliant-samples-boundary")
    return message.as_bytes()


def mbox(text: str) -> bytes:
    """Make a mailbox of two messages."""
    one = b"Subject: One\n\n" + text.encode() + b"\n>From here on it goes well.\n"
    two = b"Subject: Two\n\nthe second: " + text.encode() + b"\n"
    line = b"From a@example.com Tue May  7 10:00:00 2024\n"
    return line + one + b"\n" + line + two


def _pdf(text: str) -> bytes:
    stream = b"BT /F1 24 Tf 72 700 Td (" + text.encode("latin-1", "replace") + b") Tj ET"
    objects = [
        b"<< /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [4 0 R] /Count 1 >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] "
            b"/Resources << /Font << /F1 3 0 R >> >> /Contents 5 0 R >>"
        ),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
    ]
    data, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"xref\n0 6\n0000000000 65535 f \n" + b"".join(
        b"%010d 00000 n \n" % at for at in offsets
    )
    return data + table + b"trailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % len(data)


def _zst(text: str) -> bytes:
    import zstandard

    return zstandard.compress(tarred({"a/one.txt": text.encode(), "a/two.png": picture(text)}))


def _avif(text: str) -> bytes:
    return picture(text, "AVIF")


_BRACES = "// {0}\n{1} {{\n  return 1;\n}}\n\n{2} {{\n  return 2;\n}}\n"
_CODE = {
    ".py": '"""{0}"""\n\n\ndef first():\n    return 1\n\n\ndef second():\n    return 2\n',
    ".js": _BRACES.replace("{1}", "function first()").replace("{2}", "function second()"),
    ".ts": _BRACES.replace("{1}", "function first(): number").replace("{2}", "function second()"),
    ".java": "// {0}\nclass A {{\n  int first() {{\n    return 1;\n  }}\n}}\n",
    ".c": _BRACES.replace("{1}", "int first(void)").replace("{2}", "int second(void)"),
    ".cpp": "// {0}\nclass A {{\n  int first();\n}};\n",
    ".go": "package a\n\n// {0}\nfunc first() int {{\n\treturn 1\n}}\n",
    ".rs": "// {0}\nfn first() -> i32 {{\n    1\n}}\n",
}


def _code(code: str) -> Callable[[str], bytes]:
    return lambda text: code.format(text).encode()


def _svg(text: str) -> bytes:
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="120" height="80">'
        f'<rect width="60" height="80" fill="red"/><desc>{text}</desc></svg>'
    ).encode()


MAKERS: dict[str, Callable[[str], bytes]] = {
    **dict.fromkeys((".txt", ".md", ".rst", ".org", ".tex", ".log"), str.encode),
    ".html": lambda text: f"<!doctype html><title>A</title><p>{text}</p>".encode(),
    **{
        suffix: lambda text, code=code: code.format(text).encode() for suffix, code in _CODE.items()
    },
    ".eml": eml,
    ".mbox": mbox,
    ".srt": lambda text: f"1\n00:00:01,000 --> 00:00:03,500\n{text}\n".encode(),
    ".vtt": lambda text: f"WEBVTT\n\n00:01.000 --> 00:03.500\n<v A>{text}\n".encode(),
    ".jsonl": lambda text: json.dumps({"text": text, "n": 1}).encode() + b"\n",
    ".csv": lambda text: f'text,n\n"{text}",1\n'.encode(),
    ".tsv": lambda text: f"text\tn\n{text}\t1\n".encode(),
    ".parquet": parquet,
    ".xlsx": office.xlsx,
    ".ods": office.ods,
    ".arrow": arrow,
    ".feather": feather,
    ".avro": avro,
    ".orc": orc,
    ".sqlite": sqlite,
    ".png": picture,
    ".jpg": lambda text: picture(text, "JPEG"),
    ".webp": lambda text: picture(text, "WEBP"),
    ".gif": _animation("GIF"),
    ".bmp": lambda text: picture(text, "BMP"),
    ".tiff": tiff,
    ".avif": _avif,
    ".svg": _svg,
    ".mp4": lambda _: clip(".mp4"),
    ".mov": lambda _: clip(".mp4"),
    ".webm": lambda _: clip(".webm"),
    ".mkv": lambda _: clip(".webm"),
    ".avi": avi,
    ".pdf": _pdf,
    ".docx": lambda text: office.docx(text, picture(text)),
    ".pptx": lambda text: office.pptx(text, picture(text)),
    ".odt": office.odt,
    ".epub": office.epub,
    ".tar": lambda text: tarred({"a/one.txt": text.encode(), "a/two.png": picture(text)}),
    ".tar.gz": lambda text: tarred({"a/one.txt": text.encode()}, "w:gz"),
    ".tar.zst": _zst,
    ".zip": lambda text: zipped({"one.txt": text, "inner/two.csv": f"text\n{text}\n"}),
}
