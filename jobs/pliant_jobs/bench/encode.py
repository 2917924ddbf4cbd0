"""`pliant bench encode`: text encoding on the CPU beside sentence-transformers.

Both sides tokenise inside the measured time, use the same threads and run in turn.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import Field

from pliant.config import Config, parse
from pliant.errors import InvalidInputError
from pliant_jobs.bench.peers import Peer
from pliant_jobs.bench.report import BenchReport, finish
from pliant_jobs.bench.texts import cut_texts

if TYPE_CHECKING:
    from pliant.encoder import Encoder

SCRIPT = Path(__file__).with_name("peer_sentence_transformers.py")
SETS = ("short", "mixed", "long")
DEFAULT_BATCH = 32
BATCHES = (8, 16, 32, 64, 128)
TRIAL = 128


class EncodeBenchConfig(Config):
    """Measure encoding beside sentence-transformers: its defaults, its bf16 weights, its fp32.

    Texts are real English: short (about 15 tokens), mixed (mean 102), long (256). Figures that need
    OpenVINO on the other side (ratio_vs_sentence_transformers_best, ratio_vs_engine_best) are not
    there yet. The baseline lives in .venv-peers (make peers).
    """

    texts: int = Field(2000, ge=8, description="Texts in each set.")
    rounds: int = Field(3, ge=1, description="Rounds; figures are medians over them.")
    sets: tuple[str, ...] = Field(SETS, description="Which sets: short, mixed, long.")
    threads: int | None = Field(None, ge=1, description="Cores for either side; all by default.")
    model: str = Field(
        "pliant-mini", description="Model: built in, or a directory of a text model."
    )
    report: Path | None = Field(None, description="Where to write the report (JSON).")
    json_: bool = Field(False, alias="json", description="Print one JSON document.")
    quiet: bool = Field(False, description="No progress.")


def main(argv: Sequence[str]) -> int:
    """Run `pliant bench encode`; gives the exit code."""
    config = parse(EncodeBenchConfig, argv, prog="pliant bench encode")
    finish(run(config), config.report, config.json_)
    return 0


def run(config: EncodeBenchConfig) -> BenchReport:
    """Measure every set in turn.

    Raises:
        InvalidInputError: an unknown set.
        UnavailableError: the baseline cannot be started.
    """
    for name in config.sets:
        if name not in SETS:
            raise InvalidInputError(f"set {name!r} must be one of {', '.join(SETS)}")
    threads = config.threads or len(os.sched_getaffinity(0))
    with Peer(SCRIPT, "sentence_transformers", threads) as peer:
        versions = peer("start", model=_directory(config.model), threads=threads, dtypes=_DTYPES)
        bench = _Bench(config, threads, peer)
        for name in config.sets:
            bench.measure(name)
        settings = {
            **config.model_dump(mode="json", exclude={"report", "quiet", "json_"}),
            "threads": threads,
            "precision": bench.precision,
            "engine": bench.ours.engine,
            "baseline": {"name": "sentence-transformers", "python": peer.python, **versions},
            "texts_used": bench.sizes,
        }
    return BenchReport.of("encode", settings=settings, figures=bench.figures, rows=bench.rows)


_DTYPES = ["fp32", "bf16"]


class Taken(NamedTuple):
    """What one pass over a set took: by the clock, and of all processors together."""

    seconds: float
    cpu_s: float


class _Bench:
    """Our two encoders, the peer, and what was measured so far."""

    def __init__(self, config: EncodeBenchConfig, threads: int, peer: Peer) -> None:
        import pliant

        self.config = config
        self.peer = peer
        self.ours: Encoder = pliant.load(config.model, device="cpu", threads=threads)
        self.exact: Encoder = pliant.load(
            config.model, device="cpu", threads=threads, precision="fp32"
        )
        self.precision = _precision()
        self.figures: dict[str, float] = {}
        self.rows: list[dict[str, Any]] = []
        self.sizes: dict[str, dict[str, float]] = {}

    def measure(self, name: str) -> None:
        """Measure one set, all sides in turn, and derive its figures."""
        texts = cut_texts(lengths(name, self.config.texts))
        self._warm_up(name, texts)
        batch = self._best_batch(name)
        seconds: dict[str, list[Taken]] = {}
        for number in range(self.config.rounds):
            for side, taken in self._round(name, texts, batch).items():
                seconds.setdefault(side, []).append(taken)
                speed = len(texts) / taken.seconds
                point = {"set": name, "round": number, "side": side, "texts_per_s": speed}
                self.rows.append({**point, **taken._asdict()})
                self._say(f"{name} round {number}: {side} {speed:.1f} texts/s")
        self.figures |= {
            f"{figure}_{name}": value
            for figure, value in {
                **_figures(seconds, len(texts)),
                **self._cosines(name, texts),
            }.items()
        }
        self.sizes[name] = _sizes(self.ours, texts) | {"baseline_bf16_batch": batch}

    def _warm_up(self, name: str, texts: Sequence[str]) -> None:
        self.peer("give", name=name, texts=texts)
        for encoder in (self.ours, self.exact):
            encoder.encode(texts[:TRIAL])
        for dtype in _DTYPES:
            self._theirs(name, dtype, DEFAULT_BATCH, TRIAL)

    def _best_batch(self, name: str) -> int:
        """Try each size; by processor time, which a busy machine disturbs least."""
        taken = {batch: self._theirs(name, "bf16", batch, TRIAL) for batch in BATCHES}
        return min(taken, key=lambda batch: taken[batch].cpu_s)

    def _round(self, name: str, texts: Sequence[str], batch: int) -> Mapping[str, Taken]:
        return {
            "ours": _timed(self.ours, texts),
            "sentence_transformers": self._theirs(name, "fp32", DEFAULT_BATCH),
            "sentence_transformers_bf16": self._theirs(name, "bf16", batch),
            "ours_fp32": _timed(self.exact, texts),
        }

    def _theirs(
        self, name: str, dtype: str, batch: int, limit: int | None = None, save: str | None = None
    ) -> Taken:
        limit = limit or self.config.texts
        answer = self.peer("encode", name=name, dtype=dtype, batch=batch, limit=limit, save=save)
        return Taken(**answer)

    def _cosines(self, name: str, texts: Sequence[str]) -> dict[str, float]:
        """Compare our vectors with the baseline's in fp32."""
        import numpy as np

        from pliant.vectors.embeddings import normalise

        some = texts[: 4 * TRIAL]
        with tempfile.TemporaryDirectory(prefix="pliant-bench-") as folder:
            path = str(Path(folder) / "vectors.npy")
            self._theirs(name, "fp32", DEFAULT_BATCH, len(some), path)
            theirs = normalise(np.load(path))
        cosines = (self.ours.encode(some).values * theirs).sum(1)
        return {"cosine_mean": float(cosines.mean()), "cosine_min": float(cosines.min())}

    def _say(self, line: str) -> None:
        if not self.config.quiet:
            print(line, file=sys.stderr, flush=True)  # noqa: T201 progress


def lengths(name: str, count: int) -> list[int]:
    """Give content tokens per text of a set: 9 to 17, lognormal with mean 100, or 254."""
    chance = random.Random(f"{name}-{count}")  # noqa: S311 only lengths
    if name == "short":
        return [chance.randint(9, 17) for _ in range(count)]
    if name == "long":
        return [254] * count
    return [min(max(int(chance.lognormvariate(4.42, 0.75)), 6), 254) for _ in range(count)]


def _figures(taken: Mapping[str, Sequence[Taken]], count: int) -> dict[str, float]:
    seconds = {side: [one.seconds for one in times] for side, times in taken.items()}
    ours = seconds["ours"]
    return {
        "texts_per_s": count / statistics.median(ours),
        "ratio_vs_sentence_transformers": _ratio(seconds["sentence_transformers"], ours),
        "ratio_vs_sentence_transformers_bf16": _ratio(seconds["sentence_transformers_bf16"], ours),
        "ratio_fp32": _ratio(seconds["sentence_transformers"], seconds["ours_fp32"]),
    }


def _ratio(theirs: Sequence[float], ours: Sequence[float]) -> float:
    """Give the median over rounds of their time over ours."""
    return statistics.median(their / our for their, our in zip(theirs, ours, strict=True))


def _timed(encoder: Encoder, texts: Sequence[str]) -> Taken:
    begin, cpu = time.perf_counter(), time.process_time()
    encoder.encode(texts)
    return Taken(time.perf_counter() - begin, time.process_time() - cpu)


def _sizes(encoder: Encoder, texts: Sequence[str]) -> dict[str, float]:
    costs = encoder.prepare([(_text(text),) for text in texts]).costs
    return {"texts": len(texts), "tokens_mean": float(costs.mean()), "tokens_max": int(costs.max())}


def _text(text: str) -> Any:
    from pliant.content import Text

    return Text(text)


def _precision() -> str:
    from pliant.encoder.arithmetic import has_native_bf16

    return "bf16" if has_native_bf16() else "fp32"


def _directory(model: str) -> str:
    from pliant.encoder.backends import mini
    from pliant.encoder.backends.packaged import packaged_file

    if model != mini.NAME:
        return model
    return str(packaged_file(mini.TEXT_PACKAGE, "model/modules.json").parent)
