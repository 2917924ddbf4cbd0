"""`pliant encode`: vectors of texts or of one file, without a store. Starts no Ray."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from pliant.config import Config, parse
from pliant.content import Record, Role, Text, text_of
from pliant.errors import InvalidInputError, UnavailableError

if TYPE_CHECKING:
    from pliant.encoder import Encoder

ENDINGS = (".npy", ".parquet")


class EncodeConfig(Config):
    """Vectors of texts, of lines from stdin, or of one media file or document.

    Examples:
      pliant encode "a red bicycle" "a blue car" --output vectors.npy
      pliant encode --file paper.pdf --output paper.parquet
      cat lines.txt | pliant encode --role query --output queries.npy
    """

    text: tuple[str, ...] = Field((), description="Texts; without any, and without --file, stdin.")
    file: Path | None = Field(None, description="A media file or document instead of texts.")
    role: Role = Field("document", description="What the vectors stand for: query or document.")
    output: Path | None = Field(None, description="FILE.npy (vectors) or FILE.parquet (with text).")
    model: str = Field("pliant-mini", description="Model: built in, a directory, or a cached id.")
    subnetwork: str = Field("full", description="Sub-network, such as d6-w1-128.")
    threads: int | None = Field(None, ge=1, description="Cores to use; all of them by default.")
    json_: bool = Field(False, alias="json", description="Print one JSON document.")
    quiet: bool = Field(False, description="Print nothing.")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was written."""

    output: str
    vectors: int
    dim: int
    model: str
    space_id: str
    subnetwork: str
    failed: tuple[dict[str, str], ...] = ()


def main(argv: Sequence[str]) -> int:
    """Run `pliant encode`; gives the exit code."""
    import dataclasses

    import orjson

    config = parse(EncodeConfig, argv, prog="pliant encode", positional="text")
    outcome = run(config)
    for failure in outcome.failed:
        line = f"pliant: {failure['source']} {failure['locator']}: {failure['message']}\n"
        sys.stderr.write(line)
    if config.json_:
        sys.stdout.write(orjson.dumps(dataclasses.asdict(outcome)).decode() + "\n")
    elif not config.quiet:
        sys.stdout.write(f"{outcome.output}: {outcome.vectors} vectors of {outcome.dim}\n")
    return 0


def run(config: EncodeConfig) -> Outcome:
    """Embed what is given and write it.

    Raises:
        InvalidInputError: nothing to embed, or an option that does not fit.
        NotFoundError: no such model or file.
        UnavailableError: nothing of a file could be embedded, or the output cannot be written.
    """
    output = _output(config)
    if config.text and config.file:
        raise InvalidInputError("give TEXT or --file, not both")
    import pliant

    encoder = pliant.load(config.model, threads=config.threads)
    cut = encoder.subnetwork(config.subnetwork)
    records, failed = _records(config, encoder)
    vectors = encoder.encode([record.content for record in records], config.role, cut).values
    _write(output, records, vectors)
    return Outcome(
        output=str(output),
        vectors=len(vectors),
        dim=cut.dim,
        model=encoder.name,
        space_id=encoder.space_id_of(cut),
        subnetwork=cut.name,
        failed=tuple(failed),
    )


def _output(config: EncodeConfig) -> Path:
    allowed = " or ".join(f"FILE{ending}" for ending in ENDINGS)
    if config.output is None:
        raise InvalidInputError(f"--output is missing: give {allowed}")
    if config.output.suffix not in ENDINGS:
        raise InvalidInputError(f"--output {str(config.output)!r} must be {allowed}")
    return config.output


def _records(config: EncodeConfig, encoder: Encoder) -> tuple[list[Record], list[dict[str, str]]]:
    if config.file is None:
        texts = config.text or tuple(_lines())
        if not texts:
            raise InvalidInputError("nothing to encode: give TEXT, --file, or lines on stdin")
        return [
            Record(id=str(row), content=(Text(text),), source="") for row, text in enumerate(texts)
        ], []
    records, failed = _read(config.file, encoder)
    if not records:
        reason = failed[0]["message"] if failed else "it holds nothing to embed"
        raise UnavailableError(f"file {str(config.file)!r}: {reason}")
    return records, failed


def _lines() -> Iterator[str]:
    if sys.stdin.isatty():
        return
    for line in sys.stdin.buffer.read().decode("utf8", "replace").splitlines():
        if line.strip():
            yield line


def _read(path: Path, encoder: Encoder) -> tuple[list[Record], list[dict[str, str]]]:
    """Read a file as the embedding job does: in a helper process, cut by tokens."""
    from pliant.ingest.chunk import ChunkOptions, chunk
    from pliant.ingest.discover import source_of
    from pliant.ingest.isolate import IsolatedReader
    from pliant.ingest.options import ReadOptions

    records: list[Record] = []
    failed: list[dict[str, str]] = []
    with IsolatedReader() as reader:
        for found in reader.read(source_of(path), ReadOptions()):
            if not isinstance(found, Record):
                failed.append(_failure(found.source, found.locator, found.message))
                continue
            pieces = chunk(found, encoder.token_offsets, ChunkOptions(), encoder.max_tokens)
            for piece in pieces:
                item = encoder.prepare_each([piece.content])[0]
                if isinstance(item, InvalidInputError):
                    failed.append(_failure(piece.source, piece.locator, str(item)))
                else:
                    records.append(piece)
    return records, failed


def _failure(source: str, locator: str, message: str) -> dict[str, str]:
    return {"source": source, "locator": locator, "message": message}


def _write(path: Path, records: Sequence[Record], vectors: Any) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".npy":
            np.save(path, vectors)
            return
        flat = pa.array(vectors.reshape(-1), pa.float32())
        table = pa.table(
            {
                "source": pa.array([record.source for record in records], pa.string()),
                "locator": pa.array([record.locator for record in records], pa.string()),
                "text": pa.array([text_of(record.content) for record in records], pa.string()),
                "vector": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
            }
        )
        pyarrow.parquet.write_table(table, path)
    except OSError as error:
        raise UnavailableError(f"output {str(path)!r} cannot be written: {error}") from error
