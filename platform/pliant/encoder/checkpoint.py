"""Weights on disk: safetensors only, their hash, and a small cache beside them."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pliant.errors import NotFoundError, UnavailableError

if TYPE_CHECKING:
    from torch import Tensor

CACHE = Path("~/.cache/pliant")
_FLOATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}


def weight_files(directory: Path) -> list[Path]:
    """Give the safetensors files of a model directory: the one file, or the shards of its index.

    Raises:
        NotFoundError: there is none; pickled weights are never loaded.
    """
    single = directory / "model.safetensors"
    if single.is_file():
        return [single]
    index = directory / "model.safetensors.index.json"
    if index.is_file():
        names = json.loads(index.read_text(encoding="utf8"))["weight_map"].values()
        return [directory / name for name in sorted(set(names))]
    other = sorted(path.name for path in directory.glob("*.bin"))
    found = f"; {other[0]} is pickled and never loaded: convert it" if other else ""
    raise NotFoundError(f"model directory {str(directory)!r} has no model.safetensors{found}")


def load_weights(files: list[Path]) -> dict[str, Tensor]:
    """Read tensors by name.

    Raises:
        UnavailableError: a file is missing or broken.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    weights: dict[str, Tensor] = {}
    for path in files:
        try:
            weights |= load_file(path)
        except (OSError, SafetensorError) as error:
            raise UnavailableError(f"weights {str(path)!r} cannot be read: {error}") from error
    return weights


def map_weights(files: list[Path]) -> dict[str, npt.NDArray[np.float32]]:
    """Map tensors by name without torch: fp32 stays on disk, half precisions are widened.

    Raises:
        UnavailableError: a file is missing or broken.
    """
    return {name: value for path in files for name, value in _mapped(path)}


def _mapped(path: Path) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy"):  # checks the header against the file
            pass
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(size))
        data = np.memmap(path, np.uint8, "r", offset=8 + size)
    except (OSError, SafetensorError, ValueError) as error:
        raise UnavailableError(f"weights {str(path)!r} cannot be read: {error}") from error
    header.pop("__metadata__", None)
    for name, about in header.items():
        begin, end = about["data_offsets"]
        if about["dtype"] in _FLOATS:
            yield name, _widened(data[begin:end], about["dtype"]).reshape(about["shape"])


def _widened(data: npt.NDArray[np.uint8], dtype: str) -> npt.NDArray[np.float32]:
    stored = data.view(_FLOATS[dtype])
    if dtype == "BF16":
        return (stored.astype("<u4") << 16).view("<f4")
    return stored.astype("<f4", copy=False)


def hash_of(path: Path) -> str:
    """Give the SHA-256 of a file, remembered by path, size and time of change.

    Raises:
        UnavailableError: the file cannot be read.
    """
    try:
        stat = path.stat()
        key = f"{path.resolve()}\0{stat.st_size}\0{stat.st_mtime_ns}"
        name = f"sha256-{sha256(key.encode('utf8', 'surrogateescape')).hexdigest()[:32]}"
        remembered = _read(name)
        if len(remembered) == 64:
            return remembered.decode("ascii", "replace")
        with path.open("rb") as file:
            digest = _digest(file.read)
    except OSError as error:
        raise UnavailableError(f"file {str(path)!r} cannot be read: {error.strerror}") from error
    _write(name, digest.encode())
    return digest


def cached_array(
    name: str, shape: tuple[int, ...], make: Callable[[], npt.NDArray[np.float32]]
) -> npt.NDArray[np.float32]:
    """Give an array from the cache, or make it and remember it.

    Args:
        name: file name; holds the hash of everything that the array depends on.
        shape: what is stored must have; anything else is made again.
        make: computes the array.
    """
    count = int(np.prod(shape))
    data = _read(name)
    if len(data) == 4 * count:
        values = np.frombuffer(data, dtype="<f4").reshape(shape)
        if np.isfinite(values).all():
            return values
    values = make()
    _write(name, values.astype("<f4").tobytes())
    return values


def digest_of(values: Any) -> str:
    """Hash JSON values: 16 hex digits, the same on every machine."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()[:16]


def _digest(read: Callable[[int], bytes]) -> str:
    digest = sha256()
    while block := read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def _read(name: str) -> bytes:
    try:
        return (CACHE.expanduser() / name).read_bytes()
    except (OSError, RuntimeError):
        return b""


def _write(name: str, data: bytes) -> None:
    """Write whole or not at all; a cache that cannot be written is done without."""
    try:
        folder = CACHE.expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        handle, path = tempfile.mkstemp(dir=folder, prefix=".")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(path).replace(folder / name)
    except (OSError, RuntimeError):
        return
