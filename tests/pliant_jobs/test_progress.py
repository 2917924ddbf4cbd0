"""Progress in lines: what a log file gets."""

from __future__ import annotations

import pytest

from pliant_jobs import progress as module
from pliant_jobs.progress import progress
from pliant_jobs.tally import Tally


def test_lines_tell_rows_failures_and_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LINE_EVERY_S", 0.0)
    tally = Tally(seen=4, embedded=1)
    with progress(quiet=False) as screen:
        screen.update(tally, 4, 100)
        tally.first_ack = 1_000_000.0
        tally.by_modality["text"] = 40
        monkeypatch.setattr(module.time, "time", lambda: 1_000_020.0)
        screen.update(tally, 4, 100)
    first, second = capsys.readouterr().err.splitlines()
    assert first == "embed: starting the workers for 4 sources"
    assert second == "embed: 1 of 4 sources, 40 rows, 0 failed, 2.0 rows/s, 0:30 left"


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(quiet=True) as screen:
        screen.say("hello")
        screen.update(Tally(), 1, 1)
    assert capsys.readouterr().err == ""
