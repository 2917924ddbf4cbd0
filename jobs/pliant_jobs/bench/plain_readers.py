"""The fastest plain use of each reader's library: what a short script would do with the file.

Each function gives how many rows it made. Nothing here has limits, isolation or reasons.
"""

from __future__ import annotations

import csv
import email
import email.policy
import io
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from PIL import Image

_SEGMENT_S, _FRAMES = 10.0, 8


def text(path: str) -> int:
    """Read UTF-8."""
    return int(bool(Path(path).read_text(encoding="utf8")))


def html(path: str) -> int:
    """Take the text of a page by selectolax."""
    from selectolax.lexbor import LexborHTMLParser

    body = LexborHTMLParser(Path(path).read_text(encoding="utf8")).body
    return int(body is not None and bool(body.text()))


def code(path: str) -> int:
    """Parse Python by tree-sitter, and cut at the nodes of the file."""
    import tree_sitter
    import tree_sitter_python

    data = Path(path).read_bytes()
    language = tree_sitter.Language(tree_sitter_python.language())
    tree = tree_sitter.Parser(language).parse(data)
    nodes = [node for node in tree.root_node.children if node.type == "function_definition"]
    return len([data[node.start_byte : node.end_byte].decode() for node in nodes])


def mail(path: str) -> int:
    """Take a message's plain text and its attachments."""
    with Path(path).open("rb") as file:
        message = email.message_from_binary_file(file, policy=email.policy.default)
    body = message.get_body(("plain",))
    held = [part.get_content() for part in message.iter_attachments()]
    return int(body is not None and bool(body.get_content())) + len(held)


def jsonl(path: str) -> int:
    """Parse lines by orjson."""
    import orjson

    with Path(path).open("rb") as file:
        return len([orjson.loads(line) for line in file])


def csv_rows(path: str) -> int:
    """Read rows by the standard library."""
    with Path(path).open(encoding="utf8", newline="") as file:
        return len(list(csv.DictReader(file)))


def parquet(path: str) -> int:
    """Read a table by pyarrow, and make rows."""
    import pyarrow.parquet

    return len(pyarrow.parquet.read_table(path, use_threads=False).to_pylist())


def arrow(path: str) -> int:
    """Read a stream by pyarrow, and make rows."""
    import pyarrow as pa

    with pa.OSFile(path) as file:
        return len(pa.ipc.open_stream(file).read_all().to_pylist())


def avro(path: str) -> int:
    """Read rows by fastavro."""
    import fastavro

    with Path(path).open("rb") as file:
        return len(list(fastavro.reader(file)))


def sheets(path: str) -> int:
    """Read rows by calamine."""
    import python_calamine

    book = python_calamine.CalamineWorkbook.from_path(path)
    return sum(
        max(0, len(book.get_sheet_by_name(name).to_python()) - 1) for name in book.sheet_names
    )


def database(path: str) -> int:
    """Read rows by SQLite."""
    with closing(sqlite3.connect(path)) as connection:
        return len(connection.execute("SELECT * FROM notes").fetchall())


def image(path: str) -> int:
    """Decode, and encode a thumbnail, as the reader does."""
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    picture.thumbnail((160, 160), Image.Resampling.BICUBIC)
    picture.save(io.BytesIO(), "WEBP", quality=75, method=2)
    return 1


def video(path: str) -> int:
    """Take 8 frames of every 10 s by decord, and encode them as the reader does."""
    import decord

    reader = decord.VideoReader(path, num_threads=1)
    seconds = len(reader) / reader.get_avg_fps()
    count = max(1, round(seconds / _SEGMENT_S))
    step = len(reader) / (count * _FRAMES)
    frames = reader.get_batch([int(step * (at + 0.5)) for at in range(count * _FRAMES)]).asnumpy()
    for at, frame in enumerate(frames):
        picture = Image.fromarray(frame)
        picture.save(io.BytesIO(), "JPEG", quality=90)
        if at % _FRAMES == 0:
            picture.thumbnail((160, 160))
            picture.save(io.BytesIO(), "WEBP", quality=75, method=2)
    return count


def pdf(path: str) -> int:
    """Render pages by PDFium and take their text; encode as the reader does."""
    import pypdfium2

    document = pypdfium2.PdfDocument(path)
    for page in document:
        scale = min(110 / 72, 1024 / max(page.get_size()))
        picture = page.render(scale=scale).to_pil().convert("RGB")  # pyright: ignore[reportArgumentType] a float is right
        picture.save(io.BytesIO(), "JPEG", quality=90)
        page.get_textpage().get_text_bounded()
        picture.thumbnail((160, 160))
        picture.save(io.BytesIO(), "WEBP", quality=75, method=2)
    return len(document)


def docx(path: str) -> int:
    """Take the paragraphs of a document, and its picture's bytes."""
    import docx as library

    document = library.Document(path)
    words = "\n".join(paragraph.text for paragraph in document.paragraphs)
    held = [one.target_part.blob for one in document.part.rels.values() if "image" in one.reltype]
    return int(bool(words)) + sum(image_bytes(data) for data in held)


def pptx(path: str) -> int:
    """Take the text and the pictures of slides."""
    import pptx as library

    slides = list(library.Presentation(path).slides)
    for slide in slides:
        for shape in slide.shapes:
            if shape.has_text_frame:
                assert shape.text_frame.text  # pyright: ignore[reportAttributeAccessIssue]
            if hasattr(shape, "image"):
                image_bytes(shape.image.blob)  # pyright: ignore[reportAttributeAccessIssue]
    return len(slides)


def image_bytes(data: bytes) -> int:
    """Decode a picture that is held, and encode a thumbnail."""
    with Image.open(io.BytesIO(data)) as opened:
        picture = opened.convert("RGB")
    picture.thumbnail((160, 160), Image.Resampling.BICUBIC)
    picture.save(io.BytesIO(), "WEBP", quality=75, method=2)
    return 1


def epub(path: str) -> int:
    """Take the text of every page in a book."""
    from selectolax.lexbor import LexborHTMLParser

    with zipfile.ZipFile(path) as book:
        names = [name for name in book.namelist() if name.endswith(".xhtml")]
        return len([LexborHTMLParser(book.read(name)).text() for name in names])


def zip_texts(path: str) -> int:
    """Read the texts in a zip."""
    with zipfile.ZipFile(path) as archive:
        return len([archive.read(name).decode() for name in archive.namelist()])


PLAIN: dict[str, Callable[[str], int]] = {
    ".txt": text, ".html": html, ".py": code, ".eml": mail, ".jsonl": jsonl, ".csv": csv_rows,
    ".parquet": parquet, ".arrow": arrow, ".avro": avro, ".xlsx": sheets, ".sqlite": database,
    ".png": image, ".jpg": image, ".avif": image, ".mp4": video, ".pdf": pdf, ".docx": docx,
    ".pptx": pptx, ".epub": epub, ".zip": zip_texts,
}  # fmt: skip
