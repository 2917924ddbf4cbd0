"""`pliant models`: models, their sub-networks and licences. Starts no Ray, loads no weights."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from pydantic import Field

from pliant.config import Config, nearest, parse
from pliant.errors import InvalidInputError

ACTIONS = ("list", "show")


class ModelsConfig(Config):
    """What models there are: `list`, or `show NAME` (a built-in name, a directory, a cached id)."""

    words: tuple[str, ...] = Field((), description="list, or show NAME.")
    json_: bool = Field(False, alias="json", description="Print one JSON document.")
    quiet: bool = Field(False, description="Print nothing but results.")


def main(argv: Sequence[str]) -> int:
    """Run `pliant models`; gives the exit code."""
    import orjson

    config = parse(ModelsConfig, argv, prog="pliant models", positional="words")
    answer = run(config)
    if config.json_:
        sys.stdout.write(orjson.dumps(answer).decode() + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in _lines(answer))
    return 0


def run(config: ModelsConfig) -> dict[str, Any]:
    """List models or describe one; gives the JSON document of the answer.

    Raises:
        InvalidInputError: no such action, or a name too many or too few.
        NotFoundError: no such model on this machine.
    """
    action, *names = config.words or ("list",)
    if action not in ACTIONS:
        raise InvalidInputError(
            f"unknown action {action!r}{nearest(action, ACTIONS)}; allowed: list, show NAME"
        )
    if len(names) != (action == "show"):
        needs = "one model's name" if action == "show" else "no name"
        raise InvalidInputError(f"pliant models {action} takes {needs}, given {len(names)}")
    if action == "show":
        return _describe(names[0])
    from pliant.encoder import BUILT_IN

    described = [_describe(name) for name in BUILT_IN]
    return {"models": [{key: model[key] for key in _SHORT} for model in described]}


_SHORT = ("name", "modalities", "dim", "space_id", "weights_present")
_CUTS = (256, 128, 64, 32)


def _describe(name: str) -> dict[str, Any]:
    import pliant

    encoder = pliant.load(name, device="cpu")
    full = encoder.subnetwork()
    dims = [full.dim, *(dim for dim in _CUTS if dim < full.dim)]
    card = encoder.card
    return {
        "name": encoder.name,
        "modalities": list(encoder.info.modalities),
        "layers": encoder.info.layers,
        "dim": encoder.dim,
        "dims": dims,
        "max_tokens": encoder.max_tokens,
        "subnetworks": [f"d{full.depth}-w{full.width:g}-{dim}" for dim in dims],
        "precisions": ["bf16", "fp32"],
        "engine": encoder.engine,
        "similarity": card.similarity,
        "prompts": {role: card.prompts.get(role, "") for role in ("query", "document")},
        "licences": dict(card.licences),
        "weights_present": card.weights,
        "space_id": encoder.space_id if card.weights else None,
        "card": card.text,
    }


def _lines(answer: dict[str, Any]) -> list[str]:
    if "models" in answer:
        return [
            f"{model['name']}  {model['dim']} dimensions  {', '.join(model['modalities'])}  "
            f"weights {'present' if model['weights_present'] else 'missing'}"
            for model in answer["models"]
        ]
    card = answer["card"]
    facts = [f"{name}: {_shown(value)}" for name, value in answer.items() if name != "card"]
    return [*facts, "", card] if card else facts


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return "; ".join(f"{name}: {item or 'none'}" for name, item in value.items())
    return str(value)
