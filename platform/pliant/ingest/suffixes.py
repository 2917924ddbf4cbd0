"""Names of files: which suffixes are media, and which files belong to others as sidecars."""

from __future__ import annotations

import os
from pathlib import Path

IMAGES = (
    ".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif",
    ".svg",
)  # fmt: skip
VIDEOS = (".mp4", ".webm", ".mkv", ".avi", ".mov", ".m4v")
DOCUMENTS = (".pdf",)
MEDIA = (*IMAGES, *VIDEOS, *DOCUMENTS)
OFFICE = (".docx", ".pptx", ".odt", ".epub")
TABLES = (
    ".jsonl", ".csv", ".tsv", ".parquet", ".xlsx", ".xls", ".ods", ".arrow", ".feather", ".avro",
    ".orc", ".sqlite", ".sqlite3", ".db",
)  # fmt: skip
ARCHIVES = (".tar", ".tgz", ".gz", ".zst", ".zip")
SUBTITLES = (".srt", ".vtt")
CAPTIONS = (".txt", ".caption", ".json", ".cls")
BINARY = frozenset({*MEDIA, *OFFICE, *ARCHIVES, *TABLES} - {".svg", ".jsonl", ".csv", ".tsv"})
_DATASET = ("dataset_info.json", "state.json", "dataset_dict.json")


def suffix_of(path: str) -> str:
    """Give the suffix in lower case."""
    return Path(path).suffix.lower()


def sidecar_of(path: str) -> str | None:
    """Find the .json file that holds a file's metadata.

    `photo.jpg.json` belongs to `photo.jpg` of any type; `photo.json` to a media file `photo.*`.
    """
    beside = [f"{path}.json"]
    if suffix_of(path) in MEDIA:
        beside.append(path[: -len(suffix_of(path))] + ".json")
    return next((name for name in beside if os.path.isfile(name)), None)  # noqa: PTH113 speed


def subtitles_of(path: str) -> str | None:
    """Find the subtitles beside a video: `clip.srt` or `clip.vtt` of `clip.mp4`."""
    if suffix_of(path) not in VIDEOS:
        return None
    beside = [path[: -len(suffix_of(path))] + suffix for suffix in SUBTITLES]
    return next((name for name in beside if os.path.isfile(name)), None)  # noqa: PTH113 speed


def is_used_sidecar(path: str) -> bool:
    """Tell whether a file only belongs to another one: metadata, subtitles, a data set's own."""
    suffix = suffix_of(path)
    stem = path[: -len(suffix)] if suffix else path
    if suffix in SUBTITLES:
        return any(subtitles_of(owner) == path for owner in _beside(stem, VIDEOS))
    if suffix != ".json":
        return False
    if Path(path).name in _DATASET and _is_dataset(Path(path)):
        return True
    owners = ([stem] if suffix_of(stem) and os.path.isfile(stem) else []) + _beside(stem, MEDIA)  # noqa: PTH113
    return any(sidecar_of(owner) == path for owner in owners)


def _beside(stem: str, suffixes: tuple[str, ...]) -> list[str]:
    names = [stem + one for suffix in suffixes for one in (suffix, suffix.upper())]
    return [name for name in names if os.path.isfile(name)]  # noqa: PTH113 speed


def _is_dataset(path: Path) -> bool:
    """Tell whether a file lies in a folder of Hugging Face `datasets.save_to_disk`."""
    if path.name == "dataset_dict.json":
        return any(path.parent.glob("*/dataset_info.json"))
    return any(path.parent.glob("*.arrow"))
