"""Sources in other places (fsspec URLs): listed lazily, copied to this machine to be read.

Credentials are found by the usual means of each library, and never shown: URLs are written
without user names, passwords and signatures.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from pliant.errors import InvalidInputError
from pliant.ingest.blob import too_large
from pliant.ingest.options import ReadOptions
from pliant.ingest.source import Source
from pliant.media import UnreadableError, first_line

if TYPE_CHECKING:
    from collections.abc import Sequence

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_WEB = ("http", "https")
_SECRET = re.compile(
    r"sig|token|secret|password|passwd|credential|auth|x-amz|x-goog|(^|[-_])key($|[-_])",
    re.IGNORECASE,
)
_BLOCK = 2**20
_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}


def is_remote(path: str) -> bool:
    """Tell whether a path is a URL other than file://."""
    found = _URL.match(path)
    return found is not None and found[1].lower() != "file"


def shown(url: str) -> str:
    """Give a URL as it may be shown: without user, password and secret query values."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.partition("?")[0].rpartition("@")[2]
    query = [
        (name, "..." if _SECRET.search(name) else value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    ]
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, urlencode(query, safe="."), ""))


def is_web(url: str) -> bool:
    """Tell whether a URL is http(s), which names one file and lists none."""
    return url.partition("://")[0].lower() in _WEB


def check_remote(url: str, allow_hosts: Sequence[str]) -> None:
    """Refuse a URL that may not be fetched, or for which a library is missing.

    Raises:
        InvalidInputError: its host is not allowed, or its protocol is unknown.
    """
    if is_web(url):
        _check_host(url, allow_hosts)
        return
    filesystem(url)


def _check_host(url: str, allow_hosts: Sequence[str]) -> None:
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    port = f"{host}:{parts.port}" if parts.port else host
    allowed = {one.lower() for one in allow_hosts}
    if parts.scheme.lower() not in _WEB or not allowed & {host, port}:
        raise InvalidInputError(
            f"source {shown(url)!r}: the host {port!r} is not allowed; "
            f"allow it by --allow-host {port}"
        )


def filesystem(url: str) -> tuple[Any, str]:
    """Open the file system of a URL; give it and the path in it.

    Raises:
        InvalidInputError: the protocol is unknown, or its library is not installed.
    """
    import fsspec

    protocol = url.partition("://")[0].lower()
    try:
        return fsspec.core.url_to_fs(url, **_OPTIONS.get(protocol, {}))
    except ImportError as error:
        package = _PACKAGES.get(protocol, "pliant[ingest]")
        raise InvalidInputError(
            f"source {shown(url)!r}: {protocol}:// needs a library that is not installed: "
            f"pip install 'pliant[ingest]' (or {package})"
        ) from error
    except ValueError as error:
        reason = f"source {shown(url)!r}: no such kind of place: {protocol}://"
        raise InvalidInputError(reason) from error


_OPTIONS: dict[str, dict[str, Any]] = {
    "s3": {"use_listings_cache": False, "skip_instance_cache": False},
}


@contextlib.contextmanager
def local_copy(source: Source, options: ReadOptions) -> Iterator[str]:
    """Give a path on this machine: the source's own, or that of a copy that goes away after.

    Raises:
        UnreadableError: it does not come, or is over `max_bytes`.
    """
    if not is_remote(source.path):
        yield source.path
        return
    with tempfile.NamedTemporaryFile(prefix="pliant-remote-") as file:
        try:
            with _opened(source.path, options) as remote:
                _copy(remote, file, options.limits.max_bytes)
        except (UnreadableError, InvalidInputError):
            raise
        except Exception as error:  # noqa: BLE001 every fsspec library raises its own; one source fails
            raise UnreadableError("RemoteError", _reason(error, source)) from None
        file.flush()
        yield file.name


def _copy(remote: IO[bytes], file: Any, limit: int) -> None:
    size = 0
    while block := remote.read(_BLOCK):
        size += len(block)
        if size > limit:
            raise too_large(size, limit, "max_bytes")
        file.write(block)


def _opened(url: str, options: ReadOptions) -> contextlib.AbstractContextManager[IO[bytes]]:
    if is_web(url):
        _check_host(url, options.allow_hosts)
        opener = urllib.request.build_opener(_Redirects(options.allow_hosts))
        timeout = min(60.0, options.limits.read_timeout_s / 2)
        return opener.open(_quoted(url), timeout=timeout)
    system, path = filesystem(url)
    return system.open(path, "rb", block_size=_BLOCK * 4)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to allowed hosts only."""

    def __init__(self, allow_hosts: Sequence[str]) -> None:
        self._allow_hosts = allow_hosts

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Any:
        _check_host(newurl, self._allow_hosts)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _quoted(url: str) -> str:
    return quote(url, safe="%/:=&?~#+!$,;'@()*[]")


def _reason(error: Exception, source: Source) -> str:
    """Say why a copy failed, without anything secret that the URL or the error holds."""
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code} {error.reason}"
    if isinstance(error, FileNotFoundError):
        return "it does not exist there any more"
    if isinstance(error, PermissionError):
        return "access is denied; are there credentials for it?"
    text = first_line(error).replace(source.path, source.source)
    text = re.sub(r"//[^/@\s]+@", "//", text)
    text = re.sub(
        r"(?i)((?:sig|signature|token|secret|key|password)[\w-]*[=:]\s*)\S+", r"\1...", text
    )
    return f"it cannot be fetched: {type(error).__name__}: {text}"[:300]
