"""From arguments to sources: files, folders and globs, in sorted order, each file once.

Discovery looks at names and sizes; it opens a file only when its name does not say what it is.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes

from pydantic import Field

from pliant.config import Config
from pliant.errors import InvalidInputError, NotFoundError
from pliant.ingest.failure import Failure
from pliant.ingest.globs import chosen, expand, has_magic, list_names, matches
from pliant.ingest.listing import remote_sources
from pliant.ingest.readers import READERS
from pliant.ingest.remote import check_remote, is_remote
from pliant.ingest.sniff import choose, known_reader
from pliant.ingest.source import Source, readable
from pliant.ingest.suffixes import is_used_sidecar, suffix_of
from pliant.media import UnreadableError

__all__ = ["DiscoverOptions", "Source", "discover", "readable", "source_of"]

_MAX_DEPTH = 200


class DiscoverOptions(Config):
    """Which files of the arguments become sources."""

    include: tuple[str, ...] = Field(
        default=(), description="Only files whose name or path matches one of these globs."
    )
    exclude: tuple[str, ...] = Field(
        default=(), description="No file or folder whose name or path matches one of these globs."
    )
    root: str | None = Field(
        default=None, description="Name that replaces the folder in the keys: makes them portable."
    )
    limit: int | None = Field(default=None, ge=0, description="Stop after this many sources.")
    follow_links: bool = Field(
        default=False, description="Follow links that lead out of the source folder, too."
    )
    reader: str | None = Field(default=None, description="The reader of every source.")
    allow_hosts: tuple[str, ...] = Field(
        default=(), description="Hosts that http(s) sources may name."
    )
    skip: tuple[str, ...] = Field(
        default=(), description="Files and folders that are passed over: a job's own output."
    )


def discover(
    sources: Sequence[str], options: DiscoverOptions | None = None
) -> Iterator[Source | Failure]:
    """Find the sources that the arguments name, lazily; what cannot be one is a Failure.

    Raises:
        NotFoundError: an argument names nothing.
        InvalidInputError: an empty argument, a URL that is not allowed, an unknown reader.
    """
    options = options or DiscoverOptions()
    if options.reader is not None:
        known_reader(options.reader, READERS)
    for argument in sources:
        _check(argument, options)
    return _Walk(options).arguments(sources)


def source_of(path: str | Path) -> Source:
    """Describe one file by its path.

    Raises:
        NotFoundError: no such file.
    """
    text = str(path)
    try:
        status = Path(text).stat()
    except OSError as error:
        raise NotFoundError(f"source {text!r}: {error.strerror}") from error
    folder = str(Path(text).absolute().parent)
    return _source(text, text, status, folder, None, Path(text).name)


def _check(argument: str, options: DiscoverOptions) -> None:
    if not argument:
        raise InvalidInputError("a source is empty: give a file, a folder or a glob")
    if is_remote(argument):
        check_remote(argument, options.allow_hosts)
        return
    path = local_path(argument)
    if os.path.lexists(path):
        return
    if has_magic(path) and next(expand(path), None) is not None:
        return
    raise NotFoundError(f"source {argument!r} does not exist, and no file matches it as a glob")


def local_path(argument: str) -> str:
    """Give the path that an argument names; `file://` URLs are paths."""
    if argument[:7].lower() != "file://":
        return argument
    return os.fsdecode(unquote_to_bytes(re.sub(r"^localhost(?=/)", "", argument[7:])))


class _Walk:
    def __init__(self, options: DiscoverOptions) -> None:
        self.options = options
        self.seen: dict[bytes, str | None] = {}
        self.folders: set[tuple[int, int]] = set()
        self.skip = {os.path.realpath(path) for path in options.skip}

    def arguments(self, sources: Sequence[str]) -> Iterator[Source | Failure]:
        count, limit = 0, self.options.limit
        if limit == 0:
            return
        for item in self._all(sources):
            yield item
            count += isinstance(item, Source)
            if count == limit:
                return

    def _all(self, sources: Sequence[str]) -> Iterator[Source | Failure]:
        for number, argument in enumerate(sources):
            if is_remote(argument):
                yield from self._remote(argument, sources[:number])
                continue
            path = local_path(argument)
            if os.path.lexists(path):
                below = "" if Path(path).is_dir() else Path(path).name
                yield from self._argument(path, below, typed=True)
                continue
            fixed = re.split(r"[*?\[]", path, maxsplit=1)[0].rpartition("/")[0]
            for match in expand(path):
                below = os.path.relpath(match, fixed or None)
                yield from self._argument(match, below, typed=False)

    def _remote(self, url: str, earlier: Sequence[str]) -> Iterator[Source | Failure]:
        """List a URL; what an earlier one holds came already, and nothing is remembered."""
        options = self.options
        folders = tuple(one.rstrip("/") + "/" for one in earlier if not has_magic(one))
        for found in remote_sources(url, options.include, options.exclude, options.root):
            place = found.path if isinstance(found, Source) else ""
            if place not in earlier and not place.startswith(folders):
                yield found

    def _argument(self, path: str, below: str, *, typed: bool) -> Iterator[Source | Failure]:
        place = Path(path).absolute()
        root = str(place if place.is_dir() and (typed or not place.is_symlink()) else place.parent)
        if typed or not self._leaves(path, root):
            yield from self._visit(path, below, root, ())
        else:
            yield _outside(path)

    def _leaves(self, path: str, root: str) -> bool:
        """Tell whether a path is a link that leads out of the source folder."""
        if self.options.follow_links or not Path(path).is_symlink():
            return False
        target, folder = os.path.realpath(path), os.path.realpath(root)
        return target != folder and not target.startswith(folder.rstrip("/") + "/")

    def _visit(
        self, path: str, below: str, root: str, above: tuple[tuple[int, int], ...]
    ) -> Iterator[Source | Failure]:
        try:
            status = Path(path).stat()
        except OSError as error:
            yield _unreachable(path, error)
            return
        if stat.S_ISDIR(status.st_mode):
            yield from self._folder(path, below, root, (*above, (status.st_dev, status.st_ino)))
        elif chosen(below, self.options.include, self.options.exclude):
            yield from self._file(path, below, root, status)

    def _folder(
        self, path: str, below: str, root: str, above: tuple[tuple[int, int], ...]
    ) -> Iterator[Source | Failure]:
        identity = above[-1]
        if identity in above[:-1]:
            message = "the link leads back to a folder that holds it"
            yield Failure(readable(path), "", "discover", "LinkLoop", message)
            return
        if len(above) > _MAX_DEPTH:
            message = f"more than {_MAX_DEPTH} folders stand inside each other"
            yield Failure(readable(path), "", "discover", "TooDeep", message)
            return
        if identity in self.folders:
            return
        self.folders.add(identity)
        try:
            names = list_names(path, hidden=True)
        except OSError as error:
            reason = f"the folder cannot be read: {error.strerror}"
            yield Failure(readable(path), "", "discover", "UnreadableFolder", reason)
            return
        for name in names:
            inner = f"{below}/{name}" if below else name
            place = os.path.join(path, name)  # noqa: PTH118 keeps "./" as typed
            if matches(inner, self.options.exclude) or self._skipped(path, name):
                continue
            if self._leaves(place, root) and Path(place).exists():
                yield _outside(place)
            else:
                yield from self._visit(place, inner, root, above)

    def _skipped(self, folder: str, name: str) -> bool:
        return bool(self.skip) and os.path.realpath(os.path.join(folder, name)) in self.skip  # noqa: PTH118 names may be no UTF-8

    def _file(
        self, path: str, below: str, root: str, status: os.stat_result
    ) -> Iterator[Source | Failure]:
        name = readable(path)
        if not stat.S_ISREG(status.st_mode):
            message = f"it is a {_special(status.st_mode)}; only ordinary files are read"
            yield Failure(name, "", "discover", "NotAFile", message)
            return
        if is_used_sidecar(path):
            return
        source = _source(path, name, status, root, self.options.root, below)
        key = bytes.fromhex(source.key)
        real = os.path.realpath(path) if self.options.root else None
        if key in self.seen:
            if self.seen[key] != real:
                message = f"under --root its key is that of another file: {source.uri}"
                yield Failure(name, "", "discover", "SameKey", message)
            return
        self.seen[key] = real
        try:
            if suffix_of(path) not in READERS:
                choose(path, path, READERS, self.options.reader)
        except UnreadableError as error:
            yield Failure(name, "", "discover", error.name, str(error))
            return
        except OSError:
            pass  # reading it says why
        yield source


def _source(
    path: str, name: str, status: os.stat_result, folder: str, root: str | None, below: str
) -> Source:
    place = below if root else os.path.realpath(path)
    quoted = quote_from_bytes(os.fsencode(place), safe="/")
    return Source(
        uri=f"{root}/{quoted}" if root else f"file://{quoted}",
        source=readable(name),
        path=os.path.abspath(path),  # noqa: PTH100 links in it stay
        size_bytes=status.st_size,
        mtime=status.st_mtime,
        root=folder,
    )


def _unreachable(path: str, error: OSError) -> Failure:
    import errno

    if error.errno == errno.ELOOP:
        name, message = "LinkLoop", "the link leads back to itself"
    elif error.errno == errno.ENOENT and Path(path).is_symlink():
        name, message = (
            "BrokenLink",
            f"the link leads to nothing: {readable(str(Path(path).readlink()))!r}",
        )
    else:
        name, message = "Unreadable", f"cannot be read: {error.strerror}"
    return Failure(readable(path), "", "discover", name, message)


def _outside(path: str) -> Failure:
    target = readable(os.path.realpath(path))
    message = f"the link leads out of the source folder, to {target!r}; --follow-links allows it"
    return Failure(readable(path), "", "discover", "LinkOutside", message)


def _special(mode: int) -> str:
    kinds = {
        stat.S_ISFIFO: "named pipe",
        stat.S_ISSOCK: "socket",
        stat.S_ISCHR: "character device",
        stat.S_ISBLK: "block device",
    }
    return next((name for test, name in kinds.items() if test(mode)), "special file")
