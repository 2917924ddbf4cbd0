"""Jobs in processes of their own, killed with SIGKILL at named points, and resumed."""

from __future__ import annotations

from pathlib import Path

import pytest

from pliant_jobs.bench.recovery import RecoveryBenchConfig, run, schedule

pytestmark = pytest.mark.ray


@pytest.mark.parametrize(("kills", "each"), [(6, 1), pytest.param(54, 3, marks=pytest.mark.slow)])
@pytest.mark.timeout(3600)
def test_killed_and_resumed_jobs_leave_what_an_undisturbed_one_does(
    tiny_model: Path, kills: int, each: int
) -> None:
    report = run(RecoveryBenchConfig(kills=kills, model=str(tiny_model)))
    figures = report.figures
    assert figures["kills"] >= min(kills - 1, 50)
    assert figures["rows_expected"] > 100
    wrong = {name: figures[name] for name in ("missing", "doubled", "stale", "differing")}
    assert wrong == dict.fromkeys(wrong, 0)
    assert figures["batches_repeated_max"] <= 2
    if each > 1:
        assert all(row["kills"] >= each for row in report.rows), report.rows


def test_a_schedule_reaches_every_point_and_ends_a_run_with_its_driver() -> None:
    runs = schedule(54, seed=3)
    points = [point for run in runs for point in run]
    assert len(points) == 54
    assert all(points.count(point) == 6 for point in set(points))
    assert all(len(set(run)) == len(run) for run in runs)
