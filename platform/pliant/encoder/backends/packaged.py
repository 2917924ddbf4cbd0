"""Finds model files inside installed packages, through importlib.metadata. Fetches nothing."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

from pliant.encoder.checkpoint import hash_of
from pliant.errors import NotFoundError, UnavailableError

if TYPE_CHECKING:
    from torch import Tensor


def packaged_file(package: str, ending: str) -> Path:
    """Give the file of an installed package whose path ends so.

    Raises:
        NotFoundError: the package is not installed, or holds no such file.
    """
    try:
        installed = distribution(package)
    except PackageNotFoundError as error:
        raise NotFoundError(
            f"package {package!r} is not installed; it comes with pliant: pip install {package}"
        ) from error
    for file in installed.files or ():
        if str(file).endswith(ending):
            return Path(str(installed.locate_file(file)))
    raise NotFoundError(f"package {package!r} holds no file {ending!r}: install it again")


def load_pickled(path: Path, sha256: str) -> dict[str, Tensor]:
    """Read a packaged pickle of tensors, only when its bytes are the known ones.

    The one exception from "safetensors only": the hash is checked first, and torch reads tensors
    and nothing else (`weights_only`).

    Raises:
        UnavailableError: the file is another one.
    """
    if (found := hash_of(path)) != sha256:
        raise UnavailableError(
            f"weights {str(path)!r} have SHA-256 {found[:16]}…, expected {sha256[:16]}…: "
            "install the package again"
        )
    import torch

    return torch.load(path, map_location="cpu", weights_only=True)
