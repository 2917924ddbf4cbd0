"""What arithmetic this machine is good at: native BF16, devices, threads."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch

from pliant.elastic.subnetwork import SubNetwork
from pliant.errors import InvalidInputError

_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
_LOADABLE = ("fp32", "bf16")


@cache
def has_native_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor multiplies BF16 itself; elsewhere BF16 is slower than fp32."""
    try:
        text = cpuinfo.read_text(encoding="utf8", errors="replace")
    except OSError:
        return False
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return bool(_FLAGS & set(flags.split()))


def choose_device(device: str | None) -> torch.device:
    """Give the device asked for, or a GPU where there is one.

    Raises:
        InvalidInputError: no such device here.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise InvalidInputError(f"device {device!r}: must be cpu, cuda or cuda:N") from error
    if chosen.type not in ("cpu", "cuda"):
        raise InvalidInputError(f"device {device!r}: must be cpu, cuda or cuda:N")
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise InvalidInputError(f"device {device!r}: this machine has no usable GPU; allowed: cpu")
    return chosen


def choose_dtype(
    precision: str | None, device: torch.device, bf16: bool | None = None
) -> torch.dtype:
    """Give the dtype to run in: the one asked for, or BF16 where it is native.

    Raises:
        InvalidInputError: not a precision that this encoder can run.
    """
    if precision is None:
        native = device.type == "cuda" or (has_native_bf16() if bf16 is None else bf16)
        return torch.bfloat16 if native else torch.float32
    if precision not in _LOADABLE:
        allowed = ", ".join(_LOADABLE)
        raise InvalidInputError(f"precision {precision!r}: must be one of {allowed}")
    return torch.bfloat16 if precision == "bf16" else torch.float32


def dtype_of(subnetwork: SubNetwork, loaded: torch.dtype) -> torch.dtype:
    """Give the dtype of a sub-network: never less exact than the encoder was loaded with."""
    return torch.float32 if subnetwork.precision == "fp32" else loaded


def set_threads(threads: int | None) -> None:
    """Set how many cores torch may use in this process; None leaves it as it is.

    Raises:
        InvalidInputError: not a positive number.
    """
    if threads is None:
        return
    if threads < 1:
        raise InvalidInputError(f"threads {threads}: must be 1 or more")
    torch.set_num_threads(threads)
