from __future__ import annotations

import io
import pickle
from collections.abc import Callable

import pytest
from PIL import Image

from pliant import media
from pliant.media import UnreadableError, decode_image, fit_image, thumbnail


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def reason(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(UnreadableError) as caught:
        call()
    return caught.value.name, str(caught.value)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_every_format_is_decoded_to_rgb(kind: str) -> None:
    image = decode_image(encoded(Image.new("RGB", (20, 10), (200, 0, 0)), kind))
    assert (image.mode, image.size) == ("RGB", (20, 10))
    red, green, blue = image.getpixel((5, 5))  # pyright: ignore[reportGeneralTypeIssues, reportAssignmentType]
    assert red > 190
    assert max(green, blue) < 10


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "1", "I;16", "CMYK"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    image = Image.new("RGB", (8, 8)).convert(mode) if mode != "I;16" else Image.new(mode, (8, 8))
    assert decode_image(encoded(image, kind)).mode == "RGB"


def test_transparency_is_white() -> None:
    assert decode_image(encoded(Image.new("RGBA", (4, 4), (0, 0, 0, 0)))).getpixel((0, 0)) == (
        (255,) * 3
    )


def test_palette_transparency_is_white() -> None:
    image = Image.new("P", (4, 4), 0)
    assert decode_image(encoded(image, transparency=0)).getpixel((0, 0)) == (255, 255, 255)


def test_sixteen_bit_grey_keeps_its_brightness() -> None:
    assert decode_image(encoded(Image.new("I;16", (4, 4), 0x8000))).getpixel((0, 0)) == (128,) * 3


def test_exif_orientation_is_applied() -> None:
    image = Image.new("RGB", (30, 10), "red")
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(image, "JPEG", exif=exif)
    assert decode_image(data).size == (10, 30)
    assert fit_image(data)[1].size == (10, 30)


def test_too_many_pixels_are_refused_before_decoding() -> None:
    data = encoded(Image.new("1", (20_000, 20_000)))
    name, message = reason(lambda: decode_image(data))
    assert name == "TooManyPixels"
    assert "max_pixels allows 64,000,000" in message


def test_a_bomb_over_pillows_own_limit_has_the_same_reason() -> None:
    header = bytearray(encoded(Image.new("1", (8, 8))))
    header[16:24] = (60_000).to_bytes(4) * 2
    header[29:33] = __import__("zlib").crc32(bytes(header[12:29])).to_bytes(4)
    assert reason(lambda: decode_image(bytes(header)))[0] == "TooManyPixels"


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"", "EmptyFile"),
        (b"no image at all", "NotAnImage"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "NotAnImage"),
        (encoded(Image.effect_noise((64, 64), 50))[:500], "BrokenImage"),
    ],
)
def test_bad_bytes_have_a_reason(data: bytes, name: str) -> None:
    assert reason(lambda: decode_image(data))[0] == name


def test_small_images_keep_their_bytes() -> None:
    data = encoded(Image.new("RGB", (1024, 10)), "WEBP")
    assert fit_image(data)[0] is data


@pytest.mark.parametrize(("kind", "given"), [("PNG", "PNG"), ("JPEG", "JPEG"), ("WEBP", "JPEG")])
def test_large_images_are_made_smaller(kind: str, given: str) -> None:
    data, picture = fit_image(encoded(Image.new("RGB", (3000, 1500), "blue"), kind))
    assert picture.size == (1024, 512)
    with Image.open(io.BytesIO(data)) as small:
        assert (small.format, small.size) == (given, (1024, 512))


def test_animations_become_their_first_frame() -> None:
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "blue")]
    data = fit_image(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))[0]
    with Image.open(io.BytesIO(data)) as still:
        assert still.format == "PNG"
        assert still.convert("RGB").getpixel((0, 0)) == (255, 0, 0)


def test_thumbnails_are_small() -> None:
    data = thumbnail(Image.effect_noise((2000, 1000), 255).convert("RGB"))
    assert len(data) <= media.THUMBNAIL_BYTES
    with Image.open(io.BytesIO(data)) as small:
        assert (small.format, small.size) == ("WEBP", (160, 80))


def test_a_very_long_image_keeps_one_pixel() -> None:
    assert fit_image(encoded(Image.new("RGB", (60_000, 2))))[1].size == (1024, 1)


def test_errors_can_be_pickled() -> None:
    error = pickle.loads(pickle.dumps(UnreadableError("Name", "message")))
    assert (error.name, str(error)) == ("Name", "message")
