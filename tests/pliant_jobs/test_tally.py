"""Counting acknowledgements: which sources are complete, and what the report says."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pliant.errors import InvalidInputError
from pliant.ingest.failure import Failure
from pliant_jobs.embed import failures_allowed
from pliant_jobs.report import Rows
from pliant_jobs.tally import FAILED_TABLE, Tally, write_failed


def ack(key: str, written: int, failed: int = 0, expected: int | None = None) -> dict[str, Any]:
    failure = {"source": key, "locator": "", "stage": "read", "error": "E", "message": "m"}
    return {
        "source_key": key,
        "written": [("text", written)] if written else [],
        "failures": [{**failure, "time": datetime.now(UTC)}] * failed,
        "expected": expected,
        "read_s": 0.5,
        "prepare_s": 0.0,
        "embed_s": 1.0,
        "upsert_s": 0.25,
        "started_at": 99.0,
        "acknowledged_at": 100.0 + written,
    }


def test_a_source_is_complete_when_all_its_rows_are_acknowledged() -> None:
    tally = Tally()
    assert not tally.add(ack("a", 3))
    assert not tally.add(ack("a", 0, expected=6))
    assert tally.add(ack("a", 2, failed=1))
    assert (tally.embedded, tally.failed_sources, tally.written) == (1, 0, 5)


def test_a_source_without_a_written_row_has_failed() -> None:
    tally = Tally()
    assert tally.add(ack("a", 0, failed=2, expected=2))
    assert (tally.embedded, tally.failed_sources) == (0, 1)


@given(
    st.dictionaries(st.sampled_from("abcd"), st.lists(st.booleans(), max_size=5), min_size=1),
    st.randoms(),
)
def test_the_order_of_acknowledgements_does_not_matter(
    sources: dict[str, list[bool]], random: Any
) -> None:
    acks = [ack(key, int(ok), failed=int(not ok)) for key, rows in sources.items() for ok in rows]
    acks += [ack(key, 0, expected=len(rows)) for key, rows in sources.items()]
    random.shuffle(acks)
    tally = Tally()
    completed = sum(tally.add(one) for one in acks)
    assert completed == tally.done == len(sources)
    assert tally.failed_sources == sum(1 for rows in sources.values() if rows and not any(rows))
    assert tally.written == sum(sum(rows) for rows in sources.values())


def test_rows_a_second_are_those_after_the_first_batch() -> None:
    tally = Tally()
    for one in (ack("a", 1), ack("a", 11), ack("b", 21)):
        tally.add(one)
    assert tally.rows_per_s == pytest.approx((11 + 21) / 20)


def test_stages_lose_the_rows_that_failed_in_them() -> None:
    tally = Tally()
    tally.add(ack("a", 5, failed=2, expected=7))
    rows = {stage["name"]: (stage["rows"], stage["failed"]) for stage in tally.stages()}
    assert rows == {"read": (5, 2), "prepare": (5, 0), "embed": (5, 0), "upsert": (5, 0)}


def test_the_failed_table_has_the_columns_of_the_interface(tmp_path: Path) -> None:
    tally = Tally()
    tally.fail_source(Failure("x.bin", "", "discover", "UnknownType", "what is this?"))
    write_failed(tally.failures, tmp_path / "deep" / "failed.parquet")
    table = pyarrow.parquet.read_table(tmp_path / "deep" / "failed.parquet")
    assert table.schema.names == ["source", "locator", "stage", "error", "message", "time"]
    assert table.schema.equals(FAILED_TABLE)
    assert table.to_pylist()[0]["message"] == "what is this?"


@pytest.mark.parametrize(
    ("text", "allowed"), [("0", 0), ("10", 10), ("5%", 5.0), ("12.5%", 12.5), (" 100% ", 100.0)]
)
def test_max_failed_is_a_number_or_a_percentage(text: str, allowed: float) -> None:
    assert failures_allowed(text, Rows(written=90, failed=10)) == allowed


@pytest.mark.parametrize("text", ["", "%", "many", "-1", "1.5", "5 percent"])
def test_max_failed_refuses_other_words(text: str) -> None:
    with pytest.raises(InvalidInputError, match="--max-failed"):
        failures_allowed(text, Rows())
