"""One connection to Milvus: errors in our words, retries, and a restarted owner found again.

The only module, with `milvus.py`, that touches pymilvus. It knows nothing of rows.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import grpc
from pymilvus import MilvusClient
from pymilvus.exceptions import MilvusException

from pliant.errors import InvalidInputError, NotFoundError, PliantError, UnavailableError
from pliant.store.lite import LiteHandle, LiteOptions, lite_url
from pliant.store.schema import Backend

# pymilvus logs every failed call with its trace; our errors carry what there is to say.
logging.getLogger("pymilvus").setLevel(logging.CRITICAL)

T = TypeVar("T")
ATTEMPTS = 5
BACKOFF_S = 0.1
MAX_BACKOFF_S = 3.0
SAY_EVERY_S = 15.0
CONNECT_TIMEOUT_S = 15.0
CALL_TIMEOUT_S = 60.0
_NOT_LOADED = 101
_NOT_FOUND = {4, 100}
_LOADED_WORDS = ("not loaded", "notload", "call load()")
_LITE_CHANNEL = {"grpc.enable_http_proxy": 0, "grpc.max_send_message_length": -1}


class TooLargeError(PliantError):
    """A message is larger than the server takes; send less at once."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a store is.

    Attributes:
        uri: a folder for Milvus Lite, or `http(s)://host:port`.
        token: `user:password` or an API key of a server.
        lite: how to reach an embedded store.
    """

    uri: str
    token: str | None = field(default=None, repr=False)
    lite: LiteOptions = field(default_factory=LiteOptions)

    def __post_init__(self) -> None:
        if "://" in self.uri and not self.is_server:
            raise InvalidInputError(
                f"store {self.uri!r} is neither a folder nor http://host:port or https://host:port"
            )
        if not self.uri:
            raise InvalidInputError("the store's --uri is empty: give a folder or http(s)://…")

    @property
    def is_server(self) -> bool:
        """Whether this is a Milvus server."""
        return self.uri.startswith(("http://", "https://"))


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a store that is away.

    Attributes:
        wait_s: at most so long for one call; 0 waits for a few quick retries only.
        say: told once every `SAY_EVERY_S` that the store is away.
    """

    wait_s: float = 0.0
    say: Callable[[str], None] | None = None


class Connection:
    """A client that outlives its server process."""

    def __init__(self, address: Address, patience: Patience | None = None) -> None:
        self.address = address
        self._patience = patience or Patience()
        self._handle: LiteHandle | None = None
        self._client: MilvusClient | None = None
        self.backend: Backend = "lite"
        try:
            self._open()
        except (MilvusException, grpc.RpcError) as error:
            self.close()
            raise translate(error, self.address.uri) from error

    def call(self, action: Callable[[MilvusClient], T], collection: str = "") -> T:
        """Run an idempotent action, again if the store was away or the collection not loaded.

        Raises:
            NotFoundError: there is no such collection.
            UnavailableError: the store does not answer.
            InvalidInputError: the store refuses what was given.
            TooLargeError: the message is larger than the store takes.
        """
        away = _Away(self._patience, self.address.uri)
        loads = 0
        while True:
            try:
                return action(self._ready())
            except (MilvusException, grpc.RpcError) as error:
                if collection and is_not_loaded(error) and loads < ATTEMPTS:
                    loads += 1
                    self._load(collection)
                    continue
                if not (is_away(error) and away.may_wait(_message(error))):
                    raise translate(error, self.address.uri, collection) from error
            except UnavailableError as error:  # an embedded store without an owner
                if not (self._patience.wait_s and away.may_wait(str(error))):
                    raise
            self._drop_client()
            away.wait()

    def options(self) -> dict[str, Any]:
        """Give the keywords of a call: a server has a deadline, our own owner a few retries."""
        if self.address.is_server:
            return {"timeout": CALL_TIMEOUT_S}
        return {"retry_times": 1}

    def close(self) -> None:
        """Let the client and the owner go."""
        self._drop_client()
        if self._handle:
            self._handle.close()
            self._handle = None

    def _ready(self) -> MilvusClient:
        if self._client is None:
            self._open()
        assert self._client is not None
        return self._client

    def _open(self) -> None:
        if self.address.is_server:
            uri, channel = self.address.uri, {}
        else:
            handle = lite_url(self.address.uri, self.address.lite)
            if self._handle:
                self._handle.close()
            self._handle = handle
            uri, channel = handle.url, _LITE_CHANNEL
        self._client = MilvusClient(
            uri=uri,
            token=self.address.token or "",
            timeout=CONNECT_TIMEOUT_S,
            dedicated=True,
            grpc_options=channel,
        )
        self.backend = _backend(str(self._client.get_server_version()))

    def _load(self, collection: str) -> None:
        self.call(lambda client: client.load_collection(collection, **self.options()))

    def _drop_client(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()


class _Away:
    """One call's waiting for a store that does not answer."""

    def __init__(self, patience: Patience, uri: str) -> None:
        self._patience = patience
        self._uri = uri
        self._attempts = 0
        self._started = self._said = time.monotonic()

    def may_wait(self, reason: str) -> bool:
        self._attempts += 1
        now = time.monotonic()
        waited = now - self._started
        if self._attempts >= ATTEMPTS and waited >= self._patience.wait_s:
            return False
        if self._patience.say and self._attempts > 2 and now >= self._said:
            self._said = now + SAY_EVERY_S
            self._patience.say(
                f"Milvus at {self._uri} does not answer; waiting, {waited:.0f} of at most "
                f"{self._patience.wait_s:.0f} s; nothing is lost ({reason[:120]})"
            )
        return True

    def wait(self) -> None:
        time.sleep(min(MAX_BACKOFF_S, BACKOFF_S * 2 ** (self._attempts - 1)))


def translate(error: Exception, uri: str, collection: str = "") -> PliantError:
    """Say in our words what pymilvus or gRPC reports."""
    message = _message(error)
    if _code(error) in _NOT_FOUND and collection:
        return NotFoundError(f"collection {collection!r} does not exist in {uri}")
    if is_too_large(error):
        return TooLargeError(f"{uri}: {message}")
    if _status(error) in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED) or (
        "auth" in message.lower() and "fail" in message.lower()
    ):
        return InvalidInputError(f"Milvus at {uri} refuses the token: {message}")
    if is_disk_full(error):
        return UnavailableError(
            f"the disk of the store {uri} is full: {message}; what was acknowledged is kept, "
            "make room and run the same command again"
        )
    if is_away(error):
        return UnavailableError(f"Milvus at {uri} does not answer: {message}")
    return InvalidInputError(f"Milvus at {uri} refuses: {message}")


def is_not_loaded(error: Exception) -> bool:
    """Tell whether the collection has to be loaded first."""
    text = _message(error).lower()
    return _code(error) == _NOT_LOADED or any(word in text for word in _LOADED_WORDS)


def is_away(error: Exception) -> bool:
    """Tell whether the server is gone, restarting or silent."""
    status = _status(error)
    text = _message(error).lower()
    return not is_disk_full(error) and (
        status in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
        or status == grpc.StatusCode.CANCELLED
        or any(word in text for word in ("unavailable", "fail connecting", "not ready", "timeout"))
        or "closed channel" in text
    )


def is_disk_full(error: Exception) -> bool:
    """Tell whether the store has no room left to write."""
    text = _message(error).lower()
    return any(word in text for word in ("no space left", "disk quota exceeded", "errno 28"))


def is_too_large(error: Exception) -> bool:
    """Tell whether a message was larger than the server takes."""
    return "larger than max" in _message(error) or (
        _status(error) == grpc.StatusCode.RESOURCE_EXHAUSTED
    )


def _backend(version: str) -> Backend:
    if version.startswith("milvus_lite"):  # the server's small build calls itself "2.3.5-lite"
        return "lite"
    numbers = [int(part) for part in version.lstrip("v").split("-")[0].split(".")[:2]]
    return "milvus23" if numbers < [2, 6] else "milvus"


def _code(error: Exception) -> object:
    return error.code if isinstance(error, MilvusException) else None


def _status(error: Exception) -> object:
    if isinstance(error, MilvusException):
        return error.code
    return error.code() if isinstance(error, grpc.Call) else None


def _message(error: Exception) -> str:
    if isinstance(error, MilvusException):
        return " ".join(str(error.message).split())[:500]
    return str(error.details() if isinstance(error, grpc.Call) else error)
