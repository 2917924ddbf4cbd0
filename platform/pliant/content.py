"""What is embedded: parts, content, records, and their one conversion to and from Arrow.

This module knows nothing about files, models or stores.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from pliant.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    import pyarrow as pa

Role = Literal["query", "document"]
Modality = Literal["text", "image", "video", "page", "interleaved"]
MODALITIES: tuple[Modality, ...] = get_args(Modality)
Scalar = str | int | float | bool
MetadataValue = Scalar | None | list["MetadataValue"] | dict[str, "MetadataValue"]


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of text."""

    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """A still image as encoded bytes (PNG, JPEG, WebP, GIF); decoded only by `pliant.media`."""

    data: bytes

    @classmethod
    def open(cls, path: str | Path) -> Image:
        """Read an image file.

        Raises:
            NotFoundError: the file does not exist.
        """
        try:
            return cls(Path(path).read_bytes())
        except (FileNotFoundError, IsADirectoryError) as error:
            raise NotFoundError(f"image file {str(path)!r} does not exist") from error


@dataclass(frozen=True, slots=True)
class Video:
    """A segment of a video: frames as encoded images, and the second at which each was shown."""

    frames: tuple[bytes, ...]
    seconds: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.frames) != len(self.seconds):
            raise InvalidInputError(
                f"a video needs one time per frame: {len(self.frames)} frames, "
                f"{len(self.seconds)} seconds"
            )


Part = Text | Image | Video
Content = tuple[Part, ...]
"""Ordered parts of one item: interleaving matters."""


@dataclass(frozen=True, slots=True)
class Record:
    """One row to embed.

    Attributes:
        id: what identifies the row inside its source: the locator, or the value of an id column.
        content: the parts, in order.
        source: the source as the user typed it, joined with the path below it.
        locator: where in the source: "chars=0-800", "page=3", "t=12.0-20.0"; parts joined by ";".
        metadata: user columns; JSON values.
        modality: what kind of row it is; a page is an image and its text.
        thumbnail: a small encoded picture for people, or empty.
    """

    id: str
    content: Content
    source: str
    locator: str = ""
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict)
    modality: Modality = "text"
    thumbnail: bytes = b""


def modality_of(content: Sequence[Part]) -> Modality:
    """Name the kind of content; several kinds of part together are interleaved."""
    kinds: set[Modality] = {_KIND[type(part)] for part in content}
    return kinds.pop() if len(kinds) == 1 else "interleaved"


def text_of(content: Sequence[Part]) -> str:
    """Join the text parts with a newline."""
    return "\n".join(part.text for part in content if isinstance(part, Text))


def row_key(uri: str, record_id: str) -> str:
    """Give the primary key of a row: 32 hex digits, a function of the two arguments alone.

    Args:
        uri: absolute normalised URI of the source (or the `--root` name and the path below it).
        record_id: `Record.id`.
    """
    digest = blake2b(digest_size=16)
    for text in (uri, record_id):
        data = text.encode("utf8", "surrogateescape")
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def to_arrow(records: Iterable[Record]) -> pa.Table:
    """Convert records to plain columns (see `arrow_schema`)."""
    import orjson
    import pyarrow as pa

    rows = [
        {
            "id": record.id,
            "source": record.source,
            "locator": record.locator,
            "modality": record.modality,
            "metadata": orjson.dumps(dict(record.metadata)).decode(),
            "thumbnail": record.thumbnail,
            "parts": [_part_row(part) for part in record.content],
        }
        for record in records
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema())


def from_arrow(table: pa.Table) -> list[Record]:
    """Convert the columns of `to_arrow` back to records."""
    import orjson

    return [
        Record(
            id=row["id"],
            content=tuple(_part(part) for part in row["parts"]),
            source=row["source"],
            locator=row["locator"],
            metadata=orjson.loads(row["metadata"]),
            modality=row["modality"],
            thumbnail=row["thumbnail"],
        )
        for row in table.to_pylist()
    ]


def arrow_schema() -> pa.Schema:
    """Give the Arrow columns of a record."""
    import pyarrow as pa

    part = pa.struct(
        [
            ("kind", pa.string()),
            ("text", pa.string()),
            ("data", pa.list_(pa.binary())),
            ("seconds", pa.list_(pa.float64())),
        ]
    )
    return pa.schema(
        [
            ("id", pa.string()),
            ("source", pa.string()),
            ("locator", pa.string()),
            ("modality", pa.string()),
            ("metadata", pa.string()),
            ("thumbnail", pa.binary()),
            ("parts", pa.list_(part)),
        ]
    )


_KIND: dict[type, Modality] = {Text: "text", Image: "image", Video: "video"}


def _part_row(part: Part) -> dict[str, object]:
    kind = _KIND[type(part)]
    if isinstance(part, Text):
        return {"kind": kind, "text": part.text, "data": [], "seconds": []}
    if isinstance(part, Image):
        return {"kind": kind, "text": "", "data": [part.data], "seconds": []}
    return {"kind": kind, "text": "", "data": list(part.frames), "seconds": list(part.seconds)}


def _part(row: Mapping[str, object]) -> Part:
    data: list[bytes] = row["data"]  # pyright: ignore[reportAssignmentType] plain columns
    if row["kind"] == "text":
        return Text(str(row["text"]))
    if row["kind"] == "image":
        return Image(data[0])
    seconds: list[float] = row["seconds"]  # pyright: ignore[reportAssignmentType]
    return Video(tuple(data), tuple(seconds))
