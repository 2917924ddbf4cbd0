"""Names of files: which suffixes are media, and which .json files are sidecars of others."""

from __future__ import annotations

import os
from pathlib import Path

IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".gif")
VIDEOS = (".mp4", ".webm")
DOCUMENTS = (".pdf",)
MEDIA = (*IMAGES, *VIDEOS, *DOCUMENTS)


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


def is_used_sidecar(path: str) -> bool:
    """Tell whether a file is the sidecar of another one."""
    if suffix_of(path) != ".json":
        return False
    stem = path[: -len(".json")]
    owners = [stem] if suffix_of(stem) else []
    owners += [stem + suffix for suffix in MEDIA] + [stem + suffix.upper() for suffix in MEDIA]
    return any(os.path.isfile(owner) and sidecar_of(owner) == path for owner in owners)  # noqa: PTH113 speed
