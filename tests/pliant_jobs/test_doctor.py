"""`pliant doctor`: every check is made, and a broken part is a failed check, not a crash."""

from __future__ import annotations

import json

import pytest

from pliant_jobs.cli import main


def test_a_healthy_machine(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor", "--json"])
    report = json.loads(capsys.readouterr().out)
    found = {finding["name"]: finding["status"] for finding in report["findings"]}
    assert {name: found[name] for name in ("store", "model", "vectors", "video", "pdf")} == {
        "store": "ok",
        "model": "ok",
        "vectors": "ok",
        "video": "ok",
        "pdf": "ok",
    }
    assert (code, report["healthy"]) == (0, True)


def test_a_model_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--model", "absent/model"]) == 1
    shown = capsys.readouterr().out.splitlines()
    failed = [line for line in shown if line.startswith("failed")]
    assert len(failed) == 2
    assert all("absent/model" in line for line in failed)
