"""Subtitles (.srt, .vtt): as records of their own, and as the text of a video's segments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from pliant.content import Record, Text
from pliant.ingest.blob import Blob, attempt, too_large
from pliant.ingest.failure import Failure
from pliant.ingest.suffixes import subtitles_of
from pliant.ingest.text import decode_text, load_text
from pliant.media import UnreadableError

_TIME = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_CUE = re.compile(
    rf"^[ \t]*{_TIME}[ \t]*-->[ \t]*{_TIME}[^\n]*\n((?:[^\n]*\S[^\n]*(?:\n|\Z))*)", re.MULTILINE
)
_TAG = re.compile(r"<[^>\n]*>|\{\\[^}\n]*\}")

Cue = tuple[float, float, str]
"""Begin, end, text."""


def read_subtitles(blob: Blob) -> Iterator[Record | Failure]:
    """Give neighbouring cues of about `segment_seconds` together ("t=10.0-19.5")."""
    cues = parse_cues(load_text(blob))
    if not cues:
        raise UnreadableError(
            "NoCues", "no line of the form 00:00:01,000 --> 00:00:02,000 is in it"
        )
    for index, group in enumerate(_groups(cues, blob.options.segment_seconds)):
        locator = f"t={group[0][0]:.1f}-{max(end for _, end, _ in group):.1f}"
        yield attempt(blob, index, locator, partial(_record, blob, group, index, locator))


def parse_cues(text: str) -> list[Cue]:
    """Give the cues of subtitles, in order of time, without markup."""
    cues = []
    for found in _CUE.finditer(text.replace("\r\n", "\n").replace("\r", "\n")):
        words = _TAG.sub("", found[9] or "").strip()
        if words:
            cues.append((_seconds(found.groups()[:4]), _seconds(found.groups()[4:8]), words))
    return sorted(cues)


def cues_beside(blob: Blob) -> list[Cue]:
    """Give the cues of the subtitles beside a video.

    Raises:
        UnreadableError: they are no text.
    """
    path = None if blob.depth or "://" in blob.source.path else subtitles_of(blob.source.path)
    if path is None:
        return []
    limit = blob.limits.max_text_bytes
    with Path(path).open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise too_large(len(data), limit, "max_text_bytes")
    return parse_cues(decode_text(data))


def spoken(cues: Sequence[Cue], begin: float, end: float) -> str:
    """Join the cues that begin in a segment."""
    return "\n".join(words for start, _, words in cues if begin <= start < end)


def _groups(cues: list[Cue], seconds: float) -> Iterator[list[Cue]]:
    group: list[Cue] = []
    for cue in cues:
        if group and cue[1] - group[0][0] > seconds:
            yield group
            group = []
        group.append(cue)
    yield group


def _record(blob: Blob, group: list[Cue], index: int, locator: str) -> Record:
    text = "\n".join(words for _, _, words in group)
    name = f"cue={index};{locator}"
    return Record(name, (Text(text),), blob.source.source, locator, blob.metadata)


def _seconds(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds, fraction = (part or "0" for part in parts)
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + int(fraction.ljust(3, "0")) / 1000
