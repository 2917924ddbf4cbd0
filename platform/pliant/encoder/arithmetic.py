"""What arithmetic this machine is good at: native BF16, devices, threads.

torch is imported by the functions that need it: processes that only prepare go without.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pliant.elastic.subnetwork import SubNetwork
from pliant.errors import InvalidInputError

if TYPE_CHECKING:
    import torch

_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
_LOADABLE = ("fp32", "bf16")
_DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/dxg"), Path("/dev/kfd"))
"""Devices of which a GPU driver shows at least one: NVIDIA's, WSL's, AMD's."""


@cache
def has_native_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor multiplies BF16 itself; elsewhere BF16 is slower than fp32."""
    try:
        text = cpuinfo.read_text(encoding="utf8", errors="replace")
    except OSError:
        return False
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return bool(_FLAGS & set(flags.split()))


def choose_device(device: str | None) -> str:
    """Give the device asked for, or a GPU where there is one: cpu, cuda or cuda:N.

    Raises:
        InvalidInputError: no such device here.
    """
    if device is None:
        return "cuda" if _has_gpu() else "cpu"
    if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise InvalidInputError(f"device {device!r}: must be cpu, cuda or cuda:N")
    if device != "cpu" and not _has_gpu():
        raise InvalidInputError(f"device {device!r}: this machine has no usable GPU; allowed: cpu")
    return device


def _has_gpu() -> bool:
    if not any(path.exists() for path in _DRIVERS):
        return False
    import torch

    return torch.cuda.is_available()


def choose_precision(precision: str | None, device: str, bf16: bool | None = None) -> str:
    """Give the precision to run in: the one asked for, or bf16 where it is native.

    Raises:
        InvalidInputError: not a precision that this encoder can run.
    """
    if precision is None:
        native = device != "cpu" or (has_native_bf16() if bf16 is None else bf16)
        return "bf16" if native else "fp32"
    if precision not in _LOADABLE:
        allowed = ", ".join(_LOADABLE)
        raise InvalidInputError(f"precision {precision!r}: must be one of {allowed}")
    return precision


def choose_dtype(precision: str | None, device: str, bf16: bool | None = None) -> torch.dtype:
    """Give torch's dtype of a precision, chosen as `choose_precision` does."""
    import torch

    chosen = choose_precision(precision, device, bf16)
    return torch.bfloat16 if chosen == "bf16" else torch.float32


def precision_of(subnetwork: SubNetwork, loaded: str) -> str:
    """Give the precision of a sub-network: never less exact than the encoder was loaded with."""
    return "fp32" if subnetwork.precision == "fp32" else loaded


def set_threads(threads: int | None) -> None:
    """Set how many cores torch may use in this process; None leaves it as it is."""
    if threads is None:
        return
    import torch

    torch.set_num_threads(threads)


def num_threads(threads: int | None) -> int:
    """Give the cores to use: as asked, or OpenMP's setting (Ray's actors have one), or all."""
    if threads is not None:
        return threads
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdecimal() and int(given) else len(os.sched_getaffinity(0))
