"""Globs as a shell expands them, lazily and in sorted order; `**` crosses folders."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path


def has_magic(path: str) -> bool:
    """Tell whether a path holds a wildcard."""
    return re.search(r"[*?\[]", path) is not None


def expand(pattern: str) -> Iterator[str]:
    """Give the files and folders that match; hidden names only where the pattern has the dot."""
    start = "/" if pattern.startswith("/") else ""
    yield from _match(start, [part for part in pattern.split("/") if part])


def _match(folder: str, parts: Sequence[str]) -> Iterator[str]:
    if not parts:
        yield folder
        return
    part, rest = parts[0], parts[1:]
    if part == "**":
        yield from _match(folder or ".", rest)
        if rest:
            for name in _names(folder):
                inner = _join(folder, name)
                if Path(inner).is_dir() and not Path(inner).is_symlink():
                    yield from _match(inner, parts)
    elif has_magic(part):
        hidden = part.startswith(".")
        for name in _names(folder, hidden=hidden):
            inner = _join(folder, name)
            if fnmatchcase(name, part) and (not rest or Path(inner).is_dir()):
                yield from _match(inner, rest)
    elif os.path.lexists(_join(folder, part)):
        yield from _match(_join(folder, part), rest)


def _names(folder: str, *, hidden: bool = False) -> list[str]:
    try:
        return list_names(folder or ".", hidden=hidden)
    except OSError:
        return []


def list_names(folder: str, *, hidden: bool = False) -> list[str]:
    """Give the names in a folder in sorted order; those that begin with a dot only if asked.

    Raises:
        OSError: the folder cannot be read.
    """
    names = os.listdir(folder)  # noqa: PTH208 names, not paths
    return sorted(name for name in names if hidden or not name.startswith("."))


def _join(folder: str, name: str) -> str:
    return os.path.join(folder, name) if folder and folder != "." else name  # noqa: PTH118 as typed


def chosen(below: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    """Tell whether a path below an argument is wanted by `--include` and `--exclude`."""
    if any(matches(part, exclude) for part in _prefixes(below)):
        return False
    return not include or matches(below, include)


def matches(below: str, globs: Sequence[str]) -> bool:
    """Tell whether a glob matches the name, or the path if the glob has a slash."""
    name = below.rpartition("/")[2]
    return any(fnmatchcase(below if "/" in glob else name, glob) for glob in globs)


def _prefixes(below: str) -> Iterator[str]:
    parts = below.split("/")
    return ("/".join(parts[: count + 1]) for count in range(len(parts)))
