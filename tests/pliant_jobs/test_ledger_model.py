"""Random histories of files, options, kills and prunes beside a dictionary."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

FILES = st.sampled_from(["a.jsonl", "b.jsonl", "c/d.jsonl"])
ROWS = st.lists(st.text("xyz", min_size=1, max_size=3), max_size=9, unique=True).filter(bool)
POINTS = ["discovery", "after_embed", "after_upsert", "after_delete", "ledger_row"]
collections = itertools.count()


class Machine(RuleBasedStateMachine):
    """Files as they are, files as they were at the last whole run, and how it was run.

    A file that went after a killed run may have left rows of either state: it is not looked at
    until a prune has deleted them.
    """

    runs: Any

    @initialize()
    def begin(self) -> None:
        shutil.rmtree(self.runs.folder)
        self.runs.folder.mkdir()
        self.runs.name = f"model{next(collections)}"
        self.files: dict[str, list[str]] = {}
        self.stored: dict[str, list[str]] = {}
        self.unsure: set[str] = set()
        self.was_killed = False
        self.options: dict[str, Any] = {"resources": {"rows_per_part": 4}}

    @rule(name=FILES, rows=ROWS)
    def add_change_or_shrink(self, name: str, rows: list[str]) -> None:
        self.runs.write(name, rows)
        self.files[name] = rows

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def delete(self, data: Any) -> None:
        self.delete_named(data.draw(st.sampled_from(sorted(self.files))))

    @precondition(lambda self: self.files)
    @rule(data=st.data(), to=FILES)
    def rename(self, data: Any, to: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.files)))
        if name != to:
            rows = self.files[name]
            self.delete_named(name)
            self.add_change_or_shrink(to, rows)

    def delete_named(self, name: str) -> None:
        (self.runs.folder / name).unlink()
        del self.files[name]
        if self.was_killed:
            self.unsure.add(name)

    @rule(seconds=st.sampled_from([5.0, 10.0]))
    def change_options(self, seconds: float) -> None:
        self.options["segment_seconds"] = seconds

    @rule(
        point=st.sampled_from(POINTS),
        number=st.integers(1, 4),
        after=st.booleans(),
        prune=st.booleans(),
    )
    def kill(self, point: str, number: int, after: bool, prune: bool) -> None:
        if self.runs.run_killed(point, number, after=after, prune=prune, **self.options):
            self.was_killed = True
            if prune:
                self.unsure |= self.stored.keys() - self.files.keys()
        else:
            self.completed(prune=prune)

    @rule(prune=st.booleans())
    def run_or_resume(self, prune: bool) -> None:
        self.runs.run(prune=prune, **self.options)
        self.completed(prune=prune)

    def completed(self, *, prune: bool) -> None:
        if prune:
            self.stored.clear()
            self.unsure.clear()
        self.stored |= self.files
        self.unsure -= self.files.keys()
        self.was_killed = False

    @invariant()
    def the_collection_is_the_dictionary(self) -> None:
        if self.was_killed or not self.runs.store.exists(self.runs.name):
            return
        found = self.runs.rows()
        pending = {name for name in self.files if self.files[name] != self.stored.get(name)}
        ignored = {Path(name).name for name in self.unsure | pending}
        texts: dict[str, list[str]] = {}
        generations: dict[str, set[str]] = {}
        for (name, _), (text, generation) in found.items():
            texts.setdefault(name, []).append(text)
            generations.setdefault(name, set()).add(generation)
        expected = {Path(name).name: sorted(rows) for name, rows in self.stored.items()}
        for name in (expected.keys() | texts.keys()) - ignored:
            assert sorted(texts.get(name, [])) == expected.get(name, []), name
            assert len(generations[name]) == 1


@pytest.mark.parametrize("examples", [12, pytest.param(150, marks=pytest.mark.slow)])
def test_random_histories_end_as_a_dictionary_does(runs: Any, examples: int) -> None:
    class Bound(Machine):
        pass

    Bound.runs = runs
    run_state_machine_as_test(
        Bound,
        settings=settings(
            max_examples=examples,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
