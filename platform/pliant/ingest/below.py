"""Which sources an argument is about, also those that are gone: by their URIs, without a walk."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from urllib.parse import unquote_to_bytes

from pliant.ingest.discover import local_path


def paths_below(uri: str, arguments: Sequence[str], root: str | None) -> list[str]:
    """Give where a source would lie if it is one of the arguments or below one; else nothing.

    Args:
        uri: a source's `uri`: "file:///a/b.txt", or "ROOT/b.txt".
        arguments: files, folders and globs, as typed.
        root: the `--root` of the arguments.
    """
    prefix = f"{root}/" if root else "file://"
    if not uri.startswith(prefix):
        return []
    place = os.fsdecode(unquote_to_bytes(uri.removeprefix(prefix)))
    if not root:
        return [place] if any(_is_below(place, argument) for argument in arguments) else []
    folders = (_folder(local_path(argument)) for argument in arguments)
    return [os.path.join(folder, place) for folder in folders]  # noqa: PTH118 bytes may be no UTF-8


def _is_below(place: str, argument: str) -> bool:
    path = local_path(argument)
    if os.path.lexists(path):
        real = os.path.realpath(path)
        return place == real or place.startswith(real.rstrip("/") + "/")
    folder = _folder(path)
    pattern = path[len(_fixed(path)) :].lstrip("/").split("/")
    below = os.path.relpath(place, os.path.realpath(folder)).split("/")
    return below[0] != ".." and _matches(below, pattern)


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Match path parts with a glob's; a folder that matches holds everything below it."""
    if not pattern:
        return True
    if pattern[0] == "**":
        return any(_matches(parts[at:], pattern[1:]) for at in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _folder(path: str) -> str:
    if os.path.isdir(path):  # noqa: PTH112 bytes may be no UTF-8
        return os.path.abspath(path)  # noqa: PTH100 links in it stay
    if os.path.lexists(path):
        return os.path.dirname(os.path.abspath(path))  # noqa: PTH100, PTH120
    return os.path.abspath(_fixed(path) or ".")  # noqa: PTH100


def _fixed(path: str) -> str:
    """Give the part of a glob that has no magic, up to its last slash."""
    fixed = re.split(r"[*?\[]", path, maxsplit=1)[0]
    return fixed[: fixed.rfind("/") + 1]
