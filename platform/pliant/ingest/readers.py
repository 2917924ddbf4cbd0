"""The table of readers: one line per suffix."""

from __future__ import annotations

from pliant.ingest.archive import read_archive
from pliant.ingest.blob import Reader
from pliant.ingest.books import read_epub, read_odt
from pliant.ingest.drawing import read_svg
from pliant.ingest.image import read_image, read_tiff
from pliant.ingest.mail import read_eml, read_mbox
from pliant.ingest.markup import read_html, read_markdown
from pliant.ingest.office import read_docx
from pliant.ingest.pdf import read_pdf
from pliant.ingest.slides import read_pptx
from pliant.ingest.source_code import GRAMMARS, code_reader
from pliant.ingest.subtitles import read_subtitles
from pliant.ingest.tables import (
    read_arrow,
    read_avro,
    read_csv,
    read_database,
    read_jsonl,
    read_orc,
    read_parquet,
    read_sheets,
    read_tsv,
)
from pliant.ingest.text import read_text
from pliant.ingest.video import read_video

READERS: dict[str, Reader] = {
    ".txt": read_text,
    ".md": read_markdown,
    ".html": read_html,
    ".htm": read_html,
    ".rst": read_text,
    ".org": read_text,
    ".tex": read_text,
    ".log": read_text,
    ".eml": read_eml,
    ".mbox": read_mbox,
    ".srt": read_subtitles,
    ".vtt": read_subtitles,
    **{suffix: code_reader(suffix) for suffix in GRAMMARS},
    ".jsonl": read_jsonl,
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".parquet": read_parquet,
    ".xlsx": read_sheets,
    ".xls": read_sheets,
    ".ods": read_sheets,
    ".arrow": read_arrow,
    ".feather": read_arrow,
    ".avro": read_avro,
    ".orc": read_orc,
    ".sqlite": read_database,
    ".sqlite3": read_database,
    ".db": read_database,
    ".png": read_image,
    ".jpg": read_image,
    ".jpeg": read_image,
    ".webp": read_image,
    ".gif": read_image,
    ".bmp": read_image,
    ".heic": read_image,
    ".heif": read_image,
    ".avif": read_image,
    ".tif": read_tiff,
    ".tiff": read_tiff,
    ".svg": read_svg,
    ".mp4": read_video,
    ".m4v": read_video,
    ".webm": read_video,
    ".mkv": read_video,
    ".avi": read_video,
    ".mov": read_video,
    ".pdf": read_pdf,
    ".docx": read_docx,
    ".pptx": read_pptx,
    ".odt": read_odt,
    ".epub": read_epub,
    ".tar": read_archive,
    ".tgz": read_archive,
    ".gz": read_archive,
    ".zst": read_archive,
    ".zip": read_archive,
}
