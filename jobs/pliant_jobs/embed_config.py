"""The configuration of `pliant embed`: every option, once, with its default."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field

from pliant.config import Config
from pliant.ingest.chunk import ChunkOptions
from pliant.ingest.discover import DiscoverOptions
from pliant.ingest.options import Limits, ReadOptions
from pliant.ingest.reading import ROWS_PER_PART, ReadConfig

REPORTS = Path("pliant-reports")


class Resources(Config):
    """What the stages may use; the same file runs on two cores and on a cluster."""

    read_workers: int | None = Field(default=None, ge=1, description="Reading actors; by the CPUs.")
    read_cpus: float = Field(default=0.5, ge=0, description="CPUs reserved for a reading actor.")
    embed_workers: int = Field(default=1, ge=1, description="Embedding actors.")
    embed_cpus: float = Field(
        default=1.0, ge=0, description="CPUs reserved for an embedding actor."
    )
    embed_gpus: float = Field(
        default=0.0, ge=0, description="GPUs reserved for an embedding actor."
    )
    threads: int | None = Field(
        default=None, ge=1, description="Threads of an embedding actor; by CPUs."
    )
    lease_s: float = Field(
        default=30.0, gt=0, description="A job that is silent for so long may be taken over."
    )
    rows_per_part: int = Field(
        default=ROWS_PER_PART, ge=1, description="A larger source is complete part by part."
    )
    batch_size: int = Field(
        default=256, ge=1, le=4096, description="Rows embedded and written at once."
    )


class EmbedConfig(Config):
    """Embed files, folders, globs and tables into a collection.

    Each row gets a key that depends only on its source and its place in it, so running the same
    command twice changes nothing. What cannot be read is listed in the failed table.
    """

    sources: tuple[str, ...] = Field(description="Files, folders, globs, tables, URLs.")
    collection: str = Field(description="Collection to write to; made when it does not exist.")
    uri: str = Field(
        default="./pliant.db", description="Milvus Lite folder, or http(s)://host:port."
    )
    token: str | None = Field(
        default=None, description="Token of the Milvus server (or PLIANT_TOKEN)."
    )
    model: str = Field(
        default="pliant-mini", description="Built-in name, directory or Hugging Face id."
    )
    subnetwork: str = Field(default="full", description="Sub-network that embeds the documents.")
    include: tuple[str, ...] = Field(
        default=(), description="Only files whose name matches a glob."
    )
    exclude: tuple[str, ...] = Field(default=(), description="No files whose name matches a glob.")
    follow_links: bool = Field(
        default=False, description="Follow links that lead out of a source folder, too."
    )
    allow_host: tuple[str, ...] = Field(
        default=(), description="Hosts that http(s) sources may name, such as example.com."
    )
    reader: str | None = Field(
        default=None, description="Read every source as this type, such as csv; by content else."
    )
    content_columns: tuple[str, ...] = Field(
        default=(), description="Table columns to embed, in order."
    )
    id_column: str | None = Field(default=None, description="Table column that identifies a row.")
    metadata_columns: tuple[str, ...] | None = Field(
        default=None, description="Table columns to keep as metadata; all others by default."
    )
    template: str | None = Field(
        default=None, description="Content of a table row, such as '{title}. {body}'."
    )
    table: str | None = Field(
        default=None, description="Table or sheet to read of a database or workbook."
    )
    whole_table: bool = Field(
        default=False, description="One row per table: its columns and sample rows."
    )
    path_pattern: str | None = Field(
        default=None, description="Metadata from path parts, such as '{lang}/{year}/*'."
    )
    chunk_tokens: int | None = Field(
        default=None, ge=8, description="Tokens in a chunk; the model's most."
    )
    chunk_overlap: int | None = Field(
        default=None,
        ge=0,
        description="Tokens that neighbouring chunks share; an eighth of a chunk.",
    )
    segment_seconds: float = Field(
        default=10.0, gt=0, description="Length of a video segment, seconds."
    )
    segment_by: Literal["seconds", "scene"] = Field(
        default="seconds", description="Cut videos by seconds, or where the picture changes."
    )
    frames_per_segment: int = Field(
        default=8, ge=1, description="Frames taken from a video segment."
    )
    ocr: str | None = Field(
        default=None,
        description="'module:function' from a page's JPEG to its text, for PDF pages without any.",
    )
    limit: int | None = Field(default=None, ge=1, description="Stop after this many sources.")
    root: str | None = Field(
        default=None, description="Name that replaces the path in keys: portable."
    )
    failed: Path | None = Field(
        default=None, description="Where to write the failed table (Parquet)."
    )
    max_failed: str | None = Field(
        default=None,
        description="Exit code 3 when more rows fail: a number or a percentage such as 5%.",
    )
    report: Path | None = Field(default=None, description="Where to write the report (JSON).")
    prune: bool = Field(
        default=False,
        description="Delete rows of sources below the arguments whose files are gone.",
    )
    verify: bool = Field(
        default=False, description="Read every source to see whether it changed; slower."
    )
    store_wait_s: float = Field(
        default=600.0, ge=0, description="How long to wait for a store that is away, seconds."
    )
    dry_run: bool = Field(default=False, description="Count sources and estimate; write nothing.")
    quiet: bool = Field(default=False, description="No progress.")
    as_json: bool = Field(default=False, alias="json", description="Print the report as JSON.")
    address: str | None = Field(default=None, description="Address of a running Ray cluster.")
    limits: Limits = Field(default=Limits(), description="Limits on what a source may hold.")
    resources: Resources = Field(
        default=Resources(), description="Actors, CPUs and GPUs of the stages."
    )

    def secret(self) -> str | None:
        """Give the store's token, from the option or the environment."""
        return self.token or os.environ.get("PLIANT_TOKEN")

    def discover_options(self) -> DiscoverOptions:
        """Give the options of discovery."""
        return DiscoverOptions(
            include=self.include,
            exclude=self.exclude,
            root=self.root,
            limit=self.limit,
            follow_links=self.follow_links,
            reader=self.reader,
            allow_hosts=self.allow_host,
            skip=tuple(str(path) for path in self._written()),
        )

    def failed_path(self) -> Path:
        """Give where the failed table goes."""
        return self.failed or REPORTS / self.collection / "failed.parquet"

    def _written(self) -> list[Path]:
        own = [REPORTS, self.failed, self.report]
        store = [] if "://" in self.uri else [Path(self.uri)]
        return [path for path in own if path] + store

    def read_options(self) -> ReadOptions:
        """Give the options of the readers."""
        return ReadOptions(
            reader=self.reader,
            template=self.template,
            table=self.table,
            whole_table=self.whole_table,
            segment_by=self.segment_by,
            ocr=self.ocr,
            allow_hosts=self.allow_host,
            content_columns=self.content_columns,
            id_column=self.id_column,
            metadata_columns=self.metadata_columns,
            path_pattern=self.path_pattern,
            segment_seconds=self.segment_seconds,
            frames_per_segment=self.frames_per_segment,
            limits=self.limits,
        )

    def chunk_options(self) -> ChunkOptions:
        """Give the options of chunking."""
        return ChunkOptions(chunk_tokens=self.chunk_tokens, chunk_overlap=self.chunk_overlap)

    def read_config(self, space_id: str) -> ReadConfig:
        """Give how sources become rows of a space."""
        return ReadConfig(
            read=self.read_options(),
            chunk=self.chunk_options(),
            space_id=space_id,
            rows_per_part=self.resources.rows_per_part,
        )
