"""Makes short clips: a film is shrunk, an animation is played, a camera moves over a photograph."""

import io
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image, ImageOps, ImageSequence

from pliant_jobs.samples import packages
from pliant_jobs.samples.pictures import on_white

_WIDTH, _HEIGHT = 320, 180
_FRAMES_PER_SECOND = 12
_CAMERA_PATH = 0.25  # the share of the picture that the camera moves over
_CODECS = {
    ".mp4": ["-c:v", "libx264", "-crf", "27", "-preset", "slow", "-movflags", "+faststart"],
    ".webm": ["-c:v", "libvpx-vp9", "-crf", "40", "-b:v", "0"],
}


def write_film(data: bytes, target: Path, seconds: int, cache_folder: Path) -> None:
    """Write the first seconds of a film, small and without sound."""
    film = cache_folder / "film"
    film.write_bytes(data)
    scale = ["-t", str(seconds), "-an", "-vf", f"scale={_WIDTH}:{_HEIGHT}"]
    _encode(["-i", str(film), *scale], target, cache_folder)


def write_scenes(pictures: Sequence[bytes], target: Path, seconds: int, cache_folder: Path) -> None:
    """Write a clip that shows each picture for some seconds, one after the other."""
    frames = b"".join(
        frame.tobytes()
        for data in pictures
        for frame in _frames(data, seconds * _FRAMES_PER_SECOND)
    )
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{_WIDTH}x{_HEIGHT}"]
    _encode([*raw, "-r", str(_FRAMES_PER_SECOND), "-i", "-"], target, cache_folder, frames)


def _frames(data: bytes, num_frames: int) -> Iterator[Image.Image]:
    with Image.open(io.BytesIO(data)) as image:
        if getattr(image, "n_frames", 1) > 1:
            yield from _played(image, num_frames)
        else:
            yield from _moved_over(on_white(image), num_frames)


def _played(image: Image.Image, num_frames: int) -> Iterator[Image.Image]:
    shown = [
        ImageOps.pad(on_white(frame), (_WIDTH, _HEIGHT), color="white")
        for frame in ImageSequence.Iterator(image)
    ]
    for index in range(num_frames):
        yield shown[index * len(shown) // num_frames]


def _moved_over(photo: Image.Image, num_frames: int) -> Iterator[Image.Image]:
    width = min(photo.width, photo.height * _WIDTH / _HEIGHT) * (1 - _CAMERA_PATH)
    height = width * _HEIGHT / _WIDTH
    for index in range(num_frames):
        share = index / (num_frames - 1)
        left, top = (photo.width - width) * share, (photo.height - height) / 2
        box = (left, top, left + width, top + height)
        yield photo.resize((_WIDTH, _HEIGHT), Image.Resampling.BICUBIC, box)


def _encode(source: list[str], target: Path, cache_folder: Path, stdin: bytes = b"") -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    exact = ["-threads", "1", "-fflags", "+bitexact", "-flags:v", "+bitexact"]
    output = [*_CODECS[target.suffix], "-pix_fmt", "yuv420p", *exact, str(target)]
    program = [_ffmpeg(cache_folder), "-y", "-loglevel", "error"]
    subprocess.run([*program, *source, *output], input=stdin, check=True)


def _ffmpeg(cache_folder: Path) -> str:
    package = packages.wheel("imageio-ffmpeg==0.8.1", cache_folder)
    program = next((package / "imageio_ffmpeg/binaries").glob("ffmpeg-*"))
    program.chmod(0o755)
    return str(program)
