"""Progress on stderr: a live table in a terminal, one line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.table import Table

    from pliant_jobs.tally import Tally

LINE_EVERY_S = 5.0


class Progress(Protocol):
    """What a job tells the person who waits."""

    def say(self, message: str) -> None:
        """Show a sentence that stays."""
        ...

    def update(self, tally: Tally, num_sources: int, expected_rows: int) -> None:
        """Show the present state; called often."""
        ...


@contextmanager
def progress(*, quiet: bool) -> Iterator[Progress]:
    """Choose how to show progress: not at all, live, or in lines."""
    if quiet:
        yield _Quiet()
    elif sys.stderr.isatty():
        live = _Live()
        try:
            yield live
        finally:
            live.close()
    else:
        yield _Lines()


class _Quiet:
    def say(self, message: str) -> None:
        del message

    def update(self, tally: Tally, num_sources: int, expected_rows: int) -> None:
        del tally, num_sources, expected_rows


class _Lines:
    def __init__(self) -> None:
        self._clock = _Clock()
        self._last = time.monotonic()

    def say(self, message: str) -> None:
        print(message, file=sys.stderr, flush=True)  # noqa: T201

    def update(self, tally: Tally, num_sources: int, expected_rows: int) -> None:
        if time.monotonic() - self._last < LINE_EVERY_S:
            return
        self._last = time.monotonic()
        if tally.first_ack is None:
            self.say(f"embed: starting the workers for {num_sources:,} sources")
            return
        rate, eta = self._clock.read(tally, expected_rows)
        self.say(
            f"embed: {tally.done:,} of {num_sources:,} sources, {tally.written:,} rows, "
            f"{len(tally.failures):,} failed, {rate:.1f} rows/s, {_clock_text(eta)} left"
        )


class _Live:
    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._clock = _Clock()
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, refresh_per_second=4, transient=True)
        self._live.start()

    def close(self) -> None:
        self._live.stop()

    def say(self, message: str) -> None:
        self._console.print(message, highlight=False, markup=False)

    def update(self, tally: Tally, num_sources: int, expected_rows: int) -> None:
        rate, eta = self._clock.read(tally, expected_rows)
        self._live.update(_table(tally, num_sources, rate, eta))


class _Clock:
    """Rows per second since the first row, and the time left at that rate."""

    def __init__(self) -> None:
        self._started: float | None = None

    def read(self, tally: Tally, expected_rows: int) -> tuple[float, float | None]:
        if tally.first_ack is None:
            return 0.0, None
        self._started = self._started or tally.first_ack
        rate = tally.written / max(time.time() - self._started, 0.5)
        left = max(0, expected_rows - tally.written - len(tally.failures))
        return rate, left / rate if rate else None


def _table(tally: Tally, num_sources: int, rate: float, eta: float | None) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("stage", "rows", "failed", "rows/s", "busy", "left"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    for stage in tally.stages():
        busy = stage["seconds"]
        speed = f"{stage['rows'] / busy:,.0f}" if busy else "-"
        left = _clock_text(eta) if stage["name"] == "embed" else ""
        rows, failed = f"{stage['rows']:,}", f"{stage['failed']:,}"
        table.add_row(stage["name"], rows, failed, speed, f"{busy:.0f} s", left)
    table.add_row(f"{tally.done:,} of {num_sources:,} sources", "", "", f"{rate:,.1f}", "", "")
    return table


def _clock_text(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
