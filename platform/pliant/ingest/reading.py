"""How sources are read: options with their hash, and what an earlier run has done already.

Imports no Ray, so that a job can compare before it starts one.
"""

from __future__ import annotations

from dataclasses import dataclass

from pliant.config import Config
from pliant.ingest.chunk import ChunkOptions
from pliant.ingest.fingerprint import options_key
from pliant.ingest.options import ReadOptions

ROWS_PER_PART = 5_000
"""A source with more rows is complete part by part, each ending between two records."""


class ReadConfig(Config):
    """How sources become rows; with the space of the vectors, part of each row's generation."""

    read: ReadOptions = ReadOptions()
    chunk: ChunkOptions = ChunkOptions()
    space_id: str = ""
    rows_per_part: int = ROWS_PER_PART

    @property
    def key(self) -> str:
        """What the rows of a source depend on beside its bytes, as a hash."""
        options = self.model_dump_json(
            include={"read", "chunk"}, exclude={"read": {"limits", "allow_hosts"}}
        )
        return options_key(self.space_id, options)


@dataclass(frozen=True, slots=True)
class Resume:
    """What is known of a source that an earlier run left open.

    It is decided once, by the driver: a stage that Ray runs again must give the same rows again.

    Attributes:
        generation: of the rows below; with another one of the source, nothing is skipped.
        records: so many records of the source are complete, from its first on.
        parts: so many parts hold them.
        keys: keys of rows that are in the store, beyond those, 16 bytes each.
    """

    generation: str
    records: int = 0
    parts: int = 0
    keys: bytes = b""
