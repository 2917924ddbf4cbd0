"""Reader of plain text, and the one way from bytes to text."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from pliant.content import Record, Text
from pliant.ingest.blob import Blob, attempt
from pliant.ingest.failure import Failure
from pliant.media import UnreadableError

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UTF32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)


def read_text(blob: Blob) -> Iterator[Record | Failure]:
    """Give the whole text of a .txt file as one record."""
    yield attempt(blob, 0, "", lambda: text_record(blob, load_text(blob)))


def load_text(blob: Blob) -> str:
    """Read and decode a text file.

    Raises:
        UnreadableError: too large, or `decode_text`'s reasons.
    """
    return decode_text(blob.read_bytes(blob.limits.max_text_bytes, "max_text_bytes"))


def text_record(blob: Blob, text: str, **metadata: object) -> Record:
    """Make the record of a text file.

    Raises:
        UnreadableError: nothing but white space.
    """
    if not text or text.isspace():
        raise UnreadableError("NoText", "the file holds no text, only white space or markup")
    merged = {**metadata, **blob.metadata}
    return Record("", (Text(text),), blob.source.source, "", merged)  # pyright: ignore[reportArgumentType] values are JSON


def decode_text(data: bytes, declared: str = "utf-8") -> str:
    """Decode UTF-8, UTF-16 with a byte order mark, or an encoding that the file declares.

    Raises:
        UnreadableError: bytes that are not text; names the first bad byte.
    """
    encoding = declared
    if data.startswith(_UTF32):
        raise UnreadableError("UnknownEncoding", f"the text is UTF-32; {_ALLOWED}")
    if data.startswith(codecs.BOM_UTF8):
        data, encoding, before = data[3:], "utf-8", 3
    else:
        before = 0
    if data.startswith(_UTF16):
        encoding = "utf-16"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise bad_encoding(error, before) from error
    check_no_nul(text)
    return text


def bad_encoding(error: UnicodeDecodeError, before: int = 0) -> UnreadableError:
    """Name the first byte that is not in the encoding; `before` bytes precede the decoded ones."""
    offset, byte = error.start, error.object[error.start]
    utf8 = error.encoding.lower().replace("-", "") == "utf8"
    plain = "UTF-8" if utf8 else error.encoding.upper()
    return UnreadableError(
        "InvalidUtf8" if utf8 else "InvalidEncoding",
        f"the byte 0x{byte:02x} at offset {before + offset:,} is not {plain}; {_ALLOWED}",
    )


def check_no_nul(text: str) -> None:
    """Refuse NUL, the sign of a binary file.

    Raises:
        UnreadableError: there is one.
    """
    offset = text.find("\0")
    if offset >= 0:
        raise UnreadableError(
            "NulCharacter",
            f"a NUL character stands at offset {offset:,}: this is no text file; {_ALLOWED}",
        )


_ALLOWED = "text must be UTF-8, or UTF-16 with a byte order mark"
