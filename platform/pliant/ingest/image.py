"""Reader of still images; of an animation it takes the first frame."""

from __future__ import annotations

from collections.abc import Iterator

from pliant.content import Image, Record
from pliant.ingest.blob import Blob, attempt
from pliant.ingest.failure import Failure
from pliant.media import fit_image, thumbnail


def read_image(blob: Blob) -> Iterator[Record | Failure]:
    """Give an image file as one record, at most 1024 pixels a side."""
    yield attempt(blob, 0, "", lambda: _record(blob))


def _record(blob: Blob) -> Record:
    data = blob.read_bytes(blob.limits.max_bytes, "max_bytes")
    small, picture = fit_image(data, blob.limits.max_pixels)
    return Record(
        id="",
        content=(Image(small),),
        source=blob.source.source,
        metadata=blob.metadata,
        modality="image",
        thumbnail=thumbnail(picture),
    )
