"""Configuration: frozen pydantic models filled from YAML and overridden by flags.

Options of a command are the fields of its Config class; this module knows no command.
Heavy libraries are never imported here: `pliant --help` has half a second.
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin

import pydantic
import yaml
from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from pliant.errors import InvalidInputError, NotFoundError

C = TypeVar("C", bound="Config")


class Config(BaseModel):
    """Base of every configuration: immutable, and unknown names are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def parse(
    kind: type[C],
    argv: Sequence[str],
    *,
    prog: str,
    positional: str | None = None,
) -> C:
    """Fill a Config from `--config FILE` (YAML) and flags; flags win.

    Args:
        kind: the Config class; its docstring becomes the description of `--help`.
        argv: the words after the command.
        prog: what the user typed, for the usage line ("pliant embed").
        positional: the field that takes the bare words, if any.

    Raises:
        InvalidInputError: an unknown name (with the nearest one), a wrong value, a broken YAML.
        SystemExit: after `--help`.
    """
    parser = _parser(kind, prog, positional)
    values = vars(parser.parse_args(list(argv)))
    path = values.pop("config", None)
    given = {name: value for name, value in values.items() if value is not None}
    if positional and given.get(positional) == []:
        del given[positional]
    return build(kind, {**(read_yaml(path) if path else {}), **given})


def build(kind: type[C], values: Mapping[str, Any]) -> C:
    """Validate values against a Config class, with one readable line per mistake.

    Raises:
        InvalidInputError: names what is wrong, what was given and what is allowed.
    """
    try:
        return kind.model_validate(dict(values))
    except pydantic.ValidationError as error:
        problems = "; ".join(_problem(kind, item) for item in error.errors()[:3])
        raise InvalidInputError(problems) from error


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a mapping from a YAML file.

    Raises:
        NotFoundError: no such file.
        InvalidInputError: not YAML, or not a mapping.
    """
    try:
        loaded = yaml.safe_load(Path(path).read_text(encoding="utf8"))
    except OSError as error:
        raise NotFoundError(f"configuration {str(path)!r}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        first = str(error).replace("\n", " ")
        raise InvalidInputError(f"configuration {str(path)!r} is not YAML: {first}") from error
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise InvalidInputError(
            f"configuration {str(path)!r} must hold names and values, "
            f"but holds a {type(loaded).__name__}"
        )
    return {str(name): value for name, value in loaded.items()}


def nearest(name: str, allowed: Sequence[str]) -> str:
    """Give " (did you mean …?)" for a misspelt name, or nothing."""
    close = difflib.get_close_matches(name, allowed, n=1, cutoff=0.5)
    return f" (did you mean {close[0]}?)" if close else ""


class _Parser(argparse.ArgumentParser):
    """argparse whose mistakes are our errors: one line, with the nearest option."""

    def error(self, message: str) -> NoReturn:
        words = re.match(r"unrecognized arguments: (.*)", message)
        if words:
            word = words[1].split()[0].split("=")[0]
            options = [text for action in self._actions for text in action.option_strings]
            message = f"unknown option {word!r}{nearest(word, options)}"
        raise InvalidInputError(f"{message}; see {self.prog} --help")


def _parser(kind: type[Config], prog: str, positional: str | None) -> _Parser:
    parser = _Parser(
        prog=prog,
        description=kind.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        argument_default=None,
    )
    for name, info in kind.model_fields.items():
        if name == positional:
            metavar = name.upper().removesuffix("S")
            nargs = "*" if _shape(info.annotation) == "list" else "?"
            parser.add_argument(name, nargs=nargs, help=_help(info), metavar=metavar)
        else:
            _add_option(parser, name, info)
    if "config" not in kind.model_fields:
        parser.add_argument(
            "--config",
            metavar="FILE",
            help="YAML file with these options; names take underscores, flags override it.",
        )
    return parser


def _add_option(parser: _Parser, name: str, info: FieldInfo) -> None:
    shape = _shape(info.annotation)
    if shape == "section":
        return
    name = info.alias or name
    flag = "--" + name.replace("_", "-")
    metavar = (
        (info.json_schema_extra or {}).get("metavar")
        if isinstance(info.json_schema_extra, dict)
        else None
    )
    metavar = str(metavar or _METAVAR.get(shape, "VALUE"))
    if shape == "flag":
        action = argparse.BooleanOptionalAction if info.default else "store_true"
        parser.add_argument(flag, dest=name, action=action, default=None, help=_help(info))
    elif shape == "list":
        parser.add_argument(
            flag, dest=name, type=_split, action="extend", metavar=metavar, help=_help(info)
        )
    elif shape == "map":
        parser.add_argument(
            flag, dest=name, type=_pair, action=_Collect, metavar="NAME=VALUE", help=_help(info)
        )
    elif shape == "choice":
        metavar = "|".join(_choices(info.annotation))
        parser.add_argument(flag, dest=name, metavar=metavar, help=_help(info))
    else:
        parser.add_argument(flag, dest=name, metavar=metavar, help=_help(info))


_METAVAR = {"int": "N", "float": "X", "list": "A,B", "path": "FILE"}


class _Collect(argparse.Action):
    def __call__(self, parser: Any, namespace: Any, values: Any, option: Any = None) -> None:  # noqa: ARG002 argparse's shape
        name, value = values
        setattr(namespace, self.dest, {**(getattr(namespace, self.dest) or {}), name: value})


def _help(info: FieldInfo) -> str:
    text = (info.description or "").replace("%", "%%")
    default = info.default
    if default in (PydanticUndefined, None, False, True, ()) or info.default_factory:
        return text
    shown = ",".join(map(str, default)) if isinstance(default, tuple) else default
    return f"{text} Default: {shown}."


def _split(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _strip_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, types.UnionType):
        kinds = [arg for arg in get_args(annotation) if arg is not type(None)]
        return kinds[0] if len(kinds) == 1 else annotation
    return annotation


def _choices(annotation: Any) -> tuple[str, ...]:
    return tuple(str(value) for value in get_args(_strip_none(annotation)))


def _shape(annotation: Any) -> str:
    kind = _strip_none(annotation)
    origin = get_origin(kind)
    if origin is Literal:
        return "choice"
    if origin in (tuple, list):
        item = get_args(kind)[0] if get_args(kind) else str
        return "section" if isinstance(item, type) and issubclass(item, Config) else "list"
    if origin in (dict, typing.Mapping, Mapping):
        return "map"
    if isinstance(kind, type):
        if issubclass(kind, Config):
            return "section"
        for base, name in ((bool, "flag"), (int, "int"), (float, "float"), (Path, "path")):
            if issubclass(kind, base):
                return name
    return "value"


def _problem(kind: type[Config], item: Any) -> str:
    name = ".".join(str(part) for part in item["loc"]) or kind.__name__
    if item["type"] == "extra_forbidden":
        allowed = [info.alias or name for name, info in kind.model_fields.items()]
        last = str(item["loc"][-1])
        return f"unknown name {last!r}{nearest(last, allowed)}"
    if item["type"] == "missing":
        return f"{name} is missing: give --{name.replace('_', '-')} or set it in the YAML"
    given = repr(item.get("input"))
    return f"{name}: {item['msg']}, given {given[:80]}"
