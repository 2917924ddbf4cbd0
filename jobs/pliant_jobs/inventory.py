"""`pliant collections`: what is stored, and dropping it. Starts no Ray."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from pydantic import Field

from pliant.config import Config, nearest, parse
from pliant.errors import InvalidInputError
from pliant.store import MilvusStore


class InventoryConfig(Config):
    """What is stored: `list`, `show NAME` or `drop NAME`."""

    words: tuple[str, ...] = Field(default=(), description="list, show NAME or drop NAME.")
    uri: str = Field(
        default="./pliant.db",
        description="Milvus Lite's folder, or http(s)://host:port of a server.",
    )
    token: str | None = Field(
        default=None, description="Token of the Milvus server (or PLIANT_TOKEN)."
    )
    as_json: bool = Field(default=False, alias="json", description="Print one JSON document.")
    quiet: bool = Field(default=False, description="Print nothing but results.")


def run(config: InventoryConfig) -> dict[str, Any]:
    """List, show or drop collections; give the JSON document of the answer.

    Raises:
        InvalidInputError: no such action, or a name too many or too few.
        NotFoundError: no such store or collection.
    """
    action, names = _action(config.words)
    token = config.token or os.environ.get("PLIANT_TOKEN")
    with MilvusStore.open(config.uri, token, create=False) as store:
        return _ACTIONS[action](store, *names)


def main(argv: Sequence[str]) -> int:
    """Run `pliant collections`."""
    config = parse(InventoryConfig, argv, prog="pliant collections", positional="words")
    answer = run(config)
    if config.as_json:
        sys.stdout.write(orjson.dumps(answer).decode() + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in _lines(answer))
    return 0


def _action(words: Sequence[str]) -> tuple[str, Sequence[str]]:
    action, *names = words or ("list",)
    if action not in _ACTIONS:
        raise InvalidInputError(
            f"unknown action {action!r}{nearest(action, list(_ACTIONS))}; "
            "possible are list, show NAME and drop NAME"
        )
    wanted = 0 if action == "list" else 1
    if len(names) != wanted:
        needs = "one collection's name" if wanted else "no name"
        raise InvalidInputError(
            f"pliant collections {action} takes {needs}, given {len(names)}; "
            "possible are list, show NAME and drop NAME"
        )
    return action, names


def _list(store: MilvusStore) -> dict[str, Any]:
    return {"collections": store.list()}


def _show(store: MilvusStore, name: str) -> dict[str, Any]:
    return dataclasses.asdict(store.describe(name))


def _drop(store: MilvusStore, name: str) -> dict[str, Any]:
    store.drop(name)
    return {"dropped": name}


_ACTIONS: dict[str, Callable[..., dict[str, Any]]] = {"list": _list, "show": _show, "drop": _drop}


def _lines(answer: dict[str, Any]) -> list[str]:
    if "collections" in answer:
        return answer["collections"]
    if "dropped" in answer:
        return [f"dropped {answer['dropped']}"]
    fields = ", ".join(f"{name} ({kind})" for name, kind in answer["fields"].items())
    return [f"{name}: {value}" for name, value in {**answer, "fields": fields}.items()]
