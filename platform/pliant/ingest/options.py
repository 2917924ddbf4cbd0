"""Options of reading, in one place with their defaults."""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from pliant.config import Config
from pliant.media import MediaLimits


class Limits(MediaLimits):
    """How much one source may ask for; the error of each limit names it."""

    max_text_bytes: int = Field(
        default=64 * 2**20, gt=0, description="Largest text, Markdown or HTML file, in bytes."
    )
    max_line_bytes: int = Field(
        default=16 * 2**20, gt=0, description="Longest row of a JSONL or CSV table, in bytes."
    )
    max_rows: int | None = Field(default=None, gt=0, description="Most rows of one table.")
    read_timeout_s: float = Field(
        default=120.0, gt=0, description="Seconds that a reader may work on one record."
    )


class ReadOptions(Config):
    """How sources become records."""

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
    segment_seconds: float = Field(
        default=10.0, gt=0, le=3600, description="Length of the video segments, in seconds."
    )
    frames_per_segment: int = Field(
        default=8, gt=0, le=256, description="Frames sampled uniformly from a video segment."
    )
    limits: Limits = Limits()

    @field_validator("path_pattern")
    @classmethod
    def _check_pattern(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            path_regex(pattern)
        return pattern


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
