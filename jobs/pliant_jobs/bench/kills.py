"""What `pliant bench recovery` does to jobs: files that change, runs, kills, and what is left."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pliant.errors import UnavailableError
from pliant.store.lite import find_owner, stop_owner
from pliant_jobs.killpoints import KILL_AT, NOTES, POINTS, WITHOUT

RUN_TIMEOUT_S = 300.0
LEASE_S = 6.0
STARTS, NO_RAY = 3, "cannot reach a local Ray"
WORDS = ("tree", "river", "stone", "bread", "winter", "lamp", "paper", "engine", "horse", "cloud")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row of a collection, as far as two runs must agree on it."""

    key: tuple[str, str]
    text: str
    metadata: str
    generation: str
    vector: np.ndarray


class Corpus:
    """JSONL files that grow, shrink, change, come and go."""

    def __init__(self, folder: Path, files: int, rows: int, chance: random.Random) -> None:
        self.folder = folder
        self._files = files
        self._rows = rows
        self._chance = chance
        folder.mkdir()
        for number in range(files):
            self._write(number)

    def change(self) -> None:
        """Rewrite a third of the files with other rows, and delete or bring back one."""
        for number in self._chance.sample(range(self._files), max(2, self._files // 3)):
            self._write(number)
        path = self.folder / f"{self._chance.randrange(self._files)}.jsonl"
        if path.exists():
            path.unlink()

    def _write(self, number: int) -> None:
        rows = [
            {"text": " ".join(self._chance.choices(WORDS, k=8)), "year": self._chance.randrange(99)}
            for _ in range(self._chance.randint(1, self._rows))
        ]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (self.folder / f"{number}.jsonl").write_text(text, encoding="utf8")


class Killer:
    """Runs `pliant embed` in processes of its own, and kills what a schedule says."""

    def __init__(self, folder: Path, model: str, batch_size: int, without: Sequence[str]) -> None:
        self._folder = folder
        self._uri = str(folder / "store" / "x.db")
        self._model = model
        self._batch_size = batch_size
        self._without = ",".join(without)
        self._notes = folder / "notes"
        self._number = 0
        self._config = folder / "job.yaml"
        resources = {"batch_size": batch_size, "lease_s": LEASE_S, "rows_per_part": 40}
        self._config.write_text(json.dumps({"resources": resources}), encoding="utf8")

    def close(self) -> None:
        """End the store's owner."""
        stop_owner(self._uri)

    def run(self, collection: str, files: Path) -> None:
        """Run a job to its end; it must succeed, but for a Ray that does not start."""
        code, errors = 1, ""
        for _ in range(STARTS):
            code, errors = self._ended(self._start(collection, files, {}))
            if NO_RAY not in errors:
                break
        if code != 0:
            raise UnavailableError(
                f"a job that nobody disturbed ended with {code}: {errors[-500:]}"
            )

    def disturb(self, collection: str, files: Path, points: Sequence[str]) -> list[str]:
        """Run a job with kills; give the points at which somebody was killed.

        A driver that was killed is not waited for: its workers may live for another moment.
        """
        self._number += 1
        markers = {point: self._folder / f"{self._number}-{point}" for point in points}
        plans = [
            f"{point}:1:{POINTS[point]}:{marker}"
            for point, marker in markers.items()
            if point in POINTS
        ]
        job = self._start(collection, files, {KILL_AT: ";".join(plans)})
        done = threading.Event()
        thread = threading.Thread(target=self._at_random, args=(job, markers, done))
        thread.start()
        code, errors = self._ended(job)
        done.set()
        thread.join()
        found = [point for point, marker in markers.items() if marker.exists()]
        if code not in (0, -signal.SIGKILL) and NO_RAY not in errors:
            raise UnavailableError(f"a killed job ended with {code}: {errors[-500:]}")
        return found

    def rows(self, collection: str) -> dict[str, Outcome]:
        """Read a collection, by row key."""
        from pliant.store import statements
        from pliant.store.milvus import MilvusStore

        fields = ["id", "source", "locator", "text", "generation", "vector", "year"]
        with MilvusStore.open(self._uri) as store:
            found = statements.scan(store.connection, collection, "", fields)
            return {str(row["id"]): _outcome(row) for row in found}

    def batches_repeated_max(self) -> int:
        """Give how many batches the worst worker embedded that had been embedded before."""
        seen: set[str] = set()
        again: dict[str, int] = defaultdict(int)
        if not self._notes.exists():
            return 0
        for line in self._notes.read_text(encoding="ascii").splitlines():
            pid, _, keys = line.partition(" ")
            for key in filter(None, keys.split(",")):
                again[pid] += key in seen
                seen.add(key)
        return max((math.ceil(rows / self._batch_size) for rows in again.values()), default=0)

    def _start(
        self, collection: str, files: Path, variables: dict[str, str]
    ) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "pliant_jobs", "embed", str(files), "--prune", "--quiet"]
        where = ["--collection", collection, "--uri", self._uri, "--config", str(self._config)]
        where += ["--failed", str(self._folder / "failed.parquet")]
        notes = {NOTES: str(self._notes)} if collection == "disturbed" else {}
        return subprocess.Popen(
            [*command, *where, "--model", self._model],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, WITHOUT: self._without, **notes, **variables},
        )

    def _ended(self, job: subprocess.Popen[str]) -> tuple[int, str]:
        try:
            _, errors = job.communicate(timeout=RUN_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            job.kill()
            raise UnavailableError(f"a job has not ended after {RUN_TIMEOUT_S:.0f} s") from None
        return job.returncode, errors

    def _at_random(
        self, job: subprocess.Popen[str], markers: dict[str, Path], done: threading.Event
    ) -> None:
        """Kill the store's owner and the driver at a moment that nobody chose."""
        chance = random.Random(self._number)  # noqa: S311 a schedule that can be repeated
        before = time.monotonic()
        for point in ("random_store", "random_driver"):
            if point not in markers or done.wait(chance.uniform(2, 12)):
                continue
            victim = job.pid
            if point == "random_store":
                owner = find_owner(self._uri)
                if owner is None:
                    continue
                victim = owner.pid
            if job.poll() is None:
                os.kill(victim, signal.SIGKILL)
                markers[point].write_text(f"{time.monotonic() - before}", encoding="ascii")


def _outcome(row: dict[str, Any]) -> Outcome:
    return Outcome(
        key=(row["source"], row["locator"]),
        text=row["text"],
        metadata=str(row["year"]),
        generation=row["generation"],
        vector=np.asarray(row["vector"], dtype=np.float32),
    )
