from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pliant.errors import InvalidInputError
from pliant.store.lite import LiteOptions, find_owner, lite_url, stop_owner
from pliant_jobs.owner import OwnerConfig, main, run


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = str(tmp_path_factory.mktemp("store") / "x.db")
    yield path
    stop_owner(path)


def test_start_url_and_stop_speak_of_one_owner(db: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["start", "--uri", db]) == 0
    started = capsys.readouterr().out.strip()
    assert main(["url", "--uri", db, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["url"] == started
    with lite_url(db, LiteOptions(start=False)) as handle:
        assert handle.url == started
    assert main(["stop", "--uri", db, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"uri": db, "stopped": True}
    assert find_owner(db) is None


def test_stopping_what_does_not_run_is_no_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stop", "--uri", str(tmp_path / "x.db")]) == 0
    assert "no owner runs" in capsys.readouterr().out


@pytest.mark.parametrize("words", [(), ("sotp",), ("start", "stop")])
def test_another_action_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInputError, match="one of start, stop and url"):
        run(OwnerConfig(words=words))


def test_a_server_has_no_owner() -> None:
    with pytest.raises(InvalidInputError, match="is a server"):
        run(OwnerConfig(words=("url",), uri="http://localhost:19530"))
