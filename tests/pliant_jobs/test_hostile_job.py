"""`pliant embed` over the hostile corpus: exit 0, memory within limits, no process left."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pyarrow.parquet
import pytest

from pliant.store.lite import stop_owner
from pliant_jobs import search
from pliant_jobs.samples.hostile import make_corpus
from pliant_jobs.search import SearchConfig

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def uri(tmp_path: Path) -> Iterator[str]:
    yield str(tmp_path / "test.db")
    stop_owner(str(tmp_path / "test.db"))


def test_the_job_survives_and_every_good_file_is_found(tmp_path: Path, uri: str) -> None:
    corpus = make_corpus(tmp_path / "corpus")
    before = {process.pid for process in psutil.process_iter()}
    done = subprocess.run(
        [sys.executable, "-m", "pliant_jobs", "embed", "corpus", "--collection", "c", "--uri", uri,
         "--quiet", "--json", "--failed", "failed.parquet"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["sources"]["failed"] == 40
    assert report["sources"]["embedded"] == 200 + 10 + 2
    assert report["peak_memory_bytes"] < 6 * 2**30
    failed = pyarrow.parquet.read_table(tmp_path / "failed.parquet").to_pylist()
    assert all(row["error"] and row["message"] for row in failed)
    assert {row["source"] for row in failed} >= {f"corpus/{name}" for name in corpus.bad}
    values = {"text": "anything", "collection": "c", "uri": uri, "limit": 5000}
    found = {hit.source for hit in search.run(SearchConfig.model_validate(values)).hits}
    names = (*corpus.good, *corpus.misleading, *corpus.mixed)
    assert found == {f"corpus/{name}" for name in names}
    left = [process for process in psutil.process_iter() if process.pid not in before]
    helpers = [one for one in left if "isolate_child" in " ".join(one.cmdline())]
    assert helpers == []
