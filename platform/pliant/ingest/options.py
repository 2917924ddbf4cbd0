"""Options of reading, in one place with their defaults."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from pliant.config import Config
from pliant.media import MediaLimits


class Limits(MediaLimits):
    """How much one source may ask for; the error of each limit names it."""

    max_text_bytes: int = Field(
        default=64 * 2**20, gt=0, description="Largest text, markup, code or mail file, in bytes."
    )
    max_line_bytes: int = Field(
        default=16 * 2**20, gt=0, description="Longest row of a JSONL or CSV table, in bytes."
    )
    max_rows: int | None = Field(default=None, gt=0, description="Most rows of one table.")
    max_members: int = Field(
        default=100_000, gt=0, description="Most members of one archive or office file."
    )
    max_expansion: int = Field(
        default=200, gt=1, description="Most bytes of a packed file per byte that it takes packed."
    )
    max_nesting: int = Field(
        default=1, ge=0, description="Archives inside an archive, by levels, that are opened."
    )
    max_memory_bytes: int = Field(
        default=2 * 2**30,
        ge=256 * 2**20,
        description="Memory that the reading helper may take beyond what it starts with.",
    )
    read_timeout_s: float = Field(
        default=120.0, gt=0, description="Seconds that a reader may work on one record."
    )


class ReadOptions(Config):
    """How sources become records."""

    reader: str | None = Field(
        default=None, description="Read every source as this type, such as csv; by content else."
    )
    content_columns: tuple[str, ...] = Field(
        default=(), description="Columns of a table to embed, in order."
    )
    id_column: str | None = Field(default=None, description="Column that identifies a row.")
    metadata_columns: tuple[str, ...] | None = Field(
        default=None, description="Columns kept as metadata; all others by default."
    )
    path_pattern: str | None = Field(
        default=None, description="Metadata from the end of a path: {lang}/{year}/*."
    )
    template: str | None = Field(
        default=None, description="Content of a table row, such as '{title}. {body}'."
    )
    table: str | None = Field(
        default=None, description="Table or sheet to read of a database or workbook."
    )
    whole_table: bool = Field(
        default=False, description="One record per table: its columns and sample rows."
    )
    segment_seconds: float = Field(
        default=10.0, gt=0, le=3600, description="Length of the video segments, in seconds."
    )
    frames_per_segment: int = Field(
        default=8, gt=0, le=256, description="Frames sampled uniformly from a video segment."
    )
    segment_by: Literal["seconds", "scene"] = Field(
        default="seconds", description="Cut videos by seconds, or where the picture changes."
    )
    ocr: str | None = Field(
        default=None,
        description="'module:function' from a page's JPEG to its text, for PDF pages without any.",
    )
    allow_hosts: tuple[str, ...] = Field(
        default=(), description="Hosts that http(s) sources may name, such as example.com."
    )
    limits: Limits = Limits()

    @field_validator("template")
    @classmethod
    def _check_template(cls, template: str | None) -> str | None:
        if template is not None and not template_columns(template):
            raise ValueError("names no column; write '{title}. {body}' to name two")
        return template

    @field_validator("path_pattern")
    @classmethod
    def _check_pattern(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            path_regex(pattern)
        return pattern


def template_columns(template: str) -> tuple[str, ...]:
    """Give the columns that a template names in braces, in order."""
    return tuple(dict.fromkeys(re.findall(r"\{([^{}]+)\}", template)))


def path_regex(pattern: str) -> re.Pattern[str]:
    """Translate a path pattern; `{name}`, `*` and `?` stay inside one part of the path.

    Raises:
        ValueError: the pattern is empty, has an unknown brace or names a part twice.
    """
    tokens = re.split(r"(\{[^{}]*\}|\*|\?)", pattern.strip("/"))
    try:
        regex = re.compile("(?:^|/)" + "".join(map(_translate, tokens)) + r"\Z", re.DOTALL)
    except re.error as error:
        raise ValueError(f"{error.msg}; use {{name}} once per name, as in {{lang}}/*") from error
    if not regex.groups:
        raise ValueError("names no part of the path; write {lang}/{year}/* to name two")
    return regex


def _translate(part: str) -> str:
    if part == "*":
        return "[^/]*"
    if part == "?":
        return "[^/]"
    if part.startswith("{"):
        name = part[1:-1]
        if not name.isidentifier():
            raise ValueError(f"{part} is no name: use letters, digits and _, as in {{lang}}")
        return f"(?P<{name}>[^/]+)"
    if "{" in part or "}" in part:
        raise ValueError(f"has a lone brace in {part!r}; write {{lang}}")
    return re.escape(part)
