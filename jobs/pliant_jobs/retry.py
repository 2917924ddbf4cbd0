"""`pliant failed retry FILE.parquet`: embeds again what a job could not embed.

The failed table says in its own metadata which job wrote it, and where: the same sources are found
again in the same way, so that keys stay what they are, and those in the table are tried.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from pliant.config import Config, build, nearest, parse
from pliant.errors import InvalidInputError, NotFoundError
from pliant_jobs.embed_config import EmbedConfig
from pliant_jobs.report import EmbedReport, readable

if TYPE_CHECKING:
    from pliant_jobs.stream import Stream

JOB, FOLDER = "pliant.embed", "pliant.folder"


class RetryConfig(Config):
    """Embed again what failed: `retry FILE.parquet`.

    Takes the options of the job that wrote the table. Sources that rest because they failed often
    are tried too. Afterwards the table holds what still fails.
    """

    words: tuple[str, ...] = Field(default=(), description="retry FILE.parquet.")
    token: str | None = Field(
        default=None, description="Token of the Milvus server (or PLIANT_TOKEN)."
    )
    report: Path | None = Field(default=None, description="Where to write the report (JSON).")
    quiet: bool = Field(default=False, description="No progress.")
    as_json: bool = Field(default=False, alias="json", description="Print the report as JSON.")
    address: str | None = Field(default=None, description="Address of a running Ray cluster.")


def main(argv: Sequence[str]) -> int:
    """Run `pliant failed`; gives the exit code."""
    from pliant_jobs.embed import verdict

    config = parse(RetryConfig, argv, prog="pliant failed", positional="words")
    report = run(config)
    print(report.model_dump_json() if config.as_json else readable(report))  # noqa: T201
    code, reason = verdict(report, None)
    if reason:
        print(f"pliant: {reason}", file=sys.stderr)  # noqa: T201
    return code


def run(config: RetryConfig, stream: Stream | None = None) -> EmbedReport:
    """Embed what a failed table lists; gives the report.

    Raises:
        InvalidInputError: no such action, or the file is no failed table.
        NotFoundError: no such file.
    """
    from pliant_jobs import embed

    path = _table(config.words)
    before, folder, sources = _read(path)
    values = {
        "token": config.token,
        "report": config.report and config.report.absolute(),
        "failed": path.absolute(),
        "prune": False,
        "limit": None,
        "max_failed": None,
        "quiet": config.quiet,
        "as_json": config.as_json,
        "address": config.address or before.address,
    }
    os.chdir(folder)  # names in the table and in the options are relative to it
    return embed.run(before.model_copy(update=values), stream, only=sources)


def job_of(config: EmbedConfig) -> dict[str, str]:
    """Give what a failed table keeps of its job; never the token."""
    return {JOB: config.model_dump_json(exclude={"token"}), FOLDER: str(Path.cwd())}


def _table(words: Sequence[str]) -> Path:
    if not words or words[0] != "retry" or len(words) != 2:
        given = " ".join(words)
        raise InvalidInputError(
            f"pliant failed takes retry FILE.parquet, given {given!r}{nearest(given, ['retry'])}"
        )
    return Path(words[1])


def _read(path: Path) -> tuple[EmbedConfig, str, frozenset[str]]:
    import orjson
    import pyarrow as pa
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
    except FileNotFoundError as error:
        raise NotFoundError(f"failed table {str(path)!r} does not exist") from error
    except (OSError, pa.ArrowInvalid) as error:
        raise InvalidInputError(f"{str(path)!r} is no failed table: {error}") from error
    kept = table.schema.metadata or {}
    if JOB.encode() not in kept or "source" not in table.column_names:
        raise InvalidInputError(
            f"{str(path)!r} does not say which job wrote it: give a table that `pliant embed` wrote"
        )
    config = build(EmbedConfig, orjson.loads(kept[JOB.encode()]))
    return config, kept[FOLDER.encode()].decode(), frozenset(table["source"].to_pylist())
