"""The one place that decodes bytes to pixels: images, video frames and PDF pages, with limits.

It knows nothing about files on the way in, records or models. Whatever cannot be decoded raises
`UnreadableError`, which says what is wrong, what was given and what is allowed.
"""

from __future__ import annotations

import contextlib
import io
import re
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from PIL import Image as PillowImage
from pydantic import Field

from pliant.config import Config
from pliant.errors import InvalidInputError

if TYPE_CHECKING:
    import numpy as np

MAX_PIXELS = 64_000_000
IMAGE_SIDE = 1024
FRAME_SIDE = 512
THUMBNAIL_SIDE = 160
THUMBNAIL_BYTES = 16_384
PAGE_DPI = 110

_WEB_FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
_IMAGE_FORMATS = (*_WEB_FORMATS, "BMP", "TIFF", "AVIF")
_HEIF = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1")
_KEPT_BYTES = 4 * 2**20
_BROKEN_IMAGE = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError,
    MemoryError, AttributeError, RecursionError, struct.error, zlib.error,
)  # fmt: skip
_ORIENTATIONS = {
    2: PillowImage.Transpose.FLIP_LEFT_RIGHT,
    3: PillowImage.Transpose.ROTATE_180,
    4: PillowImage.Transpose.FLIP_TOP_BOTTOM,
    5: PillowImage.Transpose.TRANSPOSE,
    6: PillowImage.Transpose.ROTATE_270,
    7: PillowImage.Transpose.TRANSVERSE,
    8: PillowImage.Transpose.ROTATE_90,
}
Answer = TypeVar("Answer")
_PDFIUM = threading.Lock()  # PDFium is not thread-safe


class MediaLimits(Config):
    """How much one image, video or PDF may ask for before anything is decoded."""

    max_bytes: int = Field(default=512 * 2**20, gt=0, description="Largest media file, in bytes.")
    max_pixels: int = Field(default=MAX_PIXELS, gt=0, le=178_000_000, description="Largest image.")
    max_pages: int = Field(default=5_000, gt=0, description="Most pages of one PDF.")
    max_seconds: float = Field(default=4 * 3600.0, gt=0, description="Longest video.")
    max_frames: int = Field(default=1_000_000, gt=0, description="Most frames of one video.")


class UnreadableError(InvalidInputError):
    """Input that cannot be read; `name` is its short class-like name ("TooManyPixels")."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name

    def __reduce__(self) -> tuple[type[UnreadableError], tuple[str, str]]:
        return type(self), (self.name, str(self))


def decode_image(data: bytes, max_pixels: int = MAX_PIXELS) -> PillowImage.Image:
    """Decode an image to RGB, upright (EXIF), transparency on white, the first frame of several.

    Raises:
        UnreadableError: not an image, broken, or more pixels than allowed.
    """
    with opened_image(data, max_pixels, _WEB_FORMATS) as image:
        return upright_rgb(image)


def fit_image(
    data: bytes, max_pixels: int = MAX_PIXELS, side: int = IMAGE_SIDE
) -> tuple[bytes, PillowImage.Image]:
    """Give encoded bytes of at most `side` pixels a side, and the picture that they hold.

    Small still images for the web keep their bytes. PNG, GIF and BMP become PNG, else JPEG.

    Raises:
        UnreadableError: as `decode_image`.
    """
    with opened_image(data, max_pixels) as image:
        kind = image.format
        large = max(image.size) > side or len(data) > _KEPT_BYTES
        keeps = (
            not large
            and kind in ("JPEG", "PNG", "WEBP")
            and not getattr(image, "is_animated", False)
        )
        if large:
            image.draft("RGB", (side, side))
        picture = upright_rgb(image)
    if keeps:
        return data, picture
    picture.thumbnail((side, side), PillowImage.Resampling.LANCZOS, reducing_gap=3.0)
    return (png(picture) if kind in ("PNG", "GIF", "BMP") else jpeg(picture, side)), picture


def jpeg(image: PillowImage.Image, side: int = FRAME_SIDE, quality: int = 90) -> bytes:
    """Encode as JPEG with at most `side` pixels a side."""
    if max(image.size) > side:
        image = image.copy()
        image.thumbnail((side, side), PillowImage.Resampling.BICUBIC, reducing_gap=2.0)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def thumbnail(image: PillowImage.Image) -> bytes:
    """Make a small WebP for people: at most 160 pixels a side and 16 KiB."""
    small = image.convert("RGB")
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), PillowImage.Resampling.BICUBIC, 2.0)
    data = b""
    for quality in (75, 50, 25, 5):
        buffer = io.BytesIO()
        small.save(buffer, "WEBP", quality=quality, method=2)
        data = buffer.getvalue()
        if len(data) <= THUMBNAIL_BYTES:
            break
    return data


class VideoFile:
    """A video, open for decoding single frames.

    Attributes:
        num_frames: frames in the video stream.
        seconds: time at which the last frame ends.
    """

    def __init__(self, file: str | Path | io.BytesIO, limits: MediaLimits | None = None) -> None:
        limits = limits or MediaLimits()
        reader = self._reader = _open_video(file)
        self.num_frames: int = len(reader)
        if self.num_frames == 0:
            raise UnreadableError("NoFrames", "the video holds no frames")
        if self.num_frames > limits.max_frames:
            raise UnreadableError(
                "TooManyFrames",
                f"the video has {self.num_frames:,} frames; "
                f"max_frames allows {limits.max_frames:,}",
            )
        times: np.ndarray = reader.get_frame_timestamp(range(self.num_frames))
        self._starts = times[:, 0] - float(times[0, 0])
        self.seconds = float(times[-1, 1] - times[0, 0])
        if not self.seconds <= limits.max_seconds:
            raise UnreadableError(
                "TooLong",
                f"the video lasts {self.seconds:,.1f} s; max_seconds allows "
                f"{limits.max_seconds:,.1f}",
            )

    def frame_at(self, second: float) -> int:
        """Give the index of the frame that is shown at a second."""
        index = int(self._starts.searchsorted(second + 1e-6, side="right")) - 1
        return min(max(index, 0), self.num_frames - 1)

    def second_of(self, index: int) -> float:
        """Give the second at which a frame begins to be shown."""
        return round(float(self._starts[index]), 3)

    def frame(self, index: int) -> PillowImage.Image:
        """Decode one frame.

        Raises:
            UnreadableError: the stream is broken there.
        """
        try:
            return PillowImage.fromarray(self._reader[index].asnumpy())
        except (RuntimeError, IndexError, ValueError) as error:
            raise UnreadableError(
                "BrokenVideo", f"frame {index} cannot be decoded: {first_line(error)}"
            ) from error


class PdfFile:
    """A PDF, open for reading one page at a time. Use it as a context manager."""

    def __init__(self, path: str | Path, limits: MediaLimits | None = None) -> None:
        limits = limits or MediaLimits()
        with _PDFIUM:
            self._document = _open_pdf(path)
            self.num_pages: int = len(self._document)
        if self.num_pages > limits.max_pages:
            self.close()
            raise UnreadableError(
                "TooManyPages",
                f"the PDF has {self.num_pages:,} pages; max_pages allows {limits.max_pages:,}",
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the document."""
        with _PDFIUM:
            self._document.close()

    def page(self, index: int, side: int = IMAGE_SIDE) -> tuple[PillowImage.Image, str]:
        """Render a page (counted from 0) at about 110 dpi within `side`, and give its text.

        Raises:
            UnreadableError: the page is broken.
        """
        import pypdfium2

        with _PDFIUM:
            try:
                page = self._document[index]
                try:
                    return _render(page, side), _page_text(page)
                finally:
                    page.close()
            except (pypdfium2.PdfiumError, ValueError, ArithmeticError, MemoryError) as error:
                raise UnreadableError(
                    "BrokenPage", f"the page cannot be rendered: {first_line(error)}"
                ) from error

    def ask(self, question: Callable[[Any], Answer]) -> Answer:
        """Give what a function finds in the PDFium document, one at a time."""
        with _PDFIUM:
            return question(self._document)


def first_line(error: BaseException) -> str:
    """Give the first line of an error's text, for messages to people."""
    text = str(error).strip()
    return text.splitlines()[0][:200] if text else type(error).__name__


def check_pixels(size: tuple[int, int], max_pixels: int) -> None:
    """Refuse a picture of too many pixels.

    Raises:
        UnreadableError: its width times its height is more than allowed.
    """
    width, height = size
    if width * height > max_pixels:
        raise UnreadableError(
            "TooManyPixels",
            f"the image has {width:,} x {height:,} = {width * height:,} pixels; "
            f"max_pixels allows {max_pixels:,}",
        )


@contextlib.contextmanager
def opened_image(
    data: bytes, max_pixels: int, formats: tuple[str, ...] = _IMAGE_FORMATS
) -> Iterator[PillowImage.Image]:
    """Open an image of at most `max_pixels`; what goes wrong inside is an `UnreadableError`.

    Raises:
        UnreadableError: not an image, broken, or more pixels than allowed.
    """
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF and formats is _IMAGE_FORMATS:
        import pi_heif

        pi_heif.register_heif_opener()
        formats = ("HEIF",)
    if not data:
        raise UnreadableError("EmptyFile", "the image is empty (0 bytes)")
    try:
        with PillowImage.open(io.BytesIO(data), formats=formats) as image:
            check_pixels(image.size, max_pixels)
            yield image
    except InvalidInputError:
        raise
    except (PillowImage.DecompressionBombError, PillowImage.DecompressionBombWarning) as error:
        raise UnreadableError(
            "TooManyPixels", f"{first_line(error)}; max_pixels allows {max_pixels:,}"
        ) from error
    except PillowImage.UnidentifiedImageError as error:
        raise UnreadableError(
            "NotAnImage",
            f"the bytes (beginning {data[:8]!r}) are no image that Pliant reads: "
            f"{', '.join(formats)}",
        ) from error
    except _BROKEN_IMAGE as error:
        raise UnreadableError(
            "BrokenImage", f"the image is damaged: {first_line(error)}"
        ) from error


def upright_rgb(image: PillowImage.Image) -> PillowImage.Image:
    """Give the frame at hand in RGB, turned as its EXIF block says, on white."""
    image.load()  # turns a TIFF by itself
    turn = _ORIENTATIONS.get(_orientation(image))
    picture = _rgb(image)
    return picture.transpose(turn) if turn is not None else picture


def _orientation(image: PillowImage.Image) -> int:
    try:
        value = image.getexif().get(0x0112, 1)
    except _BROKEN_IMAGE:  # a broken EXIF block does not spoil the pixels
        return 1
    return value if isinstance(value, int) else 1


def _rgb(image: PillowImage.Image) -> PillowImage.Image:
    if image.mode.startswith("I"):
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("RGB")
    if image.mode.endswith(("A", "a")) or "transparency" in image.info:
        over = image.convert("RGBA")
        white = PillowImage.new("RGBA", over.size, "white")
        return PillowImage.alpha_composite(white, over).convert("RGB")
    return image.convert("RGB") if image.mode != "RGB" else image.copy()


def png(image: PillowImage.Image) -> bytes:
    """Encode as PNG."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()


def _open_video(file: str | Path | io.BytesIO) -> Any:
    import decord

    try:
        return decord.VideoReader(str(file) if isinstance(file, Path) else file, num_threads=1)
    except (RuntimeError, ValueError, IndexError) as error:
        raise UnreadableError(
            "NotAVideo", f"no video can be decoded from it: {first_line(error)}"
        ) from error


def _open_pdf(path: str | Path) -> Any:
    import pypdfium2
    import pypdfium2.raw

    try:
        return pypdfium2.PdfDocument(Path(path))
    except pypdfium2.PdfiumError as error:
        if error.err_code == pypdfium2.raw.FPDF_ERR_PASSWORD:
            raise UnreadableError(
                "EncryptedPdf", "the PDF is encrypted; give a copy without a password"
            ) from error
        raise UnreadableError("NotAPdf", f"no PDF that opens: {first_line(error)}") from error


def _render(page: Any, side: int) -> PillowImage.Image:
    longest = max(page.get_size())
    if longest <= 0:
        raise ValueError(f"its size is {page.get_size()}")
    bitmap = page.render(scale=min(PAGE_DPI / 72, side / longest))
    try:
        return bitmap.to_pil().convert("RGB")
    finally:
        bitmap.close()


def _page_text(page: Any) -> str:
    words = page.get_textpage()
    try:
        text = words.get_text_bounded().replace("\r\n", "\n").strip()
        return re.sub("\ufffe\n?", "", text)  # PDFium's mark of a hyphenated word
    finally:
        words.close()
