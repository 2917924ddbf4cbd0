"""Readers of images: stills, pages of a TIFF, animations as video."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from pliant.content import Image, MetadataValue, Record, Video
from pliant.ingest.blob import Blob, attempt, too_many
from pliant.ingest.failure import Failure
from pliant.ingest.video import segments
from pliant.media import (
    FRAME_SIDE,
    IMAGE_SIDE,
    UnreadableError,
    check_pixels,
    fit_image,
    jpeg,
    opened_image,
    thumbnail,
    upright_rgb,
)

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

_EXIF_IFD, _CAPTURED, _MODIFIED = 0x8769, 0x9003, 0x0132
_FRAME_SECONDS = 0.1


def read_image(blob: Blob) -> Iterator[Record | Failure]:
    """Give a still image as one record, at most 1024 pixels a side; an animation as a video."""
    data = blob.read_bytes(blob.limits.max_bytes, "max_bytes")
    if _is_animated(data, blob):
        yield from _animation(blob, data)
    else:
        yield attempt(blob, 0, "", lambda: still_record(blob, data))


def read_tiff(blob: Blob) -> Iterator[Record | Failure]:
    """Give every page of a TIFF file ("page=2", from 1); a single one is the whole image."""
    data = blob.read_bytes(blob.limits.max_bytes, "max_bytes")
    with opened_image(data, blob.limits.max_pixels) as image:
        pages = getattr(image, "n_frames", 1)
    if pages > blob.limits.max_pages:
        raise too_many("pages", pages, blob.limits.max_pages, "max_pages")
    if pages == 1:
        yield attempt(blob, 0, "", lambda: still_record(blob, data))
        return
    for index in range(pages):
        locator = f"page={index + 1}"
        yield attempt(blob, index, locator, partial(_tiff_page, blob, data, index))


def still_record(blob: Blob, data: bytes, locator: str = "") -> Record:
    """Make the record of a still image, with the time of capture as metadata.

    Raises:
        UnreadableError: it is none, broken, or over a limit.
    """
    small, picture = fit_image(data, blob.limits.max_pixels)
    metadata = {**_captured(data, blob), **blob.metadata}
    return image_record(blob, small, picture, locator, metadata)


def image_record(
    blob: Blob, data: bytes, picture: Picture, locator: str, metadata: dict[str, MetadataValue]
) -> Record:
    """Make the record of an encoded image and the picture that it holds."""
    small = thumbnail(picture)
    return Record(locator, (Image(data),), blob.source.source, locator, metadata, "image", small)


def _captured(data: bytes, blob: Blob) -> dict[str, MetadataValue]:
    """Give the EXIF time of capture, which has no time zone."""
    with opened_image(data, blob.limits.max_pixels) as image:
        try:
            exif = image.getexif()
            given = exif.get_ifd(_EXIF_IFD).get(_CAPTURED) or exif.get(_MODIFIED)
            return {
                "captured": datetime.strptime(
                    str(given).strip("\0 "), "%Y:%m:%d %H:%M:%S"
                ).isoformat()
            }
        except Exception:  # noqa: BLE001 one broken EXIF block does not spoil the picture
            return {}


def _tiff_page(blob: Blob, data: bytes, index: int) -> Record:
    with opened_image(data, blob.limits.max_pixels) as image:
        image.seek(index)
        check_pixels(image.size, blob.limits.max_pixels)
        picture = upright_rgb(image)
    picture.thumbnail((IMAGE_SIDE, IMAGE_SIDE))
    locator = f"page={index + 1}"
    return image_record(blob, jpeg(picture, IMAGE_SIDE), picture, locator, dict(blob.metadata))


def _is_animated(data: bytes, blob: Blob) -> bool:
    with opened_image(data, blob.limits.max_pixels) as image:
        return image.format in ("GIF", "WEBP", "PNG") and getattr(image, "is_animated", False)


def _animation(blob: Blob, data: bytes) -> Iterator[Record | Failure]:
    starts, end = _timeline(data, blob)
    options = blob.options
    for index, (begin, stop) in enumerate(segments(end, options.segment_seconds)):
        locator = f"t={begin:.1f}-{stop:.1f}"
        step = (stop - begin) / options.frames_per_segment
        wanted = [begin + step * (part + 0.5) for part in range(options.frames_per_segment)]
        frames = sorted({_shown(starts, second) for second in wanted})
        yield attempt(
            blob,
            index,
            locator,
            partial(_segment, blob, data, {at: starts[at] for at in frames}, locator),
        )


def _shown(starts: list[float], second: float) -> int:
    from bisect import bisect_right

    return max(0, bisect_right(starts, second + 1e-6) - 1)


def _timeline(data: bytes, blob: Blob) -> tuple[list[float], float]:
    """Give the second at which each frame is shown, and the end."""
    limits, starts, now = blob.limits, list[float](), 0.0
    with opened_image(data, limits.max_pixels) as image:
        for index in count():
            try:
                image.seek(index)
            except EOFError:
                break
            except (OSError, SyntaxError, ValueError):
                if not index:
                    raise
                break
            starts.append(now)
            image.load()
            now += max(float(image.info.get("duration") or 0) / 1000, 0.0) or _FRAME_SECONDS
            if index >= limits.max_frames:
                raise too_many("frames", f"more than {index:,}", limits.max_frames, "max_frames")
            if now > limits.max_seconds:
                raise UnreadableError(
                    "TooLong",
                    f"the animation lasts over {now:,.1f} s; max_seconds allows "
                    f"{limits.max_seconds:,.1f}",
                )
    return starts, now


def _segment(blob: Blob, data: bytes, frames: dict[int, float], locator: str) -> Record:
    encoded, small = [], b""
    with opened_image(data, blob.limits.max_pixels) as image:
        for index in frames:
            image.seek(index)
            picture = upright_rgb(image)
            small = small or thumbnail(picture)
            encoded.append(jpeg(picture, FRAME_SIDE))
    clip = Video(tuple(encoded), tuple(round(second, 3) for second in frames.values()))
    return Record(locator, (clip,), blob.source.source, locator, blob.metadata, "video", small)
