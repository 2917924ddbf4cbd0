"""Turns an original picture into a small file of the corpus, in the format of its name."""

import io
import json
from pathlib import Path
from typing import Any

from PIL import Image, ImageSequence

_SIDE = 480
_GIF_SIDE = 128
_GIF_FRAMES = 12
_WHITE = (255, 255, 255, 255)


def write_picture(data: bytes, target: Path, metadata: dict[str, Any] | None = None) -> None:
    """Write one picture, at most 480 pixels a side, and its sidecar where there is metadata."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(io.BytesIO(data)) as image:
        _WRITERS[target.suffix](image, target)
    if metadata is not None:
        text = json.dumps(metadata, ensure_ascii=False, indent=2)
        target.with_name(f"{target.name}.json").write_text(f"{text}\n", encoding="utf-8")


def on_white(image: Image.Image) -> Image.Image:
    """Give the picture without transparency: over white."""
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, _WHITE), image).convert("RGB")


def _write_jpg(image: Image.Image, target: Path) -> None:
    _small(image, _SIDE).save(target, quality=80, optimize=True)


def _write_webp(image: Image.Image, target: Path) -> None:
    _small(image, _SIDE).save(target, quality=75, method=6)


def _write_png(image: Image.Image, target: Path) -> None:
    _small(image, _SIDE).quantize(128).save(target, optimize=True)


def _write_gif(image: Image.Image, target: Path) -> None:
    frames = [_small(frame, _GIF_SIDE) for frame in ImageSequence.Iterator(image)]
    step = max(1, len(frames) // _GIF_FRAMES)
    first, *rest = [frame.quantize(64) for frame in frames[::step][:_GIF_FRAMES]]
    first.save(target, save_all=True, append_images=rest, duration=120, loop=0, optimize=True)


_WRITERS = {".jpg": _write_jpg, ".webp": _write_webp, ".png": _write_png, ".gif": _write_gif}


def _small(image: Image.Image, side: int) -> Image.Image:
    plain = on_white(image)
    plain.thumbnail((side, side), Image.Resampling.LANCZOS)
    return plain
