"""The `pliant` command: what is printed where, and the exit code."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from pliant_jobs.cli import COMMANDS, main


def run(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pliant_jobs", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {name} " in shown for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = importlib.import_module(f"pliant_jobs.{COMMANDS[name][0]}")
    try:
        code = module.main(["--help"])
    except SystemExit as stop:
        code = stop.code
    assert code == 0
    assert f"usage: pliant {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["serch", "x"], "unknown command 'serch' (did you mean search?)"),
        (["embed", ".", "--colection", "x"], "unknown option '--colection'"),
        (["embed", "."], "collection is missing"),
        (["embed", "--collection", "x"], "sources is missing"),
        (["embed", "absent", "--collection", "x"], "'absent' does not exist"),
        (["embed", ".", "--collection", "x", "--config", "absent.yaml"], "absent.yaml"),
        (["search", "x", "--collection", "none"], "pliant.db"),
        (["search", "--collection", "none"], "give a text"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_one_line(
    words: list[str],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.out == ""
    assert len(shown.err.splitlines()) <= 3
    assert not (tmp_path / "pliant.db").exists()


def test_no_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: pliant" in capsys.readouterr().out


def test_debug_shows_the_stack_trace(tmp_path: Path) -> None:
    quiet = run("embed", "absent", "--collection", "x", cwd=tmp_path)
    loud = run("embed", "absent", "--collection", "x", "--debug", cwd=tmp_path)
    assert "Traceback" not in quiet.stderr
    assert "Traceback" in loud.stderr
    assert quiet.returncode == 2


def test_a_bug_is_one_line_without_a_trace(tmp_path: Path) -> None:
    code = (
        "import sys; from pliant_jobs import cli, search; "
        "search.main = lambda words: 1 / 0; sys.exit(cli.main(['search', 'x']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "pliant: internal error, please report it: ZeroDivisionError: division by zero "
        "(--debug shows more)\n"
    )
