"""`pliant bench recovery`: jobs that are killed and resumed, beside one that nobody disturbed.

Rounds change the files, run the job with a seeded schedule of kills and run it again until it is
done. The collection is then compared, row by row, with that of one undisturbed run over the final
files. Every kill is a SIGKILL, at a named point or at a random moment.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from pliant.config import Config, parse
from pliant.errors import UnavailableError
from pliant_jobs.bench.kills import Corpus, Killer, Outcome
from pliant_jobs.bench.report import BenchReport, finish

COSINE_MIN = 0.9999
ACTOR_POINTS = ("reading", "after_embed", "after_upsert")
DRIVER_POINTS = ("discovery", "after_delete", "ledger_row", "lease_renewal")
RANDOM = ("random_driver", "random_store")


class RecoveryBenchConfig(Config):
    """Kill jobs at named points and at random, resume them, and look for what is wrong after."""

    kills: int = Field(default=50, ge=1, description="How many processes to kill.")
    files: int = Field(default=12, ge=4, description="Files of the corpus.")
    rows: int = Field(default=60, ge=4, description="Most rows of a file.")
    batch_size: int = Field(default=32, ge=1, description="Rows embedded and written at once.")
    model: str = Field(default="pliant-mini", description="Model.")
    seed: int = Field(default=0, description="Seed of the schedule and of the texts.")
    without: tuple[str, ...] = Field(
        default=(), description="Safeguards left out: fence, delete, order. Then it must fail."
    )
    report: Path | None = Field(default=None, description="Where to write the report (JSON).")
    quiet: bool = Field(default=False, description="No progress.")


def main(argv: Sequence[str]) -> int:
    """Run `pliant bench recovery`; gives the exit code: 1 when anything is wrong."""
    config = parse(RecoveryBenchConfig, argv, prog="pliant bench recovery")
    report = run(config)
    finish(report, config.report)
    wrong = sum(report.figures[name] for name in ("missing", "doubled", "stale", "differing"))
    return 1 if wrong else 0


def run(config: RecoveryBenchConfig) -> BenchReport:
    """Kill, resume and compare."""
    with tempfile.TemporaryDirectory(prefix="pliant-recovery-") as name:
        killer = Killer(Path(name), config.model, config.batch_size, config.without)
        try:
            return _report(config, *_disturb(config, killer, Path(name)))
        finally:
            killer.close()


def schedule(num_kills: int, seed: int) -> list[tuple[str, ...]]:
    """Give the kills of each run: any number of workers and stores, or one driver at the end.

    Every point comes before any comes a second time.
    """
    points = [*ACTOR_POINTS, *DRIVER_POINTS, *RANDOM]
    chosen = [points[at % len(points)] for at in range(num_kills)]
    random.Random(seed).shuffle(chosen)  # noqa: S311 a schedule that can be repeated
    runs: list[list[str]] = [[]]
    for point in chosen:
        if point in runs[-1]:  # a marker is of one kill: a point comes once in a run
            runs.append([])
        runs[-1].append(point)
        if point in DRIVER_POINTS or point == "random_driver":
            runs.append([])
    return [tuple(run) for run in runs if run]


def _disturb(
    config: RecoveryBenchConfig, killer: Killer, folder: Path
) -> tuple[Counter[str], dict[str, Any], dict[str, Any], int]:
    chance = random.Random(config.seed)  # noqa: S311 texts that can be repeated
    corpus = Corpus(folder / "files", config.files, config.rows, chance)
    killed: Counter[str] = Counter()
    killer.run("disturbed", corpus.folder)
    for number, points in enumerate(schedule(config.kills, config.seed)):
        corpus.change()
        found = killer.disturb("disturbed", corpus.folder, points)
        killed.update(found)
        _say(config, f"run {number}: {', '.join(points)}; killed: {', '.join(found) or 'nobody'}")
        if not found:
            continue
        if number % 3 == 2:
            killer.run("disturbed", corpus.folder)
    killer.run("disturbed", corpus.folder)
    killer.run("undisturbed", corpus.folder)
    repeated = killer.batches_repeated_max()
    return killed, killer.rows("disturbed"), killer.rows("undisturbed"), repeated


def _report(
    config: RecoveryBenchConfig,
    killed: Counter[str],
    disturbed: dict[str, Outcome],
    undisturbed: dict[str, Outcome],
    repeated: int,
) -> BenchReport:
    if not undisturbed:
        raise UnavailableError("the undisturbed run has no rows: there is nothing to compare with")
    expected = {row.key: row for row in undisturbed.values()}
    found = Counter(row.key for row in disturbed.values())
    by_key = {row.key: row for row in disturbed.values()}
    both = expected.keys() & by_key.keys()
    stale = list(by_key.keys() - expected.keys())
    stale += [key for key in both if by_key[key].generation != expected[key].generation]
    differing = [key for key in both if not _same(by_key[key], expected[key])]
    return BenchReport.of(
        "recovery",
        settings={**config.model_dump(mode="json", exclude={"report", "quiet"})},
        figures={
            "kills": sum(killed.values()),
            "rows_expected": len(expected),
            "missing": len(expected.keys() - by_key.keys()),
            "doubled": sum(count - 1 for count in found.values()),
            "stale": len(stale),
            "differing": len(differing),
            "batches_repeated_max": repeated,
        },
        rows=[{"point": point, "kills": count} for point, count in sorted(killed.items())],
    )


def _same(one: Outcome, other: Outcome) -> bool:
    cosine = float(np.dot(one.vector, other.vector))
    lengths = float(np.linalg.norm(one.vector) * np.linalg.norm(other.vector))
    same = (one.text, one.metadata) == (other.text, other.metadata)
    return same and cosine >= COSINE_MIN * lengths


def _say(config: RecoveryBenchConfig, message: str) -> None:
    if not config.quiet:
        print(message, file=sys.stderr, flush=True)  # noqa: T201
