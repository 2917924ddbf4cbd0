"""The ledger's protocol on a real embedded store, with the stages called in this process."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from pliant.errors import UnavailableError
from pliant.store import MilvusStore
from pliant.store.lease import LeaseKeeper
from pliant.store.ledger import Ledger
from pliant.store.lite import lite_url
from pliant_jobs import embed, killpoints, plan, retry

SMALL_PARTS = {"resources": {"rows_per_part": 4}}
POINTS = ["discovery", "after_embed", "after_upsert", "after_delete", "ledger_row"]


def rows(name: str, number: int) -> list[str]:
    return [f"{name} row {at}" for at in range(number)]


def test_an_unchanged_corpus_runs_no_pipeline(runs: Any) -> None:
    runs.write("a.jsonl", rows("a", 3))
    runs.write("b.jsonl", rows("b", 2))
    first = runs.run()
    again = runs.run()
    assert (first.sources.embedded, again.sources.unchanged, runs.pipeline.calls) == (2, 2, 1)
    assert again.rows.written == 0


def test_a_touched_file_is_unchanged_and_read_once_only(
    runs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = runs.write("a.jsonl", rows("a", 3))
    runs.run()
    os.utime(path, (5e8, 5e8))
    assert runs.run().sources.unchanged == 1
    monkeypatch.setattr(plan, "fingerprint", lambda _: pytest.fail("read again"))
    assert runs.run().sources.unchanged == 1


def test_the_same_size_and_time_hide_a_change_until_it_is_verified(runs: Any) -> None:
    path = runs.write("a.jsonl", ["one"])
    runs.run()
    at = path.stat().st_mtime
    path.write_text(path.read_text().replace("one", "two"))
    os.utime(path, (at, at))
    assert runs.run().sources.unchanged == 1
    assert runs.run(verify=True).sources.embedded == 1
    assert runs.texts("a.jsonl") == ["two"]


def test_a_file_changed_a_moment_ago_is_read_again(runs: Any) -> None:
    path = runs.write("a.jsonl", ["one"])
    os.utime(path)
    runs.run()
    at = path.stat().st_mtime
    path.write_text(path.read_text().replace("one", "two"))
    os.utime(path, (at, at))
    assert runs.run().sources.embedded == 1


def test_a_changed_file_replaces_its_rows(runs: Any) -> None:
    runs.write("a.jsonl", rows("a", 5))
    runs.run()
    runs.write("a.jsonl", ["other", "a row 1"])
    report = runs.run()
    assert (runs.texts("a.jsonl"), report.rows.deleted) == (["a row 1", "other"], 3)


def test_other_options_are_a_change(runs: Any) -> None:
    runs.write("a.jsonl", rows("a", 2))
    runs.run()
    before = runs.rows()
    assert runs.run(segment_seconds=3.0).sources.embedded == 1
    assert runs.rows().keys() == before.keys()
    assert not set(runs.rows().values()) & set(before.values())


def test_a_sidecar_belongs_to_what_a_file_looks_like(runs: Any) -> None:
    runs.write("a.jsonl", rows("a", 2))
    runs.run()
    (runs.folder / "a.jsonl.json").write_text('{"year": 1999}')
    assert runs.run().sources.embedded == 1


def test_prune_deletes_what_is_gone_below_the_arguments_only(runs: Any) -> None:
    for name in ("x/a.jsonl", "x/b.jsonl", "y/c.jsonl"):
        runs.write(name, [name])
    runs.run()
    for name in ("x/b.jsonl", "y/c.jsonl"):
        (runs.folder / name).unlink()
    kept = runs.run()
    assert (kept.sources.removed, len(runs.rows())) == (0, 3)
    report = runs.run(runs.folder / "x", prune=True)
    assert (report.sources.removed, report.rows.deleted) == (1, 1)
    assert {text for text, _ in runs.rows().values()} == {"x/a.jsonl", "y/c.jsonl"}
    assert runs.run(prune=True).sources.removed == 1
    assert len(runs.entries()) == 1


def test_prune_leaves_what_was_not_chosen(runs: Any) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        runs.write(name, [name])
    runs.run()
    assert runs.run(exclude=["b.*"], prune=True).sources.removed == 0
    assert runs.run(limit=1, prune=True).sources.removed == 0


def test_a_renamed_source_keeps_its_old_rows_until_prune(runs: Any) -> None:
    path = runs.write("a.jsonl", ["text"])
    runs.run()
    path.rename(path.with_name("b.jsonl"))
    runs.run()
    assert len(runs.rows()) == 2
    runs.run(prune=True)
    assert {name for name, _ in runs.rows()} == {"b.jsonl"}


def test_a_dropped_collection_begins_with_nothing(runs: Any) -> None:
    runs.write("a.jsonl", rows("a", 2))
    runs.run()
    runs.store.drop(runs.name)
    assert runs.run().rows.written == len(runs.rows()) == 2


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("number", [1, 2, 3])
def test_after_a_kill_the_collection_is_that_of_an_undisturbed_run(
    runs: Any, point: str, number: int
) -> None:
    for name in "abcd":
        runs.write(f"{name}.jsonl", rows(name, 5))
    runs.run()
    for name in "abc":
        runs.write(f"{name}.jsonl", [*rows(name, 2), "new"])
    runs.run_killed(point, number)
    runs.run()
    expected = {"a": 3, "b": 3, "c": 3, "d": 5}
    assert {name: len(runs.texts(f"{name}.jsonl")) for name in expected} == expected
    assert len({generation for _, generation in runs.rows().values()}) == 4
    assert runs.run().sources.unchanged == 4


def test_what_was_written_before_the_kill_is_not_embedded_again(runs: Any) -> None:
    runs.write("a.jsonl", rows("a", 10))
    assert runs.run_killed("after_upsert", 2)
    before = len(runs.rows())
    runs.pipeline.encoder.prepared.clear()
    report = runs.run()
    assert before == 6
    assert report.rows.written == len(runs.pipeline.encoder.prepared) == 4
    assert runs.texts("a.jsonl") == sorted(rows("a", 10))


def test_a_source_left_open_stays_so_until_a_run_is_about_it(runs: Any) -> None:
    open_one, other = runs.write("a.jsonl", rows("a", 10)), runs.write("b.jsonl", ["b"])
    assert runs.run_killed("after_upsert", 2)
    runs.run(other)
    runs.write("a.jsonl", ["changed since"])
    assert runs.run(open_one).rows.deleted == 5  # the sixth was replaced
    assert runs.texts("a.jsonl") == ["changed since"]


def test_a_large_source_is_complete_part_by_part(runs: Any) -> None:
    runs.write("a.jsonl", rows("a", 10))
    assert runs.run_killed("after_embed", 4, **SMALL_PARTS)
    runs.pipeline.encoder.prepared.clear()
    report = runs.run(**SMALL_PARTS)
    assert report.rows.written <= 4
    assert runs.texts("a.jsonl") == sorted(rows("a", 10))
    (entry,) = runs.entries()
    assert (entry.state, entry.count) == ("done", 10)


def test_complete_parts_are_not_read_again(runs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from pliant_jobs import commit

    monkeypatch.setattr(commit, "SOURCES_A_COMMIT", 1)
    runs.write("a.jsonl", rows("a", 10))
    assert runs.run_killed("after_embed", 4, **SMALL_PARTS)
    assert [(one.part, one.records) for one in runs.entries()] == [(0, 4)]
    starts = []
    read = runs.pipeline._reader.read
    monkeypatch.setattr(
        runs.pipeline._reader,
        "read",
        lambda source, options, start=0: starts.append(start) or read(source, options, start),
    )
    runs.run(**SMALL_PARTS)
    assert starts == [4]
    assert [(one.state, one.count) for one in runs.entries()] == [("done", 10)]


def test_a_job_is_refused_while_another_is_alive(runs: Any) -> None:
    runs.write("a.jsonl", ["a"])
    runs.run()
    runs.write("a.jsonl", ["b"])
    keeper = LeaseKeeper(runs.store, runs.name)
    keeper.acquire()
    with pytest.raises(UnavailableError, match=rf"written by another job: process {os.getpid()} "):
        runs.run()
    keeper.release(clean=True)
    assert runs.run().sources.embedded == 1


def test_after_a_job_that_failed_the_next_one_begins_at_once(
    runs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.write("a.jsonl", rows("a", 4))
    with monkeypatch.context() as patch:
        patch.setattr(runs, "pipeline", broken)
        with pytest.raises(UnavailableError, match="broken"):
            runs.run()
    assert runs.run().rows.written == 4


def broken(config: Any, work: Any) -> Any:
    raise UnavailableError("broken")
    yield


def test_a_lease_that_ran_out_is_taken_over_and_its_owner_writes_nothing_more(runs: Any) -> None:
    runs.write("a.jsonl", ["a"])
    runs.run()
    first = LeaseKeeper(runs.store, runs.name, lease_s=0.0)
    first.acquire()
    second = LeaseKeeper(runs.store, runs.name)
    second.acquire()
    assert second.lease.fence == first.lease.fence + 1
    for step in (first.check, first.renew, lambda: first.release(clean=True)):
        with pytest.raises(UnavailableError, match="taken over by another job"):
            step()
    second.release(clean=True)


def test_a_failed_source_is_tried_again_and_then_rests(
    runs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "RETRY_AFTER_S", (0.0, 0.0))
    path = runs.folder / "a.pdf"
    path.write_bytes(b"no pdf")
    os.utime(path, (1e9, 1e9))
    reports = [runs.run() for _ in range(4)]
    assert [report.sources.failed for report in reports] == [1, 1, 1, 1]
    assert runs.pipeline.calls == 3
    table = str(runs.folder.parent / "failed.parquet")
    assert retry.run(retry.RetryConfig(words=("retry", table)), runs.pipeline).sources.failed == 1
    assert runs.pipeline.calls == 4
    path.with_name("b.jsonl").write_text('{"text": "not failed, not taken"}')
    path.write_bytes(
        (Path(embed.__file__).parent / "samples").rglob("*.pdf").__next__().read_bytes()
    )
    report = retry.run(retry.RetryConfig(words=("retry", table)), runs.pipeline)
    assert (report.sources.seen, report.sources.embedded) == (1, 1)
    assert pyarrow.parquet.read_table(table).num_rows == 0


def test_an_embedded_store_written_by_its_url_does_not_trust_its_file(runs: Any) -> None:
    runs.write("a.jsonl", rows("a", 2))
    runs.run()
    keeper = LeaseKeeper(runs.store, runs.name)  # somebody who keeps another ledger
    keeper.acquire()
    keeper.release(clean=True)
    runs.pipeline.encoder.prepared.clear()
    report = runs.run()
    assert (report.sources.embedded, runs.pipeline.encoder.prepared) == (1, [])
    assert runs.run().sources.unchanged == 1


def test_the_ledger_of_a_server_is_a_collection_that_lists_do_not_show(runs: Any) -> None:
    runs.write("a.jsonl", rows("a", 10))
    with lite_url(runs.store.uri) as handle:
        here = {"uri": handle.url, **SMALL_PARTS}
        assert runs.run_killed("after_embed", 4, **here)
        runs.run(**here)
        again = runs.run(**here)
        with MilvusStore.open(handle.url) as store:
            entries = list(Ledger(store, runs.name).entries())
            assert "pliant_ledger" not in store.list()
    assert again.sources.unchanged == 1
    assert [(entry.state, entry.count) for entry in entries] == [("done", 10)]


def leaving_out(monkeypatch: pytest.MonkeyPatch, safeguard: str) -> None:
    monkeypatch.setattr(killpoints, "without", lambda name: name == safeguard)


def test_without_the_delete_stale_rows_stay(runs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.write("a.jsonl", rows("a", 5))
    runs.run()
    leaving_out(monkeypatch, "delete")
    runs.write("a.jsonl", rows("a", 2))
    runs.run()
    assert len(runs.rows()) == 5
    assert len({generation for _, generation in runs.rows().values()}) == 2


def test_without_the_order_a_kill_leaves_stale_rows(runs: Any) -> None:
    runs.write("a.jsonl", rows("a", 5))
    runs.run()
    runs.write("a.jsonl", rows("a", 2))
    with pytest.MonkeyPatch.context() as patch:
        leaving_out(patch, "order")
        assert runs.run_killed("ledger_row", 1)
    assert runs.run().sources.unchanged == 1
    assert len(runs.rows()) == 5


@pytest.mark.parametrize("fenced", [True, False])
def test_without_the_fence_an_old_writer_writes(
    runs: Any, monkeypatch: pytest.MonkeyPatch, fenced: bool
) -> None:
    runs.write("a.jsonl", rows("a", 3))
    if not fenced:
        leaving_out(monkeypatch, "fence")
    pipeline = runs.pipeline

    def overtaken(config: Any, work: Any) -> Any:
        """A job that stands still while another one does the work, with a newer file."""
        acks = pipeline(config, replace(work))
        runs.die()
        runs.write("a.jsonl", ["newer"])
        with MilvusStore.open(runs.store.uri) as store:
            other = LeaseKeeper(store, runs.name)
            other.acquire()
            yield from acks
            other.release(clean=True)

    runs.pipeline = overtaken
    with pytest.raises(UnavailableError, match="taken over"):
        runs.run()  # without the fence only the end of the job notices
    assert len(runs.rows()) == (0 if fenced else 1)
