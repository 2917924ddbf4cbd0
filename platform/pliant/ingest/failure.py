"""What could not be embedded, with a reason for people: one row of the failed table."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from pliant.media import UnreadableError, first_line


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed row, or one failed source when `locator` is empty.

    Attributes:
        source: the source as the user typed it, joined with the path below it.
        locator: where in the source: "row=17", "page=7"; empty for the whole source.
        stage: "discover", "read", "chunk", "prepare", "embed" or "upsert".
        error: a short class-like name: "TooManyPixels".
        message: what is wrong, what was given, what is allowed.
        time: when, in UTC.
    """

    source: str
    locator: str
    stage: str
    error: str
    message: str
    time: datetime = field(default_factory=lambda: datetime.now(UTC))


def failure_of(error: BaseException, source: str, locator: str, stage: str = "read") -> Failure:
    """Say in people's words why a row failed."""
    if isinstance(error, UnreadableError):
        return Failure(source, locator, stage, error.name, str(error))
    if isinstance(error, OSError):
        reason = error.strerror or first_line(error)
        return Failure(source, locator, stage, "Unreadable", f"cannot be read: {reason}")
    if isinstance(error, MemoryError):
        message = "needs more memory than max_memory_bytes allows"
        return Failure(source, locator, stage, "OutOfMemory", message)
    if isinstance(error, ModuleNotFoundError):
        message = f"needs the library {error.name!r}: pip install 'pliant[ingest]'"
        return Failure(source, locator, stage, "MissingLibrary", message)
    name = type(error).__name__
    message = f"the reader stopped with {name}: {first_line(error)}"
    return Failure(source, locator, stage, name, message)
