"""Files that try to break the readers: each costs its own rows only, and is named with a reason."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from pliant.content import Record
from pliant.ingest.discover import discover, source_of
from pliant.ingest.failure import Failure
from pliant.ingest.isolate import IsolatedReader
from pliant.ingest.options import Limits, ReadOptions
from pliant_jobs.samples.hostile import Corpus, make_corpus
from pliant_jobs.samples.kinds import MAKERS, make

LIMITS = Limits(read_timeout_s=20.0)


def read_all(folder: Path) -> dict[str, list[Record | Failure]]:
    given: dict[str, list[Record | Failure]] = {}
    with IsolatedReader() as reader:
        for found in discover([str(folder)]):
            name = found.source.removeprefix(f"{folder}/")
            whole = isinstance(found, Failure)
            items = [found] if whole else list(reader.read(found, ReadOptions(limits=LIMITS)))
            given.setdefault(name, []).extend(items)
    return given


def check(folder: Path, num_good: int) -> None:
    corpus: Corpus = make_corpus(folder, num_good)
    assert (len(corpus.good), len(corpus.bad), len(corpus.misleading)) == (num_good, 40, 10)
    given = read_all(folder)
    for name in (*corpus.good, *corpus.misleading):
        assert given[name], name
        assert all(isinstance(item, Record) for item in given[name]), (name, given[name])
    for name, error in corpus.bad.items():
        assert {getattr(item, "error", "read") for item in given[name]} == {error}, given[name]
    for name in corpus.mixed:
        assert sum(isinstance(item, Record) for item in given[name]) == 3
        assert len(given[name]) == 5
    failures = [item for items in given.values() for item in items if isinstance(item, Failure)]
    assert all(item.message for item in failures)
    assert len(given) == num_good + 40 + 10 + 2


def test_one_good_file_of_every_kind_among_all_the_bad(tmp_path: Path) -> None:
    check(tmp_path / "corpus", len(MAKERS))


@pytest.mark.slow
def test_the_whole_corpus(tmp_path: Path) -> None:
    check(tmp_path / "corpus", 200)


def mutate(data: bytes, chance: random.Random) -> bytes:
    """Flip, cut, repeat or overwrite some bytes."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(changed) + 1)
        size = chance.choice((1, 2, 4, 16, 256))
        match chance.randrange(5):
            case 0 if changed:
                changed[at % len(changed)] ^= 1 << chance.randrange(8)
            case 1:
                changed[at : at + size] = chance.randbytes(size)
            case 2:
                del changed[at : at + size]
            case 3:
                changed[at:at] = changed[max(0, at - size) : at]
            case _:
                changed[at : at + 4] = chance.choice((b"\xff\xff\xff\xff", bytes(4), b"\x7f\xff"))
    return bytes(changed) if chance.random() > 0.1 else bytes(changed[: len(changed) // 2])


def fuzz(folder: Path, count: int) -> None:
    samples = {suffix: make(suffix, "a heron waits by the weir") for suffix in MAKERS}
    suffixes = list(samples)
    options = ReadOptions(limits=Limits(read_timeout_s=10.0, max_pixels=4_000_000))
    with IsolatedReader() as reader:
        for number in range(count):
            suffix = suffixes[number % len(suffixes)]
            path = folder / f"{number}{suffix}"
            path.write_bytes(mutate(samples[suffix], random.Random(number)))
            begun = time.monotonic()
            items = list(reader.read(source_of(path), options))
            assert time.monotonic() - begun < 60, path.name  # 4 deadlines, and new helpers
            assert items, path.name
            for item in items:
                if isinstance(item, Failure):
                    assert item.error, path.name
                    assert item.message, path.name
            path.unlink()


def test_200_mutations_give_rows_or_reasons(tmp_path: Path) -> None:
    fuzz(tmp_path, 200)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_2000_mutations_give_rows_or_reasons(tmp_path: Path) -> None:
    fuzz(tmp_path, 2000)
