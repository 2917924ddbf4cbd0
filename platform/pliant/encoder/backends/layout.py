"""Reads what a Hugging Face or sentence-transformers directory says about itself. No weights.

Honours `modules.json`, `1_Pooling`, `2_Dense`, `config_sentence_transformers.json` and
`sentence_bert_config.json`; a directory without `modules.json` is pooled by the mean.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pliant.content import Role
from pliant.encoder.pooling import ACTIVATIONS, POOLS, Dense, Pooling
from pliant.errors import InvalidInputError, NotFoundError

_LEGACY_MODES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_ROLE_PROMPTS: Mapping[Role, tuple[str, ...]] = {
    "query": ("query",),
    "document": ("document", "passage", "corpus"),
}
_OFFSET_POSITIONS = frozenset({"roberta", "xlm-roberta", "camembert", "mpnet", "xlm-roberta-xl"})


@dataclass(frozen=True, slots=True)
class Layout:
    """What a model directory holds.

    Attributes:
        name: what the user typed.
        root: the directory.
        trunk: where config.json and the weights of the network are.
        config: the network's config.json.
        pooling: modes and dense layers.
        prompts: put before a text, by role.
        max_length: tokens in one text, special tokens included.
        lower_case: whether texts are put in lower case first.
        similarity: what the model was trained for.
    """

    name: str
    root: Path
    trunk: Path
    config: Mapping[str, Any]
    pooling: Pooling
    prompts: Mapping[Role, str] = field(default_factory=dict)
    max_length: int = 512
    lower_case: bool = False
    similarity: str = "cosine"


def read_layout(root: Path, name: str) -> Layout:
    """Read a model directory.

    Raises:
        NotFoundError: the directory has no config.json.
        InvalidInputError: it asks for something that is not supported.
    """
    modules = _modules(root)
    trunk = root / next((str(item.get("path", "")) for item in modules), "")
    config = _json(trunk / "config.json")
    if not config:
        raise NotFoundError(
            f"model directory {name!r} has no config.json; give a Hugging Face or "
            "sentence-transformers directory"
        )
    settings = _json(trunk / "sentence_bert_config.json")
    model = _json(root / "config_sentence_transformers.json")
    prompts = _prompts(model, name)
    pooling = _pooling(root, modules, model.get("truncate_dim"))
    _refuse_prompt_exclusion(root, modules, prompts)
    return Layout(
        name=name,
        root=root,
        trunk=trunk,
        config=config,
        pooling=pooling,
        prompts=prompts,
        max_length=settings.get("max_seq_length") or _max_length(trunk, config),
        lower_case=bool(settings.get("do_lower_case", False)),
        similarity=str(model.get("similarity_fn_name") or "cosine"),
    )


def _modules(root: Path) -> list[dict[str, Any]]:
    path = root / "modules.json"
    if not path.is_file():
        return []
    modules = json.loads(path.read_text(encoding="utf8"))
    allowed = ("Transformer", "Pooling", "Dense", "Normalize")
    for module in modules:
        if _kind(module) not in allowed:
            raise InvalidInputError(
                f"model directory {str(root)!r}: module {module['type']!r} is not supported; "
                f"allowed: {', '.join(allowed)}"
            )
    return modules


def _kind(module: Mapping[str, Any]) -> str:
    return str(module["type"]).rsplit(".", 1)[-1]


def _pooling(root: Path, modules: list[dict[str, Any]], truncate_dim: int | None) -> Pooling:
    modes: tuple[str, ...] = ("mean",)
    dense: list[Dense] = []
    for module in modules:
        folder = root / module.get("path", "")
        if _kind(module) == "Pooling":
            modes = _modes(_json(folder / "config.json"), folder)
        elif _kind(module) == "Dense":
            dense.append(_dense(folder))
    return Pooling(modes, tuple(dense), truncate_dim)


def _modes(config: Mapping[str, Any], folder: Path) -> tuple[str, ...]:
    given = config.get("pooling_mode")
    if given is None:
        given = [mode for key, mode in _LEGACY_MODES.items() if config.get(key)] or ["mean"]
    modes = (given,) if isinstance(given, str) else tuple(given)
    for mode in modes:
        if mode not in POOLS:
            raise InvalidInputError(
                f"{str(folder)!r}: pooling {mode!r} must be one of {', '.join(POOLS)}"
            )
    return modes


def _dense(folder: Path) -> Dense:
    config = _json(folder / "config.json")
    activation = str(config.get("activation_function", "Tanh")).rsplit(".", 1)[-1]
    path = folder / "model.safetensors"
    if activation not in ACTIVATIONS:
        raise InvalidInputError(
            f"{str(folder)!r}: activation {activation!r} must be one of {', '.join(ACTIVATIONS)}"
        )
    if not path.is_file():
        raise NotFoundError(f"{str(folder)!r} has no model.safetensors; pickles are never loaded")
    return Dense(path, int(config["out_features"]), activation)


def _prompts(model: Mapping[str, Any], name: str) -> dict[Role, str]:
    """Choose as sentence-transformers does: the role's own prompt, or the default one."""
    prompts = {key: value for key, value in (model.get("prompts") or {}).items() if value}
    default = model.get("default_prompt_name")
    known = model.get("prompts") or {}
    if default is not None and default not in known:
        raise InvalidInputError(
            f"model {name!r}: default_prompt_name {default!r} must be one of {', '.join(known)}"
        )
    chosen: dict[Role, str] = {}
    for role, names in _ROLE_PROMPTS.items():
        key = next((key for key in names if key in known), default)
        if key in prompts:
            chosen[role] = prompts[key]
    return chosen


def _refuse_prompt_exclusion(
    root: Path, modules: list[dict[str, Any]], prompts: Mapping[Role, str]
) -> None:
    for module in modules:
        folder = root / module.get("path", "")
        excluded = _json(folder / "config.json").get("include_prompt") is False
        if _kind(module) == "Pooling" and excluded and prompts:
            raise InvalidInputError(
                f"{str(folder)!r}: pooling without the prompt's tokens (include_prompt: false) is "
                "not supported"
            )


def _max_length(trunk: Path, config: Mapping[str, Any]) -> int:
    positions = int(config.get("max_position_embeddings") or 512)
    if config.get("model_type") in _OFFSET_POSITIONS:
        positions -= 2
    given = _json(trunk / "tokenizer_config.json").get("model_max_length") or positions
    return int(min(given, positions))


def _json(path: Path) -> dict[str, Any]:
    """Read a JSON object; an absent file is an empty one.

    Raises:
        InvalidInputError: not a JSON object.
    """
    try:
        loaded = json.loads(path.read_text(encoding="utf8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"{str(path)!r} is not JSON: {error}") from error
    if not isinstance(loaded, dict):
        raise InvalidInputError(f"{str(path)!r} must hold a JSON object")
    return loaded
