"""The chart as helm renders it; a test that needs the program skips where there is none."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
Render = Callable[..., dict[str, dict[str, Any]]]


@pytest.fixture(scope="session", params=["helm", "helm3"])
def helm(request: pytest.FixtureRequest) -> str:
    """The program: fetched by `python helm/fetch_tools.py` (helm 4; helm 3 into `.make/helm3`)."""
    fetched = ROOT / ".make" / request.param / "helm"
    on_path = shutil.which("helm") if request.param == "helm" else None
    program = str(fetched) if fetched.exists() else on_path
    if program is None:
        pytest.skip(f"no {request.param}: run `python helm/fetch_tools.py`")
    return program


@pytest.fixture(scope="session")
def chart() -> Path:
    return ROOT / "helm" / "pliant"


@pytest.fixture(scope="session")
def render(helm: str, chart: Path) -> Render:
    def run(*settings: str) -> dict[str, dict[str, Any]]:
        options = [option for setting in settings for option in ("--set-json", setting)]
        command = [helm, "template", "release", str(chart), *options]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return {found["kind"]: found for found in yaml.safe_load_all(done.stdout) if found}

    return run
