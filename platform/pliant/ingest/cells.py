"""A cell of a table as content: text, a media file that it names, or bytes that it holds."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping
from pathlib import Path

from pliant.content import Content, Image, Part, Text
from pliant.ingest.blob import Blob
from pliant.ingest.suffixes import DOCUMENTS, IMAGES, VIDEOS, suffix_of
from pliant.ingest.text import check_no_nul
from pliant.ingest.video import sample_frames
from pliant.media import UnreadableError, VideoFile, fit_image, thumbnail

_MAX_NAME = 1024
_VIDEO_BYTES = re.compile(
    rb"....ftyp(?!hei|mif1|msf1|avif|avis)|\x1aE\xdf\xa3|RIFF....AVI ", re.DOTALL
)


def cell_parts(blob: Blob, value: object) -> tuple[Content, bytes]:
    """Turn a cell into parts and a thumbnail (empty for text); an empty cell has no parts.

    Raises:
        UnreadableError: a media file that is missing, outside of the source or broken; a value that
            is no content.
    """
    if isinstance(value, list):
        pairs = [cell_parts(blob, item) for item in value]
        return sum((parts for parts, _ in pairs), ()), next((t for _, t in pairs if t), b"")
    if isinstance(value, Mapping):
        return cell_parts(blob, _struct(value))
    if isinstance(value, bytes):
        return media_part(blob, value) if value else ((), b"")
    if isinstance(value, str):
        return _text_or_file(blob, value)
    if value is None:
        return (), b""
    if isinstance(value, bool | int | float):
        return (Text(str(value)),), b""
    raise _unsupported(type(value).__name__)


def _struct(value: Mapping[object, object]) -> object:
    if set(value) <= {"bytes", "path"}:
        return value.get("bytes") or value.get("path")
    raise _unsupported(f"object with {', '.join(map(str, value))}")


def _text_or_file(blob: Blob, value: str) -> tuple[Content, bytes]:
    if suffix_of(value) in (*IMAGES, *VIDEOS, *DOCUMENTS) and len(value) <= _MAX_NAME:
        path = _inside(blob, value)
        if path is not None:
            return _file(blob, path)
    if not value or value.isspace():
        return (), b""
    check_no_nul(value)
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise UnreadableError(
            "InvalidUtf8", f"the character at {error.start:,} is half a surrogate pair"
        ) from error
    return (Text(value),), b""


def _inside(blob: Blob, value: str) -> Path | None:
    if any(ord(letter) < 32 for letter in value):
        return None
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://\S+\Z", value):
        raise UnreadableError("RemoteMedia", f"{value!r} is remote; only local files are read")
    if blob.local:
        raise UnreadableError(
            "MissingMedia",
            f"the media file {value!r} is looked for beside a table in a folder only, "
            "not in an archive or a remote place",
        )
    path = Path(blob.source.path).parent / value
    if not _is_file(path):
        if re.search(r"\s", value):
            return None
        raise UnreadableError(
            "MissingMedia", f"the media file {value!r} does not exist beside the table"
        )
    root = os.path.realpath(blob.source.root or Path(blob.source.path).parent)
    if not Path(os.path.realpath(path)).is_relative_to(root):
        raise UnreadableError(
            "OutsideSource", f"the media file {value!r} lies outside of the source folder"
        )
    return path


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # longer than a name can be: a text that ends like one
        return False


def _file(blob: Blob, path: Path) -> tuple[Content, bytes]:
    if suffix_of(str(path)) in DOCUMENTS:
        raise UnreadableError(
            "UnsupportedContent",
            f"{path.name!r} is a document; a table may name images and videos, "
            "documents are sources of their own",
        )
    size = path.stat().st_size
    if size > blob.limits.max_bytes:
        raise _too_large(size, blob.limits.max_bytes)
    if suffix_of(str(path)) in VIDEOS:
        return _video(blob, str(path))
    return media_part(blob, path.read_bytes())


def media_part(blob: Blob, data: bytes) -> tuple[Content, bytes]:
    """Turn the bytes of an image or a video into a part and a thumbnail.

    Raises:
        UnreadableError: they are none, broken, or over a limit.
    """
    if len(data) > blob.limits.max_bytes:
        raise _too_large(len(data), blob.limits.max_bytes)
    if _VIDEO_BYTES.match(data):
        return _video(blob, io.BytesIO(data))
    small, picture = fit_image(data, blob.limits.max_pixels)
    return (Image(small),), thumbnail(picture)


def _video(blob: Blob, file: str | io.BytesIO) -> tuple[Content, bytes]:
    video = VideoFile(file, blob.limits)
    part: Part
    part, small = sample_frames(video, 0.0, video.seconds, blob.options.frames_per_segment)
    return (part,), small


def _too_large(size_bytes: int, limit: int) -> UnreadableError:
    return UnreadableError(
        "TooLarge", f"the media has {size_bytes:,} bytes; max_bytes allows {limit:,}"
    )


def _unsupported(given: str) -> UnreadableError:
    return UnreadableError(
        "UnsupportedContent",
        f"a content column holds a value of type {given}; allowed are text, the name of a media "
        "file, image or video bytes, {bytes, path}, and lists of these",
    )
