"""Configuration: YAML and flags to a frozen object, and readable mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from pliant.config import Config, parse
from pliant.errors import InvalidInputError, NotFoundError


class Limits(Config):
    max_pages: int = 10


class Example(Config):
    """Do something."""

    sources: tuple[str, ...] = Field(description="Sources.")
    batch_size: int = Field(8, ge=1, description="Rows at once.")
    kind: Literal["fast", "exact"] = Field("fast", description="Kind.")
    columns: tuple[str, ...] = Field((), description="Columns.")
    param: dict[str, object] = Field({}, description="Values.")
    quiet: bool = Field(False, description="No words.")
    as_json: bool = Field(False, alias="json", description="JSON.")
    limits: Limits = Limits()


def example(*words: str) -> Example:
    return parse(Example, words, prog="pliant example", positional="sources")


def test_flags_lists_and_positionals() -> None:
    config = example("a", "b", "--batch-size", "3", "--columns", "x, y", "--json", "--quiet")
    assert config.sources == ("a", "b")
    assert (config.batch_size, config.columns) == (3, ("x", "y"))
    assert config.as_json
    assert config.quiet


def test_flags_override_the_file(tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    file.write_text(
        "sources: [c]\nbatch_size: 5\nkind: exact\njson: true\nlimits: {max_pages: 3}\n"
    )
    config = example("--config", str(file), "--batch-size", "7")
    assert (config.sources, config.batch_size, config.kind) == (("c",), 7, "exact")
    assert config.limits.max_pages == 3
    assert config.as_json
    assert example("d", "--config", str(file)).sources == ("d",)


def test_params_take_json_values_and_plain_words() -> None:
    config = example("a", "--param", "year=2020", "--param", "tag=a=b", "--param", "on=true")
    assert config.param == {"year": 2020, "tag": "a=b", "on": True}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a", "--batchsize", "3"], "unknown option '--batchsize' (did you mean --batch-size?)"),
        (["a", "--batch-size", "0"], "batch_size: Input should be greater than or equal to 1"),
        (["a", "--batch-size", "many"], "given 'many'"),
        (["a", "--kind", "slow"], "'fast' or 'exact'"),
        ([], "sources is missing"),
        (["a", "--param", "x"], "'x' is not NAME=VALUE"),
    ],
)
def test_mistakes_are_one_line(words: list[str], said: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        example(*words)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_unknown_name_in_the_file_suggests_the_nearest(tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    file.write_text("sources: [a]\nbatch_sise: 5\n")
    with pytest.raises(InvalidInputError, match=r"'batch_sise' \(did you mean batch_size\?\)"):
        example("--config", str(file))


@pytest.mark.parametrize(
    ("text", "said"), [("[1, 2]", "names and values"), ("a: [", "not YAML"), ("\x00", "not YAML")]
)
def test_a_broken_file(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "job.yaml"
    file.write_text(text)
    with pytest.raises(InvalidInputError, match=said):
        example("--config", str(file))


def test_a_missing_file() -> None:
    with pytest.raises(NotFoundError, match="absent"):
        example("--config", "absent.yaml")


def test_help_has_a_sentence_for_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        example("--help")
    assert raised.value.code == 0
    shown = capsys.readouterr().out
    assert "Do something." in shown
    assert all(f"{field.description}" in shown for field in list(Example.model_fields.values())[:7])


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        example("a").batch_size = 3  # pyright: ignore[reportAttributeAccessIssue]


@given(st.lists(st.text(max_size=12), max_size=6))
def test_any_words_parse_or_are_refused(words: list[str]) -> None:
    try:
        outcome = str(example(*words))
    except (InvalidInputError, NotFoundError) as error:
        outcome = str(error)
    except SystemExit:
        outcome = "help" if {"--help", "-h"} & set(words) else ""
    assert outcome
