"""What every bench reports: INTERFACE section 2's shape, as a file and on screen."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import orjson

import pliant
from pliant.config import Config


class BenchReport(Config):
    """Figures of one bench, and a row per measured point."""

    bench: str
    version: str
    machine: dict[str, Any]
    settings: dict[str, Any]
    figures: dict[str, float]
    rows: list[dict[str, Any]]

    @classmethod
    def of(
        cls,
        bench: str,
        *,
        settings: Mapping[str, Any],
        figures: Mapping[str, float],
        rows: Sequence[Mapping[str, Any]],
    ) -> Self:
        """Make the report of a bench that ran on this machine."""
        return cls(
            bench=bench,
            version=pliant.__version__,
            machine=machine(),
            settings=dict(settings),
            figures=dict(figures),
            rows=[dict(row) for row in rows],
        )


def machine() -> dict[str, Any]:
    """Describe this machine."""
    import torch

    from pliant.encoder.arithmetic import has_native_bf16

    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    cores = len(os.sched_getaffinity(0))
    return {"cpu": _cpu(), "cores": cores, "bf16": has_native_bf16(), "gpu": gpu}


def finish(report: BenchReport, path: Path | None, as_json: bool = False) -> None:
    """Write the report to its file, if any, and to stdout: figures, or one JSON document."""
    document = orjson.dumps(report.model_dump(), option=orjson.OPT_INDENT_2)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(document + b"\n")
    if as_json:
        sys.stdout.write(document.decode() + "\n")
        return
    width = max(map(len, report.figures), default=0)
    for name, value in report.figures.items():
        sys.stdout.write(f"{name:<{width}}  {value:.6g}\n")


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
