"""`pliant bench NAME`: a benchmark beside its baselines, which run in the same call, in turn."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from pliant.config import nearest
from pliant.errors import InvalidInputError

BENCHES: dict[str, tuple[str, str]] = {
    "encode": ("encode", "text encoding on the CPU beside sentence-transformers"),
    "readers": ("readers", "each reader beside the plain use of its library"),
    "ingest": ("ingest", "the embedding job beside a bare encode loop"),
    "recovery": ("recovery", "killed jobs, resumed, beside one that nobody disturbed"),
}


def main(argv: Sequence[str]) -> int:
    """Run `pliant bench NAME`; gives the exit code.

    Raises:
        InvalidInputError: no such bench.
    """
    if not argv or argv[0] in ("--help", "-h"):
        sys.stdout.write(_overview())
        return 0 if argv else 2
    name, *words = argv
    if name not in BENCHES:
        raise InvalidInputError(
            f"unknown bench {name!r}{nearest(name, list(BENCHES))}; allowed: {', '.join(BENCHES)}"
        )
    module = importlib.import_module(f"pliant_jobs.bench.{BENCHES[name][0]}")
    return module.main(words)


def _overview() -> str:
    width = max(map(len, BENCHES))
    rows = "\n".join(f"  {name:<{width}}  {text}" for name, (_, text) in BENCHES.items())
    return (
        "usage: pliant bench NAME [options]\n\n"
        "Measures beside a baseline that runs in the same call; figures are medians over rounds.\n"
        "A baseline that cannot be started makes the bench exit 1.\n\n"
        f"benches:\n{rows}\n\n`pliant bench NAME --help` lists a bench's options.\n"
    )
