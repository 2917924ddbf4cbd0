"""Readers of mail: a message's text with its headers as metadata, its attachments as members."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path

from pliant.content import MetadataValue, Record, Text
from pliant.ingest.blob import Blob, too_large, too_many
from pliant.ingest.failure import Failure
from pliant.ingest.markup import html_text
from pliant.ingest.members import Members, member_locator
from pliant.media import UnreadableError

_HEADERS = ("from", "to", "cc", "subject", "message-id")


def read_eml(blob: Blob) -> Iterator[Record | Failure]:
    """Give a message's text, then its attachments ("member=report.pdf;page=1")."""
    data = blob.read_bytes(blob.limits.max_text_bytes, "max_text_bytes")
    yield from _message(blob, Members(blob), data, "")


def read_mbox(blob: Blob) -> Iterator[Record | Failure]:
    """Give every message of a mailbox ("message=3", from 1), and its attachments."""
    members = Members(blob)
    number = 0
    for number, data in enumerate(_messages(blob), 1):
        if number > blob.limits.max_members:
            limit = blob.limits.max_members
            raise too_many("messages", f"over {limit:,}", limit, "max_members")
        locator = f"message={number}"
        if isinstance(data, UnreadableError):
            yield members.fail(locator, data)
        else:
            yield from _message(blob, members, data, locator)
    if not number:
        raise UnreadableError("NotAMailbox", "no line begins with 'From ': this is no mailbox")


def _messages(blob: Blob) -> Iterator[bytes | UnreadableError]:
    """Cut a mailbox before lines that begin with "From " and follow an empty line."""
    limit = blob.limits.max_text_bytes
    lines, size, after_blank = None, 0, True
    with Path(blob.path).open("rb") as file:
        while line := file.readline(2**20):
            if after_blank and line.startswith(b"From "):
                if lines is not None:
                    yield _joined(lines, size, limit)
                lines, size = [], 0
            elif lines is not None:
                size += len(line)
                if size <= limit:
                    lines.append(line[1:] if line.startswith(b">From ") else line)
            after_blank = line in (b"\n", b"\r\n")
    if lines is not None:
        yield _joined(lines, size, limit)


def _joined(lines: list[bytes], size: int, limit: int) -> bytes | UnreadableError:
    return too_large(size, limit, "max_text_bytes") if size > limit else b"".join(lines)


def _message(blob: Blob, members: Members, data: bytes, locator: str) -> Iterator[Record | Failure]:
    message = email.message_from_bytes(data, policy=email.policy.default)
    if not isinstance(message, EmailMessage) or not message.keys():
        yield members.fail(locator, UnreadableError("NotAMail", "the message has no headers"))
        return
    attachments = _attachments(message)
    record = _text(blob, message, locator)
    if record is not None or not attachments:
        yield members.make(locator, partial(_required, record))
    for name, part in attachments:
        place = member_locator(name)
        if locator:
            place = f"{locator};{place}"
        yield from members.read(place, name, partial(_copy, part))


def _required(record: Record | UnreadableError | None) -> Record:
    if record is None:
        raise UnreadableError("NoText", "the message holds no text and no attachment")
    if isinstance(record, UnreadableError):
        raise record
    return record


def _text(blob: Blob, message: EmailMessage, locator: str) -> Record | UnreadableError | None:
    try:
        body = message.get_body(("plain", "html"))
        text = str(body.get_content()) if body is not None else ""
        if body is not None and body.get_content_type() == "text/html":
            text, _ = html_text(text)
        metadata = {**_headers(message), **blob.metadata}
    except (LookupError, ValueError, TypeError, AttributeError, IndexError) as error:
        return UnreadableError("BrokenMail", f"the message is damaged: {type(error).__name__}")
    clean = text.replace("\0", "").encode("utf8", "ignore").decode().strip()
    if not clean:
        return None
    return Record(locator, (Text(clean),), blob.source.source, locator, metadata)


def _headers(message: EmailMessage) -> dict[str, MetadataValue]:
    found: dict[str, MetadataValue] = {}
    for name in _HEADERS:
        if value := message.get(name):
            plain = str(value).encode("utf8", "replace").decode()
            found[name.replace("-", "_")] = plain[:1000]
    if date := message.get("date"):
        try:
            found["date"] = parsedate_to_datetime(str(date)).isoformat()
        except (ValueError, TypeError):
            found["date"] = str(date)[:100]
    return found


def _attachments(message: EmailMessage) -> list[tuple[str, EmailMessage]]:
    found: list[tuple[str, EmailMessage]] = []
    seen: dict[str, int] = {}
    for part in message.walk():
        if part.is_multipart() or not isinstance(part, EmailMessage):
            continue
        name = part.get_filename()
        if not name:
            continue
        seen[name] = seen.get(name, 0) + 1
        stem, dot, suffix = name.rpartition(".")
        twin = f"{stem} ({seen[name]}){dot}{suffix}" if seen[name] > 1 else name
        found.append((twin, part))
    return found


def _copy(part: EmailMessage, file: object) -> None:
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        raise UnreadableError("BrokenMail", "the attachment's encoding is damaged")
    file.write(data)  # pyright: ignore[reportAttributeAccessIssue] a file
