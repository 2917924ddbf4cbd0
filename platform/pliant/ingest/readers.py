"""The table of readers: one line per suffix."""

from __future__ import annotations

from pliant.ingest.blob import Reader
from pliant.ingest.image import read_image
from pliant.ingest.markup import read_html, read_markdown
from pliant.ingest.pdf import read_pdf
from pliant.ingest.tables import read_csv, read_jsonl, read_parquet
from pliant.ingest.text import read_text
from pliant.ingest.video import read_video

READERS: dict[str, Reader] = {
    ".txt": read_text,
    ".md": read_markdown,
    ".html": read_html,
    ".htm": read_html,
    ".jsonl": read_jsonl,
    ".csv": read_csv,
    ".parquet": read_parquet,
    ".png": read_image,
    ".jpg": read_image,
    ".jpeg": read_image,
    ".webp": read_image,
    ".gif": read_image,
    ".mp4": read_video,
    ".webm": read_video,
    ".pdf": read_pdf,
}
