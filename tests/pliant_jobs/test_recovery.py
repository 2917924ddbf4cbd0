"""Jobs in processes of their own, killed with SIGKILL at named points, and resumed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pliant.store import MilvusStore
from pliant.store.ledger import Ledger
from pliant.store.lite import lite_url, stop_owner
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


@pytest.mark.slow
def test_a_raylet_that_dies_costs_nothing_but_time(tiny_model: Path, tmp_path: Path) -> None:
    from ray.cluster_utils import Cluster

    files = tmp_path / "files"
    files.mkdir()
    for number in range(40):
        rows = [json.dumps({"text": f"file {number} row {row} " * 12}) for row in range(100)]
        (files / f"{number}.jsonl").write_text("\n".join(rows))
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 3})
    node = cluster.add_node(num_cpus=3)
    with lite_url(tmp_path / "x.db") as handle:
        command = [sys.executable, "-m", "pliant_jobs", "embed", str(files), "--collection", "c"]
        where = ["--uri", handle.url, "--address", cluster.address, "--model", str(tiny_model)]
        more = ["--failed", str(tmp_path / "failed.parquet")]
        with subprocess.Popen([*command, *where, *more], stderr=subprocess.PIPE, text=True) as job:
            assert job.stderr
            for line in job.stderr:
                if re.search(r" [1-9][0-9,]* rows,", line):
                    break
            cluster.remove_node(node, allow_graceful=False)
            job.communicate(timeout=240)
        if job.returncode:  # what was lost with the node was not to be had again: go on
            subprocess.run([*command, *where, *more], check=True, timeout=240)
        with MilvusStore.open(handle.url) as store:
            assert store.count("c") == 4000
            entries = list(Ledger(store, "c").entries())
    cluster.shutdown()
    stop_owner(tmp_path / "x.db")
    assert [entry.state for entry in entries] == ["done"] * 40


def test_a_schedule_reaches_every_point_and_ends_a_run_with_its_driver() -> None:
    runs = schedule(54, seed=3)
    points = [point for run in runs for point in run]
    assert len(points) == 54
    assert all(points.count(point) == 6 for point in set(points))
    assert all(len(set(run)) == len(run) for run in runs)
