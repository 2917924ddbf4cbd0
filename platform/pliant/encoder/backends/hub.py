"""Finds a Hugging Face repository in the local cache. Never reaches for the network."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError


def cached_snapshot(repository: str) -> Path | None:
    """Give the folder of a repository's newest snapshot, or None when it is not cached."""
    try:
        return Path(snapshot_download(repository, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError):
        return None
