"""`pliant store`: the embedded store's owner process by hand. Starts no Ray."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from pydantic import Field

from pliant.config import Config, nearest, parse
from pliant.errors import InvalidInputError
from pliant.store.lite import lite_url, stop_owner


class OwnerConfig(Config):
    """The embedded store's owner process: `start`, `stop` or `url`.

    An owner started by `start` stays until `stop`; one started by `url` leaves 60 seconds after
    its last client. The address is for plain Milvus clients.
    """

    words: tuple[str, ...] = Field(default=(), description="start, stop or url.")
    uri: str = Field(default="./pliant.db", description="Milvus Lite's folder.")
    as_json: bool = Field(default=False, alias="json", description="Print one JSON document.")
    quiet: bool = Field(default=False, description="Print nothing but results.")


def run(config: OwnerConfig) -> dict[str, Any]:
    """Start or stop an owner, or give its address; give the JSON document of the answer.

    Raises:
        InvalidInputError: no such action, or the store is a server.
        UnavailableError: the owner cannot be started or stopped.
    """
    if len(config.words) != 1 or config.words[0] not in _ACTIONS:
        given = " ".join(config.words)
        raise InvalidInputError(
            f"pliant store takes one of start, stop and url, given {given!r}"
            f"{nearest(given, list(_ACTIONS))}"
        )
    if "://" in config.uri:
        raise InvalidInputError(
            f"store {config.uri!r} is a server; only a folder of Milvus Lite has an owner process"
        )
    return _ACTIONS[config.words[0]](config.uri)


def main(argv: Sequence[str]) -> int:
    """Run `pliant store`."""
    config = parse(OwnerConfig, argv, prog="pliant store", positional="words")
    answer = run(config)
    if config.as_json:
        sys.stdout.write(orjson.dumps(answer).decode() + "\n")
    else:
        sys.stdout.write(answer.get("url") or _stopped(answer))
        sys.stdout.write("\n")
    return 0


def _start(uri: str) -> dict[str, Any]:
    with lite_url(uri) as handle:
        handle.keep()
        return {"uri": uri, "url": handle.url, "pid": handle.owner.pid}


def _url(uri: str) -> dict[str, Any]:
    with lite_url(uri) as handle:
        return {"uri": uri, "url": handle.url, "pid": handle.owner.pid}


def _stop(uri: str) -> dict[str, Any]:
    return {"uri": uri, "stopped": stop_owner(uri)}


_ACTIONS: dict[str, Callable[[str], dict[str, Any]]] = {
    "start": _start,
    "stop": _stop,
    "url": _url,
}


def _stopped(answer: dict[str, Any]) -> str:
    return "stopped" if answer["stopped"] else f"no owner runs for {answer['uri']}"
