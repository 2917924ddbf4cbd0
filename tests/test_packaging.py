"""The wheel: what it holds, and that it works in an empty environment outside the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"]
    subprocess.run([*command, str(folder), str(ROOT)], check=True, capture_output=True)
    return next(folder.glob("pliant-*.whl"))


@pytest.mark.slow
def test_the_wheel_holds_three_packages_and_the_samples(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "pliant",
        "pliant_services",
        "pliant_jobs",
    }
    assert any(name.startswith("pliant_jobs/samples/corpus/") for name in names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_wheel_works_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python, pliant = tmp_path / "venv" / "bin" / "python", tmp_path / "venv" / "bin" / "pliant"
    install = [str(python), "-m", "pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt")]
    environment = {name: os.environ[name] for name in os.environ if name != "PYTHONPATH"}
    run = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True}
    subprocess.run([*install, str(wheel)], check=True, **run)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("A cat sleeps on the warm roof.")
    embed = [str(pliant), "embed", "in", "--collection", "c"]
    done = subprocess.run(embed, check=False, **run)
    assert done.returncode == 0, done.stderr
    search = [str(pliant), "search", "kitten", "--collection", "c"]
    found = subprocess.run(search, check=False, **run)
    subprocess.run([str(pliant), "store", "stop"], check=True, **run)
    assert "in/a.txt" in found.stdout, found.stderr
