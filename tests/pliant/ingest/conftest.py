"""Real files of every kind, made on the spot."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from PIL import Image

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture(scope="session")
def clip_mp4() -> Path:
    """12 s at 8 frames/s, H.264, 160 x 120: 4 s of red, 4 of green, 4 of blue."""
    return DATA / "clip.mp4"


@pytest.fixture(scope="session")
def clip_webm() -> Path:
    """6 s at 8 frames/s, VP9: 4 s of red, 2 of green."""
    return DATA / "clip.webm"


@pytest.fixture(scope="session")
def make_pdf() -> Callable[..., bytes]:
    return _pdf


@pytest.fixture(scope="session")
def png_bytes() -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


def _pdf(texts: Sequence[str], *, broken: int | None = None, encrypted: bool = False) -> bytes:
    kids = " ".join(f"{10 + 2 * index} 0 R" for index in range(len(texts)))
    objects = {
        1: b"<< /Pages 2 0 R >>",
        2: f"<< /Type /Pages /Kids [{kids}] /Count {len(texts)} >>".encode(),
        3: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    }
    for index, text in enumerate(texts):
        stream = f"BT /F1 24 Tf 72 700 Td ({text}) Tj ET".encode() if text else b""
        body = b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream)
        page = (
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] "
            f"/Resources << /Font << /F1 3 0 R >> >> /Contents {11 + 2 * index} 0 R >>"
        )
        objects[10 + 2 * index] = b"null" if index == broken else page.encode()
        objects[11 + 2 * index] = body
    if encrypted:
        word = "(" + "x" * 32 + ")"
        objects[5] = f"<< /Filter /Standard /V 1 /R 2 /O {word} /U {word} /P -4 >>".encode()
    return _assemble(objects, b"/Encrypt 5 0 R /ID [(a) (a)]" if encrypted else b"")


def _assemble(objects: dict[int, bytes], extra: bytes) -> bytes:
    data, offsets = b"%PDF-1.4\n", {}
    for number, body in sorted(objects.items()):
        offsets[number] = len(data)
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    size = max(objects) + 1
    table = b"xref\n0 %d\n" % size
    for number in range(size):
        given = offsets.get(number)
        table += b"0000000000 65535 f \n" if given is None else b"%010d 00000 n \n" % given
    trailer = b"trailer << /Size %d /Root 1 0 R %s >>\n" % (size, extra)
    return data + table + trailer + b"startxref\n%d\n%%%%EOF\n" % len(data)
